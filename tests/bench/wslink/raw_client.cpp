#include "tests/bench/wslink/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

namespace cubelink::bench {

namespace {

std::string big_endian(std::uint64_t number, int bytes) {
    std::string out;
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(number >> (8 * i));
    return out;
}

std::string little_endian(std::uint32_t number) {
    std::string out;
    for (int i = 0; i < 4; ++i) out += static_cast<char>(number >> (8 * i));
    return out;
}

} // namespace

std::string client_frame(bool text, std::string_view payload) {
    constexpr char mask[] = {0x12, 0x34, 0x56, 0x78};
    std::string frame(1, static_cast<char>(0x80 | (text ? 1 : 2)));
    if (payload.size() < 126) frame += static_cast<char>(0x80 | payload.size());
    else if (payload.size() < 65536) frame.append(1, static_cast<char>(0xFE)).append(big_endian(payload.size(), 2));
    else frame.append(1, static_cast<char>(0xFF)).append(big_endian(payload.size(), 8));
    frame.append(mask, 4);
    for (std::size_t i = 0; i < payload.size(); ++i) frame += static_cast<char>(payload[i] ^ mask[i % 4]);
    return frame;
}

std::string json_request(std::string_view id, std::string_view method, std::string_view json_args) {
    std::string message = R"({"wslink":"1.0","id":")";
    message.append(id).append(R"(","method":")").append(method).append(R"(","args":[)").append(json_args).append(R"(],"kwargs":{}})");
    return message;
}

std::string msgpack_request(std::string_view id, std::string_view method, std::string_view packed_args, unsigned count) {
    std::string message(1, static_cast<char>(0x85));
    message.append(pack_text("wslink")).append(pack_text("1.0")).append(pack_text("id")).append(pack_text(id));
    message.append(pack_text("method")).append(pack_text(method)).append(pack_text("args")).append(1, static_cast<char>(0x90 | count));
    message.append(packed_args).append(pack_text("kwargs")).append(1, static_cast<char>(0x80));
    return little_endian(7) + little_endian(0) + little_endian(static_cast<std::uint32_t>(message.size())) + message;
}

std::string pack_text(std::string_view text) {
    std::string out;
    if (text.size() < 32) out += static_cast<char>(0xA0 | text.size());
    else out.append(1, static_cast<char>(0xDB)).append(big_endian(text.size(), 4));
    return out.append(text);
}

std::string pack_bytes(std::string_view bytes) {
    return (std::string(1, static_cast<char>(0xC6)) + big_endian(bytes.size(), 4)).append(bytes);
}

std::string pack_number(std::uint32_t number) { return std::string(1, static_cast<char>(0xCE)) + big_endian(number, 4); }

void RawClient::fail(const char* what) const { throw std::runtime_error(std::string(what) + ": " + std::strerror(errno)); }

RawClient::RawClient(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        ::close(fd_);
        fail("connect");
    }
    send("GET /ws HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    std::string response;
    while (response.find("\r\n\r\n") == std::string::npos) {
        char byte; // nothing may be read beyond the end of the head
        if (::recv(fd_, &byte, 1, 0) != 1) fail("upgrade");
        response += byte;
    }
    if (!response.starts_with("HTTP/1.1 101")) throw std::runtime_error("no upgrade: " + response);
}

RawClient::~RawClient() { ::close(fd_); }

void RawClient::send(std::string_view frames) {
    while (!frames.empty()) {
        const auto sent = ::send(fd_, frames.data(), frames.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) fail("send");
        frames.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
    }
}

void RawClient::scan(const char* data, std::size_t size) {
    while (size > 0) {
        if (left_ > 0) {
            const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(left_, size));
            if (seen_ && seen_->back().beginning.size() < 64) seen_->back().beginning.append(data, std::min<std::size_t>(step, 64));
            if (kept_ && (head_[0] & 15) < 8) kept_->back().append(data, step);
            data += step;
            size -= step;
            left_ -= step;
            if (left_ == 0 && (head_[0] & 15) < 8) ++messages_;
            continue;
        }
        head_[head_size_++] = static_cast<unsigned char>(*data++);
        --size;
        if (head_size_ == 2) head_wanted_ = head_[1] < 126 ? 2 : head_[1] == 126 ? 4 : 10;
        if (head_size_ < head_wanted_) continue;
        left_ = head_[1] < 126 ? head_[1] : 0;
        for (std::size_t i = 2; i < head_wanted_; ++i) left_ = left_ << 8 | head_[i];
        head_size_ = 0;
        head_wanted_ = 2;
        const bool control = (head_[0] & 15) >= 8;
        if (seen_ && !control) seen_->push_back({left_, {}});
        if (kept_ && !control) kept_->emplace_back().reserve(left_);
        if (left_ == 0 && !control) ++messages_;
    }
}

bool RawClient::read_some(bool wait) {
    ssize_t got;
    do got = ::recv(fd_, buffer_.data(), buffer_.size(), wait ? 0 : MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0 && !wait && errno == EAGAIN) return false;
    if (got == 0) throw std::runtime_error("the server has closed the connection");
    if (got < 0) fail("recv");
    scan(buffer_.data(), static_cast<std::size_t>(got));
    return true;
}

void RawClient::receive(std::uint64_t messages) {
    while (messages_ < messages) read_some(true);
    messages_ -= messages;
}

std::uint64_t RawClient::poll() {
    while (read_some(false)) {}
    return messages_;
}

RawClient::Run RawClient::keep_in_flight(std::string_view request, unsigned in_flight, unsigned frames, double seconds) {
    using Clock = std::chrono::steady_clock;
    std::string batch;
    for (unsigned i = 0; i < in_flight; ++i) batch.append(request);
    const auto begun = Clock::now();
    const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begun).count(); };
    Run run;
    // `unsent`: bytes of requests that are due and not yet sent; they are always the last ones of the batch.
    std::size_t unsent = batch.size();
    std::uint64_t on_the_way = in_flight;
    bool ending = false;
    while (on_the_way > 0) {
        if (unsent > 0) {
            const auto sent = ::send(fd_, batch.data() + batch.size() - unsent, unsent, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno != EAGAIN && errno != EINTR) fail("send");
            unsent -= static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
        }
        if (unsent > 0) {
            pollfd ready{fd_, POLLIN | POLLOUT, 0};
            ::poll(&ready, 1, -1);
            if (!(ready.revents & POLLIN)) continue;
        }
        read_some(unsent == 0);
        const auto answers = messages_ / frames;
        messages_ %= frames;
        run.answers += answers;
        on_the_way -= answers;
        if (!ending && elapsed() >= seconds) ending = true;
        if (ending) continue;
        unsent += answers * request.size(); // whole requests behind a part of one, at most the batch
        on_the_way += answers;
    }
    run.seconds = elapsed();
    return run;
}

std::vector<std::size_t> RawClient::frames_of_answer(std::string_view request) {
    std::vector<Seen> seen;
    seen_ = &seen;
    send(request);
    std::vector<std::size_t> sizes;
    for (bool last = false; !last;) {
        receive(1);
        const auto& frame = seen[sizes.size()];
        sizes.push_back(frame.size);
        if (frame.beginning.starts_with("{")) {
            last = frame.beginning.find("wslink.binary.attachment") == std::string::npos;
        } else if (seen.front().beginning.starts_with("{")) {
            last = false; // an attachment: its message follows
        } else {
            std::uint32_t total = 0;
            for (int i = 3; i >= 0; --i) total = total << 8 | static_cast<unsigned char>(frame.beginning.at(8 + static_cast<std::size_t>(i)));
            std::size_t sum = 0;
            for (const auto size : sizes) sum += size - 12;
            last = sum >= total;
        }
    }
    seen_ = nullptr;
    return sizes;
}

void RawClient::hello(bool json, std::string_view secret) {
    const std::string text(secret);
    if (json) {
        send(client_frame(true, json_request("system:c0:0", "wslink.hello", R"({"secret":")" + text + "\"}")));
    } else {
        const std::string map = std::string(1, static_cast<char>(0x81)) + pack_text("secret") + pack_text(secret);
        send(client_frame(false, msgpack_request("system:c0:0", "wslink.hello", map, 1)));
    }
    receive(1);
}

void RawClient::close() {
    const char frame[] = {static_cast<char>(0x88), static_cast<char>(0x82), 0, 0, 0, 0, 0x03, static_cast<char>(0xE8)};
    send({frame, sizeof frame});
    while (::recv(fd_, buffer_.data(), buffer_.size(), 0) > 0) {}
}

} // namespace cubelink::bench
