/// The machine's own limit for a WebSocket server, to measure ours against: one thread, epoll, frames parsed by hand, no limits, no
/// checks beyond what its own harness needs. Not a server for anything else.
///
///     epoll_floor [PORT]     prints "port N", serves until standard input ends
///
/// Every message is echoed, except text messages of a few forms:
///     !blob N           one binary frame of N bytes, from one buffer that all share
///     !send COUNT N     COUNT such frames
///     !frames N N …     one binary frame of each of these sizes, one after the other
///     !all N            one such frame to every open connection

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

/// What waits to be written: bytes of its own, or a part of a shared buffer.
struct Piece {
    std::shared_ptr<const std::string> bytes;
    std::size_t at = 0;
};

struct Client {
    int fd = -1;
    bool upgraded = false, writing = false;
    std::string in; // what has been read and not used up; payloads are unmasked in place
    std::deque<Piece> out;
};

int poller = -1;
std::unordered_map<int, std::unique_ptr<Client>> clients;
std::vector<char> scratch(256 << 10);

std::string frame_header(int opcode, std::uint64_t size) {
    std::string head(1, static_cast<char>(0x80 | opcode));
    int bytes = 0;
    if (size < 126) head += static_cast<char>(size);
    else {
        bytes = size < 65536 ? 2 : 8;
        head += static_cast<char>(bytes == 2 ? 126 : 127);
    }
    for (int i = bytes - 1; i >= 0; --i) head += static_cast<char>(size >> (8 * i));
    return head;
}

void queue(Client& client, std::string bytes) {
    client.out.push_back({std::make_shared<const std::string>(std::move(bytes)), 0});
}

void queue_blob(Client& client, std::size_t size) {
    static std::unordered_map<std::size_t, std::shared_ptr<const std::string>> blobs;
    auto& blob = blobs[size];
    if (!blob) blob = std::make_shared<const std::string>(size, 'b');
    queue(client, frame_header(2, size));
    client.out.push_back({blob, 0});
}

/// False: the connection is lost.
bool flush(Client& client) {
    while (!client.out.empty()) {
        iovec pieces[64];
        std::size_t count = 0;
        for (const auto& piece : client.out) {
            if (count == 64) break;
            pieces[count++] = {const_cast<char*>(piece.bytes->data()) + piece.at, piece.bytes->size() - piece.at};
        }
        msghdr message{};
        message.msg_iov = pieces;
        message.msg_iovlen = count;
        const auto sent = ::sendmsg(client.fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return false;
        for (auto left = static_cast<std::size_t>(std::max<ssize_t>(sent, 0)); left > 0;) {
            auto& front = client.out.front();
            const auto used = std::min(left, front.bytes->size() - front.at);
            front.at += used;
            left -= used;
            if (front.at == front.bytes->size()) client.out.pop_front();
        }
        while (!client.out.empty() && client.out.front().at == client.out.front().bytes->size()) client.out.pop_front();
        if (sent < 0) break;
    }
    if (client.writing != !client.out.empty()) {
        client.writing = !client.writing;
        epoll_event event{};
        event.events = EPOLLIN | (client.writing ? static_cast<std::uint32_t>(EPOLLOUT) : 0u);
        event.data.fd = client.fd;
        ::epoll_ctl(poller, EPOLL_CTL_MOD, client.fd, &event);
    }
    return true;
}

void upgrade(Client& client, std::string_view head) {
    std::string lower(head);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    const std::string_view name = "sec-websocket-key:";
    auto at = lower.find(name);
    std::string key;
    if (at != std::string::npos) {
        at = head.find_first_not_of(' ', at + name.size());
        key = head.substr(at, head.find("\r\n", at) - at);
    }
    key += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA_DIGEST_LENGTH], text[32];
    SHA1(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest);
    const int length = EVP_EncodeBlock(text, digest, sizeof digest);
    std::string response("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
    response.append(reinterpret_cast<const char*>(text), static_cast<std::size_t>(length)).append("\r\n\r\n");
    queue(client, std::move(response));
    client.upgraded = true;
}

void answer(Client& client, int opcode, std::string_view payload, std::string& batch) {
    unsigned long count = 1, size = 0;
    if (opcode == 1 && payload.substr(0, 1) == "!") {
        const std::string text(payload);
        if (std::sscanf(text.c_str(), "!blob %lu", &size) == 1 || std::sscanf(text.c_str(), "!send %lu %lu", &count, &size) == 2) {
            for (unsigned long i = 0; i < count; ++i) {
                if (size <= 4096) batch.append(frame_header(2, size)).append(size, 'b');
                else queue_blob(client, size);
            }
            return;
        }
        if (text.rfind("!frames ", 0) == 0) {
            const char* rest = text.c_str() + 8;
            for (int used = 0; std::sscanf(rest, "%lu%n", &size, &used) == 1; rest += used) queue_blob(client, size);
            return;
        }
        if (std::sscanf(text.c_str(), "!all %lu", &size) == 1) {
            for (auto& [fd, other] : clients) {
                if (!other->upgraded) continue;
                queue_blob(*other, size);
                if (other.get() != &client) flush(*other);
            }
            return;
        }
    }
    if (opcode == 10) return;
    const auto head = frame_header(opcode == 9 ? 10 : opcode, payload.size());
    if (payload.size() <= 4096) batch.append(head).append(payload);
    else {
        std::string whole;
        whole.reserve(head.size() + payload.size());
        whole.append(head).append(payload);
        queue(client, std::move(whole));
    }
}

void unmask(char* data, std::size_t size, const char* mask) {
    std::uint64_t key = 0;
    std::memcpy(&key, mask, 4);
    key |= key << 32;
    std::size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        std::uint64_t word;
        std::memcpy(&word, data + i, 8);
        word ^= key;
        std::memcpy(data + i, &word, 8);
    }
    for (; i < size; ++i) data[i] = static_cast<char>(data[i] ^ mask[i % 4]);
}

/// Uses up whole frames; returns how many bytes they had. `close` is set by a close frame.
std::size_t take(Client& client, char* data, std::size_t size, bool& close) {
    std::size_t used = 0;
    std::string batch; // small answers leave together
    while (!close && size - used >= 6) {
        auto* bytes = reinterpret_cast<unsigned char*>(data + used);
        std::size_t head = 2, length = bytes[1] & 0x7f;
        const std::size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
        if (size - used < 2 + extra + 4) break;
        if (extra > 0) length = 0;
        for (std::size_t i = 0; i < extra; ++i) length = length << 8 | bytes[2 + i];
        head += extra + 4;
        if (size - used - head < length) break;
        unmask(data + used + head, length, data + used + head - 4);
        const int opcode = bytes[0] & 15;
        if (opcode == 8) close = true;
        answer(client, opcode, {data + used + head, length}, batch);
        if (!batch.empty() && !client.out.empty()) {
            queue(client, std::move(batch));
            batch.clear();
        }
        used += head + length;
    }
    if (!batch.empty()) queue(client, std::move(batch));
    return used;
}

/// False: the connection has ended.
bool on_readable(Client& client) {
    const auto got = ::recv(client.fd, scratch.data(), scratch.size(), 0);
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    auto* data = scratch.data();
    auto size = static_cast<std::size_t>(got);
    const bool kept = !client.in.empty();
    if (kept || !client.upgraded) {
        client.in.append(data, size);
        data = client.in.data();
        size = client.in.size();
    }
    std::size_t used = 0;
    bool close = false;
    if (!client.upgraded) {
        const auto end = client.in.find("\r\n\r\n");
        if (end == std::string::npos) return true;
        upgrade(client, std::string_view(client.in).substr(0, end + 4));
        used = end + 4;
    }
    used += take(client, data + used, size - used, close);
    if (data == client.in.data()) client.in.erase(0, used);
    else client.in.assign(data + used, size - used);
    return flush(client) && !close;
}

} // namespace

int main(int argc, char** argv) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int one = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0));
    socklen_t length = sizeof address;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener, 1024) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
        std::perror("epoll_floor");
        return 1;
    }
    poller = ::epoll_create1(0);
    for (const int fd : {listener, 0}) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        ::epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event); // fails for a standard input that is a file: then only a signal ends it
    }
    std::printf("port %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    epoll_event events[64];
    while (true) {
        const int count = ::epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < count; ++i) {
            const int fd = events[i].data.fd;
            if (fd == 0) {
                if (::read(0, scratch.data(), scratch.size()) <= 0) return 0;
            } else if (fd == listener) {
                const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
                if (accepted < 0) continue;
                ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                auto client = std::make_unique<Client>();
                client->fd = accepted;
                clients[accepted] = std::move(client);
                epoll_event event{};
                event.events = EPOLLIN;
                event.data.fd = accepted;
                ::epoll_ctl(poller, EPOLL_CTL_ADD, accepted, &event);
            } else {
                const auto found = clients.find(fd);
                if (found == clients.end()) continue;
                auto& client = *found->second;
                bool alive = true;
                if (events[i].events & EPOLLOUT) alive = flush(client);
                if (alive && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) alive = on_readable(client);
                if (!alive) {
                    ::close(fd);
                    clients.erase(found);
                }
            }
        }
    }
}
