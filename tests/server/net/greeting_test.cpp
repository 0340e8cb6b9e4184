#include "server/net/greeting.hpp"
#include "server/net/metrics.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace cubelink::server;

TEST_CASE("the address to open") {
    WslinkServerOptions options;
    CHECK(address_to_open(options, 1234, "a b&c") == "http://127.0.0.1:1234/?token=a%20b%26c");
    CHECK(address_to_open(options, 80, "") == "http://127.0.0.1:80/");
    options.host = "::1";
    options.base_path = "below/this/";
    options.ssl_cert = options.ssl_key = "x";
    CHECK(address_to_open(options, 1, "s") == "https://[::1]:1/below/this/?token=s");
    options.host = "0.0.0.0";
    CHECK(address_to_open(options, 1, "s").find("0.0.0.0") == std::string::npos);
}

TEST_CASE("the tunnel is told over SSH only, and only for loopback") {
    WslinkServerOptions options;
    ::unsetenv("SSH_CONNECTION");
    CHECK(ssh_tunnel(options, 1234).empty());
    ::setenv("SSH_CONNECTION", "10.0.0.1 50000 10.0.0.2 2222", 1);
    CHECK(ssh_tunnel(options, 1234).starts_with("ssh -L 1234:127.0.0.1:1234 -p 2222 "));
    CHECK(ssh_tunnel(options, 1234).ends_with("10.0.0.2"));
    options.host = "0.0.0.0";
    CHECK(ssh_tunnel(options, 1234).empty());
    ::unsetenv("SSH_CONNECTION");
}

TEST_CASE("options that do not go together") {
    WslinkServerOptions options;
    CHECK(check_options(options).empty());
    options.no_auth = true;
    CHECK(check_options(options).empty());
    options.host = "0.0.0.0";
    CHECK_FALSE(check_options(options).empty());
    options.no_auth = false;
    CHECK(check_options(options).empty());
    options.ssl_key = "x";
    CHECK_FALSE(check_options(options).empty());
    options.ssl_key.clear();
    options.allow_origins = {"no origin"};
    CHECK(check_options(options).find("--allow-origin") != std::string::npos);
}

TEST_CASE("metrics: histograms add up, labels are escaped, inventions are counted together") {
    Metrics metrics;
    auto& calls = metrics.calls_of("a\"b\n", true);
    calls.answered(std::chrono::microseconds(5), false);
    calls.answered(std::chrono::milliseconds(50), true);
    calls.answered(std::chrono::seconds(100), false);
    metrics.calls_of("invented", false).answered({}, true);
    metrics.calls_of("long", true).answered(std::chrono::milliseconds(1'234'567'891), false);
    const auto text = metrics.text({});
    CHECK(text.find("wslink_call_seconds_bucket{method=\"a\\\"b\\n\",le=\"1e-05\"} 1\n") != std::string::npos);
    CHECK(text.find("wslink_call_seconds_bucket{method=\"a\\\"b\\n\",le=\"0.1\"} 2\n") != std::string::npos);
    CHECK(text.find("wslink_call_seconds_bucket{method=\"a\\\"b\\n\",le=\"+Inf\"} 3\n") != std::string::npos);
    CHECK(text.find("wslink_call_seconds_sum{method=\"long\"} 1234567.891\n") != std::string::npos);
    CHECK(text.find("wslink_call_failures_total{method=\"a\\\"b\\n\"} 1\n") != std::string::npos);
    CHECK(text.find("wslink_call_failures_total{method=\"(unknown)\"} 1\n") != std::string::npos);
    CHECK(text.find("invented") == std::string::npos);
}
