#include "server/net/access/access.hpp"

#include "doctest/doctest.h"

#include <stdexcept>

using namespace cubelink::server;
using cubelink::transport::HttpRequest;

namespace {

HttpRequest request(std::vector<std::pair<std::string, std::string>> headers, std::string address = "127.0.0.1") {
    return HttpRequest{"GET", "/", std::move(headers), {}, std::move(address), false};
}

AccessPolicy policy(std::vector<std::string> hosts = {}, std::vector<std::string> origins = {}, std::vector<std::string> proxies = {}) {
    return AccessPolicy({"cube.example.org", std::move(hosts), std::move(origins), std::move(proxies)});
}

} // namespace

TEST_CASE("a host is an address, localhost, or one that was named") {
    const auto p = policy({"Other.Example:8080"});
    for (const char* good : {"127.0.0.1", "127.0.0.1:1234", "10.1.2.3:80", "[::1]", "[::1]:1234", "[fe80::1]:1", "localhost", "LOCALHOST:1", "localhost.:5",
                             "cube.example.org", "Cube.Example.ORG:99", "other.example", "other.example:1"}) {
        CAPTURE(good);
        CHECK(p.host_allowed(request({{"host", good}})));
    }
    for (const char* bad : {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:1234", "cube.example.org.evil", "localhost:port",
                            "localhost:99999", "localhost:1:2", "[::1", "[::1]x", "[localhost]", "user@localhost", "localhost/", "localhost evil", "1.2.3", "::1"}) {
        CAPTURE(bad);
        CHECK_FALSE(p.host_allowed(request({{"host", bad}})));
    }
    CHECK(p.host_allowed(request({})));
}

TEST_CASE("an origin is the server's own, one that was named, or absent") {
    const auto p = policy({}, {"https://app.example", "http://app.example:8080/", "null"});
    const auto allowed = [&](const char* origin) { return p.origin_allowed(request({{"host", "localhost:1234"}, {"origin", origin}})); };
    CHECK(p.origin_allowed(request({{"host", "localhost:1234"}})));
    for (const char* good : {"http://localhost:1234", "HTTP://LOCALHOST:1234", "https://app.example", "https://app.example:443", "http://app.example:8080", "null"}) {
        CAPTURE(good);
        CHECK(allowed(good));
    }
    for (const char* bad : {"", "http://localhost", "http://localhost:1235", "https://localhost:1234", "http://127.0.0.1:1234", "http://app.example", "https://app.example:8443",
                            "https://app.example.evil", "https://evil/app.example", "localhost:1234", "http://user@localhost:1234", "file://", "http://localhost:1234/path",
                            "https://evil https://app.example"}) {
        CAPTURE(bad);
        CHECK_FALSE(allowed(bad));
    }
    // One of two is not enough.
    CHECK_FALSE(p.origin_allowed(request({{"host", "localhost:1234"}, {"origin", "http://localhost:1234"}, {"origin", "http://evil"}})));
    CHECK(p.origin_allowed(request({{"host", "[::1]:80"}, {"origin", "http://[::1]"}})));
    CHECK(policy({}, {"*"}).origin_allowed(request({{"host", "localhost"}, {"origin", "https://anything"}})));
    CHECK_FALSE(policy().origin_allowed(request({{"host", "localhost"}, {"origin", "null"}})));
    auto tls = request({{"host", "localhost:1234"}, {"origin", "https://localhost:1234"}});
    CHECK_FALSE(p.origin_allowed(tls));
    tls.tls = true;
    CHECK(p.origin_allowed(tls));

    CHECK(p.cors_origin(request({{"host", "localhost:1234"}, {"origin", "https://app.example"}})) == "https://app.example");
    CHECK(p.cors_origin(request({{"host", "localhost:1234"}, {"origin", "http://localhost:1234"}})).empty());
    CHECK(p.cors_origin(request({{"host", "localhost:1234"}})).empty());
}

TEST_CASE("what proxies forward counts only from those that are trusted") {
    const auto p = policy({}, {}, {"127.0.0.1", "10.0.0.0/8", "fd00::/8"});
    const std::vector<std::pair<std::string, std::string>> headers = {{"host", "127.0.0.1:1234"},
                                                                      {"x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.1.2.3"},
                                                                      {"x-forwarded-proto", "https"},
                                                                      {"x-forwarded-host", "sky.example"},
                                                                      {"origin", "https://sky.example"}};
    auto seen = p.origin_of(request(headers));
    CHECK(seen.address == "198.51.100.7"); // what stands left of it anybody can have written
    CHECK(seen.scheme == "https");
    CHECK(seen.authority == "sky.example");
    CHECK(p.origin_allowed(request(headers)));
    CHECK(p.host_allowed(request(headers)));

    seen = p.origin_of(request(headers, "203.0.113.9"));
    CHECK(seen.address == "203.0.113.9");
    CHECK(seen.scheme == "http");
    CHECK(seen.authority == "127.0.0.1:1234");
    CHECK_FALSE(p.origin_allowed(request(headers, "203.0.113.9")));

    CHECK(p.origin_of(request({{"x-forwarded-for", "nonsense"}})).address == "127.0.0.1");
    CHECK(p.origin_of(request({{"x-forwarded-for", ""}})).address == "127.0.0.1");
    CHECK(p.origin_of(request({{"x-forwarded-for", "198.51.100.7:4711"}})).address == "198.51.100.7");
    CHECK(p.origin_of(request({{"x-forwarded-for", "[2001:db8::1]:4711"}})).address == "2001:db8::1");
    CHECK(p.origin_of(request({{"x-forwarded-for", "[2001:db8::1"}})).address == "127.0.0.1");
    CHECK(p.origin_of(request({{"x-forwarded-for", "198.51.100.7"}, {"x-forwarded-for", "10.0.0.1"}})).address == "198.51.100.7");
    CHECK(p.origin_of(request({{"x-forwarded-for", "10.0.0.2, 10.0.0.1"}})).address == "10.0.0.2");
    CHECK(p.origin_of(request({{"x-forwarded-proto", "gopher"}})).scheme == "http");
    CHECK(p.origin_of(request({{"host", "a"}, {"x-forwarded-host", "bad host"}})).authority == "a");
    CHECK(p.origin_of(request({{"x-forwarded-proto", "https"}}, "10.255.0.1")).scheme == "https");
    CHECK(p.origin_of(request({{"x-forwarded-proto", "https"}}, "11.0.0.1")).scheme == "http");
    CHECK(p.origin_of(request({{"x-forwarded-proto", "https"}}, "fd12::1")).scheme == "https");
    CHECK(p.origin_of(request({{"x-forwarded-proto", "https"}}, "fe12::1")).scheme == "http");
    CHECK(policy({}, {}, {"0.0.0.0/0"}).origin_of(request({{"x-forwarded-proto", "https"}}, "1.2.3.4")).scheme == "https");
    CHECK(policy({}, {}, {"0.0.0.0/0"}).origin_of(request({{"x-forwarded-proto", "https"}}, "2001:db8::1")).scheme == "http");
}

TEST_CASE("options that make no sense are refused") {
    for (const char* bad : {"", "nowhere", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "::/129", "/8"}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(policy({}, {}, {bad}), std::invalid_argument);
    }
    for (const char* bad : {"", "app.example", "://app.example", "https://", "https://app.example/path", "https://a b"}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(policy({}, {bad}), std::invalid_argument);
    }
    for (const char* bad : {"", "a b", "https://x", "x:y"}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(policy({bad}), std::invalid_argument);
    }
    CHECK_NOTHROW(AccessPolicy({"::1", {"::1", "10.0.0.1"}, {}, {}}));
}

TEST_CASE("tokens are found where CARTA puts them, in its order") {
    auto r = request({{"carta-auth-token", "four"}, {"authorization", "Bearer two"}, {"cookie", "a=b; carta-auth-token=one; c=d"}});
    r.target = "/?folder=x?token=three";
    CHECK(tokens_of(r, "carta-auth-token") == std::vector<std::string>{"one", "two", "three", "four"});
    CHECK(tokens_of(r, "") == std::vector<std::string>{"two", "three"});
    CHECK(tokens_of(request({}), "carta-auth-token").empty());
    CHECK(tokens_of(request({{"authorization", "Basic dTpw"}, {"cookie", "xcarta-auth-token=a; carta-auth-token"}}), "carta-auth-token").empty());
    CHECK(tokens_of(request({{"authorization", "bearer  x "}}), "carta-auth-token") == std::vector<std::string>{"x"});
    CHECK(tokens_of(request({{"cookie", "carta-auth-token=\"q\"; carta-auth-token=r"}}), "carta-auth-token") == std::vector<std::string>{"q", "r"});
    r = request({});
    r.target = "/ws?token=a%2Bb&token=c+d&token=&token=%zz&tokens=x";
    CHECK(tokens_of(r, "carta-auth-token") == std::vector<std::string>{"a+b", "c d", "c+d"});
    r.target.assign(1, '?');
    for (int i = 0; i < 100; ++i) r.target.append("&token=").append(std::to_string(i));
    CHECK(tokens_of(r, "carta-auth-token").size() == 8);
}

TEST_CASE("loopback addresses") {
    for (const char* yes : {"127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost", "LocalHost", "::ffff:127.0.0.1"}) CHECK(is_loopback(yes));
    for (const char* no : {"", "0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "localhost.evil", "::ffff:10.0.0.1", "::2"}) CHECK_FALSE(is_loopback(no));
}
