#pragma once
/// A client for benchmarks that counts what is published; through our C++ client, as a program of a user's would.

#include "clients/cpp/client.hpp"
#include "tests/bench/images/server_process.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>

namespace cubelink::bench {

class Watcher {
public:
    /// Connects and makes a session.
    explicit Watcher(const ServerProcess& server);

    rpc::Value call(const char* method, rpc::Map arguments);
    /// Forgets what has been counted.
    void reset();
    /// Waits until `count` of "histogram", "tile", "end" (of a set of tiles) or "spectrum" have come since reset(). Throws
    /// std::runtime_error after two minutes.
    void wait_for(const std::string& what, int count);
    /// The time from the call to the acknowledgement or the histogram. Throws std::runtime_error if the file can't be opened.
    double open(const char* file, int id, bool with_histogram = true);
    /// The time from the call to the last tile.
    double tiles(int id, const rpc::Array& codes, const char* compression, int quality);

private:
    void note(const char* what);

    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, int> seen_;
    client::Client client_; // the last member: its callbacks use the others
};

/// Codes of 4 × 3 tiles of a layer, from this column on.
rpc::Array twelve_tiles(int layer, int first_column = 0);

} // namespace cubelink::bench
