#pragma once
/// image.read: exact pixel values of a block. Called by a job.

#include "rpc/values/value.hpp"
#include "server/session/image.hpp"

#include <cstdint>
#include <functional>

namespace cubelink::server {

/// Every step-th index of [from, to); 0 <= from < to, and step is at most to - from: the count can be computed.
struct AxisRange {
    std::int64_t from = 0, to = 0, step = 1;
    std::int64_t count() const { return (to - from + step - 1) / step; }
};

struct BlockRequest {
    AxisRange x, y, channel, stokes;
    std::int64_t values() const { return x.count() * y.count() * channel.count() * stokes.count(); }
};

/// Answers with more bytes than this are refused.
inline constexpr std::int64_t max_block_bytes = std::int64_t{256} << 20;

/// A range as a client says it: nothing (the whole axis), an index, [from, to] or [from, to, step], `to` not included. Throws BadArguments
/// with `name` in front. `or_index`: an index beyond the axis that is allowed nevertheless (computed polarizations).
AxisRange checked_range(const rpc::Value& value, std::int64_t length, const char* name, const std::function<bool(std::int64_t)>& or_index = {});

/// {shape: [stokes, channel, y, x], dtype: "<f4", "<f8", "<i8" or "<u8", data, axes, unit}. Throws Cancelled once `abandoned` returns true.
rpc::Value read_block(const Image& image, const BlockRequest& request, int threads, const imaging::CancelToken& cancel,
                      const std::function<bool()>& abandoned);

} // namespace cubelink::server
