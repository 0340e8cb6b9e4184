#pragma once
/// A catalog that is open in a session: a table of sources, and the views of it that clients have asked for.

#include "imaging/tables/views/table_view.hpp"
#include "platform/mutex.hpp"
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

    /// The token of a request for rows by that connection. `request` lives as long as it is being answered; the one before is cancelled.
    imaging::CancelToken begin_request(std::uint64_t connection, std::weak_ptr<const void> request) const {
        const platform::MutexLock lock(mutex_);
        std::erase_if(requests_, [](const auto& entry) { return entry.second.request.expired(); });
        auto& entry = requests_[connection];
        entry.cancel.cancel();
        entry = {imaging::CancelToken(), std::move(request), nullptr};
        return entry.cancel;
    }

    /// Keeps the view of a request that waits for its client, until take_parked(); not if it has been cancelled. So what waits holds neither this catalog nor a view
    /// that no one will see.
    void park(std::uint64_t connection, const imaging::CancelToken& cancel, imaging::TableViewPtr view) const {
        const platform::MutexLock lock(mutex_);
        if (!cancel.cancelled()) requests_[connection].parked = std::move(view);
    }
    /// nullptr, if that request has been cancelled.
    imaging::TableViewPtr take_parked(std::uint64_t connection, const imaging::CancelToken& cancel) const {
        const platform::MutexLock lock(mutex_);
        return cancel.cancelled() ? nullptr : std::move(requests_[connection].parked);
    }

private:
    struct Request {
        imaging::CancelToken cancel{};
        std::weak_ptr<const void> request{};
        imaging::TableViewPtr parked{};
    };
    mutable platform::Mutex mutex_;
    mutable std::map<std::uint64_t, Request> requests_ CUBELINK_GUARDED_BY(mutex_);
};
using CatalogPtr = std::shared_ptr<Catalog>;

} // namespace cubelink::server
