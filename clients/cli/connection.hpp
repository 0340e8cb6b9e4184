#pragma once
/// A connection for one command: ends by itself when the command's time is over or the user interrupts it.

#include "clients/cli/parse.hpp"
#include "clients/cpp/viewer.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

namespace cubelink::cli {

class Connection {
public:
    /// Connects by the program's options server, token-file and timeout. `reconnect`: whether a lost connection is made again. From here on
    /// SIGINT and SIGTERM close the connection; what waits then throws ConnectionLost, and cause() says why.
    Connection(const Parsed& parsed, bool reconnect = false);
    ~Connection();

    client::Client& client() { return *client_; }
    /// Registers, with a session of its own or the one of that id. Once.
    client::Viewer& viewer(std::uint32_t session_id = 0);
    /// A call whose answer is waited for. Throws what its future does.
    rpc::Value call(const std::string& method, rpc::Array args = {}, rpc::Map kwargs = {});

    /// Why the tool itself has closed a connection: 0, exit_status::interrupted or exit_status::out_of_time. Of the last one of the process.
    static int cause();

private:
    void watch(double seconds);

    std::unique_ptr<client::Client> client_;
    std::optional<client::Viewer> viewer_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool done_ = false;
    std::thread watcher_;
};

} // namespace cubelink::cli
