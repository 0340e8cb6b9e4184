#include "rpc/hello.hpp"
#include "rpc/json/json_reader.hpp"
#include "rpc/wslink_dialect.hpp"
#include "tests/rpc/fixtures.hpp"

#include <doctest/doctest.h>

using namespace cubelink::rpc;
using namespace std::string_literals;
using cubelink::rpc::test::give;
using cubelink::rpc::test::join;
using cubelink::rpc::test::Recorder;
using cubelink::rpc::test::whole;

namespace {

struct HopelessBody : Body {
    Value value() const override { throw CallError(code::result_not_encodable, "cannot"); }
};

/// Errors that a text message is answered with: "<id> <code> <message>".
std::string refusal(const std::string& text) {
    auto dialect = make_wslink_dialect();
    Recorder sink;
    give(*dialect, true, text, sink);
    REQUIRE(sink.bad_requests.size() == 1);
    CHECK(sink.events() == 1);
    const Reply& reply = sink.bad_requests[0];
    return reply.id + " " + std::to_string(reply.error->code) + " " + reply.error->message;
}

} // namespace

TEST_CASE("The first frame that is not empty chooses the generation") {
    auto dialect = make_wslink_dialect();
    Recorder sink;
    CHECK(dialect->encode(Reply{"i", "m", nullptr, {}}) == nullptr);
    CHECK(dialect->encode(Publication("t", body(1))) == nullptr);
    CHECK(dialect->advertised_frame_size() == 0);
    give(*dialect, false, "", sink);
    give(*dialect, true, "", sink);
    REQUIRE(sink.heartbeats.size() == 2);
    CHECK_FALSE(sink.heartbeats[0].text);
    CHECK(sink.heartbeats[1].text);
    CHECK(sink.heartbeats[1].size() == 0);
    CHECK(dialect->name() == "undecided");

    give(*dialect, true, R"({"wslink":"1.0","id":"system:c0:0","method":"wslink.hello","args":[{"secret":"s"}]})", sink);
    REQUIRE(sink.requests.size() == 1);
    CHECK(sink.requests[0].id == "system:c0:0");
    CHECK(sink.requests[0].method == "wslink.hello");
    CHECK(dialect->name() == "json");
    CHECK(dialect->encoding_key() == 1);
    CHECK(dialect->advertised_frame_size() == 0);
    CHECK(dialect->full_limits().frame == 64 << 20);
    CHECK(join(dialect->encode(Reply{"i", "m", nullptr, {}})->frames[0]) == R"({"wslink":"1.0","id":"i","result":null})");
}

TEST_CASE("Generation 2: hello as the JavaScript client sends it, text ignored, heartbeats in kind") {
    auto dialect = make_wslink_dialect();
    Recorder sink;
    // msgpack.packb of Python's msgpack 1.0.3
    const std::string request =
        "\x85\xa6\x77\x73\x6c\x69\x6e\x6b\xa3\x31\x2e\x30\xa2\x69\x64\xa7\x72\x70\x63\x3a\x63\x3a\x31\xa6\x6d\x65\x74\x68\x6f\x64\xa1\x6d"
        "\xa4\x61"
        "\x72\x67\x73\x92\xc4\x02\x01\x02\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa6\x6b\x77\x61\x72\x67\x73\x81\xa1\x6b\xc0"s;
    give(*dialect, false, whole(request), sink);
    REQUIRE(sink.requests.size() == 1);
    CHECK(sink.requests[0].id == "rpc:c:1");
    CHECK(Value(sink.requests[0].args) == Value(Array{Bytes::copy("\x01\x02"), 1.5}));
    CHECK(Value(sink.requests[0].kwargs) == Value(Map{{"k", nullptr}}));
    CHECK(dialect->name() == "msgpack");
    CHECK(dialect->advertised_frame_size() == 4194304);
    CHECK(dialect->full_limits().frame == 4194304 + 4096);
    CHECK(dialect->full_limits().message == 256 << 20);
    give(*dialect, true, "{}", sink);
    CHECK(sink.ignored.size() == 1);
    give(*dialect, true, "", sink);
    give(*dialect, false, "", sink);
    REQUIRE(sink.heartbeats.size() == 2);
    CHECK(sink.heartbeats[0].text);
    CHECK_FALSE(sink.heartbeats[1].text);
    CHECK_FALSE(sink.broken);
    // The answer: {"wslink": "1.0", "id": "i", "error": {"code": -32601, "message": "no", "data": "m"}}
    const auto encoded = dialect->encode(Reply{"i", "m", nullptr, Error{-32601, "no", "m"}});
    CHECK(join(encoded->frames[0]).substr(12) ==
          "\x83\xa6wslink\xa3\x31.0\xa2id\xa1i\xa5"s + "error\x83\xa4" + "code\xd1\x80\xa7\xa7message\xa2no\xa4" + "data\xa1m");
}

TEST_CASE("Requests that are wrong in their shape are answered where there is an id") {
    CHECK(refusal(R"({"id":"i"})") == "i -32602 method: expected a name, got nothing");
    CHECK(refusal(R"({"id":"i","method":5})") == "i -32602 method: expected a name, got 5");
    CHECK(refusal(R"({"id":"i","method":"m","args":{"a":1}})") == R"(i -32602 args: expected a list, got {"a": 1})");
    CHECK(refusal(R"({"id":"i","method":"m","kwargs":[1]})") == "i -32602 kwargs: expected a map, got [1]");
    CHECK(refusal(R"({"id":"i","method":"m","args":[{"k":1,"k":2}]})") == R"(i -32602 bad JSON: the key "k" appears twice in a map)");
    CHECK(refusal(R"({"id":"i","method":"m","args":[)").starts_with("i -32602 bad JSON: "));

    for (const char* text : {R"({})", R"({"method":"m"})", R"({"id":null,"method":"m"})"}) {
        auto dialect = make_wslink_dialect();
        Recorder sink;
        give(*dialect, true, text, sink);
        CHECK(sink.ignored.size() == 1);
        CHECK(sink.events() == 1);
    }
    for (const char* text : {R"({"id":5,"method":"m"})", R"({"id":["i"],"method":"m"})"}) { // nobody could be answered, and somebody waits
        auto dialect = make_wslink_dialect();
        Recorder sink;
        give(*dialect, true, text, sink);
        CHECK(sink.broken == 1002);
        CHECK(sink.events() == 1);
    }
    for (const char* text :
         {R"({"id":"i","method":"m"})", R"({"id":"i","method":"m","args":null,"kwargs":null,"more":1})", R"({"id":"","method":""})"}) {
        auto dialect = make_wslink_dialect();
        Recorder sink;
        give(*dialect, true, text, sink);
        REQUIRE(sink.requests.size() == 1);
        CHECK(sink.requests[0].args.empty());
        CHECK(sink.requests[0].kwargs.empty());
    }
    auto dialect = make_wslink_dialect();
    Recorder sink;
    Map integer_keys;
    integer_keys.append(1, 2);
    give(*dialect, false, whole(test::msgpack_request(Array{}, integer_keys)), sink);
    REQUIRE(sink.bad_requests.size() == 1);
    CHECK(sink.bad_requests[0].error->message == "kwargs: expected names as keys, got 1");
}

TEST_CASE("Before hello a frame is at most 524 bytes and a message 512") {
    const std::string start = R"({"id":"i","method":"m","args":[")", end = R"("]})";
    const auto sized = [&](std::size_t size) { return start + std::string(size - start.size() - end.size(), 'x') + end; };
    for (const auto& [size, code] : {std::pair{512u, 0}, {513u, 1009}, {525u, 1009}}) {
        auto dialect = make_wslink_dialect();
        Recorder sink;
        give(*dialect, true, sized(size), sink);
        CHECK(sink.broken.value_or(0) == code);
        CHECK(sink.requests.size() == (code == 0 ? 1u : 0u));
    }
    auto dialect = make_wslink_dialect();
    Recorder sink;
    give(*dialect, true, sized(100), sink);
    dialect->set_limits(dialect->full_limits());
    give(*dialect, true, sized(1 << 20), sink);
    CHECK(sink.requests.size() == 2);

    auto binary = make_wslink_dialect();
    give(*binary, false, test::chunk(1, 0, 513, "x"), sink);
    CHECK(sink.broken == 1009);
}

TEST_CASE("Results that cannot be encoded become errors") {
    for (const bool text : {true, false}) {
        auto dialect = make_wslink_dialect();
        Recorder sink;
        give(*dialect, text, text ? "{}"s : whole("\x80"), sink);
        const auto answer = [&](BodyPtr result) {
            return join(dialect->encode(Reply{"i", "the.method", std::move(result), {}})->frames.back());
        };
        const std::string hopeless = answer(std::make_shared<HopelessBody>());
        CHECK(hopeless.find("Method result cannot be serialized") != std::string::npos);
        CHECK(hopeless.find("the.method") != std::string::npos);
        if (text)
            CHECK(
                hopeless ==
                R"({"wslink":"1.0","id":"i","error":{"code":-32002,"message":"Method result cannot be serialized","data":"the.method"}})");
        const bool refused = answer(body(Array{Bytes::copy("x"), Extension{1, {}}})).find("serialized") != std::string::npos;
        CHECK(refused == text);
        // An error whose data cannot be said goes without them.
        const auto bare = dialect->encode(Reply{"i", "m", nullptr, Error{-1, "why", [] {
                                                                             Map map;
                                                                             map.append(1.5, 1);
                                                                             return map;
                                                                         }()}});
        CHECK(join(bare->frames[0]).find("why") != std::string::npos);
        CHECK(join(bare->frames[0]).find("data") == std::string::npos);
    }
}

TEST_CASE("Hello and the dialect together") {
    for (const bool text : {true, false}) {
        auto dialect = make_wslink_dialect();
        Hello hello([](std::string_view secret) { return secret == "s"; });
        Recorder sink;
        const Array args{Map{{"secret", "s"}}};
        give(*dialect, text,
             text ? R"({"wslink":"1.0","id":"system:c0:0","method":"wslink.hello","args":[{"secret":"s"}]})"
                  : whole(test::msgpack_request(args, Map{}, "system:c0:0", "wslink.hello")),
             sink);
        REQUIRE(sink.requests.size() == 1);
        const auto reply = hello.receive(sink.requests[0], dialect->advertised_frame_size());
        REQUIRE(reply);
        const std::string sent = join(dialect->encode(*reply)->frames[0]);
        CHECK(sent.find(hello.client_id()) != std::string::npos);
        CHECK((sent.find("maxMsgSize") != std::string::npos) == !text);
    }
}
