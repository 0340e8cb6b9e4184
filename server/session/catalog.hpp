#pragma once
/// A catalog that is open in a session: a table of sources, and the views of it that clients have asked for.

#include "imaging/tables/views/table_view.hpp"
#include "platform/mutex.hpp"
#include "pubsub/receiver.hpp"
#include "rpc/message.hpp"
#include "server/session/object.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace cubelink::server {

/// All members may be called from any thread.
class Catalog : public Object {
public:
    Catalog(std::int32_t id, std::string directory, std::string file, imaging::TablePtr table, rpc::BodyPtr acknowledgement)
        : Object(catalog_id(id)), file_id(id), directory(std::move(directory)), file(std::move(file)), table(std::move(table)),
          acknowledgement(std::move(acknowledgement)), views(this->table) {}

    const std::int32_t file_id;
    const std::string directory, file; // as the client named it
    const imaging::TablePtr table;
    const rpc::BodyPtr acknowledgement; // the OPEN_CATALOG_FILE_ACK, for session.state
    mutable imaging::ViewCache views;

    rpc::Map saved() const override { return {{"directory", directory}, {"file", file}}; }

    /// A request for rows by one connection. Its messages carry `number` as their generation, under rows_key() in the connection's outbox.
    struct RowsTicket {
        imaging::CancelToken cancel{};
        std::uint64_t number = 0;
    };
    std::string rows_key() const;
    /// Ends the request of that connection before this one: from here on nothing of it leaves, whatever is made of it or waits in the outbox.
    RowsTicket begin_request(const std::shared_ptr<pubsub::Receiver>& receiver) const;
    /// Does the same to the requests of all connections.
    void end_requests() const;

    /// Keeps the view of a request that waits for its client, until take_parked(); not if it has been cancelled. So what waits holds neither this catalog nor a view
    /// that no one will see.
    void park(std::uint64_t connection, const imaging::CancelToken& cancel, imaging::TableViewPtr view) const;
    /// nullptr, if that request has been cancelled.
    imaging::TableViewPtr take_parked(std::uint64_t connection, const imaging::CancelToken& cancel) const;

private:
    struct Request {
        imaging::CancelToken cancel{};
        std::weak_ptr<pubsub::Receiver> receiver{};
        imaging::TableViewPtr parked{};
    };
    mutable platform::Mutex mutex_;
    mutable std::map<std::uint64_t, Request> requests_ CUBELINK_GUARDED_BY(mutex_); // by connection, the newest of each
};
using CatalogPtr = std::shared_ptr<Catalog>;

} // namespace cubelink::server
