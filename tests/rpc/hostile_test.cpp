#include "rpc/wslink_dialect.hpp"
#include "tests/rpc/fixtures.hpp"
#include "tests/support/cpu_clock.hpp"
#include "tests/support/effort.hpp"

#include <doctest/doctest.h>

using namespace cubelink::rpc;
using namespace std::string_literals;
using cubelink::rpc::test::chunk;
using cubelink::rpc::test::give;
using cubelink::rpc::test::Recorder;
using cubelink::rpc::test::whole;

namespace {

/// A dialect of that generation, let in.
std::unique_ptr<Dialect> open_dialect(bool text) {
    auto dialect = make_wslink_dialect();
    Recorder sink;
    give(*dialect, text, text ? R"({"wslink":"1.0"})"s : whole("\x80"), sink);
    REQUIRE(sink.ignored.size() == 1);
    dialect->set_limits(dialect->full_limits());
    return dialect;
}

Recorder receive(bool text, const std::string& message) {
    auto dialect = open_dialect(text);
    Recorder sink;
    give(*dialect, text, text ? message : whole(message), sink);
    CHECK(sink.events() == 1);
    return sink;
}

std::string with_id(const std::string& args) { return "\x83\xa2"s + "id\xa1i\xa6" + "method\xa1m\xa4" + "args" + args; }

} // namespace

TEST_CASE("msgpack that claims 2^32 elements costs nothing") {
    const std::size_t before = test::resident_bytes();
    for (const std::string& claim : {"\xdd\xff\xff\xff\xff"s, "\xdf\xff\xff\xff\xff"s, "\xdb\xff\xff\xff\xff"s, "\xc6\xff\xff\xff\xff"s,
                                     "\xc9\xff\xff\xff\xff\x01"s}) {
        CHECK(receive(false, claim).broken == 1007);
        const Recorder answered = receive(false, with_id(claim));
        REQUIRE(answered.bad_requests.size() == 1);
        CHECK(answered.bad_requests[0].id == "i");
        CHECK(answered.bad_requests[0].error->code == -32602);
    }
    // Each of many nested lists claims as much as the message has bytes.
    std::string nested;
    for (int i = 0; i < 60; ++i) nested += "\xdd\x00\x0f\xff\xff"s;
    nested += std::string(1 << 20, '\x01');
    CHECK(receive(false, nested).broken == 1007);
    CHECK(test::resident_bytes() < before + (200u << 20));
}

TEST_CASE("Twenty thousand levels") {
    for (const std::string& level : {"\x91"s, "\x81\x01"s}) {
        std::string deep;
        for (int i = 0; i < 20000; ++i) deep += level;
        CHECK(receive(false, deep + "\xc0").broken == 1007);
        CHECK(receive(false, with_id(deep + "\xc0")).bad_requests.size() == 1);
        CHECK(receive(false, with_id(deep)).bad_requests.size() == 1);
    }
    for (const std::string& level : {"["s, "{\"a\":"s}) {
        std::string deep, end;
        for (int i = 0; i < 20000; ++i) {
            deep += level;
            end += level == "[" ? "]" : "}";
        }
        CHECK(receive(true, deep).broken == 1007);
        CHECK(receive(true, R"({"id":"i","args":[)" + deep + "1" + end + "]}").bad_requests.size() == 1);
        CHECK(receive(true, R"({"args":[)" + deep + "1" + end + R"(],"id":"i"})").bad_requests.size() == 1);
    }
    // Millions of levels, which only the end of the message would end.
    CHECK(receive(false, std::string(4 << 20, '\x91').substr(0, (4 << 20) - 16)).broken == 1007);
    CHECK(receive(true, std::string(60 << 20, '[')).broken == 1007);
}

TEST_CASE("An argument may be nested 64 deep and not 65") {
    const auto nest = [](int levels) {
        Value value = 1;
        for (int i = 0; i < levels; ++i) value = Array{std::move(value)};
        return value;
    };
    const auto json = [](int levels) {
        return R"({"id":"i","method":"m","args":[)" + std::string(static_cast<std::size_t>(levels), '[') +
               std::string(static_cast<std::size_t>(levels), ']') + "]}";
    };
    CHECK(receive(false, test::msgpack_request(Array{nest(64)}, Map{})).requests.size() == 1);
    CHECK(receive(false, test::msgpack_request(Array{nest(65)}, Map{})).bad_requests.size() == 1);
    CHECK(receive(true, json(64)).requests.size() == 1);
    CHECK(receive(true, json(65)).bad_requests.size() == 1);
}

TEST_CASE("A header that promises much costs what has arrived") {
    auto dialect = open_dialect(false);
    const std::size_t before = test::resident_bytes();
    Recorder sink;
    for (std::uint32_t id = 0; id < 60; ++id) give(*dialect, false, chunk(id, 100000000, 256 << 20, "x"), sink);
    CHECK(sink.events() == 0);
    CHECK(dialect->unfinished_bytes() < 10000);
    CHECK(test::resident_bytes() < before + (1 << 20));
    give(*dialect, false, chunk(99, 0, 0xFFFFFFFF, "x"), sink);
    CHECK(sink.broken == 1009);
    CHECK(test::resident_bytes() < before + (1 << 20));
}

TEST_CASE("Values are counted: a message of single bytes does not become gigabytes") {
    std::string many = "\xdd\x00\xa0\x00\x00"s + std::string(10 << 20, '\xc0');
    auto dialect = open_dialect(false);
    const std::string message = with_id(many);
    Recorder sink;
    const std::size_t half = message.size() / 3 + 1;
    for (std::size_t at = 0; at < message.size(); at += half)
        give(*dialect, false,
             chunk(7, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(message.size()), message.substr(at, half)), sink);
    REQUIRE(sink.bad_requests.size() == 1);
    CHECK(sink.bad_requests[0].error->message.find("values in one message") != std::string::npos);

    if (cubelink::test::sanitized) return; // ten million more take most of a minute there
    std::string json = R"({"id":"i","method":"m","args":[0)";
    for (int i = 0; i < 10000000; ++i) json += ",0";
    CHECK(receive(true, json + "]}").bad_requests.size() == 1);
}

TEST_CASE("A map of many keys takes time in proportion") {
    std::string keys = R"({"id":"i","method":"m","kwargs":{"k":0)";
    for (int i = 0; i < 300000; ++i) keys += ",\"k" + std::to_string(i) + "\":0";
    const cubelink::test::CpuClock clock;
    CHECK(receive(true, keys + "}}").requests.size() == 1);
    CHECK(receive(true, keys + ",\"k77\":0}}").bad_requests.size() == 1);
    CHECK(clock.seconds() < 60);
}

TEST_CASE("Garbage closes with a code and a reason") {
    CHECK(receive(true, "garbage").broken == 1007);
    CHECK(receive(true, "{\"id\": \"\xC3\x28\"}").broken == 1007);
    CHECK(receive(true, "[1,2]").broken == 1002);
    CHECK(receive(false, "\x93\x01\x02\x03").broken == 1002);
    CHECK(receive(false, "\xc1").broken == 1007);
    CHECK(receive(false, "\x81\xa2id\xa2\xC3\x28"s).broken == 1007);
    auto dialect = open_dialect(false);
    Recorder sink;
    give(*dialect, false, "eleven byte", sink);
    CHECK(sink.broken == 1002);
    CHECK_FALSE(sink.reason.empty());
}
