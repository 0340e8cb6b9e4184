#include "server/net/http/http_util.hpp"

#include "doctest/doctest.h"

using namespace cubelink::server;

TEST_CASE("targets and percent signs") {
    CHECK(split_target("/a?b?c").path == "/a");
    CHECK(split_target("/a?b?c").query == "b?c");
    CHECK(split_target("/a").query.empty());
    CHECK(percent_decode("/a%20b%C3%A4+c") == "/a b\xc3\xa4+c");
    CHECK(percent_decode("a+b", true) == "a b");
    CHECK(percent_decode("%00") == std::string(1, '\0'));
    CHECK(percent_decode("%252e") == "%2e"); // once only
    for (const char* bad : {"%", "%1", "%g0", "%0g", "a%", "%%41"}) CHECK_FALSE(percent_decode(bad));
    CHECK(query_values("a=1&b=2&a=3&a", "a") == std::vector<std::string>{"1", "3", ""});
    CHECK(query_values("", "a").empty());
}

TEST_CASE("base paths") {
    CHECK(normal_base_path("") == "");
    CHECK(normal_base_path("/") == "");
    CHECK(normal_base_path("user//x/") == "/user/x");
    CHECK(below_base_path("/user/x/ws", "/user/x") == "/ws");
    CHECK(below_base_path("/user/x", "/user/x") == "");
    CHECK_FALSE(below_base_path("/user/xy", "/user/x"));
    CHECK_FALSE(below_base_path("/", "/user/x"));
    CHECK(below_base_path("/ws", "") == "/ws");
}

TEST_CASE("dates") {
    for (const char* old : {"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) CHECK(parse_http_date(old) == 784111777);
    CHECK(http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");
    for (const std::time_t t : {std::time_t{0}, std::time_t{784111777}, std::time_t{1709164799}, std::time_t{4102444800}}) CHECK(parse_http_date(http_date(t)) == t);
    for (const char* bad : {"", "Sun, 06 Nov 1994 08:49:37", "Sunday, 06-Nov-94 08:49:37", "Sun Nov  6 08:49:37 94", "Sun, 06 Xxx 1994 08:49:37 GMT", "Sun, 99 Nov 1994 08:49:37 GMT",
                            "Sun, -6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT"})
        CHECK_FALSE(parse_http_date(bad));
}

TEST_CASE("ranges") {
    using Kind = ByteRange::Kind;
    struct Case {
        const char* field;
        Kind kind;
        std::uint64_t offset, size;
    };
    const Case cases[] = {
        {"bytes=0-0", Kind::part, 0, 1},         {"bytes=0-", Kind::part, 0, 100},       {"bytes=10-19", Kind::part, 10, 10},     {"bytes=90-1000", Kind::part, 90, 10},
        {"bytes=-1", Kind::part, 99, 1},         {"bytes=-1000", Kind::part, 0, 100},    {"bytes = 0-1", Kind::whole, 0, 100},    {"Bytes=99-", Kind::part, 99, 1},
        {"bytes=100-", Kind::unsatisfiable, 0, 0}, {"bytes=-0", Kind::unsatisfiable, 0, 0}, {"bytes=5-4", Kind::whole, 0, 100},   {"bytes=0-1,3-4", Kind::whole, 0, 100},
        {"bytes=a-b", Kind::whole, 0, 100},      {"bytes=-", Kind::whole, 0, 100},       {"bytes=", Kind::whole, 0, 100},         {"lines=0-1", Kind::whole, 0, 100},
        {"bytes=18446744073709551615-", Kind::unsatisfiable, 0, 0}, {"bytes=18446744073709551616-", Kind::unsatisfiable, 0, 0}, {"bytes=0-18446744073709551616", Kind::part, 0, 100}, {"bytes=0-18446744073709551615", Kind::part, 0, 100},
        {"bytes=--5", Kind::whole, 0, 100},      {"bytes=+1-2", Kind::whole, 0, 100},    {"", Kind::whole, 0, 100},
    };
    for (const auto& c : cases) {
        CAPTURE(c.field);
        const auto range = parse_range(c.field, 100);
        CHECK(range.kind == c.kind);
        CHECK(range.offset == c.offset);
        CHECK(range.size == c.size);
    }
    CHECK(parse_range("bytes=0-", 0).kind == Kind::unsatisfiable);
    CHECK(parse_range("bytes=-5", 0).kind == Kind::unsatisfiable);
}

TEST_CASE("encodings, tags and types") {
    for (const char* yes : {"gzip", "deflate, GZIP;q=0.5", "*", "br;q=1, *;q=0.1", "x-gzip", "gzip; q=1"}) CHECK(accepts_gzip(yes));
    for (const char* no : {"", "br", "gzip;q=0", "gzip; q=0.000", "*;q=0", "gzip;q=0, *", "gzippy"}) CHECK_FALSE(accepts_gzip(no));
    CHECK(etag_matches("\"a\", W/\"b\"", "\"b\""));
    CHECK(etag_matches("*", "\"b\""));
    CHECK_FALSE(etag_matches("\"a\"", "\"b\""));
    CHECK(media_type("a/b.JS") == "text/javascript; charset=utf-8");
    CHECK(media_type("x.wasm") == "application/wasm");
    CHECK(media_type("x.ttf") == "font/ttf");
    CHECK(media_type("noextension") == "application/octet-stream");
    CHECK(cookie_values("a=1;b=2 ; a=3=4", "a") == std::vector<std::string>{"1", "3=4"});
}
