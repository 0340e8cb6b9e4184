#pragma once
/// A few threads for work that would hold up the network thread: decoding large messages, encoding large answers, reading files.
///
/// Work is started in the order in which it was posted. A thread is started when work waits and no thread is idle; where none can be started,
/// post() runs the work itself. All members are thread-safe.
///
/// Decoding large messages leaves much freed memory in the heap of the thread that did it: a second after the last work such memory is given
/// back to the operating system.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

namespace cubelink::server {

class Workers {
public:
    enum class FreedMemory { kept, given_back };
    explicit Workers(std::size_t max_threads, FreedMemory freed_memory = FreedMemory::kept);
    /// As stop(), waiting for running work without a limit.
    ~Workers();
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    /// What `work` throws is logged. After stop() it is destroyed without being run.
    void post(std::function<void()> work);

    /// Destroys what has not been started and waits for what is running. A thread that is still busy after `patience` (a disk that does not
    /// answer) is left behind: what it runs must own all that it uses. Returns false then.
    /// Further calls return at once.
    bool stop(std::chrono::milliseconds patience);

    /// Work that has not been started.
    std::size_t waiting() const;

private:
    struct Shared;
    const std::shared_ptr<Shared> shared_;
};

} // namespace cubelink::server
