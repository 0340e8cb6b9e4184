#pragma once
/// Messages cut into chunks (generation 2). A binary frame is a header of three little-endian u32, the message's id, the offset
/// of this chunk in it and the message's total size, and then the chunk's bytes.
///
/// Chunks of one message may come in any order, those of several messages between each other. Whatever the headers promise,
/// memory is taken only for bytes that have arrived.

#include "rpc/values/bytes.hpp"
#include "rpc/dialect.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace cubelink::rpc {

struct ChunkHeader {
    static constexpr std::size_t size = 12;

    std::uint32_t message_id = 0, offset = 0, total = 0;

    /// `bytes` has room for, or holds, `size` bytes.
    void write(char* bytes) const;
    static ChunkHeader read(const char* bytes);
};

/// Messages of one client that have begun and not ended. Not thread-safe.
class Reassembly {
public:
    static constexpr std::size_t max_unfinished_messages = 64;
    static constexpr std::size_t max_unfinished_pieces = 65536; // so that many tiny chunks cannot cost much more than their bytes

    /// What a frame has led to. If `problem` is set the connection is to be closed; otherwise, if `complete`, `message` is
    /// whole: valid during the call only, unless `owner` is set.
    struct Outcome {
        bool complete = false;
        std::string_view message;
        std::shared_ptr<const void> owner;
        std::uint16_t close_code = 0;
        std::string problem;
    };

    /// One frame with its header. With an `owner`, which keeps `frame` alive, large chunks are kept without a copy.
    Outcome receive(std::string_view frame, const std::shared_ptr<const void>& owner, const InputLimits& limits);

    /// The size of the message that this frame would complete, 0 if it completes none.
    std::size_t completed_by(std::string_view frame) const;

    /// Memory held for unfinished messages.
    std::size_t bytes() const { return arrived_ + pieces_ * piece_overhead; }

private:
    static constexpr std::size_t piece_overhead = 128;

    /// Consecutive bytes of a message: one large chunk, or small ones that came in order.
    struct Piece {
        Bytes shared;
        std::string own;
        std::string_view text() const { return own.empty() ? shared.text() : std::string_view(own); }
    };
    struct Unfinished {
        std::uint32_t total = 0;
        std::size_t arrived = 0;
        std::map<std::uint32_t, Piece> pieces; // by offset
    };

    static Outcome broken(std::uint16_t close_code, std::string problem);
    Outcome add(Unfinished& message, const ChunkHeader& header, std::string_view chunk, const std::shared_ptr<const void>& owner);
    static Outcome join(Unfinished&& message);

    std::unordered_map<std::uint32_t, Unfinished> unfinished_;
    std::size_t arrived_ = 0;
    std::size_t pieces_ = 0;
};

} // namespace cubelink::rpc
