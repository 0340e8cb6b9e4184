#include "pubsub/hold.hpp"

#include <utility>

namespace cubelink::pubsub {

namespace {
thread_local Hold* innermost = nullptr;
thread_local std::uint64_t last_number = 0;
} // namespace

Hold::Hold() : outer_(std::exchange(innermost, this)), number_(++last_number) {}

Hold::~Hold() {
    release();
    innermost = outer_;
}

void Hold::release(std::uint64_t number) {
    if (innermost && innermost->number_ == number) innermost->release();
}

Hold* Hold::of_this_thread() { return innermost && !innermost->released_ ? innermost : nullptr; }

void Hold::keep(std::size_t bytes, std::function<void()> publish) {
    waiting_.push_back(std::move(publish));
    bytes_ += bytes;
    if (bytes_ > most_bytes) release();
}

void Hold::release() {
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
