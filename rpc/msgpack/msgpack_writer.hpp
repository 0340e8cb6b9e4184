#pragma once
/// Values as msgpack in chunks (generation 2). One writer for one message; see message_writer.hpp.
///
/// Integers are written smallest, floats as float64, strings as valid UTF-8 whatever they hold, bytes as bin. Large binary values
/// are not copied: the frames' parts refer to them.

#include "rpc/values/bytes.hpp"
#include "rpc/message.hpp"
#include "rpc/values/scratch.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cubelink::rpc {

/// The largest frame with its chunk header, which hello calls maxMsgSize.
inline constexpr std::size_t max_chunk_frame = 4u << 20;

class MsgpackWriter {
public:
    MsgpackWriter();

    void begin_map(std::size_t entries);
    void key(std::string_view name) { text(name); }
    void text(std::string_view text);
    void value(const Value& value) { put(value, 0); }
    void end_map() {}

    /// The message in frames of at most `max_frame` bytes, under a random message id. Throws NotEncodable beyond 4 GiB. The
    /// writer is empty after it.
    EncodedPtr finish(std::size_t max_frame = max_chunk_frame);
    /// The message's bytes without chunk headers, for tests.
    std::string joined() const;

private:
    void put(const Value& value, unsigned depth);
    void put_bytes(const Bytes& bytes);

    Scratch buffer_;                                   // begins with room for the first chunk's header
    std::vector<std::pair<std::size_t, Bytes>> large_; // go in front of this place of the buffer
    std::size_t large_size_ = 0;
};

} // namespace cubelink::rpc
