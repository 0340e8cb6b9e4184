#include "rpc/msgpack/chunking.hpp"

#include <cstring>

namespace cubelink::rpc {

namespace {

/// Chunks below this are copied together; keeping each one's frame would cost more than its bytes.
constexpr std::size_t worth_sharing = 32 * 1024;

void put_u32(char* out, std::uint32_t number) {
    for (int i = 0; i < 4; ++i) out[i] = static_cast<char>(number >> (8 * i));
}

std::uint32_t get_u32(const char* bytes) {
    std::uint32_t number = 0;
    for (int i = 0; i < 4; ++i) number |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    return number;
}

std::string describe(const ChunkHeader& header, std::size_t size) {
    return "chunk of " + std::to_string(size) + " bytes at offset " + std::to_string(header.offset) + " of " + std::to_string(header.total);
}

} // namespace

void ChunkHeader::write(char* bytes) const {
    put_u32(bytes, message_id);
    put_u32(bytes + 4, offset);
    put_u32(bytes + 8, total);
}

ChunkHeader ChunkHeader::read(const char* bytes) { return {get_u32(bytes), get_u32(bytes + 4), get_u32(bytes + 8)}; }

Reassembly::Outcome Reassembly::broken(std::uint16_t close_code, std::string problem) {
    Outcome outcome;
    outcome.close_code = close_code;
    outcome.problem = std::move(problem);
    return outcome;
}

std::size_t Reassembly::completed_by(std::string_view frame) const {
    if (frame.size() < ChunkHeader::size) return 0;
    const ChunkHeader header = ChunkHeader::read(frame.data());
    const auto known = unfinished_.find(header.message_id);
    const std::size_t arrived = (known == unfinished_.end() ? 0 : known->second.arrived) + frame.size() - ChunkHeader::size;
    return arrived >= header.total ? header.total : 0;
}

Reassembly::Outcome Reassembly::receive(std::string_view frame, const std::shared_ptr<const void>& owner, const InputLimits& limits) {
    if (frame.size() < ChunkHeader::size)
        return broken(close_code::protocol_error, "a frame of " + std::to_string(frame.size()) + " bytes is too short for a chunk header");
    const ChunkHeader header = ChunkHeader::read(frame.data());
    const std::string_view chunk = frame.substr(ChunkHeader::size);
    if (header.total > limits.message)
        return broken(close_code::too_big, "a message of " + std::to_string(header.total) + " bytes is larger than the limit of " +
                                               std::to_string(limits.message));
    if (chunk.empty()) return broken(close_code::protocol_error, "an empty chunk");
    if (header.offset > header.total || chunk.size() > header.total - header.offset)
        return broken(close_code::protocol_error, describe(header, chunk.size()) + " passes the end of its message");

    auto position = unfinished_.find(header.message_id);
    if (position == unfinished_.end()) {
        // The usual case: all of a message in one frame.
        if (chunk.size() == header.total) {
            Outcome outcome;
            outcome.complete = true;
            outcome.message = chunk;
            outcome.owner = owner;
            return outcome;
        }
        if (unfinished_.size() >= max_unfinished_messages)
            return broken(close_code::too_big, "more than " + std::to_string(max_unfinished_messages) + " unfinished messages");
        position = unfinished_.emplace(header.message_id, Unfinished{header.total, 0, {}}).first;
    }
    Unfinished& message = position->second;
    if (message.total != header.total)
        return broken(close_code::protocol_error,
                      "the total size of a message changes from " + std::to_string(message.total) + " to " + std::to_string(header.total));
    if (Outcome outcome = add(message, header, chunk, owner); !outcome.problem.empty()) return outcome;
    if (message.arrived < message.total) {
        if (arrived_ > limits.unfinished)
            return broken(close_code::too_big, "unfinished messages are larger than " + std::to_string(limits.unfinished) + " bytes");
        if (pieces_ > max_unfinished_pieces)
            return broken(close_code::too_big, "unfinished messages lie in more than " + std::to_string(max_unfinished_pieces) + " pieces");
        return {};
    }
    arrived_ -= message.arrived;
    pieces_ -= message.pieces.size();
    Unfinished whole = std::move(message);
    unfinished_.erase(position);
    return join(std::move(whole));
}

Reassembly::Outcome Reassembly::add(Unfinished& message, const ChunkHeader& header, std::string_view chunk,
                                    const std::shared_ptr<const void>& owner) {
    const auto next = message.pieces.lower_bound(header.offset);
    const std::uint64_t end = std::uint64_t{header.offset} + chunk.size();
    if (next != message.pieces.end() && next->first < end)
        return broken(close_code::protocol_error, describe(header, chunk.size()) + " overlaps one that came before");
    Piece* before = nullptr;
    if (next != message.pieces.begin()) {
        const auto previous = std::prev(next);
        const std::uint64_t previous_end = std::uint64_t{previous->first} + previous->second.text().size();
        if (previous_end > header.offset)
            return broken(close_code::protocol_error, describe(header, chunk.size()) + " overlaps one that came before");
        if (previous_end == header.offset && !previous->second.own.empty()) before = &previous->second;
    }
    message.arrived += chunk.size();
    arrived_ += chunk.size();
    if (before && chunk.size() < worth_sharing) {
        before->own.append(chunk);
        return {};
    }
    Piece piece;
    if (owner && chunk.size() >= worth_sharing)
        piece.shared = Bytes::view(owner, chunk);
    else
        piece.own.assign(chunk);
    message.pieces.emplace_hint(next, header.offset, std::move(piece));
    ++pieces_;
    return {};
}

Reassembly::Outcome Reassembly::join(Unfinished&& message) {
    Outcome outcome;
    outcome.complete = true;
    const auto whole = std::make_shared_for_overwrite<char[]>(message.total);
    // Pieces go as they are copied, so that a message is not held twice.
    for (auto piece = message.pieces.begin(); piece != message.pieces.end(); piece = message.pieces.erase(piece)) {
        const std::string_view text = piece->second.text();
        std::memcpy(whole.get() + piece->first, text.data(), text.size());
    }
    outcome.message = {whole.get(), message.total};
    outcome.owner = whole;
    return outcome;
}

} // namespace cubelink::rpc
