#include "clients/cli/connection.hpp"

#include "clients/cli/exit_status.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include <csignal>

namespace cubelink::cli {
namespace {

std::atomic<bool> signalled{false};
std::atomic<int> cause_of_end{0};
static_assert(std::atomic<bool>::is_always_lock_free, "set by a signal handler");

void on_signal(int) { signalled = true; }

std::string server_address(const Parsed& parsed) {
    if (parsed.has("server")) return parsed.text("server");
    const char* address = std::getenv("CUBELINK_SERVER");
    return address && *address ? address : "http://localhost:1234/";
}

std::string token(const Parsed& parsed) {
    if (!parsed.has("token-file")) return {};
    const auto path = parsed.text("token-file");
    std::ifstream file(path);
    std::string line;
    if (!std::getline(file, line)) throw UsageError("--token-file: " + path + " cannot be read, or is empty");
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    return line;
}

} // namespace

Connection::Connection(const Parsed& parsed, bool reconnect) {
    const double seconds = parsed.number("timeout");
    if (seconds < 0 || seconds > 1e6) throw UsageError("--timeout: expected 0 to 1000000 seconds");
    client::Options options;
    if (!reconnect) options.reconnect = {};
    if (seconds > 0) options.patience = std::min(options.patience, std::chrono::milliseconds(std::max<long>(1, std::lround(seconds * 1000))));
    try {
        client_ = std::make_unique<client::Client>(server_address(parsed), token(parsed), options);
    } catch (const std::invalid_argument& error) {
        throw UsageError(std::string("--server: ") + error.what());
    }
    struct sigaction action {};
    action.sa_handler = on_signal;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    watcher_ = std::thread([this, seconds] { watch(seconds); });
}

Connection::~Connection() {
    {
        const std::lock_guard lock(mutex_);
        done_ = true;
    }
    changed_.notify_all();
    watcher_.join();
}

void Connection::watch(double seconds) {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    std::unique_lock lock(mutex_);
    // A signal handler may not notify, so this looks now and then.
    while (!changed_.wait_for(lock, std::chrono::milliseconds(50), [this] { return done_; })) {
        if (signalled) cause_of_end = exit_status::interrupted;
        else if (seconds > 0 && Clock::now() >= deadline) cause_of_end = exit_status::out_of_time;
        else continue;
        lock.unlock();
        client_->close();
        return;
    }
}

client::Viewer& Connection::viewer(std::uint32_t session_id) {
    if (!viewer_) viewer_.emplace(*client_, session_id);
    return *viewer_;
}

rpc::Value Connection::call(const std::string& method, rpc::Array args, rpc::Map kwargs) {
    return client_->call(method, std::move(args), std::move(kwargs)).get();
}

int Connection::cause() { return cause_of_end; }

} // namespace cubelink::cli
