#include "server/session/contour_settings.hpp"

#include "imaging/analysis/smoothing.hpp"
#include "rpc/error.hpp"

#include <bit>
#include <cmath>
#include <limits>

namespace cubelink::server {

namespace {

void require_range(const char* field, std::int64_t value, std::int64_t least, std::int64_t most) {
    if (value < least || value > most)
        throw rpc::BadArguments(std::string(field) + ": expected " + std::to_string(least) + " to " + std::to_string(most) + ", got " + std::to_string(value));
}

PixelBounds bounds_of(const icd::ImageBounds& asked) {
    if (asked.x_min() > asked.x_max()) throw rpc::BadArguments("image_bounds.x_max: must not be below x_min");
    if (asked.y_min() > asked.y_max()) throw rpc::BadArguments("image_bounds.y_max: must not be below y_min");
    return {asked.x_min(), asked.x_max(), asked.y_min(), asked.y_max()};
}

} // namespace

ContourRequirement contour_requirement(const icd::SetContourParameters& request) {
    ContourRequirement r;
    if (static_cast<std::size_t>(request.levels_size()) > max_requirements)
        throw rpc::BadArguments("levels: " + std::to_string(request.levels_size()) + " at once, the limit is " + std::to_string(max_requirements));
    for (int i = 0; i < request.levels_size(); ++i) {
        const double level = request.levels(i);
        if (!std::isfinite(level)) throw rpc::BadArguments("levels[" + std::to_string(i) + "]: expected a finite number");
        const auto same = [&](double other) { return std::bit_cast<std::uint64_t>(other) == std::bit_cast<std::uint64_t>(level); };
        if (std::none_of(r.levels.begin(), r.levels.end(), same)) r.levels.push_back(level);
    }
    r.reference_file_id = static_cast<std::int32_t>(request.reference_file_id());
    r.bounds = bounds_of(request.image_bounds());
    switch (request.smoothing_mode()) {
    case icd::NoSmoothing: break;
    case icd::BlockAverage: require_range("smoothing_factor", request.smoothing_factor(), 0, imaging::max_block_factor); break;
    case icd::GaussianBlur: require_range("smoothing_factor", request.smoothing_factor(), 0, imaging::max_gaussian_factor); break;
    default:
        throw rpc::BadArguments("smoothing_mode: expected NoSmoothing, BlockAverage or GaussianBlur, got " + std::to_string(request.smoothing_mode()));
    }
    r.smoothing_mode = request.smoothing_mode();
    r.smoothing_factor = r.smoothing_mode == icd::NoSmoothing ? 1 : request.smoothing_factor();
    r.decimation_factor = request.decimation_factor();
    r.compression_level = request.compression_level();
    require_range("contour_chunk_size", request.contour_chunk_size(), 0, std::numeric_limits<std::int32_t>::max());
    r.chunk_size = request.contour_chunk_size();
    return r;
}

void require_contours(Session& session, std::uint64_t connection, Image& image, std::int32_t region_id, ContourRequirement requirement) {
    const RequirementKey key{image.file_id, region_id > 0 ? region_id : image_region, RequirementKind::contours, connection};
    auto& table = session.requirements();
    if (requirement.levels.empty()) image.contour_streams.turn_off(connection, image.plane);
    // One list for an image: those for other regions are taken away.
    for (const auto region : table.regions(image.file_id, RequirementKind::contours)) {
        auto other = key;
        other.region_id = region;
        if (other != key && table.set(other, std::vector<ContourRequirement>{})) session.notify_requirement(other);
    }
    if (table.set(key, std::vector{std::move(requirement)})) session.notify_requirement(key);
}

} // namespace cubelink::server
