#include "tests/bench/images/http_request.hpp"

#include "tests/bench/images/server_process.hpp"

#include <arpa/inet.h>
#include <cstdlib>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace cubelink::bench {
namespace {

class Socket {
public:
    explicit Socket(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return;
        ::close(fd_);
        throw std::runtime_error("no connection for HTTP");
    }
    ~Socket() { ::close(fd_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    /// False once the server has closed its end: it may have answered before it had all.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    std::string receive_all() {
        std::string all;
        char buffer[4096];
        for (ssize_t got; (got = ::recv(fd_, buffer, sizeof buffer, 0)) > 0;) all.append(buffer, static_cast<std::size_t>(got));
        return all;
    }

private:
    int fd_;
};

} // namespace

int put_json(int port, std::string_view path, const std::string& body) {
    Socket socket(port);
    if (socket.send("PUT " + std::string(path) + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                    "\r\nAuthorization: Bearer " + ServerProcess::secret + "\r\nContent-Type: application/json\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n"))
        socket.send(body);
    const auto answer = socket.receive_all();
    if (!answer.starts_with("HTTP/1.1 ")) throw std::runtime_error("no answer to a request of HTTP");
    return std::atoi(answer.c_str() + 9);
}

std::string http_get(int port, std::string_view path) {
    Socket socket(port);
    socket.send("GET " + std::string(path) + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) + "\r\nAuthorization: Bearer " + ServerProcess::secret +
                "\r\nConnection: close\r\n\r\n");
    auto answer = socket.receive_all();
    if (!answer.starts_with("HTTP/1.1 200")) throw std::runtime_error("no answer to a request of HTTP");
    return answer;
}

double metric(int port, std::string_view name) {
    const auto text = http_get(port, "/metrics");
    const auto at = text.find("\n" + std::string(name) + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
}

} // namespace cubelink::bench
