#pragma once
/// One client: a socket with a dialect, its hello, its outbox, its place in the order of answers.
///
/// A program that keeps data for a connection keys them by the connection's id and removes them in
/// WslinkServerHooks::on_disconnected (server/net/wslink_server.hpp).

#include "rpc/call.hpp"
#include "rpc/dialect.hpp"
#include "server/net/access/identity.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace cubelink::pubsub {
class Receiver;
}

namespace cubelink::server {

/// How a connection ended, as sessions need to know it.
enum class Ending {
    closed_by_client, // 1000 or no code: the user is done
    lost,             // anything else: 1001 (a reload), no closing handshake, a close that the server started
};

class Connection : public rpc::Peer {
public:
    /// Thread-safe. The identity that hello or the token has shown; set before the first call is dispatched.
    virtual Identity identity() const = 0;
    /// REGISTER_VIEWER's api_key can change it. Thread-safe.
    virtual void set_identity(Identity identity) = 0;
    /// The connection's end in the hub.
    virtual const std::shared_ptr<pubsub::Receiver>& receiver() const = 0;
    /// "json", "msgpack" or the name of the program's own dialect; for listings and logs only: no method may depend on it.
    virtual std::string dialect_name() const = 0;
    virtual std::string remote_address() const = 0;
    /// The call with this id if it has no answer yet and may be cancelled (rpc::Call::allow_cancel), else nullptr. Of several, the newest. Network thread.
    virtual rpc::CallPtr cancellable_call(const std::string& request_id) const = 0;
    /// Thread-safe; after what waits in the outbox.
    virtual void close(std::uint16_t code, std::string reason) = 0;
};

/// The connection that a call came from.
inline Connection& connection_of(const rpc::Call& call) { return static_cast<Connection&>(*call.peer()); }

} // namespace cubelink::server
