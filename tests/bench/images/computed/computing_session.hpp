#pragma once
/// A client that has images computed, and what the server takes for it.

#include "tests/bench/images/report.hpp"
#include "tests/bench/images/server_process.hpp"
#include "tests/bench/images/wire_session.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace cubelink::bench {

/// What a client gets of a call that takes long: its answer, the time until it came, and the server's processor time meanwhile.
struct Computed {
    rpc::Value answer;
    Cost cost;
};

class ComputingSession {
public:
    explicit ComputingSession(const ServerProcess& server) : server_(server), session_(server.port()) {}

    WireSession& wire() { return session_; }
    /// Opens a file, or an expression, and waits for its histogram and until nothing follows. The time to the histogram.
    Cost open(const std::string& file, int file_id, bool expression = false);
    /// Makes a region of an image. Returns its id.
    std::int64_t region(int file_id, const char* type, rpc::Array points);

    /// Throws std::runtime_error with the answer's message if it says success = false.
    Computed compute(std::string_view method, rpc::Map request);
    /// Sends `stop` some seconds after the request. The time from then to the request's answer; negative if that had come before.
    double stop(std::string_view method, rpc::Map request, std::string_view stop, rpc::Map stop_request, double after);
    /// From now until the server's threads do nothing.
    double time_to_idle() const;

    /// Closes the images that an answer acknowledges, and waits until nothing follows from them.
    void close_images_of(const rpc::Value& answer);
    void close(std::int64_t file_id);

    /// A change of the channel of an image with twelve tiles of full resolution, to the last tile and the plane's histogram.
    Cost change_channel(int file_id, std::int64_t channel, int layer);

private:
    const ServerProcess& server_;
    WireSession session_;
};

/// The ids of the images that an answer acknowledges, wherever in it.
std::vector<std::int64_t> images_of(const rpc::Value& answer);

inline rpc::Map point(double x, double y) { return rpc::Map{{"x", x}, {"y", y}}; }

/// The server's memory while this lives, looked at every few milliseconds.
class MemoryWatch {
public:
    explicit MemoryWatch(const ServerProcess& server);
    ~MemoryWatch();
    MemoryWatch(const MemoryWatch&) = delete;
    MemoryWatch& operator=(const MemoryWatch&) = delete;

    /// Highest so far, in bytes: memory that is not of files; what counts against --memory-limit.
    double anonymous() const { return anonymous_; }
    double counted() const { return counted_; }

private:
    void watch();

    const ServerProcess& server_;
    std::atomic<double> anonymous_ = 0, counted_ = 0;
    std::atomic<bool> ended_ = false;
    std::thread thread_;
};

} // namespace cubelink::bench
