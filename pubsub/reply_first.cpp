#include "pubsub/reply_first.hpp"

#include <utility>

namespace cubelink::pubsub {

namespace {
thread_local ReplyFirst* innermost = nullptr;
thread_local std::uint64_t last_number = 0;
} // namespace

ReplyFirst::ReplyFirst() : outer_(std::exchange(innermost, this)), number_(++last_number) {}

ReplyFirst::~ReplyFirst() {
    release();
    innermost = outer_;
}

void ReplyFirst::release(std::uint64_t number) {
    if (innermost && innermost->number_ == number) innermost->release();
}

ReplyFirst* ReplyFirst::of_this_thread() { return innermost && !innermost->released_ ? innermost : nullptr; }

void ReplyFirst::keep(std::size_t bytes, std::function<void()> publish) {
    waiting_.push_back(std::move(publish));
    bytes_ += bytes;
    if (bytes_ > most_bytes) release();
}

void ReplyFirst::release() {
    released_ = true; // from now on, nothing is kept
    for (const auto& publish : std::exchange(waiting_, {})) {
        try {
            publish();
        } catch (...) {
            // The call has its answer: there is nobody left to tell that this one could not be encoded.
        }
    }
}

} // namespace cubelink::pubsub
