#pragma once
/// PV_REQUEST: position-velocity images along lines and polylines.

#include "server/tasks/calculation.hpp"
#include "server/tasks/open_file.hpp"

#include "imaging/analysis/position_velocity/pv_header.hpp"
#include "imaging/regions/shape.hpp"
#include "rpc/icd/messages.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace cubelink::server {

/// What a position-velocity image is made from, beside the line: one for many lines. Immutable.
struct PvSource {
    std::shared_ptr<const imaging::ImageSource> pixels; // with computed polarizations
    std::shared_ptr<const imaging::ImageInfo> info;
    std::shared_ptr<const imaging::Wcs> wcs;            // may be null
    imaging::Header header;
};
/// Parses the header: by a job.
std::shared_ptr<const PvSource> pv_source(const ImagePtr& image);

/// What PV_REQUEST asks for.
struct PvRequest {
    SessionPtr session;
    ImagePtr image;
    RegionStatePtr region; // a line or polyline
    std::int32_t region_id = 0;
    std::uint64_t connection = 0;
    int width = 1;
    imaging::ChannelRange channels; // not empty, of the image
    bool reverse = false, keep = false;
    rpc::CallPtr call;
};
/// By a command of the session. Answers the call.
void start_position_velocity(const OpenSettings& settings, PvRequest request);

/// The kind "position_velocity" of recipes (image_recipes.hpp): {source, type, points, rotation, width, from, to, stokes, reverse, name}; the line in
/// pixels of the source, channels from ≤ c < to.
imaging::OpenedImage make_position_velocity(const rpc::Map& recipe, const MakeContext& context);

/// PV_RESPONSE for what can't be done.
void answer_pv_failure(const rpc::CallPtr& call, const std::string& why);
/// PV_RESPONSE for what was stopped, or whose image was closed: a success, as it was asked for. Pages show a failure to their user.
void answer_pv_cancelled(const rpc::CallPtr& call, const std::string& text);
/// "cube_pv.fits" for "folder/cube.fits".
std::string pv_name(const std::string& file, const std::string& number = "");

/// PV_PROGRESS to the connection that asked, each half second. Used by one thread at a time.
class PvProgress {
public:
    PvProgress(const PvRequest& request, std::int32_t preview_id)
        : session_(request.session), file_id_(request.image->file_id), preview_id_(preview_id), connection_(request.connection) {}
    void operator()(double done);

private:
    const SessionPtr session_;
    const std::int32_t file_id_, preview_id_;
    const std::uint64_t connection_;
    std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
};

} // namespace cubelink::server
