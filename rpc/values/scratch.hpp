#pragma once
/// Where a message is written before its size is known. Each thread keeps one buffer for the next message; what is sent gets memory of
/// exactly its own size, in one piece with its reference count. Large messages keep the buffer that they were written to.

#include "rpc/values/bytes.hpp"

#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace cubelink::rpc {

class Scratch {
public:
    Scratch() : text_(std::exchange(of_this_thread(), {})) { text_.clear(); }
    ~Scratch() {
        if (text_.capacity() <= worth_moving) of_this_thread() = std::move(text_);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    std::string& operator*() { return text_; }
    std::string* operator->() { return &text_; }
    const std::string& operator*() const { return text_; }
    const std::string* operator->() const { return &text_; }

    /// What was written, as something to send. Empty after it.
    Bytes take() {
        if (text_.size() > worth_moving) return Bytes::take(std::exchange(text_, {}));
        const auto size = text_.size();
        auto block = std::make_shared_for_overwrite<char[]>(size);
        std::memcpy(block.get(), text_.data(), size);
        text_.clear();
        const std::string_view whole(block.get(), size);
        return Bytes::view(std::move(block), whole);
    }

private:
    static constexpr std::size_t worth_moving = 16 * 1024;
    static std::string& of_this_thread() {
        thread_local std::string kept;
        return kept;
    }
    std::string text_;
};

} // namespace cubelink::rpc
