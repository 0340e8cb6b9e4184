#pragma once
/// The WebSocket protocol as bytes in, bytes out: frames of clients into messages, messages into frame headers, and the key of
/// the opening handshake. No sockets. Use each object from one thread at a time.
///
/// websocket_codec.cpp is the only file that includes websocketpp: of that library we take the protocol processor (framing,
/// masking, fragments, UTF-8, limits), and leave its sockets, which know no back-pressure.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace cubelink::transport {

enum class Opcode : std::uint8_t { text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

struct InMessage {
    Opcode opcode = Opcode::binary;
    std::string_view payload;
    std::shared_ptr<const void> owner; // keeps payload alive
};

/// Decodes what one client sends.
class FrameReader {
public:
    explicit FrameReader(std::size_t max_message_size);
    ~FrameReader();
    FrameReader(const FrameReader&) = delete;
    FrameReader& operator=(const FrameReader&) = delete;

    struct Step {
        std::size_t used = 0;        // bytes taken
        bool complete = false;       // `message` is a whole one; call again with the bytes that remain
        InMessage message;
        std::uint16_t error = 0;     // close code of a violation (1002, 1007, 1009); nothing more may be fed
        std::string reason;
    };
    /// Takes bytes up to the end of the next message. Overwrites them: payloads are unmasked in place.
    Step feed(char* data, std::size_t size);
    /// Largest data message from the next frame header on; control frames are not counted by it.
    void set_max_message_size(std::size_t bytes);
    /// Bytes held of a data message whose end has not come.
    std::size_t unfinished() const;

private:
    class Processor;
    std::unique_ptr<Processor> processor_;
};

/// Writes the header of an unfragmented, unmasked frame; returns its length, at most 10.
std::size_t write_frame_header(char* out, Opcode opcode, std::uint64_t payload_size);

/// The payload of a close frame. 1005 makes an empty one; the reason is cut to 123 bytes at a character's end.
std::string close_payload(std::uint16_t code, std::string_view reason);

/// Reads the payload of a close frame. False if it breaks RFC 6455 (a code nobody may send, a reason that is not UTF-8).
bool parse_close(std::string_view payload, std::uint16_t& code, std::string& reason);

/// Sec-WebSocket-Accept for a Sec-WebSocket-Key; empty if that is not 16 bytes in base64.
std::string accept_key(std::string_view key);

} // namespace cubelink::transport
