#pragma once
/// Regions as the ICD's messages have them. Pure functions.

#include "imaging/regions/shape.hpp"
#include "rpc/icd/messages.hpp"

#include <cstdint>
#include <string>

namespace cubelink::server {

/// Ids of regions lie between 1 and this.
inline constexpr std::int32_t max_region_id = 1'000'000'000;

/// Whether a client may set a region of that id: -1, a new one, or a positive one. Empty if it may.
inline std::string why_no_region(std::int32_t id) {
    if (id == -1 || (id > 0 && id <= max_region_id)) return {};
    return "region_id: expected -1 (a new region) or 1 to " + std::to_string(max_region_id) + ", got " + std::to_string(id);
}

/// Not checked: see imaging::why_invalid.
inline imaging::Shape shape_of(const icd::RegionInfo& info) {
    imaging::Shape shape;
    shape.type = static_cast<imaging::RegionType>(info.region_type());
    shape.points.reserve(static_cast<std::size_t>(info.control_points_size()));
    for (const auto& point : info.control_points()) shape.points.push_back({point.x(), point.y()});
    shape.rotation = info.rotation();
    return shape;
}

inline icd::RegionInfo info_of(const imaging::Shape& shape) {
    icd::RegionInfo info;
    info.set_region_type(static_cast<icd::RegionType>(shape.type));
    for (const auto& point : shape.points) {
        auto* control = info.add_control_points();
        control->set_x(static_cast<float>(point.x));
        control->set_y(static_cast<float>(point.y));
    }
    info.set_rotation(static_cast<float>(shape.rotation));
    return info;
}

} // namespace cubelink::server
