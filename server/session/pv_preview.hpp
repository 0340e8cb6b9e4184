#pragma once
/// A position-velocity preview: a part of a cube that is kept in memory, from which images are cut along a region as that is dragged.
///
/// It belongs to the connection that asked for it, as a requirement of that connection, of the image and the region: it ends when any of the three does, and
/// what it holds is released when the last image that is being cut from it is done. It is not saved with the session, nor inherited.

#include "imaging/base/cancel.hpp"
#include "imaging/base/thread_share.hpp"
#include "server/session/region.hpp"

#include <cstdint>
#include <memory>

namespace google::protobuf {
class Message;
}

namespace cubelink::server {

/// Immutable; any thread.
class PvPreview {
public:
    PvPreview(std::int32_t id, std::uint64_t version) : preview_id(id), number(next_preview()), shown(version) {}
    virtual ~PvPreview() = default;
    PvPreview(const PvPreview&) = delete;
    PvPreview& operator=(const PvPreview&) = delete;

    const std::int32_t preview_id; // chosen by the client
    const std::uint64_t number;    // unique in the process
    const std::uint64_t shown;     // RegionState::version of what the client has got with PV_RESPONSE

    /// PV_PREVIEW_DATA along the region: in the quality of a drag, or in the final one with a histogram; nullptr if it is no line, or not on the image's sky. Throws
    /// ImageError, OverBudget, Cancelled.
    virtual std::shared_ptr<const google::protobuf::Message> draw(const RegionState& line, bool final, const imaging::ThreadShare& threads,
                                                                  const imaging::CancelToken& cancel) const = 0;

private:
    static std::uint64_t next_preview();
};

/// Previews that the connections of a session may have open together.
inline constexpr std::size_t max_pv_previews = 16;

} // namespace cubelink::server
