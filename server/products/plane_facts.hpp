#pragma once
/// What several products ask of the plane that is shown.

#include "imaging/pixels/pyramid_cache.hpp"
#include "imaging/pixels/sampled_histogram.hpp"
#include "server/session/session.hpp"

#include <bit>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace cubelink::server {

inline constexpr const char* histogram_topic = "carta.region.histogram.data";
inline constexpr const char* statistics_topic = "carta.region.stats.data";
inline constexpr const char* spatial_topic = "carta.spatial.profile.data";
inline constexpr const char* spectral_topic = "carta.spectral.profile.data";
inline constexpr const char* contour_topic = "carta.contour.image.data";
inline constexpr const char* tile_topic = "carta.raster.tile.data";

/// The plane that a requirement means: its stokes if it names one, else the current one.
inline imaging::PlaneId plane_of(const Image& image, std::string_view coordinate, std::int32_t channel = -1) {
    auto plane = image.plane;
    if (channel >= 0) plane.channel = channel;
    if (const auto parsed = parse_coordinate(coordinate, image); parsed && parsed->stokes) plane.stokes = *parsed->stokes;
    return plane;
}

/// Whether few pixels of a plane cost less than all of them.
inline bool has_random_access(const Image& image) { return image.source->capabilities().random_access; }

/// Whether whatever needs all pixels of the plane takes longer than tiles may wait for.
inline bool is_slow(imaging::BudgetCache& cache, const Image& image, imaging::PlaneId plane) {
    return image.shape().plane_size() >= imaging::kSampleWorthwhilePixels && !imaging::find_pyramid(cache, *image.source, image.hdu, plane);
}

/// The cursor, exactly as the client gave it.
inline std::vector<std::int64_t> input_of(const CursorPosition& cursor) {
    return {std::bit_cast<std::int32_t>(cursor.x), std::bit_cast<std::int32_t>(cursor.y)};
}

} // namespace cubelink::server
