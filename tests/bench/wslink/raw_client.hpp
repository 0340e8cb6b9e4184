#pragma once
/// A WebSocket client that uses as little processor time as possible, so that the server is what is measured: blocking, frames prepared once
/// and sent repeatedly, answers counted but not decoded.
///
/// One thread. Every failure throws std::runtime_error: a failed measurement has no result.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::bench {

/// A masked frame as it goes over the wire.
std::string client_frame(bool text, std::string_view payload);

/// Requests as the two generations write them: the payload of a text frame, and of a binary one with its chunk header.
std::string json_request(std::string_view id, std::string_view method, std::string_view json_args);
std::string msgpack_request(std::string_view id, std::string_view method, std::string_view packed_args, unsigned count);

/// Values for msgpack_request().
std::string pack_text(std::string_view text);
std::string pack_bytes(std::string_view bytes);
std::string pack_number(std::uint32_t number);

class RawClient {
public:
    /// Connects and upgrades, at /ws.
    explicit RawClient(int port);
    ~RawClient();
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;

    int descriptor() const { return fd_; }

    /// Sends wslink.hello and waits for its answer. epoll_floor echoes the message instead, which counts as one.
    void hello(bool json, std::string_view secret);

    /// Sends prepared frames; blocks until the kernel has them.
    void send(std::string_view frames);
    /// Reads until `messages` data messages have come since the last call.
    void receive(std::uint64_t messages);
    /// Keeps `in_flight` copies of a request on their way, reading and writing as it comes, until `seconds` are over and all answers
    /// have come; each answer has `frames` frames. Returns how many were answered in how many seconds.
    struct Run {
        std::uint64_t answers = 0;
        double seconds = 0;
    };
    Run keep_in_flight(std::string_view request, unsigned in_flight, unsigned frames, double seconds);
    /// Reads what has arrived without waiting; returns the number of messages completed since the last receive() or forget().
    std::uint64_t poll();
    void forget() { messages_ = 0; }
    /// From now on stores the payload of each data frame in a string of its own, appended to `frames` when the frame begins and complete once
    /// receive() or poll() has counted it. `frames` must outlive the client.
    void keep_payloads(std::vector<std::string>& frames) { kept_ = &frames; }

    /// Sends a request and returns the sizes of the frames of its answer: how a reply looks on the wire, for a server that knows no
    /// requests to send the same.
    std::vector<std::size_t> frames_of_answer(std::string_view request);

    /// The closing handshake, from our side, until the server has closed its end.
    void close();

private:
    bool read_some(bool wait);
    void scan(const char* data, std::size_t size);
    void fail(const char* what) const;

    int fd_ = -1;
    std::vector<char> buffer_ = std::vector<char>(256 << 10);
    // Where the next byte belongs: into a header, or to a payload of which `left_` bytes are to come.
    unsigned char head_[10] = {};
    std::size_t head_size_ = 0, head_wanted_ = 2;
    std::uint64_t left_ = 0;
    std::uint64_t messages_ = 0;
    struct Seen {
        std::size_t size = 0;
        std::string beginning;
    };
    std::vector<Seen>* seen_ = nullptr; // filled while frames are looked at
    std::vector<std::string>* kept_ = nullptr;
};

} // namespace cubelink::bench
