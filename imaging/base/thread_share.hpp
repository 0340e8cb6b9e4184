#pragma once
/// How many threads a piece of work may use. Cheap to copy; all members may be called from several threads at once.

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

namespace cubelink::imaging {

/// A fixed number, or one that changes while the work goes on: a job's share of the processor. Work that takes long asks for it anew at
/// every loop, and parallel_for() at every index.
class ThreadShare {
public:
    /// Always that many; less than 1 means 1.
    ThreadShare(int threads = 1) : most_(std::max(1, threads)) {}
    /// What `now` returns at each moment, between 1 and `most`. It is called from any thread, often, and with a lock held: it returns a number
    /// that is there already.
    ThreadShare(int most, std::function<int()> now) : most_(std::max(1, most)), now_(std::make_shared<const std::function<int()>>(std::move(now))) {}

    int now() const { return now_ ? std::clamp((*now_)(), 1, most_) : most_; }
    /// The upper bound: what is kept for each thread of a loop has so many elements.
    int most() const { return most_; }
    std::size_t slots() const { return static_cast<std::size_t>(most_); }

    /// now(), for code that takes a number once.
    operator int() const { return now(); }

private:
    int most_;
    std::shared_ptr<const std::function<int()>> now_;
};

} // namespace cubelink::imaging
