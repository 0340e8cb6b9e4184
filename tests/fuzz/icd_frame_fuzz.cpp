// Frames as an ICD client might send them, one after another on one connection: [u16 size, frame]…; a size of 0xffff is a text
// frame of the rest. Whatever is taken as a request must survive the way to a value, and its failure must be encodable.
//
// link: cubelink_icd

#include "rpc/icd/body.hpp"
#include "rpc/icd/icd_dialect.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace {

using namespace cubelink;

class Sink final : public rpc::DialectSink {
public:
    explicit Sink(const icd::IcdDialect& dialect) : dialect_(dialect) {}

    void on_request(rpc::Request&& request) override {
        const rpc::Value value = request.native->value();
        if (!value.is<rpc::Map>()) std::abort();
        dialect_.encode({request.id, request.method, request.native, {}});
        fail(request.id, request.method);
    }
    void on_bad_request(rpc::Reply&& reply) override {
        if (!reply.error || !dialect_.encode(reply)) std::abort();
    }
    void on_heartbeat(rpc::WireFrame) override {}
    void on_broken(std::uint16_t, std::string_view) override { std::abort(); } // only beyond the limit, which no input here reaches
    void on_ignored(std::string_view what) override {
        if (what.empty()) std::abort();
    }

private:
    const icd::IcdDialect& dialect_;

    void fail(const std::string& id, const std::string& method) {
        if (!dialect_.encode({id, method, nullptr, rpc::Error{rpc::code::method_failed, "\xff", {}}})) std::abort();
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    icd::IcdDialect dialect;
    dialect.set_limits({icd::frame_limit, icd::frame_limit, icd::frame_limit, 64});
    Sink sink(dialect);
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    while (rest.size() >= 2) {
        const std::size_t said = static_cast<std::uint8_t>(rest[0]) | static_cast<std::size_t>(static_cast<std::uint8_t>(rest[1])) << 8;
        rest.remove_prefix(2);
        const bool text = said == 0xffff;
        const std::string_view frame = rest.substr(0, std::min(said, rest.size()));
        dialect.receive(text, frame, nullptr, sink);
        rest.remove_prefix(frame.size());
    }
    return 0;
}
