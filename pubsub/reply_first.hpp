#pragma once
/// Guarantees that the answer of a call leaves before what the call publishes, in whichever order its method does the two: publications of the
/// thread wait in the ReplyFirst until the call has been answered or the ReplyFirst is destroyed. Other threads are not affected.
///
/// What waits is bounded: when a method publishes more than that before it answers, its publications leave before its answer.

#include "platform/mutex.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace cubelink::pubsub {

class ReplyFirst {
public:
    ReplyFirst();
    /// Publishes what still waits.
    ~ReplyFirst();
    ReplyFirst(const ReplyFirst&) = delete;
    ReplyFirst& operator=(const ReplyFirst&) = delete;

    std::uint64_t number() const { return number_; }
    /// The call of the ReplyFirst with that number has been answered. Nothing happens on other threads, and after its end.
    static void release(std::uint64_t number);

    /// For an answer that is given now and encoded on another thread. What the call publishes before the ReplyFirst ends is
    /// published by encoded(), or at that end if encoded() has been called by then.
    class EncodedLater {
    public:
        /// Thread-safe. The answer is in the outbox.
        void encoded();

    private:
        friend class ReplyFirst;
        using Publications = std::vector<std::function<void()>>;
        void keep(Publications&& publications);
        platform::Mutex mutex_;
        bool encoded_ CUBELINK_GUARDED_BY(mutex_) = false;
        Publications waiting_ CUBELINK_GUARDED_BY(mutex_);
    };
    /// nullptr if the ReplyFirst with that number is not the innermost of this thread: nothing waits for the answer then.
    static std::shared_ptr<EncodedLater> encode_later(std::uint64_t number);

    /// The ReplyFirst of this thread that keeps publications, or nullptr.
    static ReplyFirst* of_this_thread();
    /// `bytes`: what the publication takes while it waits.
    void keep(std::size_t bytes, std::function<void()> publish);

    static constexpr std::size_t most_bytes = 16 << 20;

private:
    void release();

    ReplyFirst* const outer_;
    const std::uint64_t number_;
    bool released_ = false;
    std::shared_ptr<EncodedLater> encoded_later_;
    std::size_t bytes_ = 0;
    std::vector<std::function<void()>> waiting_;
};

} // namespace cubelink::pubsub
