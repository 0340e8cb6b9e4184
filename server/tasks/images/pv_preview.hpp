#pragma once
/// Previews of position-velocity images: a part of the cube is loaded into memory; from then on products follow the line (server/products/pv_preview.cpp).

#include "server/tasks/images/position_velocity.hpp"

namespace cubelink::server {

/// ICD PvPreviewSettings, checked.
struct PvPreviewWish {
    PvRequest pv;
    std::int32_t preview_id = 0;
    RegionStatePtr part; // closed, whose bounding box is loaded; null: the whole image
    std::int32_t rebin_xy = 1, rebin_z = 1;
    float image_quality = 11, animation_quality = 9; // bit planes
};
/// By a command of the session. An earlier preview of the same connection and id is replaced, while it is loaded too. Answers the call.
void start_pv_preview(PvPreviewWish wish);

/// STOP_PV_PREVIEW: stops it while it is loaded.
void stop_pv_preview(Session& session, std::uint64_t connection, std::int32_t preview_id);
/// CLOSE_PV_PREVIEW: stops and removes it.
void close_pv_preview(Session& session, std::uint64_t connection, std::int32_t preview_id);

} // namespace cubelink::server
