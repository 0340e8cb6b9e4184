#pragma once
/// Bytes beside JSON (generation 1): a text frame names keys ("wslink_bin12"), binary frames follow in their order, and in
/// the message that comes after them strings that are such keys stand for the bytes.

#include "rpc/values/bytes.hpp"
#include "rpc/dialect.hpp"
#include "rpc/values/value.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::rpc {

/// The method of a message that announces attachments.
inline constexpr std::string_view attachment_method = "wslink.binary.attachment";

/// N of "wslink_bin<N>"; nothing if `text` is no key. Digits beyond 64 bits make a key too, of number UINT64_MAX.
std::optional<std::uint64_t> attachment_number(std::string_view text);

/// What a client has announced and sent, and not yet used. One for each connection; not thread-safe.
class ReceivedAttachments {
public:
    /// The keys of a header. Returns what is wrong with them, empty if nothing.
    std::string announce(const Value* keys);

    /// Keys that wait for their binary frame.
    bool waiting() const { return !announced_.empty(); }

    /// The bytes of the first key that waits. There must be one.
    void receive(Bytes bytes);

    /// Puts bytes in place of their keys, at any depth; each is used up by its first place. Other strings stay as they are.
    void replace_keys_in(Value& value);

    /// Memory held by what is not used up.
    std::size_t bytes() const { return bytes_; }
    /// The part of it that is for keys which wait for their binary frame.
    std::size_t awaited_bytes() const { return awaited_bytes_; }

private:
    static std::size_t cost(const std::string& key) { return key.size() + 64; }

    std::deque<std::string> announced_;
    std::map<std::string, Bytes, std::less<>> received_;
    std::size_t bytes_ = 0, awaited_bytes_ = 0;
};

/// The keys of one message to a client: fresh for each place, counted over the process from 0, and none that a string of
/// the same message already looks like.
class AttachmentKeys {
public:
    /// `message` is what will be written; looked through when the first key is taken.
    explicit AttachmentKeys(const Value& message) : message_(message) {}
    std::string take();

private:
    const Value& message_;
    bool looked_ = false;
    std::vector<std::uint64_t> avoid_; // sorted
};

} // namespace cubelink::rpc
