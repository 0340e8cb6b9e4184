// The two generations held against each other: what a client sends by either arrives as the same value, and what the server
// sends by either, read as a client reads it, is the same value.

#include "rpc/json/attachments.hpp"
#include "rpc/msgpack/chunking.hpp"
#include "rpc/json/json_dialect.hpp"
#include "rpc/json/json_reader.hpp"
#include "rpc/json/json_writer.hpp"
#include "rpc/message_writer.hpp"
#include "rpc/msgpack/msgpack_dialect.hpp"
#include "rpc/msgpack/msgpack_reader.hpp"
#include "rpc/msgpack/msgpack_writer.hpp"
#include "tests/rpc/fixtures.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

using namespace cubelink::rpc;
using cubelink::rpc::test::give;
using cubelink::rpc::test::Recorder;

namespace {

Value read_back(const Value& message) {
    const Map& map = *message.get_if<Map>();
    CHECK(*map.find("wslink") == Value("1.0"));
    CHECK(*map.find("id") == Value("rpc:c:1"));
    return *map.find("result");
}

/// As a client of generation 2 would read a reply.
Value client_msgpack(const Encoded& encoded) {
    Reassembly reassembly;
    for (const WireFrame& frame : encoded.frames) {
        const std::string bytes = test::join(frame);
        const auto outcome = reassembly.receive(bytes, nullptr, {8 << 20, 256u << 20, 256u << 20, 64});
        REQUIRE(outcome.problem == "");
        if (outcome.complete) return read_back(read_msgpack(outcome.message, nullptr, 126).message);
    }
    FAIL("no whole message");
    return {};
}

/// As a client of generation 1 would.
Value client_json(const Encoded& encoded) {
    ReceivedAttachments attachments;
    for (const WireFrame& frame : encoded.frames) {
        if (!frame.text) {
            REQUIRE(attachments.waiting());
            attachments.receive(Bytes::take(test::join(frame)));
            continue;
        }
        Decoded decoded = read_json(test::join(frame), 126);
        REQUIRE(decoded.problem == "");
        Map& message = *decoded.message.get_if<Map>();
        if (!message.find("id")) {
            REQUIRE(attachments.announce(message.find("args")) == "");
            continue;
        }
        attachments.replace_keys_in(decoded.message);
        CHECK(attachments.bytes() == 0);
        return read_back(decoded.message);
    }
    FAIL("no message");
    return {};
}

Reply reply_of(const Value& value) { return {"rpc:c:1", "m", body(value), {}}; }

} // namespace

TEST_CASE("Replies: both generations give the client the same value") {
    const std::uint32_t seed = cubelink::test::random_seed();
    CAPTURE(seed);
    test::RandomValues random(seed);
    const auto json = make_json_dialect(), msgpack = make_msgpack_dialect();
    for (int round = 0; round < 2000; ++round) {
        const Value value = random.value(5);
        CHECK(client_msgpack(*msgpack->encode(reply_of(value))) == value);
        CHECK(client_json(*json->encode(reply_of(value))) == value);
    }
}

TEST_CASE("Generation 2 carries extensions and integer keys") {
    const std::uint32_t seed = cubelink::test::random_seed();
    CAPTURE(seed);
    test::RandomValues random(seed + 1);
    random.extensions = random.integer_keys = true;
    const auto msgpack = make_msgpack_dialect();
    for (int round = 0; round < 2000; ++round) {
        const Value value = random.value(5);
        CHECK(client_msgpack(*msgpack->encode(reply_of(value))) == value);
    }
}

TEST_CASE("Requests: both generations give the server the same value") {
    const std::uint32_t seed = cubelink::test::random_seed();
    CAPTURE(seed);
    test::RandomValues random(seed + 2);
    auto json = make_json_dialect(), msgpack = make_msgpack_dialect();
    json->set_limits(json->full_limits());
    msgpack->set_limits(msgpack->full_limits());
    for (int round = 0; round < 2000; ++round) {
        const Array args{random.value(4), random.value(4)};
        const Map kwargs{{"x", random.value(4)}};
        Recorder by_json, by_msgpack;
        give(*msgpack, false, test::whole(test::msgpack_request(args, kwargs)), by_msgpack);

        // The server's own writer also makes what a client of generation 1 sends: attachments, then the message.
        JsonWriter writer;
        writer.value(Map{{"wslink", "1.0"}, {"id", "rpc:c:1"}, {"method", "m"}, {"args", args}, {"kwargs", kwargs}});
        const EncodedPtr encoded = writer.finish();
        for (const WireFrame& frame : encoded->frames) give(*json, frame.text, test::join(frame), by_json);

        REQUIRE(by_json.requests.size() == 1);
        REQUIRE(by_msgpack.requests.size() == 1);
        CHECK(Value(by_json.requests[0].args) == Value(args));
        CHECK(Value(by_msgpack.requests[0].args) == Value(args));
        CHECK(Value(by_json.requests[0].kwargs) == Value(by_msgpack.requests[0].kwargs));
        CHECK(json->unfinished_bytes() == 0);
    }
}

TEST_CASE("Garbage: mutated messages end in the sink and nowhere else") {
    const std::uint32_t seed = cubelink::test::random_seed();
    CAPTURE(seed);
    test::RandomValues random(seed + 3);
    for (int round = 0; round < 20000; ++round) {
        const bool text = round % 2 == 0;
        std::string message;
        if (text) {
            JsonWriter writer;
            random.bytes = false;
            writer.value(Map{{"id", "i"}, {"method", "m"}, {"args", Array{random.value(3)}}});
            message = writer.take_text();
        } else {
            random.bytes = true;
            message = test::msgpack_request(Array{random.value(3)}, Map{});
        }
        for (auto n = 1 + random.below(4); n > 0 && !message.empty(); --n) {
            const auto at = random.below(message.size());
            switch (random.below(3)) {
            case 0:
                message[at] = static_cast<char>(random.below(256));
                break;
            case 1:
                message.erase(at, random.below(8));
                break;
            default:
                message.insert(at, 1, static_cast<char>(random.below(256)));
            }
        }
        if (message.empty()) continue;
        auto dialect = text ? make_json_dialect() : make_msgpack_dialect();
        dialect->set_limits(dialect->full_limits());
        Recorder sink;
        give(*dialect, text, text ? message : test::whole(message), sink);
        CHECK(sink.events() == 1);
    }
}
