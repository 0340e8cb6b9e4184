#include "tests/bench/images/temporary_folder.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace cubelink::bench {

TemporaryFolder::TemporaryFolder() : path_((std::filesystem::temp_directory_path() / "cubelink-bench-XXXXXX").string()) {
    int ends[2];
    if (!mkdtemp(path_.data())) throw std::runtime_error("cannot make a folder " + path_);
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    remover_ = fork();
    if (remover_ < 0) throw std::runtime_error("cannot start a process");
    if (remover_ == 0) {
        setsid(); // signals to the benchmark's process group, such as a terminal's, are not for this process
        close(ends[1]);
        char byte;
        while (read(ends[0], &byte, 1) > 0) {}
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
        _exit(0);
    }
    close(ends[0]);
    lifeline_ = ends[1];
}

TemporaryFolder::~TemporaryFolder() {
    close(lifeline_);
    waitpid(remover_, nullptr, 0);
}

} // namespace cubelink::bench
