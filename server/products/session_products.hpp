#pragma once
/// The products of one session: lists what each change makes due, and has the board compute it by jobs of the session and publish it to its connections.

#include "server/products/board.hpp"
#include "server/session/session.hpp"

#include <memory>

namespace cubelink::server {

/// For SessionServices::make_listener.
std::unique_ptr<ChangeListener> make_session_products(Session& session);

/// The board of a session whose listener make_session_products() has made.
ProductBoard& board_of(const Session& session);

} // namespace cubelink::server
