#pragma once
/// The third dialect: the ICD's own binary framing. u16 event, u16 ICD version, u32 request id, little endian, then a protobuf
/// message. Versions 28 to 30 are supported. Threads: see Dialect.
///
/// Nothing that a client sends breaks the connection except a frame beyond the limit: what can't be understood is ignored with
/// a log line and, where the event has an answer, answered with success = false.

#include "rpc/dialect.hpp"

#include <atomic>

namespace cubelink::icd {

inline constexpr std::uint16_t oldest_version = 28, newest_version = 30;

/// Frames that ICD clients may send once they have been accepted.
inline constexpr std::size_t frame_limit = std::size_t{64} << 20;

class IcdDialect final : public rpc::Dialect {
public:
    void receive(bool text, std::string_view payload, const std::shared_ptr<const void>& owner, rpc::DialectSink& sink) override;
    std::size_t unfinished_bytes() const override { return 0; }
    void set_limits(const rpc::InputLimits& limits) override { limits_ = limits; }

    /// A body that is no ICD message is bridged into the message that answers the call, if there is one.
    rpc::EncodedPtr encode(const rpc::Reply& reply) const override;
    /// Only ICD messages can be carried.
    rpc::EncodedPtr encode(const rpc::Publication& publication) const override;

    std::uint32_t encoding_key() const override;
    std::string_view name() const override { return "icd"; }

private:
    struct Header;
    void receive_event(const Header& header, std::string_view payload, rpc::DialectSink& sink);

    rpc::InputLimits limits_;
    // Replies go out in the version of the latest request. Publications in that of the first, for good, so that the frames
    // cached under encoding_key() never differ from it.
    std::atomic<std::uint16_t> reply_version_{newest_version};
    std::atomic<std::uint16_t> stream_version_{0}; // 0: no request in a version that is spoken yet
};

} // namespace cubelink::icd
