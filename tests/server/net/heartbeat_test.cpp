/// Time-outs and heartbeats through real sockets, with times made short. The client is a bare TCP socket that answers nothing by itself.
/// A busy machine can keep a client from beating in such short times: what depends on that is tried again with longer ones.

#include "server/net/connection_rules.hpp"
#include "server/net/wslink_server.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <chrono>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace cubelink::server;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

struct RunningServer {
    WslinkServer server;
    std::thread thread;

    explicit RunningServer(const ConnectionRules& rules, int idle_timeout_seconds = 0) : server(options(rules, idle_timeout_seconds)) {
        server.listen();
        thread = std::thread([this] { server.run(); });
    }
    ~RunningServer() {
        server.stop();
        thread.join();
    }
    static WslinkServerOptions options(const ConnectionRules& rules, int idle_timeout_seconds) {
        WslinkServerOptions options;
        options.idle_timeout_seconds = idle_timeout_seconds;
        options.port = 0;
        options.auth_key = "secret";
        options.rules = rules;
        return options;
    }
};

ConnectionRules quick() {
    ConnectionRules rules;
    rules.tick = 20ms;
    rules.closing = 500ms;
    return rules;
}

constexpr auto patience = 60s; // with what comes at once where nothing else runs

void expect(bool condition, const char* what) {
    if (!condition) throw std::runtime_error(what);
}

/// Calls `attempt(pace)` with a factor for its times until one does not throw; what the last one throws fails the test.
template <class Attempt>
void at_some_pace(Attempt attempt) {
    for (const int pace : {1, 6}) try {
            return attempt(pace);
        } catch (const std::runtime_error& late) { MESSAGE("tried again: " << late.what()); }
    attempt(36);
}

class RawClient {
public:
    explicit RawClient(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        expect(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connects");
        write("GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
        while (input_.find("\r\n\r\n") == std::string::npos) expect(read_some(patience), "an answer to the upgrade");
        expect(input_.compare(0, 12, "HTTP/1.1 101") == 0, "the upgrade");
        input_.erase(0, input_.find("\r\n\r\n") + 4);
    }
    ~RawClient() { close(fd_); }
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;

    void write(const std::string& bytes) {
        expect(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()), "the connection takes what is sent");
    }
    void frame(int opcode, const std::string& payload) {
        std::string bytes;
        bytes += static_cast<char>(0x80 | opcode);
        expect(payload.size() < 126, "a short frame");
        bytes += static_cast<char>(0x80 | payload.size());
        bytes += std::string(4, '\0'); // a mask of zeros changes nothing
        bytes += payload;
        write(bytes);
    }
    void hello() {
        frame(1, R"({"wslink":"1.0","id":"system:c0:0","method":"wslink.hello","args":[{"secret":"secret"}]})");
        const auto answer = next_but_pings(patience);
        expect(answer && answer->payload.find("clientID") != std::string::npos, "an answer to hello");
    }

    struct Frame {
        int opcode = 0;
        std::string payload;
        int close_code() const {
            return payload.size() < 2 ? 0 : static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
        }
    };
    /// The next frame of the server; nothing if none comes in time, or the connection has ended.
    std::optional<Frame> next(std::chrono::milliseconds patience) {
        const auto until = Clock::now() + patience;
        for (;;) {
            if (input_.size() >= 2) {
                std::size_t size = static_cast<unsigned char>(input_[1]) & 127, head = 2;
                if (size == 126 && input_.size() >= 4) {
                    size = static_cast<std::size_t>(static_cast<unsigned char>(input_[2])) << 8 | static_cast<unsigned char>(input_[3]);
                    head = 4;
                }
                if (input_.size() >= head + size) {
                    Frame frame{input_[0] & 15, input_.substr(head, size)};
                    input_.erase(0, head + size);
                    return frame;
                }
            }
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
            if (left.count() <= 0 || ended_ || !read_some(left)) return std::nullopt;
        }
    }
    /// The next frame that is no ping.
    std::optional<Frame> next_but_pings(std::chrono::milliseconds patience) {
        for (;;) {
            const auto frame = next(patience);
            if (!frame || frame->opcode != 9) return frame;
        }
    }
    bool ended() const { return ended_; }

private:
    bool read_some(std::chrono::milliseconds patience) {
        pollfd wait{fd_, POLLIN, 0};
        if (poll(&wait, 1, static_cast<int>(patience.count())) <= 0) return false;
        char buffer[4096];
        const auto got = recv(fd_, buffer, sizeof buffer, 0);
        if (got <= 0) {
            ended_ = true;
            return false;
        }
        input_.append(buffer, static_cast<std::size_t>(got));
        return true;
    }
    int fd_;
    std::string input_;
    bool ended_ = false;
};

} // namespace

TEST_CASE("without a hello the connection is closed with a reason") {
    auto rules = quick();
    rules.hello = 200ms;
    RunningServer running(rules);
    RawClient client(running.server.port());
    const auto frame = client.next(patience);
    REQUIRE(frame);
    CHECK(frame->opcode == 8);
    CHECK(frame->close_code() == 1008);
    CHECK(frame->payload.size() > 2);
}

TEST_CASE("a client that does not answer a ping is dropped, one that answers stays") {
    at_some_pace([](int pace) {
        auto rules = quick();
        rules.ping = pace * 200ms;
        RunningServer running(rules);
        RawClient silent(running.server.port()), alive(running.server.port());
        silent.hello();
        alive.hello();
        const auto start = Clock::now();
        bool dropped = false;
        while (Clock::now() - start < pace * 1500ms) {
            if (const auto frame = alive.next(20ms); frame && frame->opcode == 9) alive.frame(10, frame->payload);
            while (const auto frame = silent.next(5ms)) dropped |= frame->opcode == 8;
            dropped |= silent.ended();
        }
        expect(dropped, "the silent one is dropped");
        expect(!alive.ended(), "the one that answers is not");
    });
}

TEST_CASE("an empty frame is answered in kind, and times the client from then on") {
    at_some_pace([](int pace) {
        auto rules = quick();
        rules.ping = pace * 200ms;
        rules.heartbeat_minimum = pace * 600ms;
        RunningServer running(rules);
        RawClient client(running.server.port());
        const auto beat = [&] {
            client.frame(1, "");
            const auto answer = client.next_but_pings(patience);
            expect(answer && answer->opcode == 1 && answer->payload.empty(), "an answer in kind");
        };
        beat(); // before hello it chooses no generation
        client.hello();
        auto last = Clock::now();
        for (int i = 0; i < 8; ++i) { // no pong is ever sent: the beats alone keep it alive over several pings
            last = Clock::now();
            beat();
            std::this_thread::sleep_for(pace * 100ms);
        }
        const auto end = client.next_but_pings(patience);
        expect(client.ended() || (end && end->opcode == 8), "the end, without beats");
        expect(Clock::now() - last > pace * 500ms, "and not before its time");
    });
}

TEST_CASE("half a message that does not go on ends the connection") {
    auto rules = quick();
    rules.unfinished = 300ms;
    RunningServer running(rules);
    RawClient client(running.server.port());
    client.hello();
    client.frame(1, R"({"wslink":"1.0","method":"wslink.binary.attachment","args":["wslink_bin1"]})"); // and no bytes follow
    const auto frame = client.next_but_pings(patience);
    REQUIRE(frame);
    CHECK(frame->opcode == 8);
    CHECK(frame->close_code() >= 1002);
}

TEST_CASE("an idle client is dropped if the option says so") {
    at_some_pace([](int pace) {
        RunningServer running(quick(), pace);
        RawClient client(running.server.port());
        client.hello();
        expect(!client.next_but_pings(pace * 500ms) && !client.ended(), "it stays for a while");
        const auto frame = client.next_but_pings(patience);
        expect(client.ended() || (frame && frame->opcode == 8), "it is dropped in the end");
    });
}
