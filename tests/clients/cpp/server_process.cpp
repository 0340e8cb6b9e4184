#include "tests/clients/cpp/server_process.hpp"

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <stdexcept>

#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

ServerProcess::ServerProcess(const std::string& program, std::vector<std::string> arguments) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
    arguments.insert(arguments.begin(), program);
    if (std::find(arguments.begin(), arguments.end(), "--port") == arguments.end())
        for (const char* more : {"--port", "0"}) arguments.emplace_back(more);
    for (const char* more : {"--authKey", secret()}) arguments.emplace_back(more);
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        const int nowhere = ::open("/dev/null", O_WRONLY);
        ::dup2(nowhere, STDERR_FILENO);
        ::close(ends[0]);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ends[0];
    std::string text;
    char buffer[512];
    while (text.find("Starting factory") == std::string::npos) {
        const auto n = ::read(output_, buffer, sizeof buffer);
        if (n <= 0) throw std::runtime_error(program + " did not start: " + text);
        text.append(buffer, static_cast<std::size_t>(n));
    }
    std::smatch found;
    if (!std::regex_search(text, found, std::regex("://[^/\\s]*:(\\d+)"))) throw std::runtime_error("no address in: " + text);
    url_ = "ws://127.0.0.1:" + found[1].str() + "/ws";
}

void ServerProcess::kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

ServerProcess::~ServerProcess() {
    if (pid_ > 0) {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    ::close(output_);
}

std::string program(const char* variable, const char* built) {
    const char* other = std::getenv(variable);
    return other ? other : built;
}
