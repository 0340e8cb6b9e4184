#include "rpc/msgpack/chunking.hpp"
#include "rpc/wslink_dialect.hpp"
#include "tests/rpc/fixtures.hpp"
#include "tests/support/effort.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace cubelink::rpc;
using cubelink::rpc::test::chunk;

namespace {

const InputLimits wide{5 << 20, 256 << 20, 256 << 20, 64};

Reassembly::Outcome receive(Reassembly& reassembly, const std::string& frame, const InputLimits& limits = wide) {
    const auto owner = std::make_shared<const std::string>(frame);
    auto outcome = reassembly.receive(*owner, owner, limits);
    if (outcome.complete) CHECK(outcome.owner);
    return outcome;
}

/// The code with which the last of these frames closes the connection; 0 if it does not.
std::uint16_t close_code_of(std::initializer_list<std::string> frames, const InputLimits& limits = wide) {
    Reassembly reassembly;
    std::uint16_t code = 0;
    for (const std::string& frame : frames) {
        REQUIRE(code == 0);
        code = receive(reassembly, frame, limits).close_code;
    }
    return code;
}

} // namespace

TEST_CASE("Chunk headers are little endian") {
    CHECK(chunk(0x04030201, 0x08070605, 0x0C0B0A09, "x") == "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0Cx");
    const ChunkHeader header = ChunkHeader::read("\xFF\xFE\xFD\xFC\x01\x00\x00\x80\x00\x00\x00\xF0");
    CHECK(header.message_id == 0xFCFDFEFF);
    CHECK(header.offset == 0x80000001);
    CHECK(header.total == 0xF0000000);
}

TEST_CASE("A message in one chunk is not copied") {
    Reassembly reassembly;
    const std::string frame = chunk(1, 0, 5, "hello");
    const auto outcome = reassembly.receive(frame, nullptr, wide);
    CHECK(outcome.complete);
    CHECK(outcome.message.data() == frame.data() + 12);
    CHECK(outcome.message == "hello");
}

TEST_CASE("Chunks in any order, of several messages between each other") {
    std::mt19937 random(3);
    for (int round = 0; round < cubelink::test::effort(300); ++round) {
        const std::size_t count = 1 + random() % 8;
        std::vector<std::string> messages, frames;
        for (std::size_t id = 0; id < count; ++id) {
            std::string message(1 + random() % (round % 10 == 0 ? 300000 : 300), '\0');
            for (char& c : message) c = static_cast<char>(random());
            const std::size_t largest = 1 + random() % message.size();
            for (std::size_t at = 0; at < message.size();) {
                const std::size_t size = std::min<std::size_t>(message.size() - at, 1 + random() % largest);
                frames.push_back(chunk(static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(at),
                                       static_cast<std::uint32_t>(message.size()), message.substr(at, size)));
                at += size;
            }
            messages.push_back(std::move(message));
        }
        if (round % 3 != 0) std::shuffle(frames.begin(), frames.end(), random);
        if (round % 3 == 2) std::reverse(frames.begin(), frames.end());
        Reassembly reassembly;
        std::size_t complete = 0, kept = 0;
        for (const std::string& frame : frames) {
            const auto outcome = receive(reassembly, frame);
            REQUIRE(outcome.problem == "");
            kept = std::max(kept, reassembly.bytes());
            if (!outcome.complete) continue;
            ++complete;
            CHECK(outcome.message == messages[ChunkHeader::read(frame.data()).message_id]);
        }
        CHECK(complete == count);
        CHECK(reassembly.bytes() == 0);
    }
}

TEST_CASE("An id can be used again once its message is whole") {
    Reassembly reassembly;
    for (int i = 0; i < 3; ++i) {
        CHECK_FALSE(receive(reassembly, chunk(9, 0, 4, "ab")).complete);
        CHECK(receive(reassembly, chunk(9, 2, 4, "cd")).message == "abcd");
    }
}

TEST_CASE("Headers that contradict themselves or each other close the connection") {
    CHECK(close_code_of({std::string("short frame")}) == 1002);
    CHECK(close_code_of({chunk(1, 0, 0, "")}) == 1002);
    CHECK(close_code_of({chunk(1, 0, 5, "")}) == 1002);
    CHECK(close_code_of({chunk(1, 0, 0, "x")}) == 1002);
    CHECK(close_code_of({chunk(1, 0, 2, "abc")}) == 1002);
    CHECK(close_code_of({chunk(1, 2, 3, "ab")}) == 1002);
    CHECK(close_code_of({chunk(1, 0xFFFFFFFF, 3, "ab")}) == 1002);
    CHECK(close_code_of({chunk(1, 0, 9, "ab"), chunk(1, 2, 8, "cd")}) == 1002);
    // Repeated, and overlapping from either side.
    CHECK(close_code_of({chunk(1, 0, 9, "ab"), chunk(1, 0, 9, "ab")}) == 1002);
    CHECK(close_code_of({chunk(1, 0, 9, "abc"), chunk(1, 2, 9, "cd")}) == 1002);
    CHECK(close_code_of({chunk(1, 4, 9, "abc"), chunk(1, 3, 9, "cd")}) == 1002);
    CHECK(close_code_of({chunk(1, 4, 9, "abc"), chunk(1, 0, 9, "abcdefghi")}) == 1002);
    CHECK(close_code_of({chunk(1, 0, 9, "ab"), chunk(1, 7, 9, "ab"), chunk(1, 1, 9, "bcd")}) == 1002);
    CHECK(close_code_of({chunk(1, 0, 9, "ab"), chunk(1, 7, 9, "hi"), chunk(1, 2, 9, "cdefg")}) == 0);
}

TEST_CASE("What is held of unfinished messages is freed when nobody waits for them any more") {
    auto dialect = make_wslink_dialect();
    test::Recorder sink;
    test::give(*dialect, false, chunk(1, 0, 500, std::string(100, 'x')), sink);
    CHECK(dialect->unfinished_bytes() >= 100);
    dialect->forget_unfinished();
    CHECK(dialect->unfinished_bytes() == 0);
}

TEST_CASE("Limits: message, unfinished bytes, unfinished messages") {
    const InputLimits narrow;
    CHECK(close_code_of({chunk(1, 0, 512, "x")}, narrow) == 0);
    CHECK(close_code_of({chunk(1, 0, 513, "x")}, narrow) == 1009);
    const std::string half(300, 'x');
    CHECK(close_code_of({chunk(1, 0, 400, half), chunk(2, 0, 400, half)}, narrow) == 1009);

    Reassembly reassembly;
    for (std::uint32_t id = 0; id < 64; ++id) CHECK(receive(reassembly, chunk(id, 0, 2, "x")).problem == "");
    CHECK(receive(reassembly, chunk(64, 0, 2, "xy")).complete); // whole at once: not one of them
    CHECK(receive(reassembly, chunk(65, 0, 2, "x")).close_code == 1009);

    // A hello in chunks of one byte, last one first.
    Reassembly slow;
    for (std::uint32_t at = 200; at-- > 0;) CHECK(receive(slow, chunk(1, at, 200, "x"), narrow).complete == (at == 0));

    Reassembly crumbs;
    std::uint16_t code = 0;
    for (std::uint32_t at = 0; code == 0 && at < 1000000; at += 2) code = receive(crumbs, chunk(1, at, 2000000, "x")).close_code;
    CHECK(code == 1009);
}

TEST_CASE("Chunks in order are kept together; what is held is counted") {
    Reassembly reassembly;
    std::uint32_t complete = 0;
    for (std::uint32_t at = 0; at < 100000; ++at) complete += receive(reassembly, chunk(1, at, 100001, "x")).complete;
    CHECK(complete == 0);
    CHECK(reassembly.bytes() >= 100000);
    CHECK(reassembly.bytes() < 101000);
    CHECK(receive(reassembly, chunk(1, 100000, 100001, "x")).complete);
    CHECK(reassembly.bytes() == 0);
}
