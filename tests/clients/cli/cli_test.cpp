// The tool's parts without a server: parser, texts, values, pictures. What it does with a server is in test_cli.py.

#include "clients/cli/commands.hpp"
#include "clients/cli/parse.hpp"
#include "clients/cli/png.hpp"
#include "clients/cli/texts.hpp"
#include "clients/cli/values.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>

#include <zlib.h>

using namespace cubelink::cli;
using cubelink::rpc::Array;
using cubelink::rpc::Bytes;
using cubelink::rpc::Map;
using cubelink::rpc::Value;

namespace {

Parsed parsed(std::vector<std::string> arguments) { return parse(program(), arguments); }

std::string refusal(std::vector<std::string> arguments) {
    try {
        parse(program(), arguments);
    } catch (const UsageError& error) {
        return error.what();
    }
    return "accepted";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("command lines") {
    const auto tile = parsed({"--json", "tile", "a.fits", "-c", "3", "--layer=2", "-p99", "-i", "--server", "x"});
    CHECK(tile.command->name == "tile");
    CHECK(tile.text("FILE") == "a.fits");
    CHECK(tile.integer("channel") == 3);
    CHECK(tile.integer("layer") == 2);
    CHECK(tile.number("percentile") == 99);
    CHECK(tile.has("invert"));
    CHECK(tile.has("json"));
    CHECK(tile.text("server") == "x");
    CHECK(tile.integer("stokes", 7) == 7);
    const auto spectrum = parsed({"spectrum", "a", "-1.5", "-.5e1"}); // negative numbers are no options
    CHECK(spectrum.text("X") == "-1.5");
    CHECK(spectrum.text("Y") == "-.5e1");
    CHECK(parsed({"list", "--", "-strange"}).text("FOLDER") == "-strange");
    CHECK(parsed({"moments", "a", "-m", "max", "-mmin"}).all("moment") == std::vector<std::string>{"max", "min"});
    CHECK(parsed({"tile", "a", "-c1", "-c2"}).integer("channel") == 2); // the last one counts
    CHECK(parsed({"moments", "a", "--include", "-1:2.5"}).range("include") == std::pair{-1.0, 2.5});
    CHECK(parsed({"tile", "--help"}).command->name == "tile"); // without its argument
    CHECK(parsed({"-qj", "list"}).has("json"));
    CHECK(parsed({"--version"}).command == nullptr);
}

TEST_CASE("wrong command lines are told what is wrong") {
    CHECK(has(refusal({}), "no command"));
    CHECK(has(refusal({"lists"}), "\"lists\""));
    CHECK(has(refusal({"list", "a", "b"}), "no argument \"b\""));
    CHECK(has(refusal({"tile"}), "needs FILE"));
    CHECK(has(refusal({"tile", "a", "--nosuch"}), "--nosuch of tile"));
    CHECK(has(refusal({"list", "--channel", "1"}), "--channel of list"));
    CHECK(has(refusal({"tile", "a", "-c"}), "-c needs a value: INDEX"));
    CHECK(has(refusal({"tile", "a", "-c", "1x"}), "expected an integer"));
    CHECK(has(refusal({"tile", "a", "-c", "99999999999999999999"}), "expected an integer"));
    CHECK(has(refusal({"tile", "a", "--stretch", "cubic"}), "none of linear, sqrt"));
    CHECK(has(refusal({"tile", "a", "--invert=1"}), "takes no value"));
    CHECK(has(refusal({"spectrum", "a", "nan", "1"}), "X: expected a number"));
    CHECK(has(refusal({"moments", "a", "--include", "3:1"}), "ends before it begins"));
    CHECK(has(refusal({"completion", "csh"}), "none of bash, zsh, fish"));
}

TEST_CASE("any command line is read or refused") {
    const unsigned seed = cubelink::test::random_seed();
    INFO("seed ", seed);
    std::mt19937 random(seed);
    std::vector<std::string> words = {"", "-", "--", "---", "-c", "--channel", "--channel=", "--=", "=", "-1", "a:b", "1:2", "\xff", "--json", "-h"};
    for (const auto& command : program().commands) words.push_back(command.name);
    for (int i = 0; i < 20'000; ++i) {
        std::vector<std::string> arguments(random() % 6);
        for (auto& argument : arguments) argument = words[random() % words.size()];
        try {
            parse(program(), arguments);
        } catch (const UsageError& error) {
            CHECK(std::string(error.what()) != "");
        }
    }
}

TEST_CASE("the definitions are sound, and all texts have all of them") {
    const auto manual = manual_page(program());
    std::vector<std::string> scripts;
    for (const char* shell : {"bash", "zsh", "fish"}) scripts.push_back(completion(program(), shell));
    for (const auto& command : program().commands) {
        std::set<std::string> names;
        std::set<char> letters;
        auto options = command.options;
        options.insert(options.end(), program().options.begin(), program().options.end());
        const auto help = help_text(program(), command);
        CHECK(has(help_text(program()), "  " + command.name));
        CHECK(has(manual, ".SS " + command.name));
        for (const auto& option : options) {
            INFO(command.name, " --", option.name);
            CHECK(names.insert(option.name).second);
            if (option.letter) CHECK(letters.insert(option.letter).second);
            CHECK((option.takes == Takes::nothing) == option.value_name.empty());
            CHECK((option.takes == Takes::choice) == !option.choices.empty());
            CHECK(has(help, "--" + option.name));
            CHECK(has(scripts[0], "--" + option.name));
            CHECK(has(scripts[1], "--" + option.name));
            CHECK(has(scripts[2], "-l " + option.name));
        }
        bool optional = false;
        for (std::size_t i = 0; i < command.arguments.size(); ++i) {
            const auto& argument = command.arguments[i];
            CHECK(names.insert(argument.name).second);
            CHECK(!(optional && argument.required));
            CHECK(!(argument.repeated && i + 1 < command.arguments.size()));
            optional = !argument.required;
            CHECK(has(help, argument.name));
        }
        for (const auto& script : scripts) CHECK(has(script, command.name));
    }
    for (const auto& status : program().statuses) CHECK(has(manual, ".B " + std::to_string(status.status) + "\n"));
}

TEST_CASE("values as JSON, CSV and tables") {
    const Value value = Map{{"a", Array{1, 2.5, std::nan(""), Value()}}, {"b", Bytes::copy("\x01\x02\xff\x03")}, {"c", Map{}}, {"d", Array{Map{{"x", "\"\n"}}}}};
    CHECK(json(value) == R"({"a": [1, 2.5, null, null], "b": {"base64": "AQL/Aw=="}, "c": {}, "d": [{"x": "\"\n"}]})");
    const auto again = parse_json(json(value, true));
    CHECK(again == parse_json(json(value)));
    CHECK(json(Bytes::copy("")) == R"({"base64": ""})");
    CHECK(json(std::numeric_limits<double>::infinity()) == "null");
    CHECK_THROWS_AS(parse_json("{"), std::invalid_argument);
    CHECK_THROWS_AS(parse_json(""), std::invalid_argument);
    CHECK_THROWS_AS(parse_json("\"\xff\""), std::invalid_argument);
    CHECK(decimal(0.1) == "0.1");
    CHECK(std::isnan(std::stod(decimal(std::nan("")))));
    CHECK(csv("plain") == "plain");
    CHECK(csv("a,\"b\"") == "\"a,\"\"b\"\"\"");
    CHECK(table({{"a", "b"}, {"ωω", "c"}, {}}) == "a   b\nωω  c\n\n");
    CHECK(printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\x0a");
    CHECK(numbers(Array{1, 2.5, Value()}).size() == 3);
    CHECK(numbers(Value("x")).empty());
}

TEST_CASE("pictures") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> pixels = {0, 1, nan, /* the upper row */ 2, 3, 4};
    Rendering rendering;
    rendering.percentile = 100;
    const auto rows = [&](const Rendering& how) {
        const auto png = grey_png(pixels, 3, 2, how);
        CHECK(png.substr(0, 8) == "\x89PNG\r\n\x1A\n");
        CHECK(png.substr(16, 10) == std::string("\0\0\0\3\0\0\0\2\x08\x04", 10));
        const auto at = png.find("IDAT");
        const auto size = static_cast<unsigned char>(png[at - 1]);
        std::vector<unsigned char> raw(14);
        uLongf length = raw.size();
        REQUIRE(::uncompress(raw.data(), &length, reinterpret_cast<const Bytef*>(png.data() + at + 4), size) == Z_OK);
        CHECK(length == raw.size());
        return raw;
    };
    using Raw = std::vector<unsigned char>;
    CHECK(rows(rendering) == Raw{0, 128, 255, 191, 255, 255, 255, 0, 0, 255, 64, 255, 0, 0});
    rendering.inverted = true;
    CHECK(rows(rendering) == Raw{0, 128, 255, 64, 255, 0, 255, 0, 255, 255, 191, 255, 0, 0});
    rendering.inverted = false;
    for (const char* stretch : {"sqrt", "log", "asinh"}) {
        rendering.stretch = stretch;
        const auto raw = rows(rendering);
        CHECK(raw[10] > 64); // brighter than linear
        CHECK(raw[8] == 0);
        CHECK(raw[5] == 255);
    }
    // Nothing to scale by.
    CHECK(!grey_png({nan}, 1, 1, {}).empty());
    CHECK(!grey_png({std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest()}, 2, 1, {}).empty());
    CHECK(!grey_png({std::numeric_limits<float>::infinity(), 1}, 2, 1, {}).empty());
}
