#pragma once
/// What the tests of rpc share: a sink that remembers, frames by hand, random values.

#include "rpc/call.hpp"
#include "rpc/dialect.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::rpc::test {

/// Remembers everything that a dialect says.
struct Recorder : DialectSink {
    std::vector<Request> requests;
    std::vector<Reply> bad_requests;
    std::vector<WireFrame> heartbeats;
    std::vector<std::string> ignored;
    std::optional<std::uint16_t> broken;
    std::string reason;

    void on_request(Request&& request) override { requests.push_back(std::move(request)); }
    void on_bad_request(Reply&& reply) override { bad_requests.push_back(std::move(reply)); }
    void on_heartbeat(WireFrame answer) override { heartbeats.push_back(std::move(answer)); }
    void on_broken(std::uint16_t close_code, std::string_view why) override {
        broken = close_code;
        reason = why;
    }
    void on_ignored(std::string_view what) override { ignored.emplace_back(what); }

    std::size_t events() const { return requests.size() + bad_requests.size() + heartbeats.size() + ignored.size() + (broken ? 1 : 0); }
};

/// Gives a frame to a dialect as the transport does: in memory that `owner` keeps, freed after the call if nobody else holds it.
void give(Dialect& dialect, bool text, std::string_view payload, DialectSink& sink);

std::string join(const WireFrame& frame);

/// One chunk with its header.
std::string chunk(std::uint32_t id, std::uint32_t offset, std::uint32_t total, std::string_view bytes);
/// A whole message in one chunk.
inline std::string whole(std::string_view message, std::uint32_t id = 1) {
    return chunk(id, 0, static_cast<std::uint32_t>(message.size()), message);
}

/// A request as msgpack, without chunk header.
std::string msgpack_request(const Value& args, const Value& kwargs, std::string id = "rpc:c:1", std::string method = "m");

struct RandomValues {
    explicit RandomValues(unsigned seed) : engine(seed) {}
    std::mt19937_64 engine;
    bool extensions = false, integer_keys = false, bytes = true;

    std::uint64_t below(std::uint64_t n) { return engine() % n; }
    std::string text();
    Value value(int depth = 4);
};

/// Bytes that the process holds, from /proc.
std::size_t resident_bytes();

} // namespace cubelink::rpc::test
