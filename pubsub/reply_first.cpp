#include "pubsub/reply_first.hpp"

#include <iterator>
#include <utility>

namespace cubelink::pubsub {

namespace {
thread_local ReplyFirst* innermost = nullptr;
thread_local std::uint64_t last_number = 0;

void publish_all(const std::vector<std::function<void()>>& publications) {
    for (const auto& publish : publications) {
        try {
            publish();
        } catch (...) {
            // The call has its answer: nobody is left to report a publication to that could not be encoded.
        }
    }
}
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
    auto waiting = std::exchange(waiting_, {});
    encoded_later_ ? encoded_later_->keep(std::move(waiting)) : publish_all(waiting);
}

std::shared_ptr<ReplyFirst::EncodedLater> ReplyFirst::encode_later(std::uint64_t number) {
    if (!innermost || innermost->number_ != number || innermost->released_) return nullptr;
    return innermost->encoded_later_ = std::make_shared<EncodedLater>();
}

void ReplyFirst::EncodedLater::encoded() {
    Publications waiting;
    {
        const platform::MutexLock lock(mutex_);
        encoded_ = true;
        waiting.swap(waiting_);
    }
    publish_all(waiting);
}

void ReplyFirst::EncodedLater::keep(Publications&& publications) {
    {
        const platform::MutexLock lock(mutex_);
        if (!encoded_) {
            std::move(publications.begin(), publications.end(), std::back_inserter(waiting_));
            return;
        }
    }
    publish_all(publications);
}

} // namespace cubelink::pubsub
