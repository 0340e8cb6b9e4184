#pragma once
/// The secrets that are accepted: the server's own secret, and the keys of the --keys file, each with its user and permissions.
///
/// The file is a JSON list: [{"key": "…", "user": "ann", "permissions": ["view", "save", "share", "admin"]}, …]. `view` is in every key;
/// without the field that is all there is. Immutable after loading; any thread.

#include "server/net/access/identity.hpp"

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::server {

/// what() names the file, the entry and the reason; never a key.
class KeysError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

class Keys {
public:
    /// `own_secret` belongs to the user "", who may save but not stop the server; empty: there is no such secret.
    explicit Keys(std::string own_secret);

    /// Adds those of a file. Throws KeysError; a key shorter than 8 characters, a key twice, a user without a name and an unknown permission
    /// are errors.
    void load(const std::string& path);

    /// Takes the same time for every secret of one length, whether it is a key or not.
    std::optional<Identity> identify(std::string_view secret) const;

    std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        std::string key;
        Identity identity;
    };
    std::vector<Entry> entries_;
};

} // namespace cubelink::server
