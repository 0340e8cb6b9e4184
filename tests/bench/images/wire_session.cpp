#include "tests/bench/images/wire_session.hpp"

#include "rpc/msgpack/msgpack_reader.hpp"
#include "rpc/msgpack/msgpack_writer.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/server_process.hpp"

#include <cmath>
#include <limits>
#include <poll.h>
#include <stdexcept>

namespace cubelink::bench {

using rpc::Map;
using rpc::Value;

namespace {
constexpr double patience = 120; // seconds
}

const Value& at(const Value& value, const char* name) {
    static const Value none;
    const auto* map = value.get_if<Map>();
    const auto* found = map ? map->find(name) : nullptr;
    return found ? *found : none;
}

double number_at(const Value& value, const char* name) {
    const auto& field = at(value, name);
    if (const auto* real = field.get_if<double>()) return *real;
    if (const auto* integer = field.get_if<std::int64_t>()) return static_cast<double>(*integer);
    return std::numeric_limits<double>::quiet_NaN();
}

bool is_true(const Value& value, const char* name) {
    const auto* flag = at(value, name).get_if<bool>();
    return flag && *flag;
}

std::string request_frame(const std::string& id, std::string_view method, rpc::Array args) {
    rpc::MsgpackWriter writer;
    writer.begin_map(5);
    writer.key("wslink");
    writer.text("1.0");
    writer.key("id");
    writer.text(id);
    writer.key("method");
    writer.text(method);
    writer.key("args");
    writer.value(Value(std::move(args)));
    writer.key("kwargs");
    writer.value(Value(Map{}));
    writer.end_map();
    const auto encoded = writer.finish();
    std::string bytes;
    for (const auto& frame : encoded->frames) {
        std::string payload;
        for (const auto& part : frame.parts) payload += part.text();
        bytes += client_frame(false, payload);
    }
    return bytes;
}

WireSession::WireSession(int port, Begin begin, std::int64_t session_id) : raw_(port) {
    raw_.hello(false, ServerProcess::secret);
    raw_.keep_payloads(frames_);
    if (begin == Begin::unregistered) return;
    const auto registered = call("carta.register.viewer", {Map{{"session_id", session_id}}});
    session_id_ = static_cast<std::int64_t>(number_at(registered, "session_id"));
    if (session_id != 0 && session_id_ != session_id) throw std::runtime_error("the session cannot be joined");
}

std::string WireSession::start(std::string_view method, rpc::Array args) {
    auto id = "rpc:c0:" + std::to_string(calls_++);
    raw_.send(request_frame(id, method, std::move(args)));
    return id;
}

Value WireSession::call(std::string_view method, rpc::Array args) {
    const auto id = start(method, std::move(args));
    for (;;) {
        auto message = next();
        if (message.id != id) continue;
        if (message.error) throw std::runtime_error(std::string(method) + ": " + rpc::brief(message.body, 200));
        return std::move(message.body);
    }
}

double WireSession::time_call(std::string_view method, rpc::Array args) {
    const auto begun = Clock::now();
    call(method, std::move(args));
    return seconds_since(begun);
}

void WireSession::open(const std::string& file, int file_id) {
    const auto ack = call("carta.open.file", {Map{{"file", file}, {"file_id", file_id}}});
    if (!is_true(ack, "success")) throw std::runtime_error(file + ": " + rpc::brief(ack, 200));
    wait_until([](const Message& message) { return message.topic == "carta.region.histogram.data"; });
}

bool WireSession::wait_readable(double seconds) const {
    pollfd ready{raw_.descriptor(), POLLIN, 0};
    return ::poll(&ready, 1, static_cast<int>(std::ceil(seconds * 1e3))) > 0;
}

void WireSession::take_frames() {
    const auto whole = static_cast<std::size_t>(raw_.poll());
    raw_.forget();
    rpc::InputLimits limits;
    limits.frame = limits.message = limits.unfinished = std::size_t{1} << 32;
    for (std::size_t i = 0; i < whole; ++i) {
        bytes_ += frames_[i].size();
        const auto outcome = reassembly_.receive(frames_[i], nullptr, limits);
        if (!outcome.problem.empty()) throw std::runtime_error("the server sent an invalid message: " + outcome.problem);
        if (!outcome.complete) continue;
        auto decoded = rpc::read_msgpack(outcome.message, outcome.owner, 120);
        if (!decoded.good()) throw std::runtime_error("the server sent an invalid message: " + decoded.problem);
        auto* map = decoded.message.get_if<Map>();
        const auto* id = at(decoded.message, "id").get_if<std::string>();
        if (!map || !id) continue;
        Message message;
        if (id->starts_with("publish:")) message.topic = id->substr(8, id->find(':', 8) - 8);
        else message.id = *id;
        auto* error = map->find("error");
        message.error = error != nullptr;
        if (auto* body = error ? error : map->find("result")) message.body = std::move(*body);
        ready_.push_back(std::move(message));
    }
    frames_.erase(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(whole));
}

WireSession::Message WireSession::next() {
    const auto begun = Clock::now();
    while (ready_.empty()) {
        if (!wait_readable(1) && seconds_since(begun) > patience) throw std::runtime_error("the server sent nothing for two minutes");
        take_frames();
    }
    auto message = std::move(ready_.front());
    ready_.pop_front();
    return message;
}

bool WireSession::poll(Message& message) {
    if (ready_.empty()) take_frames();
    if (ready_.empty()) return false;
    message = std::move(ready_.front());
    ready_.pop_front();
    return true;
}

void WireSession::wait_until(const std::function<bool(const Message&)>& done) {
    const auto begun = Clock::now();
    while (!done(next()))
        if (seconds_since(begun) > patience) throw std::runtime_error("what was asked for did not come within two minutes");
}

void WireSession::drain(double quiet_seconds) {
    do {
        take_frames();
        ready_.clear();
    } while (wait_readable(quiet_seconds));
}

} // namespace cubelink::bench
