#pragma once
/// A server program on a free port of this machine, for as long as the object lives.

#include <chrono>
#include <string>
#include <vector>

#include <sys/types.h>

/// With a server on a busy machine.
inline constexpr std::chrono::seconds patience{120};

class ServerProcess {
public:
    /// Starts `program arguments… --port 0`, or on the --port of the arguments, and waits until it listens. Throws std::runtime_error if it does not.
    ServerProcess(const std::string& program, std::vector<std::string> arguments);
    ~ServerProcess();
    ServerProcess(const ServerProcess&) = delete;
    ServerProcess& operator=(const ServerProcess&) = delete;

    const std::string& url() const { return url_; }
    std::string port() const { return url_.substr(url_.rfind(':') + 1, url_.rfind('/') - url_.rfind(':') - 1); }
    static const char* secret() { return "a secret of the tests"; }
    /// As if the machine failed.
    void kill();

private:
    pid_t pid_ = -1;
    int output_ = -1;
    std::string url_;
};

/// A path of the environment's, or the one that was built beside the test.
std::string program(const char* variable, const char* built);
