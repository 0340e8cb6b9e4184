#include "rpc/json/attachments.hpp"
#include "rpc/json/json_dialect.hpp"
#include "tests/rpc/fixtures.hpp"

#include <doctest/doctest.h>

using namespace cubelink::rpc;
using cubelink::rpc::test::give;
using cubelink::rpc::test::Recorder;

namespace {

std::unique_ptr<Dialect> open_dialect() {
    auto dialect = make_json_dialect();
    dialect->set_limits(dialect->full_limits());
    return dialect;
}

std::string header(const std::string& keys) { return R"({"wslink":"1.0","method":"wslink.binary.attachment","args":[)" + keys + "]}"; }

std::string request(const std::string& args) { return R"({"wslink":"1.0","id":"rpc:c:1","method":"m","args":)" + args + "}"; }

std::uint64_t number_in(const WireFrame& frame) {
    const std::string text = test::join(frame);
    const auto at = text.find("wslink_bin");
    REQUIRE(at != std::string::npos);
    return std::stoull(text.substr(at + 10));
}

} // namespace

TEST_CASE("Attachment keys") {
    CHECK(attachment_number("wslink_bin0") == 0);
    CHECK(attachment_number("wslink_bin0012") == 12);
    CHECK(attachment_number("wslink_bin99999999999999999999999") == UINT64_MAX);
    for (const char* text : {"", "wslink_bin", "wslink_bin1x", "wslink_bin-1", " wslink_bin1", "wslink_bin1 ", "wslink_bi1"})
        CHECK_FALSE(attachment_number(text));
}

TEST_CASE("A client's attachments take the places of their keys") {
    auto dialect = open_dialect();
    Recorder sink;
    give(*dialect, true, header(R"("wslink_bin1")"), sink);
    give(*dialect, false, "first", sink);
    CHECK(dialect->half_sent_bytes() == 0); // it may wait for its message as long as the client likes
    give(*dialect, true, header(R"("wslink_bin2","wslink_bin3")"), sink);
    CHECK(dialect->half_sent_bytes() > 0);
    give(*dialect, false, "", sink); // no bytes, not a heartbeat
    CHECK(dialect->half_sent_bytes() > 0);
    const std::string large(100000, 'x');
    give(*dialect, false, large, sink);
    CHECK(dialect->unfinished_bytes() >= 100005);
    CHECK(dialect->half_sent_bytes() == 0);
    CHECK(sink.events() == 0);
    give(
        *dialect, true,
        R"({"id":"i","method":"m","args":["wslink_bin1",{"a":["wslink_bin3","wslink_bin1","wslink_bin9","xwslink_bin2"]}],"kwargs":{"wslink_bin2":"wslink_bin2"}})",
        sink);
    REQUIRE(sink.requests.size() == 1);
    CHECK(Value(sink.requests[0].args) ==
          Value(Array{Bytes::copy("first"), Map{{"a", Array{Bytes::copy(large), "wslink_bin1", "wslink_bin9", "xwslink_bin2"}}}}));
    CHECK(Value(sink.requests[0].kwargs) == Value(Map{{"wslink_bin2", Bytes()}}));
    CHECK(dialect->unfinished_bytes() == 0);
}

TEST_CASE("Attachments wait while other messages pass, and an empty frame is a heartbeat where none is due") {
    auto dialect = open_dialect();
    Recorder sink;
    give(*dialect, false, "", sink);
    CHECK(sink.heartbeats.size() == 1);
    give(*dialect, true, header(R"("wslink_bin1")"), sink);
    give(*dialect, true, request(R"(["wslink_bin1"])"), sink);
    CHECK(Value(sink.requests.at(0).args) == Value(Array{"wslink_bin1"}));
    give(*dialect, false, "late", sink);
    give(*dialect, true, request(R"(["wslink_bin1"])"), sink);
    CHECK(Value(sink.requests.at(1).args) == Value(Array{Bytes::copy("late")}));
    // The same key again takes the place of the one not used.
    for (const char* bytes : {"one", "three"}) {
        give(*dialect, true, header(R"("wslink_bin1")"), sink);
        give(*dialect, false, bytes, sink);
    }
    give(*dialect, true, request(R"(["wslink_bin1"])"), sink);
    CHECK(Value(sink.requests.at(2).args) == Value(Array{Bytes::copy("three")}));
    CHECK(dialect->unfinished_bytes() == 0);
    CHECK_FALSE(sink.broken);
}

TEST_CASE("Attachments out of order or malformed close the connection") {
    for (const char* bad : {"", "5", R"("x")", R"("wslink_bin1",null)", R"(["wslink_bin1"])"}) {
        auto dialect = open_dialect();
        Recorder sink;
        give(*dialect, true, header(bad), sink);
        give(*dialect, false, "x", sink);
        CHECK(sink.broken == 1002);
        CHECK_FALSE(sink.reason.empty());
    }
    auto dialect = open_dialect();
    Recorder sink;
    give(*dialect, true, R"({"method":"wslink.binary.attachment"})", sink);
    CHECK(sink.broken == 1002);
}

TEST_CASE("Attachments that nobody uses are bounded") {
    auto dialect = open_dialect();
    dialect->set_limits({1000, 1000, 3000, 64});
    Recorder sink;
    int sent = 0;
    for (; !sink.broken && sent < 10; ++sent) {
        give(*dialect, true, header("\"wslink_bin" + std::to_string(sent) + "\""), sink);
        give(*dialect, false, std::string(900, 'x'), sink);
    }
    CHECK(sink.broken == 1009);
    CHECK(sent == 4);
    // Keys alone, too.
    auto other = open_dialect();
    other->set_limits({1000, 1000, 3000, 64});
    Recorder second;
    for (int i = 0; !second.broken && i < 1000; ++i) give(*other, true, header("\"wslink_bin" + std::to_string(i) + "\""), second);
    CHECK(second.broken == 1009);
}

TEST_CASE("Replies: header, bytes, …, message; a fresh key for each place") {
    const auto dialect = open_dialect();
    const Bytes bytes = Bytes::take(std::string(50000, 'x'));
    const EncodedPtr encoded = dialect->encode(Reply{"i", "m", body(Map{{"a", bytes}, {"b", Array{bytes, Bytes()}}}), {}});
    REQUIRE(encoded->frames.size() == 7);
    const std::uint64_t first = number_in(encoded->frames[0]);
    std::size_t size = 0;
    for (std::size_t i = 0; i < 7; ++i) {
        CHECK(encoded->frames[i].text == (i % 2 == 0));
        size += encoded->frames[i].size();
    }
    CHECK(encoded->bytes == size);
    for (std::size_t i = 0; i < 3; ++i)
        CHECK(test::join(encoded->frames[2 * i]) == header("\"wslink_bin" + std::to_string(first + i) + "\""));
    CHECK(encoded->frames[1].parts[0].data() == bytes.data()); // not copied
    CHECK(encoded->frames[3].parts[0].data() == bytes.data());
    CHECK(encoded->frames[5].size() == 0);
    const auto key = [&](std::uint64_t i) { return "\"wslink_bin" + std::to_string(first + i) + "\""; };
    CHECK(test::join(encoded->frames[6]) ==
          R"({"wslink":"1.0","id":"i","result":{"a":)" + key(0) + R"(,"b":[)" + key(1) + "," + key(2) + "]}}");
}

TEST_CASE("A string that looks like a key is never mistaken for one") {
    const auto dialect = open_dialect();
    const std::uint64_t next = number_in(dialect->encode(Reply{"i", "m", body(Bytes::copy("x")), {}})->frames[0]) + 1;
    Array result;
    for (std::uint64_t n = next; n < next + 5; ++n) result.push_back("wslink_bin" + std::to_string(n));
    result.push_back(Bytes::copy("y"));
    const EncodedPtr encoded = dialect->encode(Reply{"i", "m", body(result), {}});
    CHECK(number_in(encoded->frames[0]) == next + 5);
}
