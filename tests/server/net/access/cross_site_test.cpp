#include "server/net/access/cross_site.hpp"

#include "doctest/doctest.h"

#include <algorithm>
#include <string>

using namespace cubelink::server;
using cubelink::transport::HttpRequest;
using cubelink::transport::HttpResponse;

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

HttpRequest request(Fields headers, std::string method = "GET") {
    headers.emplace_back("host", "localhost:1234");
    return HttpRequest{std::move(method), "/", std::move(headers), {}, "127.0.0.1", false};
}

AccessPolicy policy(std::vector<std::string> origins) { return AccessPolicy({"localhost", {}, std::move(origins), {}}); }

/// The fields of that name, joined by " & ": two of one name are a fault.
std::string field(const HttpResponse& response, const std::string& name) {
    std::string found;
    for (const auto& [key, value] : response.headers)
        if (key == name) found += (found.empty() ? "" : " & ") + value;
    return found;
}

HttpResponse answered(const AccessPolicy& access, Fields asked, Fields own = {}, bool is_public = true,
                      CrossSite::Frames frames = CrossSite::Frames::listed) {
    HttpResponse response;
    response.headers = std::move(own);
    CrossSite::add(CrossSite(access).headers_for(request(std::move(asked)), is_public, frames), response);
    return response;
}

} // namespace

TEST_CASE("pages of a named origin may read answers, others may not") {
    const auto access = policy({"https://page.example", "http://lab.example:8888/"});
    for (const char* origin : {"https://page.example", "http://lab.example:8888"}) {
        CAPTURE(origin);
        const auto response = answered(access, {{"origin", origin}});
        CHECK(field(response, "Access-Control-Allow-Origin") == origin);
        CHECK(field(response, "Vary") == "Origin");
        CHECK(field(response, "Access-Control-Allow-Credentials").empty());
        CHECK(field(response, "Cross-Origin-Resource-Policy") == "cross-origin");
    }
    for (const char* origin : {"https://evil.example", "https://page.example.evil", "http://page.example", "null", "http://localhost:1234", "https://page.example, https://evil.example"}) {
        CAPTURE(origin);
        const auto response = answered(access, {{"origin", origin}});
        CHECK(field(response, "Access-Control-Allow-Origin").empty());
        CHECK(field(response, "Vary") == "Origin");
    }
    CHECK(field(answered(access, {}, {}, false), "Cross-Origin-Resource-Policy") == "same-origin");
    CHECK(field(answered(access, {}), "Vary") == "Origin"); // a cache must not give this one to a page
}

TEST_CASE("without a named origin nothing is said to foreign pages") {
    const auto response = answered(policy({}), {{"origin", "https://page.example"}});
    CHECK(field(response, "Access-Control-Allow-Origin").empty());
    CHECK(field(response, "Vary").empty());
    CHECK(field(response, "Cross-Origin-Resource-Policy") == "same-origin");
}

TEST_CASE("any origin, and pages without one") {
    CHECK(field(answered(policy({"*"}), {{"origin", "https://page.example"}}), "Access-Control-Allow-Origin") == "https://page.example");
    CHECK(field(answered(policy({"null"}), {{"origin", "null"}}), "Access-Control-Allow-Origin") == "null");
}

TEST_CASE("what an answer has already is completed, not doubled") {
    const auto access = policy({"https://page.example"});
    CHECK(field(answered(access, {{"origin", "https://page.example"}}, {{"Vary", "Accept-Encoding"}}), "Vary") == "Accept-Encoding, Origin");
    const auto decided = answered(access, {{"origin", "https://page.example"}}, {{"Vary", "Origin"}, {"Access-Control-Allow-Origin", "https://page.example"}});
    CHECK(field(decided, "Vary") == "Origin");
    CHECK(field(decided, "Access-Control-Allow-Origin") == "https://page.example");
    CHECK(field(answered(access, {{"origin", "https://page.example"}}, {{"Vary", "Origin"}}), "Access-Control-Allow-Origin").empty());
}

TEST_CASE("pages that may show ours in a frame") {
    const auto sources = [](std::vector<std::string> origins) { return field(answered(policy(std::move(origins)), {}), "Content-Security-Policy"); };
    CHECK(sources({}) == "frame-ancestors 'self'");
    CHECK(field(answered(policy({}), {}), "X-Frame-Options") == "SAMEORIGIN");
    CHECK(sources({"https://Page.example", "http://lab.example:8888/", "http://127.0.0.1:80"}) ==
          "frame-ancestors 'self' https://page.example http://lab.example:8888 http://127.0.0.1");
    CHECK(field(answered(policy({"https://page.example"}), {}), "X-Frame-Options").empty());
    // Any page may read with a token of its own; in a frame ours would come with the user's cookies.
    CHECK(sources({"*"}) == "frame-ancestors 'self'");
    CHECK(field(answered(policy({"*"}), {}), "X-Frame-Options") == "SAMEORIGIN");
    CHECK(sources({"*", "https://page.example"}) == "frame-ancestors 'self' https://page.example");
    CHECK(field(answered(policy({"*", "https://page.example"}), {}), "X-Frame-Options").empty());
    CHECK(sources({"null", "http://[::1]:8888"}) == "frame-ancestors 'self'"); // can't be said
    CHECK(sources({"x; script-src *://page.example"}) == "frame-ancestors 'self'");
}

TEST_CASE("frames of pages that know the token, and of local ones") {
    const auto of = [](std::vector<std::string> origins, CrossSite::Frames frames) { return answered(policy(std::move(origins)), {}, {}, true, frames); };
    for (const auto& origins : {std::vector<std::string>{}, {"https://page.example"}}) {
        const auto all = of(origins, CrossSite::Frames::all);
        CHECK(field(all, "Content-Security-Policy").empty());
        CHECK(field(all, "X-Frame-Options").empty());
        CHECK(field(all, "Access-Control-Allow-Origin").empty()); // a frame is not read
    }
    const auto local = of({"https://page.example"}, CrossSite::Frames::local);
    CHECK(field(local, "Content-Security-Policy") == "frame-ancestors 'self' https://page.example localhost:* 127.0.0.1:*");
    CHECK(field(of({}, CrossSite::Frames::local), "X-Frame-Options").empty());
}

TEST_CASE("a preflight request") {
    const auto access = policy({"https://page.example"});
    const CrossSite cross_site(access);
    const Fields asks = {{"origin", "https://page.example"}, {"access-control-request-method", "GET"}, {"access-control-request-headers", "range"}};
    const auto response = cross_site.preflight(request(asks, "OPTIONS"));
    REQUIRE(response);
    CHECK(response->status == 204);
    CHECK(field(*response, "Access-Control-Allow-Methods") == "GET, HEAD");
    CHECK(field(*response, "Access-Control-Allow-Headers").find("range") != std::string::npos);
    CHECK_FALSE(cross_site.preflight(request(asks, "GET")));
    CHECK_FALSE(cross_site.preflight(request({{"origin", "https://page.example"}}, "OPTIONS")));
    CHECK_FALSE(cross_site.preflight(request({{"origin", "https://evil.example"}, {"access-control-request-method", "GET"}}, "OPTIONS")));
}
