#pragma once
/// Signals as calls of an ordinary function.

#include <functional>
#include <initializer_list>
#include <memory>

namespace cubelink::server {

/// While it lives, the given signals do not end the process but have `handle` called, on a thread of this object's own.
/// One at a time in a process. Afterwards the signals do again what they did before.
class SignalWatcher {
public:
    /// Throws std::system_error.
    SignalWatcher(std::initializer_list<int> signals, std::function<void(int signal)> handle);
    ~SignalWatcher();
    SignalWatcher(const SignalWatcher&) = delete;
    SignalWatcher& operator=(const SignalWatcher&) = delete;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace cubelink::server
