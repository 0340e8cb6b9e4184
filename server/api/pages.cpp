#include "server/api/pages.hpp"

#include "server/net/http/static_files.hpp"

#include <utility>

namespace cubelink::server {

namespace {

using transport::HttpReply;
using transport::HttpRequest;
using Who = std::optional<Identity>;

constexpr std::string_view page = "/carta";

} // namespace

std::vector<WslinkServerHooks::Route> page_routes(std::shared_ptr<const HttpApi> api, const std::string& carta_frontend) {
    std::vector<WslinkServerHooks::Route> routes;
    using Token = WslinkServerHooks::Route::Token;
    using Thread = WslinkServerHooks::Route::Thread;
    for (const std::string place : {"", "/carta"}) {
        // The API answers without a token itself: in JSON, with what lets a page of another origin read it.
        routes.push_back({place + "/api/", Token::looked_at, Thread::worker, [api, skip = place.size() + 4](HttpRequest&& request, const std::string& path, const Who& who, HttpReply reply) {
                              api->handle(std::move(request), path.substr(skip), who, std::move(reply));
                          }});
        routes.push_back({place + "/config", Token::ignored, Thread::network, [api](HttpRequest&& request, const std::string&, const Who&, HttpReply reply) {
                              api->handle_config(request, reply);
                          }});
    }
    if (!carta_frontend.empty()) {
        const auto files = std::make_shared<const StaticFiles>(carta_frontend);
        routes.push_back({std::string(page) + "/", Token::ignored, Thread::disk, [files](HttpRequest&& request, const std::string& path, const Who&, HttpReply reply) {
                              reply(files->serve(request, std::string_view(path).substr(page.size())));
                          }});
    }
    return routes;
}

std::string carta_address(const std::string& server_address, bool at_root) {
    const auto query = server_address.find('?');
    auto address = server_address.substr(0, query);
    if (address.empty() || address.back() != '/') address += '/';
    if (!at_root) address.append(page.substr(1)).append("/");
    if (query != std::string::npos) address += server_address.substr(query);
    return address;
}

} // namespace cubelink::server
