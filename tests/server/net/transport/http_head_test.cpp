#include "server/net/transport/http_head.hpp"
#include "server/net/transport/out_queue.hpp"
#include "server/net/transport/websocket_codec.hpp"

#include "doctest/doctest.h"

#include <algorithm>
#include <random>
#include <tuple>

using namespace cubelink::transport;

TEST_CASE("the accept key of RFC 6455's example") {
    CHECK(accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK(accept_key("").empty());
    CHECK(accept_key("dGhlIHNhbXBsZSBub25jZQ=").empty());
}

TEST_CASE("a response cannot be split by the values of its headers") {
    HttpResponse response;
    response.headers = {{"Location", "x\r\nSet-Cookie: a=b"}, {"Content-Length", "999"}, {"connection", "keep-alive"}};
    const auto head = write_head(response, 5);
    CHECK(head.find("\r\nSet-Cookie") == std::string::npos);
    CHECK(head.find("999") == std::string::npos);
    CHECK(head.find("keep-alive") == std::string::npos);
    CHECK(head.find("Content-Length: 5\r\n") != std::string::npos);
    CHECK(head.substr(head.size() - 4) == "\r\n\r\n");
}

TEST_CASE("headers are found by their lower-case name") {
    RequestHead head;
    CHECK(parse_head("GET /a?b HTTP/1.1\r\nHoSt:  x \r\nX-Y:\r\nx-y: 2\r\n\r\n", 0, head).status == 0);
    CHECK(head.request.header("host") == "x");
    CHECK(head.request.header("x-y").empty());
    CHECK(head.request.header("nothing").empty());
    CHECK(head.request.target == "/a?b");
}

TEST_CASE("a target with scheme and host is a path, and its host the one that counts") {
    const auto parse = [](const std::string& target, RequestHead& head) {
        return parse_head("GET " + target + " HTTP/1.1\r\nHost: other\r\nX: y\r\n\r\n", 0, head).status;
    };
    for (const auto& [target, host, path] : {std::tuple("http://a.example:80/x?y", "a.example:80", "/x?y"), {"HTTPS://b", "b", "/"}, {"http://[::1]:1?q", "[::1]:1", "/?q"}}) {
        RequestHead head;
        CHECK(parse(target, head) == 0);
        CHECK(head.request.target == path);
        CHECK(head.request.header("host") == host);
        CHECK(head.request.headers.size() == 2);
    }
    for (const char* target : {"http://", "http:///x", "http://user@a/", "ftp://a/", "http:/a", "a:80", "http//a", "*"}) {
        RequestHead head;
        CHECK(parse(target, head) == 400);
    }
    RequestHead head;
    CHECK(parse_head("GET http://a/ HTTP/1.1\r\n\r\n", 0, head).status == 400); // HTTP/1.1 wants a Host all the same
}

TEST_CASE("frame headers and close payloads") {
    char out[10];
    CHECK(write_frame_header(out, Opcode::binary, 125) == 2);
    CHECK(write_frame_header(out, Opcode::text, 126) == 4);
    CHECK(write_frame_header(out, Opcode::text, 65536) == 10);
    CHECK(std::string_view(out, 10) == std::string_view("\x81\x7f\0\0\0\0\0\1\0\0", 10));
    CHECK(close_payload(1005, "x").empty());
    CHECK(close_payload(1006, "") == "\x03\xe8");
    const auto cut = close_payload(1000, std::string(122, 'a') + "\xc3\xa4");
    CHECK(cut.size() == 2 + 122);
    std::uint16_t code = 0;
    std::string reason;
    CHECK(parse_close(cut, code, reason));
    CHECK(code == 1000);
    CHECK(parse_close("", code, reason));
    CHECK(code == 1005);
    CHECK_FALSE(parse_close("\x03", code, reason));
    CHECK_FALSE(parse_close("\x03\xee", code, reason));
}

TEST_CASE("messages come out the same however the bytes are cut") {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        std::string bytes;
        std::vector<std::string> sent;
        for (int i = 0; i < 5; ++i) {
            std::string payload(random() % (i == 4 ? 70000 : 300), '\0');
            for (char& c : payload) c = static_cast<char>(random() & (i % 2 == 0 ? 0x7f : 0xff));
            char head[10];
            const auto length = write_frame_header(head, i % 2 == 0 ? Opcode::text : Opcode::binary, payload.size());
            head[1] = static_cast<char>(head[1] | 0x80);
            bytes.append(head, length);
            const char mask[4] = {static_cast<char>(random()), static_cast<char>(random()), static_cast<char>(random()), static_cast<char>(random())};
            bytes.append(mask, 4);
            for (std::size_t k = 0; k < payload.size(); ++k) bytes += static_cast<char>(payload[k] ^ mask[k % 4]);
            sent.push_back(std::move(payload));
        }
        FrameReader reader(1 << 20);
        std::vector<std::string> got;
        for (std::size_t at = 0; at < bytes.size();) {
            const auto count = std::min<std::size_t>(bytes.size() - at, 1 + random() % (round % 2 ? 10 : 5000));
            for (std::size_t used = 0; used < count;) {
                const auto step = reader.feed(bytes.data() + at + used, count - used);
                REQUIRE(step.error == 0);
                used += step.used;
                if (step.complete) got.emplace_back(step.message.payload);
            }
            at += count;
        }
        CHECK(got == sent);
        CHECK(reader.unfinished() == 0);
    }
}

TEST_CASE("the queue gives back what was put in, in order, whatever is taken at a time") {
    std::mt19937 random(11);
    OutQueue queue;
    std::string put, taken;
    for (int round = 0; round < 2000; ++round) {
        const auto bytes = std::make_shared<std::string>(random() % (round % 10 == 0 ? 20000 : 200), static_cast<char>('a' + round % 26));
        put += *bytes;
        if (random() % 2 == 0) queue.append(*bytes);
        else {
            Slice slice;
            slice.owner = bytes;
            slice.data = bytes->data();
            slice.size = bytes->size();
            queue.append(slice);
        }
        iovec pieces[8];
        const auto count = queue.gather(pieces, 8);
        std::size_t budget = random() % 3000;
        std::size_t total = 0;
        for (std::size_t i = 0; i < count && budget > 0; ++i) {
            const auto n = std::min(budget, pieces[i].iov_len);
            taken.append(static_cast<const char*>(pieces[i].iov_base), n);
            total += n;
            budget -= n;
        }
        queue.consume(total);
        CHECK(queue.size() == put.size() - taken.size());
    }
    CHECK(put.compare(0, taken.size(), taken) == 0);
}
