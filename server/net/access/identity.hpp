#pragma once
/// The user of a connection, once its secret has been accepted.

#include <string>

namespace cubelink::server {

struct Permissions {
    bool save = true;   // may write files
    bool share = false; // may join other users' sessions by id
    bool admin = false; // may stop the server
};

/// `user` is empty for the server's own secret and for --no-auth (one user, all permissions but admin).
struct Identity {
    std::string user;
    Permissions permissions;
};

} // namespace cubelink::server
