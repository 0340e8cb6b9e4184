#pragma once
/// A server as a child process on a core of its own. Ended by the destructor. Throws std::runtime_error if it does not start.

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

namespace cubelink::bench {

class Child {
public:
    /// Starts `command` and waits for its port: the number after "port " (the floor), or that of the address in the line "Open http://…",
    /// with "Starting factory" behind it. `core`: what the process is pinned to; negative: to none.
    Child(const std::vector<std::string>& command, int core);
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    int port() const { return port_; }
    /// Resident memory in bytes.
    std::size_t memory() const;
    /// Processor time used so far by its main thread, which does a server's work, in seconds.
    double processor_time() const;

private:
    pid_t pid_ = -1;
    int input_ = -1, output_ = -1;
    int port_ = 0;
};

/// The cores that this process may run on.
std::vector<int> cores();
/// Pins the calling process.
void pin(int core);

} // namespace cubelink::bench
