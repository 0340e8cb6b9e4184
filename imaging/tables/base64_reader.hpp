#pragma once
/// Base64 within a text, decoded as it is asked for. One thread each.

#include "imaging/tables/input_buffer.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace cubelink::imaging {

/// Source: RFC 4648. Blanks may be anywhere; padding may be missing at the end, which is the next '<'.
class Base64Reader {
public:
    explicit Base64Reader(InputBuffer& input) : input_(input) {}

    /// The next bytes; fewer than out.size() only at the end. Throws TableError for what is not base64, naming line and column.
    std::size_t read(std::span<std::byte> out);
    /// Bytes that have been read.
    std::int64_t position() const { return position_; }
    InputBuffer& input() { return input_; }

private:
    std::size_t read_slowly(std::span<std::byte> out);
    InputBuffer& input_;
    std::uint32_t bits_ = 0; // of a group that has begun
    int characters_ = 0;
    std::byte left_[3]{}; // decoded and not yet asked for
    int left_count_ = 0;
    bool padded_ = false, ended_ = false;
    std::int64_t position_ = 0;
};

} // namespace cubelink::imaging
