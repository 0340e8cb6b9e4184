#include "clients/cli/output.hpp"

#include "clients/cli/exit_status.hpp"
#include "clients/cli/values.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <unistd.h>

namespace cubelink::cli {

void print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
    throw NotWritten(errno == EPIPE ? "" : std::string("standard output: ") + std::strerror(errno));
}

void write_file(const std::string& path, std::string_view bytes) {
    if (path == "-") return print(bytes);
    const auto unfinished = path + "." + std::to_string(::getpid()) + ".part";
    const auto fail = [&](int error) {
        ::unlink(unfinished.c_str());
        throw NotWritten(path + ": " + std::strerror(error));
    };
    FILE* file = std::fopen(unfinished.c_str(), "wbx");
    if (!file) fail(errno);
    const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
    const int error = errno;
    const bool closed = std::fclose(file) == 0;
    if (!written) fail(error);
    if (!closed || std::rename(unfinished.c_str(), path.c_str()) != 0) fail(errno);
}

void complain(const std::string& program, const std::string& message, int status, int code, bool as_json) {
    if (as_json) {
        rpc::Map error{{"status", status}, {"message", message}};
        if (code != 0) error["code"] = code;
        std::fprintf(stderr, "%s\n", json(rpc::Map{{"error", error}}).c_str());
        return;
    }
    std::fprintf(stderr, "%s: %s\n", program.c_str(), printable(message).c_str());
}

} // namespace cubelink::cli
