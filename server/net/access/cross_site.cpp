#include "server/net/access/cross_site.hpp"

#include "platform/text.hpp"

#include <algorithm>

namespace cubelink::server {

namespace {

constexpr auto allow_origin = "Access-Control-Allow-Origin";

bool depends_on_origin(std::string_view vary) { return platform::lower_case(vary).find("origin") != std::string::npos; }

} // namespace

CrossSite::Headers CrossSite::headers_for(const transport::HttpRequest& request, bool is_public, Frames frames) const {
    Headers headers;
    // For requests that do not say which page they are of: those of images and style sheets. Such a request may carry our cookie.
    headers.emplace_back("Cross-Origin-Resource-Policy", is_public && access_.lists_origins() ? "cross-origin" : "same-origin");
    // JupyterHub and the like show pages in frames of their own origin, a notebook elsewhere in one of an allowed origin.
    // For all, nothing is said: "*" leaves out the pages that editors show notebooks in, which have schemes of their own.
    auto ancestors = access_.frame_ancestors();
    if (frames == Frames::local) ancestors += " localhost:* 127.0.0.1:*";
    if (frames != Frames::all) headers.emplace_back("Content-Security-Policy", "frame-ancestors " + ancestors);
    // For browsers that know nothing else; it can name no origins.
    if (frames == Frames::listed && !access_.allows_foreign_frames()) headers.emplace_back("X-Frame-Options", "SAMEORIGIN");
    if (!access_.lists_origins()) return headers;
    headers.emplace_back("Vary", "Origin"); // also of answers without the header below: a cache must not give them to other origins
    if (auto origin = access_.cors_origin(request); !origin.empty()) headers.emplace_back(allow_origin, std::move(origin));
    return headers;
}

void CrossSite::add(const Headers& headers, transport::HttpResponse& response) {
    auto& own = response.headers;
    const bool decided = std::any_of(own.begin(), own.end(), [](const auto& h) { return h.first == allow_origin || (h.first == "Vary" && depends_on_origin(h.second)); });
    for (const auto& [name, value] : headers) {
        if (decided && (name == allow_origin || name == "Vary")) continue;
        const auto same = name == "Vary" ? std::find_if(own.begin(), own.end(), [](const auto& h) { return h.first == "Vary"; }) : own.end();
        if (same != own.end()) same->second += ", " + value;
        else own.emplace_back(name, value);
    }
}

std::optional<transport::HttpResponse> CrossSite::preflight(const transport::HttpRequest& request) const {
    if (request.method != "OPTIONS" || request.header("access-control-request-method").empty() || access_.cors_origin(request).empty()) return std::nullopt;
    transport::HttpResponse response;
    response.status = 204;
    response.headers = {{"Access-Control-Allow-Methods", "GET, HEAD"},
                        {"Access-Control-Allow-Headers", "accept, authorization, cache-control, if-modified-since, if-none-match, range"},
                        {"Access-Control-Max-Age", "600"}};
    return response;
}

} // namespace cubelink::server
