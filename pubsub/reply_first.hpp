#pragma once
/// While a thread runs somebody's call, what it publishes waits in a ReplyFirst until the call is answered, or the ReplyFirst ends: a publication does
/// not overtake the answer of the call that made it, in whatever order the method did the two. Other threads are not concerned.
///
/// What waits is bounded: a method that publishes more than that before it answers is heard before its answer.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace cubelink::pubsub {

class ReplyFirst {
public:
    ReplyFirst();
    /// Lets go of what still waits.
    ~ReplyFirst();
    ReplyFirst(const ReplyFirst&) = delete;
    ReplyFirst& operator=(const ReplyFirst&) = delete;

    std::uint64_t number() const { return number_; }
    /// The call of the ReplyFirst with that number has been answered. Nothing happens on other threads, and after its end.
    static void release(std::uint64_t number);

    /// For who publishes: the ReplyFirst that this thread is in and that has not been released, or nullptr.
    static ReplyFirst* of_this_thread();
    /// `bytes`: what the publication takes while it waits.
    void keep(std::size_t bytes, std::function<void()> publish);

    static constexpr std::size_t most_bytes = 16 << 20;

private:
    void release();

    ReplyFirst* const outer_;
    const std::uint64_t number_;
    bool released_ = false;
    std::size_t bytes_ = 0;
    std::vector<std::function<void()>> waiting_;
};

} // namespace cubelink::pubsub
