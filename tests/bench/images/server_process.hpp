#pragma once
/// The server under test as a child process: started on a free port, stopped at the end. One thread.

#include <cstddef>
#include <string>
#include <sys/types.h>
#include <vector>

namespace cubelink::bench {

class ServerProcess {
public:
    /// Starts `program FOLDER options… --port 0` with a store of its own and waits for its line "wslink: Starting factory". Throws
    /// std::runtime_error.
    ServerProcess(const std::string& program, const std::string& folder, const std::vector<std::string>& options);
    ~ServerProcess();
    ServerProcess(const ServerProcess&) = delete;
    ServerProcess& operator=(const ServerProcess&) = delete;

    int port() const { return port_; }
    std::string url() const { return "ws://127.0.0.1:" + std::to_string(port_) + "/ws"; }
    /// Resident memory now and at its highest, in bytes.
    std::size_t resident() const { return status("VmRSS:"); }
    std::size_t highest_resident() const { return status("VmHWM:"); }
    /// Of the resident memory, what is not pages of files.
    std::size_t anonymous() const { return status("RssAnon:"); }

    /// Processor time of all its threads so far, in seconds.
    double cpu() const;

    static constexpr const char* secret = "bench";

private:
    std::size_t status(const char* field) const;
    std::string store_;
    pid_t pid_ = -1;
    int port_ = 0;
};

} // namespace cubelink::bench
