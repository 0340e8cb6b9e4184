#pragma once
/// A wslink client (generation 2) for measuring when messages arrive. It has no thread of its own, so measured times contain no switch between
/// threads of the client. Messages are decoded as they are read.
///
/// Every failure throws std::runtime_error, and so does a wait of more than two minutes.

#include "rpc/msgpack/chunking.hpp"
#include "rpc/values/value.hpp"
#include "tests/bench/wslink/raw_client.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

namespace cubelink::bench {

/// The field of a map, or null.
const rpc::Value& at(const rpc::Value& value, const char* name);
/// The number in a field, or NaN.
double number_at(const rpc::Value& value, const char* name);
bool is_true(const rpc::Value& value, const char* name);

/// A call as it goes over the wire.
std::string request_frame(const std::string& id, std::string_view method, rpc::Array args);

class WireSession {
public:
    struct Message {
        std::string id;    // of the call that it answers; empty for a publication
        std::string topic; // of a publication
        rpc::Value body;   // result, error or what was published
        bool error = false;
    };

    /// How a connection begins after its hello: as it is, or with a session.
    enum class Begin { unregistered, registered };

    /// Connects, says hello, and makes a session or attaches to the one of this id.
    explicit WireSession(int port, Begin begin = Begin::registered, std::int64_t session_id = 0);

    /// Sends a call; returns its id.
    std::string start(std::string_view method, rpc::Array args = {});
    /// Sends a call, waits for its answer and returns the result; other messages are dropped. An error of the server throws.
    rpc::Value call(std::string_view method, rpc::Array args = {});
    /// The time from sending to the answer.
    double time_call(std::string_view method, rpc::Array args = {});
    /// Opens a file and waits for its first histogram.
    void open(const std::string& file, int file_id);

    Message next();
    /// What has arrived, if anything, without waiting.
    bool poll(Message& message);
    /// Takes messages until `done` returns true.
    void wait_until(const std::function<bool(const Message&)>& done);
    /// Drops everything until nothing has come for so long.
    void drain(double quiet_seconds);

    std::int64_t session_id() const { return session_id_; }
    int descriptor() const { return raw_.descriptor(); }
    /// Bytes of all messages so far.
    std::uint64_t received_bytes() const { return bytes_; }

private:
    bool wait_readable(double seconds) const;
    void take_frames();

    RawClient raw_;
    std::vector<std::string> frames_;
    rpc::Reassembly reassembly_;
    std::deque<Message> ready_;
    std::int64_t session_id_ = 0;
    std::uint64_t calls_ = 0, bytes_ = 0;
};

} // namespace cubelink::bench
