#include "rpc/json/json_plain.hpp"
#include "rpc/json/json_reader.hpp"
#include "rpc/json/json_writer.hpp"
#include "rpc/message_writer.hpp"
#include "tests/rpc/fixtures.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <random>
#include <sys/resource.h>

using namespace cubelink::rpc;

namespace {

Value parse(std::string_view text, unsigned depth = 64) {
    const Decoded decoded = read_json(text, depth);
    INFO(decoded.problem);
    CHECK(decoded.good());
    return decoded.message;
}

std::string problem(std::string_view text, unsigned depth = 64) { return read_json(text, depth).problem; }

std::string write(const Value& value) {
    JsonWriter writer;
    writer.value(value);
    return writer.take_text();
}

constexpr double infinity = std::numeric_limits<double>::infinity();

} // namespace

TEST_CASE("JSON: what Python writes is read as it was meant") {
    // json.dumps(…, ensure_ascii=False, separators=(',', ':')) of Python 3.11
    const char* golden =
        R"({"a":[1,-1,9223372036854775807,18446744073709551615,-9223372036854775808,0],"f":[1.0,0.1,1e+22,1e-07,-0.0,Infinity,NaN,-Infinity,1e+16,5e-324,1.7976931348623157e+308],"s":"ä\"\\\n\u0001/😀","n":null,"t":true,"x":{},"y":[]})";
    const Value expected =
        Map{{"a", Array{1, -1, INT64_MAX, UINT64_MAX, INT64_MIN, 0}},
            {"f", Array{1.0, 0.1, 1e22, 1e-7, -0.0, infinity, std::nan(""), -infinity, 1e16, 5e-324, 1.7976931348623157e308}},
            {"s", "ä\"\\\n\x01/😀"},
            {"n", nullptr},
            {"t", true},
            {"x", Map{}},
            {"y", Array{}}};
    CHECK(parse(golden) == expected);
    CHECK(write(expected) == golden);
    CHECK(std::signbit(*parse("-0.0").get_if<double>()));
}

TEST_CASE("JSON: pretty-printed text, escapes, surrogates") {
    CHECK(parse(" {\n\t\"a\" : [ 1 , 2 ] ,\r\n \"b\" : false } \n") == Value(Map{{"a", Array{1, 2}}, {"b", false}}));
    CHECK(parse(R"("\u0041\u00e4\u20AC\ud83d\ude00\/\b\f\n\r\t")") == Value("Aä€😀/\b\f\n\r\t"));
    CHECK(parse(R"("\ud800")") == Value("\uFFFD"));
    CHECK(parse(R"("\udc00x")") == Value("\uFFFDx"));
    CHECK(parse(R"("\ud800\u0041")") == Value("\uFFFDA"));
    CHECK(parse(R"("\ud800\ud83d\ude00")") == Value("\uFFFD😀"));
    CHECK(parse(R"("\u0000")") == Value(std::string(1, '\0')));
}

TEST_CASE("JSON: where the plain part of a string ends, whatever its length and place") {
    std::mt19937 random(3);
    for (int round = 0; round < 20000; ++round) {
        std::string text(random() % 70, 'x');
        for (char& c : text)
            if (random() % 3 == 0) c = static_cast<char>(0x20 + random() % 224);
        for (char& c : text)
            if (random() % 30 == 0) c = "\"\\\0\x1f\n"[random() % 5];
        const auto end = std::find_if_not(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; });
        CHECK(json_plain_prefix(text) == static_cast<std::size_t>(end - text.begin()));
    }
}

TEST_CASE("JSON: numbers") {
    CHECK(parse("-0") == Value(0));
    CHECK(parse("1e2") == Value(100.0));
    CHECK(parse("9223372036854775808") == Value(std::uint64_t{1} << 63));
    CHECK(parse("1e999") == Value(infinity));
    CHECK(parse("-1e999") == Value(-infinity));
    CHECK(parse("1e-999") == Value(0.0));
    CHECK(parse("0e99999999999999999999") == Value(0.0));
    CHECK(parse("1e99999999999999999999") == Value(infinity));
    CHECK(parse("1e-99999999999999999999") == Value(0.0));
    CHECK(parse(std::string(400, '9') + ".5") == Value(infinity));
    CHECK(parse("0." + std::string(400, '0') + "1") == Value(0.0));
    CHECK(parse("0." + std::string(400, '0') + "1e401") == Value(1.0));
    // As JSON.stringify writes 2^64, 10^20, the float below 10^21 and 1.2345678901234567e20; and 2^64 as Python writes it.
    CHECK(parse("18446744073709552000") == Value(18446744073709551616.0));
    CHECK(parse("-100000000000000000000") == Value(-1e20));
    CHECK(parse("999999999999999900000") == Value(999999999999999868928.0));
    CHECK(parse("123456789012345670000") == Value(123456789012345670000.0));
    CHECK(parse("18446744073709551616") == Value(18446744073709551616.0));
    for (const char* large : {"18446744073709551617", "-9223372036854775809", "123456789012345678901", "1000000000000000000000", "100000000000000000000000"})
        CHECK(problem(large).starts_with("an integer beyond 64 bits"));
}

TEST_CASE("JSON: malformed text is refused") {
    for (const char* bad : {"",
                            " ",
                            "{",
                            "[",
                            "[1",
                            "[1,",
                            "[1,]",
                            "[,1]",
                            "{\"a\"}",
                            "{\"a\":}",
                            "{\"a\":1,}",
                            "{a:1}",
                            "{'a':1}",
                            "tru",
                            "nul",
                            "Nan",
                            "nan",
                            "infinity",
                            "+1",
                            ".5",
                            "1.",
                            "01",
                            "-",
                            "--1",
                            "1e",
                            "1e+",
                            "0x10",
                            "-NaN",
                            "\"",
                            "\"\\",
                            "\"\\x\"",
                            "\"\\u12\"",
                            "\"\\u123g\"",
                            "\"a\nb\"",
                            "1 2",
                            "[] []",
                            "//x\n1",
                            "[1 2]",
                            "{\"a\" 1}",
                            "{1:2}",
                            "\"\\ud800\\u12\"",
                            "]",
                            "}",
                            "\xEF\xBB\xBF{}"}) {
        CAPTURE(bad);
        CHECK_FALSE(read_json(bad, 64).good());
    }
    // At every byte of a good message.
    const std::string good = R"({"id":"rpc:c:1","method":"m","args":[1.5e3,{"k":[true,null,"é\u00e4"]},NaN,-Infinity]})";
    CHECK(read_json(good, 64).good());
    for (std::size_t i = 0; i < good.size(); ++i) {
        const Decoded cut = read_json(std::string_view(good).substr(0, i), 64);
        CHECK_FALSE(cut.good());
        // The id is known as soon as it has been read, and then answers can be given.
        CHECK(cut.id.has_value() == (i >= 15));
    }
}

TEST_CASE("JSON: breaches of rules still show the id, before or after them") {
    for (const char* bad : {R"({"a":1,"a":2})", R"([{"x":{"k":1,"j":2,"k":3}}])", "99999999999999999999", "[[[[[[[[[[[[1]]]]]]]]]]]]"}) {
        CAPTURE(bad);
        const std::string after = std::string(R"({"args":)") + bad + R"(,"id":"i"})";
        const std::string before = std::string(R"({"id":"i","args":)") + bad + "}";
        for (const std::string& text : {after, before}) {
            const Decoded decoded = read_json(text, 8);
            CHECK_FALSE(decoded.good());
            CHECK(decoded.id == "i");
        }
    }
    CHECK(problem(R"({"a":1,"a":2})") == R"(the key "a" appears twice in a map)");
    CHECK(problem(R"({"a":1,"\u0061":2})") == R"(the key "a" appears twice in a map)");
    const Decoded twice = read_json(R"({"id":"i","id":"j"})", 8);
    CHECK_FALSE(twice.good());
    CHECK(twice.id == "i");
    CHECK(parse("[[[1]]]", 3) == Value(Array{Value(Array{Value(Array{1})})}));
    CHECK(problem("[[[1]]]", 2) == "nested more than 2 deep");
}

TEST_CASE("JSON: of a broken message no more is kept than its first id") {
    const auto peak = [] {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss / 1024; // MiB
    };
    std::string text = R"({"args":99999999999999999999,"id":"i")";
    for (int i = 0; i < 4'000'000; ++i) text += R"(,"id":0)";
    text += "}";
    const auto before = peak();
    CHECK(read_json(text, 8).id == "i");
    CHECK(peak() - before < 64);
}

TEST_CASE("JSON: the writer's text is valid whatever it is given") {
    CHECK(write("a\xFF\xED\xA0\x80z") == "\"a\uFFFD\uFFFD\uFFFD\uFFFDz\"");
    CHECK(write(std::string_view("\0\x1F\x7F", 3)) == "\"\\u0000\\u001f\x7F\"");
    Map map;
    map.append(-5, 1);
    map.append(UINT64_MAX, 2);
    map.append("x", 3);
    CHECK(write("a\u2027\u2028\u2029\u202A\xE2\x80") == "\"a\u2027\\u2028\\u2029\u202A\uFFFD\"");
    CHECK(write(map) == R"({"-5":1,"18446744073709551615":2,"x":3})");
    CHECK_THROWS_AS(write(Extension{}), NotEncodable);
    Map bad_key;
    bad_key.append(1.5, 1);
    CHECK_THROWS_AS(write(bad_key), NotEncodable);
    Value deep;
    for (int i = 0; i < 2000; ++i) {
        Array around; // not Array{std::move(deep)}, which copies: 2000 levels of copies are too many for the stack of an unoptimised test
        around.push_back(std::move(deep));
        deep = std::move(around);
    }
    CHECK_THROWS_AS(write(deep), NotEncodable);
}

TEST_CASE("JSON: doubles come back to the bit") {
    test::RandomValues random(7);
    for (int i = 0; i < 20000; ++i) {
        const double number = std::bit_cast<double>(random.engine());
        const Value back = parse(write(number));
        REQUIRE(back.is<double>());
        if (!std::isnan(number)) CHECK(std::bit_cast<std::uint64_t>(number) == std::bit_cast<std::uint64_t>(*back.get_if<double>()));
    }
}
