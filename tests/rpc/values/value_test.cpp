#include "rpc/values/utf8.hpp"
#include "rpc/values/value.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace cubelink::rpc;

TEST_CASE("Integers above INT64_MAX are uint64, all others int64") {
    CHECK(Value(7u).is<std::int64_t>());
    CHECK(Value(std::uint64_t{INT64_MAX}).is<std::int64_t>());
    CHECK(Value(std::uint64_t{INT64_MAX} + 1).is<std::uint64_t>());
}

TEST_CASE("Maps keep their order, and compare without it") {
    Map map{{"b", 1}, {"a", 2}};
    CHECK(map.begin()->first == Value("b"));
    CHECK(Value(map) == Value(Map{{"a", 2}, {"b", 1}}));
    CHECK_FALSE(Value(map) == Value(Map{{"a", 2}, {"b", 3}}));
    CHECK_FALSE(Value(map) == Value(Map{{"a", 2}, {"c", 1}}));
    map["c"] = 3;
    map["a"] = 4;
    CHECK(map.size() == 3);
    CHECK(*map.find("a") == Value(4));
    CHECK(map.find("d") == nullptr);
}

TEST_CASE("NaN equals NaN, 1 does not equal 1.0") {
    CHECK(Value(std::nan("")) == Value(-std::nan("")));
    CHECK_FALSE(Value(1) == Value(1.0));
    CHECK_FALSE(Value("1") == Value(Bytes::copy("1")));
}

TEST_CASE("Kinds are named as error messages want them") {
    CHECK(Value().kind() == "null");
    CHECK(Value(std::uint64_t{1} << 63).kind() == "integer");
    CHECK(Value(Extension{}).kind() == "extension");
    CHECK(Value(Array{}).kind() == "list");
}

TEST_CASE("brief() is short, valid and says what is there") {
    CHECK(brief("a") == "\"a\"");
    CHECK(brief(Map{{"a", Array{1, 2.5, nullptr, true}}, {"b", Bytes::copy("xyz")}}) == R"({"a": [1, 2.5, null, true], "b": <3 bytes>})");
    CHECK(brief(Extension{-1, Bytes::copy("1234")}) == "<extension -1, 4 bytes>");
    const std::string cut = brief(std::string(1000, 'x'), 20);
    CHECK(cut.size() < 30);
    CHECK(cut.ends_with("…"));
    for (std::size_t limit = 0; limit < 20; ++limit) CHECK(is_utf8(brief("äöü€😀äöü", limit)));
    CHECK(brief(Array(1000000, Value(1)), 20).size() < 30);
}

TEST_CASE("UTF-8: what is valid, and what replaces the rest") {
    CHECK(is_utf8("plain ASCII that is longer than eight bytes"));
    CHECK(is_utf8("ä € 😀 \U0010FFFF"));
    CHECK(is_utf8(std::string_view("\0", 1)));
    for (const char* bad : {"\x80", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
                            "\xE2\x82", "\xFF"}) {
        CAPTURE(bad);
        CHECK_FALSE(is_utf8(bad));
        CHECK_FALSE(is_utf8(std::string("12345678") + bad));
        CHECK(is_utf8(make_utf8(bad)));
    }
    // Python: b'a\xe2\x82b\xf0\x9f\x98c\xff'.decode(errors='replace')
    CHECK(make_utf8("a\xE2\x82"
                    "b\xF0\x9F\x98"
                    "c\xFF") == "a\uFFFDb\uFFFDc\uFFFD");
    CHECK(make_utf8("\xED\xA0\x80") == "\uFFFD\uFFFD\uFFFD");
}
