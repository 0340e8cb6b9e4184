#include "tests/bench/images/server_process.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cubelink::bench {

ServerProcess::ServerProcess(const std::string& program, const std::string& folder, const std::vector<std::string>& options) {
    // Nothing is left of it, and two servers that are compared never read what the other has written.
    static int stores = 0;
    store_ = folder + "/bench-store-" + std::to_string(getpid()) + "-" + std::to_string(stores++) + ".sqlite";
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    pid_ = fork();
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); // a benchmark that is killed leaves no server running
        dup2(ends[1], STDOUT_FILENO);
        setenv("CUBELINK_AUTHKEY", secret, 1);
        std::vector<std::string> words = {program, folder, "--port", "0", "--store", store_, "--log-level", "error"};
        words.insert(words.end(), options.begin(), options.end());
        std::vector<char*> argv;
        for (auto& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        execv(program.c_str(), argv.data());
        std::perror(program.c_str());
        _exit(127);
    }
    close(ends[1]);
    std::FILE* output = fdopen(ends[0], "r");
    char line[1024];
    while (std::fgets(line, sizeof line, output)) {
        if (const char* host = std::strstr(line, "127.0.0.1:"); host && !port_) port_ = std::atoi(host + std::strlen("127.0.0.1:"));
        if (std::strstr(line, "Starting factory")) break;
    }
    if (!port_) throw std::runtime_error(program + " did not start");
    // Whatever else it prints must not block it: the pipe stays open, and is large enough for some lines.
}

ServerProcess::~ServerProcess() {
    kill(pid_, SIGTERM);
    int status = 0;
    waitpid(pid_, &status, 0);
    std::error_code ignored;
    for (const char* ending : {"", "-wal", "-shm", "-journal", ".lock"}) std::filesystem::remove(store_ + ending, ignored);
}

std::size_t ServerProcess::status(const char* field) const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
    std::string line;
    while (std::getline(file, line))
        if (line.compare(0, std::strlen(field), field) == 0) return std::strtoull(line.c_str() + std::strlen(field), nullptr, 10) << 10;
    return 0;
}

double ServerProcess::cpu() const {
    double nanoseconds = 0;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task")) {
        std::ifstream file(thread.path() / "schedstat");
        double running = 0;
        if (file >> running) nanoseconds += running;
    }
    return 1e-9 * nanoseconds;
}

} // namespace cubelink::bench
