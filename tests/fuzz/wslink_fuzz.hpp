#pragma once
/// What the fuzzers of the wslink dialects share: the input cut into frames, and a sink that answers every request.

#include "rpc/dialect.hpp"

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

namespace cubelink::rpc::fuzz {

/// Sends each request's arguments back through the dialect, so that whatever is decoded is also encoded.
class EchoSink : public DialectSink {
public:
    explicit EchoSink(const Dialect& dialect) : dialect_(dialect) {}

    void on_request(Request&& request) override {
        Map result{{"args", std::move(request.args)}, {"kwargs", std::move(request.kwargs)}};
        check(dialect_.encode(Reply{request.id, request.method, body(std::move(result)), {}}));
    }
    void on_bad_request(Reply&& reply) override {
        if (!reply.error || reply.error->message.empty()) std::abort();
        check(dialect_.encode(reply));
    }
    void on_heartbeat(WireFrame answer) override {
        if (answer.size() != 0) std::abort();
    }
    void on_broken(std::uint16_t close_code, std::string_view reason) override {
        if (close_code < 1002 || close_code > 1009 || reason.empty()) std::abort();
        broken = true;
    }
    void on_ignored(std::string_view) override {}

    bool broken = false;

private:
    static void check(const EncodedPtr& encoded) {
        if (!encoded || encoded->frames.empty()) std::abort();
        std::size_t bytes = 0;
        for (const WireFrame& frame : encoded->frames) bytes += frame.size();
        if (bytes != encoded->bytes) std::abort();
    }

    const Dialect& dialect_;
};

/// Gives frames to the dialect, each in memory of its own, freed as soon as nobody holds it.
inline bool give(Dialect& dialect, bool text, std::string_view frame, EchoSink& sink) {
    const auto owner = std::make_shared<const std::string>(frame);
    dialect.receive(text, *owner, owner, sink);
    return !sink.broken;
}

} // namespace cubelink::rpc::fuzz
