#include "server/remote/remote_host.hpp"

#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/un.h>
#include <vector>

using namespace cubelink::server;

namespace {

sockaddr_storage address_of(const char* text) {
    sockaddr_storage address{};
    sockaddr_in four{};
    sockaddr_in6 six{};
    if (::inet_pton(AF_INET, text, &four.sin_addr) == 1) {
        four.sin_family = AF_INET;
        std::memcpy(&address, &four, sizeof four);
    } else {
        REQUIRE(::inet_pton(AF_INET6, text, &six.sin6_addr) == 1);
        six.sin6_family = AF_INET6;
        std::memcpy(&address, &six, sizeof six);
    }
    return address;
}

bool is_public(const char* text) {
    const auto address = address_of(text);
    return is_public_address(reinterpret_cast<const sockaddr&>(address));
}

bool may_connect_to(const char* host, const char* text) {
    const auto address = address_of(text);
    return may_connect(host, reinterpret_cast<const sockaddr&>(address));
}

std::string why(const std::string& url, const std::vector<RemoteHost>& hosts) { return why_not_allowed(parse_remote_url(url), hosts); }

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("hosts of --remote-host") {
    CHECK(parse_remote_host("example.org") == RemoteHost{"example.org", 0});
    CHECK(parse_remote_host("Example.ORG.:8443") == RemoteHost{"example.org", 8443});
    CHECK(parse_remote_host("127.0.0.1:80") == RemoteHost{"127.0.0.1", 80});
    CHECK(parse_remote_host("::1") == RemoteHost{"::1", 0});
    CHECK(parse_remote_host("[::1]:8080") == RemoteHost{"::1", 8080});
    for (const char* wrong : {"", ".", ":80", "a b", "https://example.org", "example.org/x", "example.org:", "example.org:0", "example.org:65536", "example.org:8x", "[::1", "[::1]80",
                              "[::g]", "user@example.org", "*.example.org", "-x"}) {
        CAPTURE(wrong);
        CHECK(!parse_remote_host(wrong));
    }
}

TEST_CASE("URLs that may be asked for") {
    const std::vector<RemoteHost> hosts{{"example.org", 0}, {"example.org", 8443}, {"127.0.0.1", 8080}, {"localhost", 0}, {"10.0.0.5", 0}, {"::1", 0}};
    for (const char* good : {"https://example.org/x?y=z", "https://EXAMPLE.org./", "https://example.org:443/", "https://example.org:8443/", "http://127.0.0.1:8080/",
                             "https://127.0.0.1:8080/", "http://localhost/", "https://localhost/", "https://10.0.0.5/", "http://[::1]/", "http://0x7f.1:8080/", "http://2130706433:8080/"}) {
        CAPTURE(good);
        CHECK(why(good, hosts).empty());
    }
    for (const char* wrong : {"https://example.org:8080/", "https://www.example.org/", "https://example.org.evil.net/", "https://127.0.0.1/", "http://127.0.0.1/", "http://127.0.0.2:8080/",
                              "https://localhost:8080/", "https://[::2]/", "https://example.com\\@example.org/"}) {
        CAPTURE(wrong);
        std::string text;
        try {
            text = why(wrong, hosts);
        } catch (const std::invalid_argument& error) { text = error.what(); }
        CHECK(!text.empty());
    }
    CHECK(has(why("http://example.org:8443/", hosts), "only https"));
    CHECK(has(why("http://10.0.0.5:443/", hosts), "not one"));
    CHECK(has(why("https://example.org/", {}), "not one"));
    for (const char* wrong : {"", "example.org", "file:///etc/passwd", "ftp://example.org/", "https://", "https://user@example.org/", "https://user:x@example.org/", "javascript:1"})
        CHECK_THROWS_AS(parse_remote_url(wrong), std::invalid_argument);
    CHECK(is_loopback_host("127.8.9.1"));
    CHECK(is_loopback_host("::1"));
    CHECK(is_loopback_host("localhost"));
    for (const char* other : {"128.0.0.1", "::2", "127.0.0.1.example.org", "localhost.example.org", ""}) CHECK(!is_loopback_host(other));
}

TEST_CASE("addresses that are public") {
    for (const char* good : {"130.79.128.7", "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.0.1", "172.15.0.1",
                             "172.32.0.1", "192.167.0.1", "192.169.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "2001:4860:4860::8888", "2606:4700::1111", "::ffff:1.1.1.1",
                             "64:ff9b::1.1.1.1", "2002:101:101::1", "3fff:1000::1"}) {
        CAPTURE(good);
        CHECK(is_public(good));
    }
    for (const char* wrong : {"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.1",
                              "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
                              "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:192.168.1.1", "64:ff9b::10.0.0.1",
                              "64:ff9b:1::1", "100::1", "2001::1", "2001:1ff::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1",
                              "ff02::1", "4000::1"}) {
        CAPTURE(wrong);
        CHECK(!is_public(wrong));
    }
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    CHECK(!is_public_address(reinterpret_cast<const sockaddr&>(local)));
}

TEST_CASE("a host is connected to at public addresses, or at the one that it was listed as") {
    CHECK(may_connect_to("example.org", "130.79.128.7"));
    CHECK(!may_connect_to("example.org", "127.0.0.1"));
    CHECK(!may_connect_to("example.org", "192.168.0.1"));
    CHECK(!may_connect_to("example.org", "::1"));
    CHECK(may_connect_to("localhost", "127.0.0.1"));
    CHECK(may_connect_to("localhost", "::1"));
    CHECK(!may_connect_to("localhost", "192.168.0.1"));
    CHECK(!may_connect_to("localhost", "fe80::1"));
    CHECK(!may_connect_to("x.localhost", "127.0.0.1"));
    CHECK(may_connect_to("127.0.0.1", "127.0.0.1"));
    CHECK(!may_connect_to("127.0.0.1", "127.0.0.2"));
    CHECK(!may_connect_to("127.0.0.1", "::1"));
    CHECK(may_connect_to("10.0.0.5", "10.0.0.5"));
    CHECK(may_connect_to("::1", "::1"));
    CHECK(!may_connect_to("::1", "::2"));
    const auto address = address_of("192.168.0.1"), six = address_of("fe80::1");
    CHECK(text_of_address(reinterpret_cast<const sockaddr&>(address)) == "192.168.0.1");
    CHECK(text_of_address(reinterpret_cast<const sockaddr&>(six)) == "fe80::1");
}
