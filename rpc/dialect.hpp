#pragma once
/// A dialect turns frames into requests, and replies and publications into frames. That is all that differs between clients.
///
/// One Dialect belongs to one connection and lives as long. Members that are not const, and those that tell of unfinished input, are called by one
/// thread at a time: the network thread, or a worker to which that has handed the connection's input. encode() is const, keeps no state
/// that depends on the call, and may be called from any thread.

#include "rpc/message.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace cubelink::rpc {

/// WebSocket close codes that we send (RFC 6455, section 7.4.1).
namespace close_code {
inline constexpr std::uint16_t normal = 1000, going_away = 1001, protocol_error = 1002, unsupported = 1003, invalid_data = 1007,
                               policy = 1008, too_big = 1009, internal_error = 1011, try_again_later = 1013;
} // namespace close_code

/// What receiving a frame can lead to. Called synchronously from Dialect::receive(), in the order of the wire.
class DialectSink {
public:
    virtual ~DialectSink() = default;
    virtual void on_request(Request&& request) = 0;
    /// A reply that needs no method: the frame named an id, but is wrong (bad arguments, too large…). Goes out in call order.
    virtual void on_bad_request(Reply&& reply) = 0;
    /// The client's own heartbeat, with what answers it in kind (an empty frame, a PONG, an EMPTY_EVENT).
    virtual void on_heartbeat(WireFrame answer) = 0;
    /// Cannot be understood and has no id: the connection is to be closed. Nothing more is received after it.
    virtual void on_broken(std::uint16_t close_code, std::string_view reason) = 0;
    /// Wrong, but harmless: to be logged and counted, the connection lives on (an unknown ICD event).
    virtual void on_ignored(std::string_view what) = 0;
};

/// Limits on what a client may send, in bytes. See docs/interface.md, "Sizes".
struct InputLimits {
    std::size_t frame = 524;
    std::size_t message = 512;
    std::size_t unfinished = 512; // of all messages that have begun and not ended
    unsigned depth = 64;
};

class Dialect {
public:
    virtual ~Dialect() = default;

    /// One whole WebSocket frame (message, in RFC 6455's words). Never throws; hostile input ends in the sink.
    /// `payload` is valid during the call only, unless `owner` is set, which keeps it alive (so that attachments need no copy).
    virtual void receive(bool text, std::string_view payload, const std::shared_ptr<const void>& owner, DialectSink& sink) = 0;

    /// Bytes that receive() would have to decode or copy for this frame. A frame that is only kept costs nothing, one that completes a message
    /// costs the whole message. What costs much is received on a worker. Same arguments as receive().
    virtual std::size_t decoding_cost(bool text, std::string_view payload) const {
        static_cast<void>(text);
        return payload.size();
    }

    /// Bytes that are held for messages that have begun and not ended; counts against the budget of the process.
    virtual std::size_t unfinished_bytes() const = 0;
    /// Of these, what is held for messages whose rest is still to come. A client that does not send it is not waited for; what
    /// it has sent whole and not used yet (attachments of generation 1) may wait.
    virtual std::size_t half_sent_bytes() const { return unfinished_bytes(); }
    /// Frees what is held; nothing is received after it.
    virtual void forget_unfinished() {}

    /// hello was accepted: the larger limits hold from now on.
    virtual void set_limits(const InputLimits& limits) = 0;

    /// Frames of a reply. A result that cannot be encoded becomes the error result_not_encodable. nullptr: nothing is sent.
    virtual EncodedPtr encode(const Reply& reply) const = 0;
    /// Frames of a publication; nullptr if this dialect cannot carry it. Called through Publication::encoded_for.
    virtual EncodedPtr encode(const Publication& publication) const = 0;

    /// Dialects with equal keys encode publications to the same bytes, so that they are encoded once for all of them.
    virtual std::uint32_t encoding_key() const = 0;
    /// "json", "msgpack" or "icd", for logs and metrics.
    virtual std::string_view name() const = 0;

    /// The limits that hold for a client of this dialect once it is accepted.
    virtual InputLimits full_limits() const { return {64u << 20, 64u << 20, 256u << 20, 64}; }
    /// The largest frame, with its chunk header, that hello tells the client to send ("maxMsgSize"); 0: hello says nothing of it.
    virtual std::size_t advertised_frame_size() const { return 0; }
};

} // namespace cubelink::rpc
