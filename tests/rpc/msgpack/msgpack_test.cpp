#include "rpc/msgpack/chunking.hpp"
#include "rpc/message_writer.hpp"
#include "rpc/msgpack/msgpack_dialect.hpp"
#include "rpc/msgpack/msgpack_reader.hpp"
#include "rpc/msgpack/msgpack_writer.hpp"
#include "tests/rpc/fixtures.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>

using namespace cubelink::rpc;
using namespace std::string_literals;

namespace {

Decoded read(std::string_view bytes, unsigned depth = 64) { return read_msgpack(bytes, nullptr, depth); }

std::string write(const Value& value) {
    MsgpackWriter writer;
    writer.value(value);
    return writer.joined();
}

// msgpack.packb(…) of Python's msgpack 1.0.3: integers at every boundary, floats, str, bin, nil, true, ExtType(5), Timestamp(1, 2), an
// integer key.
const std::string golden =
    "\x89\xa1\x61\xdc\x00\x13\x01\xff\x7f\xcc\x80\xe0\xd0\xdf\xcc\xff\xcd\x01\x00\xcd\xff\xff\xce\x00\x01\x00\x00\xd0\x80\xd1\xff\x7f\xd1\x80\x00\xd2\xff\xff\x7f\xff\xce\x80\x00\x00\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xd3\x80\x00\x00\x00\x00\x00\x00\x00\xa1\x66\x94\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\xa1\x73\xd9\x28\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xa1\x62\xc4\x02\x00\xff\xa1\x6e\xc0\xa1\x74\xc3\xa1\x65\xc7\x05\x05\x31\x32\x33\x34\x35\xa1\x64\xd7\xff\x00\x00\x00\x08\x00\x00\x00\x01\x07\xa3\x69\x6e\x74"s;

Value golden_value() {
    std::string umlauts;
    for (int i = 0; i < 20; ++i) umlauts += "ä";
    constexpr std::int64_t one = 1;
    Map map{{"a", Array{1, -1, 127, 128, -32, -33, 255, 256, 65535, 65536, -128, -129, -32768, -32769, one << 31, one << 32, INT64_MAX,
                        UINT64_MAX, INT64_MIN}},
            {"f", Array{1.0, 0.1, std::numeric_limits<double>::infinity(), std::nan("")}},
            {"s", umlauts},
            {"b", Bytes::copy("\x00\xff"s)},
            {"n", nullptr},
            {"t", true},
            {"e", Extension{5, Bytes::copy("12345")}},
            {"d", Extension{-1, Bytes::copy("\x00\x00\x00\x08\x00\x00\x00\x01"s)}}};
    map.append(7, "int");
    return map;
}

} // namespace

TEST_CASE("msgpack: the same bytes as Python's") {
    const Decoded decoded = read(golden);
    REQUIRE(decoded.problem == "");
    CHECK(decoded.message == golden_value());
    CHECK(write(golden_value()) == golden);
    CHECK(read("\xca\x3f\xc0\x00\x00"s).message == Value(1.5)); // float32, as others may send
}

TEST_CASE("msgpack: cut at every byte, and with bytes after it") {
    for (std::size_t i = 0; i < golden.size(); ++i) CHECK_FALSE(read(std::string_view(golden).substr(0, i)).good());
    CHECK(read(golden + "\xc0").problem == "bytes after the end of the message");
    CHECK_FALSE(read("\xc1").good());
    const std::string request = test::msgpack_request(Array{1, Map{{"k", "v"}}}, Map{}, "rpc:c:1");
    for (std::size_t i = 0; i < request.size(); ++i) {
        const Decoded cut = read(std::string_view(request).substr(0, i));
        CHECK_FALSE(cut.good());
        if (cut.id) CHECK(*cut.id == "rpc:c:1");
        if (i > 40) CHECK(cut.id);
    }
}

TEST_CASE("msgpack: breaches of rules still show the id, before or after them") {
    const std::string deep = std::string(20, '\x91') + "\x01";
    const std::string bads[] = {"\x82\xa1k\x01\xa1k\x02"s,
                                "\xa2\xc3\x28"s,
                                "\x81\xc0\x01"s,
                                "\x81\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\x01"s,
                                "\x81\xc4\x01x\x01"s,
                                "\x81\x91\x01\x01"s,
                                "\x81\x81\x01\x01\x01"s,
                                "\x82\x07\x01\xcc\x07\x02"s,
                                deep};
    for (const std::string& bad : bads) {
        const std::string after = "\x82\xa4"s + "args" + bad + "\xa2"s + "id\xa1i";
        const std::string before = "\x82\xa2"s + "id\xa1i\xa4" + "args" + bad;
        for (const std::string& bytes : {after, before}) {
            const Decoded decoded = read(bytes, 8);
            CHECK_FALSE(decoded.good());
            CHECK(decoded.id == "i");
        }
    }
    // An integer key and a string key are different, and so are the largest of each sign.
    CHECK(read("\x82\x01\x01\xa1"s + "1\x02").good());
    // "id" within the arguments is not the message's.
    CHECK_FALSE(read("\x81\xa4"s + "args\x82\xa2id\xa1x\xc0\x01").id);
}

TEST_CASE("msgpack: large binary values are not copied, either way") {
    const Bytes large = Bytes::take(std::string(100000, 'x'));
    const auto owner = std::make_shared<const std::string>(write(Array{large, Bytes::copy("small")}));
    const Decoded decoded = read_msgpack(*owner, owner, 64);
    const Array& array = *decoded.message.get_if<Array>();
    const Bytes& view = *array[0].get_if<Bytes>();
    CHECK(view == large);
    CHECK(view.data() >= owner->data());
    CHECK(view.data() < owner->data() + owner->size());
    CHECK(array[1].get_if<Bytes>()->owner().get() != owner.get());

    MsgpackWriter writer;
    writer.value(Map{{"a", large}, {"b", Bytes::copy("small")}});
    const EncodedPtr encoded = writer.finish();
    REQUIRE(encoded->frames.size() == 1);
    bool shared = false;
    for (const Bytes& part : encoded->frames[0].parts) shared = shared || part.data() == large.data();
    CHECK(shared);
}

TEST_CASE("msgpack: a small message is one frame of one part") {
    MsgpackWriter writer;
    writer.value(Map{{"a", "b"}});
    const EncodedPtr encoded = writer.finish();
    REQUIRE(encoded->frames.size() == 1);
    CHECK(encoded->frames[0].parts.size() == 1);
    CHECK_FALSE(encoded->frames[0].text);
    const std::string frame = test::join(encoded->frames[0]);
    CHECK(encoded->bytes == frame.size());
    const ChunkHeader header = ChunkHeader::read(frame.data());
    CHECK(header.offset == 0);
    CHECK(header.total == 5);
    CHECK(frame.substr(12) == "\x81\xa1"s + "a\xa1"s + "b");
}

TEST_CASE("msgpack: messages larger than a frame are cut and come together again") {
    test::RandomValues random(11);
    for (int round = 0; round < 200; ++round) {
        const Value value = random.value(4);
        MsgpackWriter writer, whole;
        writer.value(value);
        whole.value(value);
        const std::size_t max_frame = 13 + random.below(round % 2 ? 100 : 9000);
        const EncodedPtr encoded = writer.finish(max_frame);
        InputLimits limits{1 << 20, 64 << 20, 64 << 20, 64};
        Reassembly reassembly;
        std::size_t total = 0;
        std::string message;
        for (std::size_t i = 0; i < encoded->frames.size(); ++i) {
            const std::string frame = test::join(encoded->frames[i]);
            total += frame.size();
            CHECK(frame.size() <= max_frame);
            const auto outcome = reassembly.receive(frame, nullptr, limits);
            REQUIRE(outcome.problem == "");
            CHECK(outcome.complete == (i + 1 == encoded->frames.size()));
            if (outcome.complete) message = outcome.message;
        }
        CHECK(total == encoded->bytes);
        CHECK(message == whole.joined());
    }
    MsgpackWriter writer;
    writer.value(Bytes::take(std::string(10 << 20, 'y')));
    const EncodedPtr encoded = writer.finish();
    REQUIRE(encoded->frames.size() == 3);
    CHECK(encoded->frames[0].size() == 4194304);
    CHECK(ChunkHeader::read(test::join(encoded->frames[0]).data()).message_id ==
          ChunkHeader::read(test::join(encoded->frames[2]).data()).message_id);
}

TEST_CASE("msgpack: the writer's strings are valid UTF-8, and what cannot be said is refused") {
    CHECK(read(write("a\xFF")).message == Value("a\uFFFD"));
    Map bad_key;
    bad_key.append(nullptr, 1);
    CHECK_THROWS_AS(write(bad_key), NotEncodable);
    Value deep;
    for (int i = 0; i < 2000; ++i) {
        Array around; // not Array{std::move(deep)}, which copies: 2000 levels of copies are too many for the stack of an unoptimised test
        around.push_back(std::move(deep));
        deep = std::move(around);
    }
    CHECK_THROWS_AS(write(deep), NotEncodable);
}
