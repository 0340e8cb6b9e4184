#pragma once
/// Where CARTA's page, its API and its configuration are: the routes that a server of Cubelink's adds to those of a wslink server.
///
/// The page asks for everything below its own address, and CARTA's Python client for the API below the page's: so the API and the
/// configuration are at the root and below /carta/ as well.

#include "server/api/api.hpp"
#include "server/net/wslink_server.hpp"

#include <memory>
#include <string>
#include <vector>

namespace cubelink::server {

/// `carta_frontend` is the folder of the page's build, "" for none; throws std::runtime_error if it is no folder.
std::vector<WslinkServerHooks::Route> page_routes(std::shared_ptr<const HttpApi> api, const std::string& carta_frontend);

/// The page's address, made of the server's ("http://host:port/base/?token=…"). `at_root`: the page is what is served there.
std::string carta_address(const std::string& server_address, bool at_root);

} // namespace cubelink::server
