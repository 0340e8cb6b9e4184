#pragma once
/// The HTTP API below /api/ and the pages' /config, in the shapes that CARTA's page and CARTA's Python client expect.
///
///     /config                                      where the API is
///     /api/database/preferences                    GET, PUT, DELETE
///     /api/database/layouts, …/layout              GET; PUT, DELETE
///     /api/database/snippets, …/snippet            GET; PUT, DELETE
///     /api/database/list/workspaces                GET
///     /api/database/workspace[/NAME], …/key/KEY    GET; PUT, DELETE
///     /api/database/share/workspace/ID             POST
///     /api/scripting/action                        POST
///
/// Answers are JSON: {"success": true, …}, or {"success": false, "message": …} with 400 (malformed), 403 (no token), 404, 405, 415 (not
/// JSON) or 500 (the store failed). handle() answers from the store's thread.

#include "server/net/access/identity.hpp"
#include "server/net/transport/transport.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::server {

class Store;
class StoreWorker;

/// What POST /api/scripting/action asks for.
struct ScriptingAction {
    std::uint32_t session_id = 0;
    std::string path, action;
    std::string parameters; // a JSON array
    bool async = false;
    std::string return_path;
};

struct HttpApiOptions {
    std::string base_path;                  // "" or "/below/this"
    std::vector<std::string> allow_origins; // other origins that may use the API from a page, as OriginList takes them
    std::string token_name;                 // cookie and header that may carry a token
    bool scripting = false;
    /// Answers an action for that user, now or later. Called by the thread that calls handle().
    std::function<void(const ScriptingAction&, const Identity&, transport::HttpReply)> on_scripting;
};

class HttpApi {
public:
    /// `store` and `worker` must outlive it.
    HttpApi(HttpApiOptions options, Store& store, StoreWorker& worker);

    /// `path` is below "/api", e.g. "/database/preferences". Without an identity everything but a preflight is refused. Parses the request's
    /// body: not for the network thread. Thread-safe.
    void handle(transport::HttpRequest&& request, const std::string& path, const std::optional<Identity>& identity,
                transport::HttpReply reply) const;
    /// GET /config.
    void handle_config(const transport::HttpRequest& request, const transport::HttpReply& reply) const;

private:
    struct Shared;
    std::shared_ptr<const Shared> shared_;
};

/// {"success": false, "message": …} with that status.
transport::HttpResponse api_failure(int status, const std::string& message);

} // namespace cubelink::server
