#include "rpc/icd/icd_dialect.hpp"

#include "rpc/icd/body.hpp"
#include "rpc/icd/messages.hpp"
#include "rpc/icd/register.hpp"
#include "tests/rpc/icd/random_message.hpp"

#include <doctest/doctest.h>

#include <cstring>

namespace cubelink::icd {
namespace {

namespace pb = google::protobuf;
using rpc::Map;
using rpc::Reply;
using rpc::Value;

struct Sink final : rpc::DialectSink {
    std::vector<rpc::Request> requests;
    std::vector<Reply> bad;
    std::vector<rpc::WireFrame> heartbeats;
    std::vector<std::string> ignored;
    std::vector<std::uint16_t> broken;

    void on_request(rpc::Request&& request) override { requests.push_back(std::move(request)); }
    void on_bad_request(Reply&& reply) override { bad.push_back(std::move(reply)); }
    void on_heartbeat(rpc::WireFrame answer) override { heartbeats.push_back(std::move(answer)); }
    void on_broken(std::uint16_t code, std::string_view) override { broken.push_back(code); }
    void on_ignored(std::string_view what) override { ignored.emplace_back(what); }
};

struct Client {
    IcdDialect dialect;
    Client() { dialect.set_limits({frame_limit, frame_limit, frame_limit, 64}); }

    Sink send(std::string_view frame, bool text = false) {
        Sink sink;
        dialect.receive(text, frame, nullptr, sink);
        return sink;
    }
};

std::string header(unsigned event, unsigned version, std::uint32_t id) {
    std::string out;
    for (const unsigned part : {event, version, id & 0xffff, id >> 16}) {
        out += static_cast<char>(part & 0xff);
        out += static_cast<char>(part >> 8);
    }
    return out;
}

std::string frame(unsigned event, const pb::Message& message, std::uint32_t id = 5, unsigned version = 30) {
    return header(event, version, id) + message.SerializeAsString();
}

std::string joined(const rpc::WireFrame& frame) {
    std::string out;
    for (const auto& part : frame.parts) out += part.text();
    return out;
}

std::string joined(const rpc::EncodedPtr& encoded) {
    REQUIRE(encoded);
    REQUIRE(encoded->frames.size() == 1);
    CHECK(!encoded->frames[0].text);
    const std::string out = joined(encoded->frames[0]);
    CHECK(encoded->bytes == out.size());
    return out;
}

template <class M>
M parsed(const std::string& frame) {
    M message;
    REQUIRE(frame.size() >= 8);
    REQUIRE(message.ParseFromString(frame.substr(8)));
    return message;
}

OpenFile open_file() {
    OpenFile message;
    message.set_file("a.fits");
    message.set_file_id(2);
    return message;
}

TEST_CASE("every message of a client becomes a request of its name, whatever is in it") {
    test::Random random(7);
    Client client;
    for (const Event& event : events()) {
        if (event.direction != Direction::to_server) continue;
        INFO(event.method);
        for (int i = 0; i < 30; ++i) {
            std::unique_ptr<pb::Message> message(event.prototype->New());
            test::randomise(*message, random);
            const Sink sink = client.send(frame(event.number, *message, 4294967295u));
            REQUIRE(sink.requests.size() == 1);
            CHECK(sink.requests[0].method == event.method);
            CHECK(sink.requests[0].id == "4294967295");
            CHECK(test::wire_of(*message_of(sink.requests[0].native)) == test::wire_of(*message));
            CHECK(sink.ignored.empty());
        }
    }
}

TEST_CASE("replies and publications of every message go out under its number") {
    test::Random random(8);
    Client client;
    for (const Event& event : events()) {
        if (event.direction != Direction::to_client) continue;
        INFO(event.method);
        std::shared_ptr<pb::Message> message(event.prototype->New());
        test::randomise(*message, random);
        Reply reply{"77", "carta.open.file", std::make_shared<MessageBody>(message), {}};
        const std::string sent = joined(client.dialect.encode(reply));
        CHECK(sent.substr(0, 8) == header(event.number, 30, 77));
        std::unique_ptr<pb::Message> back(event.prototype->New());
        REQUIRE(back->ParseFromString(sent.substr(8)));
        CHECK(test::wire_of(*back) == test::wire_of(*message));
        const auto publication = make_publication(std::shared_ptr<const pb::Message>(message));
        CHECK(publication->topic() == event.method);
        CHECK(joined(publication->encoded_for(client.dialect)).substr(0, 8) == header(event.number, 30, 0));
    }
}

TEST_CASE("the version of the client comes back") {
    for (const unsigned version : {28u, 29u, 30u}) {
        Client client;
        const std::uint32_t before = client.dialect.encoding_key();
        CHECK(client.send(frame(OPEN_FILE, open_file(), 9, version)).requests.size() == 1);
        CHECK((client.dialect.encoding_key() == before) == (version == 30));
        CHECK(joined(client.dialect.encode(Reply{"9", "carta.open.file", make_body(OpenFileAck()), {}})) ==
              header(OPEN_FILE_ACK, version, 9));
        CHECK(joined(client.dialect.encode(*make_publication(ErrorData()))) == header(ERROR_DATA, version, 0));
    }
    // Publications stay with the first, so that what is cached under the key is right.
    Client client;
    client.send(frame(OPEN_FILE, open_file(), 1, 28));
    const std::uint32_t key = client.dialect.encoding_key();
    client.send(frame(OPEN_FILE, open_file(), 2, 29));
    CHECK(client.dialect.encoding_key() == key);
    CHECK(joined(client.dialect.encode(*make_publication(ErrorData()))) == header(ERROR_DATA, 28, 0));
    CHECK(joined(client.dialect.encode(Reply{"2", "carta.open.file", make_body(OpenFileAck()), {}})) == header(OPEN_FILE_ACK, 29, 2));
}

TEST_CASE("a version that is not spoken: registering fails, everything else is tried") {
    Client client;
    const Sink refused = client.send(frame(REGISTER_VIEWER, RegisterViewer(), 1, 27));
    CHECK(refused.requests.empty());
    REQUIRE(refused.bad.size() == 1);
    const std::string sent = joined(client.dialect.encode(refused.bad[0]));
    CHECK(sent.substr(0, 8) == header(REGISTER_VIEWER_ACK, 30, 1));
    const auto ack = parsed<RegisterViewerAck>(sent);
    CHECK(!ack.success());
    CHECK(ack.message().find("27") != std::string::npos);
    const Sink tried = client.send(frame(OPEN_FILE, open_file(), 2, 31));
    CHECK(tried.requests.size() == 1);
    CHECK(tried.ignored.size() == 1);
    CHECK(joined(client.dialect.encode(Reply{"2", "carta.open.file", make_body(OpenFileAck()), {}})) == header(OPEN_FILE_ACK, 30, 2));
}

TEST_CASE("heartbeats are answered in kind") {
    Client client;
    const auto only_heartbeat = [](const Sink& sink) {
        REQUIRE(sink.heartbeats.size() == 1);
        CHECK(sink.requests.empty());
        CHECK(sink.ignored.empty());
        return sink.heartbeats[0];
    };
    const auto pong = only_heartbeat(client.send("PING", true));
    CHECK(pong.text);
    CHECK(joined(pong) == "PONG");
    const auto empty = only_heartbeat(client.send(""));
    CHECK(!empty.text);
    CHECK(empty.size() == 0);
    CHECK(only_heartbeat(client.send("", true)).text);
    CHECK(joined(only_heartbeat(client.send(header(0, 29, 17)))) == header(0, 29, 17));
}

TEST_CASE("what can't be understood is ignored, and answered where the event has an answer") {
    Client client;
    const auto only_ignored = [](const Sink& sink) {
        return sink.ignored.size() == 1 && sink.requests.empty() && sink.bad.empty() && sink.heartbeats.empty() && sink.broken.empty();
    };
    CHECK(only_ignored(client.send("ping", true)));
    CHECK(only_ignored(client.send("PING")));
    CHECK(only_ignored(client.send("1234567")));
    CHECK(only_ignored(client.send(header(5, 30, 1))));
    CHECK(only_ignored(client.send(header(65535, 30, 1))));
    CHECK(only_ignored(client.send(frame(OPEN_FILE_ACK, OpenFileAck()))));
    CHECK(only_ignored(client.send(header(0, 30, 1) + "x")));
    CHECK(only_ignored(client.send(header(SET_CURSOR, 30, 1) + "\xff")));

    const char* const garbage[] = {"\xff", "\x12", "\x12\x05\x61", "\x12\x01\xff", "\x13\x14", "\x01\x01"};
    for (const char* payload : garbage) {
        const Sink sink = client.send(header(OPEN_FILE, 30, 12) + payload);
        CHECK(sink.requests.empty());
        CHECK(sink.ignored.size() == 1);
        CHECK(sink.broken.empty());
        REQUIRE(sink.bad.size() == 1);
        const std::string sent = joined(client.dialect.encode(sink.bad[0]));
        CHECK(sent.substr(0, 8) == header(OPEN_FILE_ACK, 30, 12));
        const auto ack = parsed<OpenFileAck>(sent);
        CHECK(!ack.success());
        CHECK(!ack.message().empty());
    }
    CHECK(client.send(header(OPEN_FILE, 30, 1) + "\x12\x01\xff").bad[0].error->message == "file: not valid UTF-8");
}

TEST_CASE("fields of other versions are passed over, and scalars may be packed or not") {
    Client client;
    const std::string unknown("\xa2\x06\x03xyz\xa8\x06\x05", 9); // field 100, bytes; field 101, varint
    const Sink sink = client.send(frame(OPEN_FILE, open_file()) + unknown);
    REQUIRE(sink.requests.size() == 1);
    CHECK(static_cast<const OpenFile&>(*message_of(sink.requests[0].native)).file_id() == 2);
    const std::string unpacked("\x15\x01\0\0\0\x15\x02\0\0\0", 10);
    const Sink tiles = client.send(header(ADD_REQUIRED_TILES, 30, 1) + unpacked);
    REQUIRE(tiles.requests.size() == 1);
    CHECK(static_cast<const AddRequiredTiles&>(*message_of(tiles.requests[0].native)).tiles_size() == 2);
}

TEST_CASE("frames beyond the limit break the connection, small ones can't grow to gigabytes") {
    Client client;
    client.dialect.set_limits({1000, 1000, 1000, 64});
    CHECK(client.send(std::string(1001, '\0')).broken == std::vector<std::uint16_t>{rpc::close_code::too_big});
    client.dialect.set_limits({frame_limit, frame_limit, frame_limit, 64});
    std::string images;
    for (int i = 0; i < 2'000'000; ++i) images += std::string_view("\x0a\0", 2);
    const Sink sink = client.send(header(RESUME_SESSION, 30, 3) + images);
    CHECK(sink.requests.empty());
    REQUIRE(sink.bad.size() == 1);
    CHECK(sink.bad[0].error->message == "images: too many elements for a message of this size");
    // A large region is not too many.
    SetRegion region;
    for (int i = 0; i < 1'000'000; ++i) region.mutable_region_info()->add_control_points()->set_x(1);
    CHECK(client.send(frame(SET_REGION, region)).requests.size() == 1);
}

TEST_CASE("errors of a call") {
    Client client;
    const auto error_frame = [&](const char* method, rpc::Error error) {
        return joined(client.dialect.encode(Reply{"6", method, nullptr, std::move(error)}));
    };
    const std::string ack = error_frame("carta.set.region", {rpc::code::method_failed, "no such file", {}});
    CHECK(ack.substr(0, 8) == header(SET_REGION_ACK, 30, 6));
    CHECK(parsed<SetRegionAck>(ack).message() == "no such file");
    const std::string log = error_frame("carta.set.cursor", {rpc::code::method_failed, "no such file \xff", {}});
    CHECK(log.substr(0, 8) == header(ERROR_DATA, 30, 0));
    const auto data = parsed<ErrorData>(log);
    CHECK(data.severity() == ErrorSeverity::ERROR);
    REQUIRE(data.tags_size() == 1);
    CHECK(data.tags(0) == "carta.set.cursor");
    CHECK(data.message() == "no such file \xef\xbf\xbd");
    const auto missing = parsed<MomentResponse>(error_frame("carta.moment.request", {rpc::code::unknown_method, "Unregistered method called", {}}));
    CHECK(missing.message() == "MOMENT_REQUEST is not supported by this server");
    const auto thrown = parsed<OpenFileAck>(
        error_frame("carta.open.file", {rpc::code::method_failed, "Exception raised", Map{{"method", "x"}, {"exception", "disk on fire"}}}));
    CHECK(thrown.message() == "disk on fire");
}

TEST_CASE("results that are no ICD messages") {
    Client client;
    const auto encode = [&](const char* method, Value value) { return client.dialect.encode(Reply{"6", method, rpc::body(std::move(value)), {}}); };
    CHECK(client.dialect.encode(Reply{"6", "carta.set.cursor", nullptr, {}}) == nullptr);
    CHECK(encode("carta.set.cursor", 3) == nullptr);
    CHECK(encode("server.info", Map{{"a", 1}}) == nullptr);
    CHECK(encode("carta.open.file", nullptr) == nullptr);
    const auto ack = parsed<OpenFileAck>(joined(encode("carta.open.file", Map{{"success", true}, {"file_id", 3}})));
    CHECK(ack.success());
    CHECK(ack.file_id() == 3);
    const auto wrong = parsed<OpenFileAck>(joined(encode("carta.open.file", Map{{"success", 1}})));
    CHECK(!wrong.success());
    CHECK(wrong.message().find("success: expected a bool") != std::string::npos);
    CHECK(client.dialect.encode(rpc::Publication("carta.error.data", rpc::body(Map{}))) == nullptr);
    CHECK(client.dialect.encode(rpc::Publication("x", make_body(TileData()))) == nullptr);
}

TEST_CASE("a payload is serialised once for all versions") {
    Client a, b;
    a.send(frame(OPEN_FILE, open_file(), 1, 28));
    b.send(frame(OPEN_FILE, open_file(), 1, 30));
    RasterTileData tiles;
    tiles.add_tiles()->set_image_data(std::string(1000, 'x'));
    const auto publication = make_publication(std::move(tiles));
    const auto first = publication->encoded_for(a.dialect), second = publication->encoded_for(b.dialect);
    CHECK(first->frames[0].parts[1].data() == second->frames[0].parts[1].data());
    CHECK(first->frames[0].parts[0].data() != second->frames[0].parts[0].data());
}

TEST_CASE("handlers see the same message from every dialect") {
    rpc::MethodRegistry registry;
    std::vector<std::string> opened;
    on<OpenFile>(registry, [&](const rpc::CallPtr& call, const OpenFile& request) {
        opened.push_back(request.file());
        OpenFileAck ack;
        ack.set_success(true);
        ack.set_file_id(request.file_id());
        answer(call, std::move(ack));
    });
    std::shared_ptr<const CloseFile> kept;
    on<CloseFile>(registry, [&](const rpc::CallPtr& call, std::shared_ptr<const CloseFile> request) {
        kept = std::move(request);
        answer(call);
    }, rpc::AnswerOrder::when_done);
    CHECK_THROWS_AS(on<OpenFileAck>(registry, [](const rpc::CallPtr&, const OpenFileAck&) {}), std::logic_error);
    CHECK(registry.find("carta.close.file")->order == rpc::AnswerOrder::when_done);

    std::vector<Reply> replies;
    const auto call = [&](rpc::Request request) {
        registry.dispatch(std::make_shared<rpc::Call>(std::move(request), nullptr, [&](Reply&& reply) { replies.push_back(std::move(reply)); }));
        return replies.back();
    };
    Client client;
    const Reply native = call(client.send(frame(OPEN_FILE, open_file(), 31)).requests.at(0));
    CHECK(joined(client.dialect.encode(native)).substr(0, 8) == header(OPEN_FILE_ACK, 30, 31));
    rpc::Request request;
    request.id = "rpc:c:1";
    request.method = "carta.open.file";
    request.kwargs = Map{{"file", "a.fits"}, {"fileId", 2}};
    const Reply bridged = call(request);
    CHECK(bridged.result->value() == native.result->value());
    CHECK(opened == std::vector<std::string>{"a.fits", "a.fits"});
    request.kwargs = Map{{"file", 1}};
    const Reply refused = call(request);
    REQUIRE(refused.error);
    CHECK(refused.error->code == rpc::code::bad_arguments);
    CHECK(opened.size() == 2);
    request.method = "carta.close.file";
    request.kwargs = Map{{"file_id", -1}};
    call(request);
    REQUIRE(kept);
    CHECK(kept->file_id() == -1);
    CHECK_THROWS_AS(make_publication(TileData()), std::logic_error);
}

} // namespace
} // namespace cubelink::icd
