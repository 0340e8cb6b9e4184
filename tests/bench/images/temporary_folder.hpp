#pragma once
/// A folder for the files of a benchmark, removed when the benchmark ends, however it ends.

#include <string>
#include <sys/types.h>

namespace cubelink::bench {

class TemporaryFolder {
public:
    /// Below the system's temporary folder. Starts a process that removes the folder when this one has ended, also after a signal; so it must
    /// be made before any thread is. Throws std::runtime_error.
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    const std::string& path() const { return path_; }

private:
    std::string path_;
    pid_t remover_ = -1;
    int lifeline_ = -1; // its other end reads end-of-file once this process is gone
};

} // namespace cubelink::bench
