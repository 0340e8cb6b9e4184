#include "server/net/access/keys.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <unistd.h>

using namespace cubelink::server;

namespace {

struct KeysFile {
    std::string path;
    explicit KeysFile(const std::string& text) {
        char name[] = "/tmp/cubelink-keys-XXXXXX";
        close(mkstemp(name));
        path = name;
        std::ofstream(path) << text;
    }
    ~KeysFile() { std::remove(path.c_str()); }
};

std::string why_not(const std::string& text) {
    KeysFile file(text);
    Keys keys("the server's own");
    try {
        keys.load(file.path);
    } catch (const KeysError& error) {
        CHECK(std::string(error.what()).find(file.path) == 0);
        return std::string(error.what()).substr(file.path.size());
    }
    return "";
}

} // namespace

TEST_CASE("a key shows its user and permissions") {
    KeysFile file(R"([{"key":"key of ann","user":"ann","permissions":["view","save","share","admin"]},{"key":"key of bob","user":"bob"}])");
    Keys keys("the server's own");
    keys.load(file.path);
    REQUIRE(keys.identify("key of ann"));
    CHECK(keys.identify("key of ann")->user == "ann");
    CHECK(keys.identify("key of ann")->permissions.admin);
    CHECK(keys.identify("key of ann")->permissions.share);
    REQUIRE(keys.identify("key of bob"));
    CHECK_FALSE(keys.identify("key of bob")->permissions.save);
    CHECK(keys.identify("the server's own")->user.empty());
    CHECK_FALSE(keys.identify("key of an"));
    CHECK_FALSE(keys.identify(""));
    CHECK_FALSE(Keys("").identify(""));
}

TEST_CASE("a wrong file is refused with the place that is wrong, and no key is shown") {
    CHECK(why_not("{") != "");
    CHECK(why_not(R"({"key":"12345678","user":"a"})").find("expected a list") != std::string::npos);
    CHECK(why_not(R"([{"key":"short","user":"a"}])").find("[0].key") != std::string::npos);
    CHECK(why_not(R"([{"key":"12345678","user":""}])").find("[0].user") != std::string::npos);
    CHECK(why_not(R"([{"key":"12345678","user":"a","permissions":["root"]}])").find("[0].permissions") != std::string::npos);
    CHECK(why_not(R"([{"key":"12345678","user":"a","permission":["view"]}])").find("[0].permission") != std::string::npos);
    const auto twice = why_not(R"([{"key":"12345678","user":"a"},{"key":"12345678","user":"b"}])");
    CHECK(twice.find("[1].key") != std::string::npos);
    CHECK(twice.find("12345678") == std::string::npos);
    CHECK_THROWS_AS(Keys("").load("/nowhere/keys.json"), KeysError);
}
