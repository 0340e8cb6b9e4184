#include "tests/bench/wslink/child.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace cubelink::bench {

std::vector<int> cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> result;
    if (::sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int core = 0; core < CPU_SETSIZE; ++core) {
            if (CPU_ISSET(core, &set)) result.push_back(core);
        }
    }
    return result;
}

void pin(int core) {
    if (core < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    ::sched_setaffinity(0, sizeof set, &set);
}

Child::Child(const std::vector<std::string>& command, int core) {
    int to_child[2], from_child[2];
    if (::pipe2(to_child, O_CLOEXEC) != 0 || ::pipe2(from_child, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
    std::vector<char*> arguments;
    for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL); // a benchmark that is killed leaves no server running
        pin(core);
        ::dup2(to_child[0], 0);
        ::dup2(from_child[1], 1);
        ::dup2(::open("/dev/null", O_WRONLY), 2);
        ::execv(arguments[0], arguments.data());
        ::_exit(127);
    }
    ::close(to_child[0]);
    ::close(from_child[1]);
    input_ = to_child[1];
    output_ = from_child[0];

    std::string text;
    for (char byte; ::read(output_, &byte, 1) == 1;) {
        text += byte;
        if (byte != '\n') continue;
        if (text.starts_with("port ")) port_ = std::atoi(text.c_str() + 5);
        const auto colon = text.find(':', text.find("//"));
        if (text.starts_with("Open ") && colon != std::string::npos) port_ = std::atoi(text.c_str() + colon + 1);
        if (port_ > 0 && (text.starts_with("port ") || text.find("Starting factory") != std::string::npos)) return;
        text.clear();
    }
    throw std::runtime_error(command.front() + " did not start");
}

Child::~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(input_);
    ::close(output_);
}

std::size_t Child::memory() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
    std::size_t total = 0, resident = 0;
    file >> total >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

double Child::processor_time() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/schedstat");
    double nanoseconds = 0;
    file >> nanoseconds;
    return nanoseconds * 1e-9;
}

} // namespace cubelink::bench
