#pragma once
/// What browsers let pages of other origins do with the answers to HTTP requests. Pages of an --allow-origin may read them, and so load
/// scripts from here as modules, and show them in frames. Frames are also open to pages that know the token. Pure logic; any thread.

#include "server/net/access/access.hpp"
#include "server/net/transport/transport.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cubelink::server {

class CrossSite {
public:
    /// The policy outlives it.
    explicit CrossSite(const AccessPolicy& access) : access_(access) {}

    using Headers = std::vector<std::pair<std::string, std::string>>;
    /// The pages that may show an answer in a frame: those of our own origin and of every --allow-origin; besides them those that this machine
    /// serves; or all. A frame lets its page lead the user's clicks, but no page needs that which may do by itself what they do.
    enum class Frames { listed, local, all };
    /// What goes into the answer to a request, whatever the answer is. `is_public`: no token is needed for it.
    Headers headers_for(const transport::HttpRequest& request, bool is_public, Frames frames = Frames::listed) const;
    /// Adds them. An answer that has Access-Control-Allow-Origin, or depends on Origin already, keeps what it has of that.
    static void add(const Headers& headers, transport::HttpResponse& response);

    /// The answer to the question of a browser whether a page may read what is got from here with headers of its own (a preflight request);
    /// nullopt: the request is none, or the page may not.
    std::optional<transport::HttpResponse> preflight(const transport::HttpRequest& request) const;

private:
    const AccessPolicy& access_;
};

} // namespace cubelink::server
