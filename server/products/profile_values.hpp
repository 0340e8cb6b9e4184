#pragma once
/// What messages of profiles have in common.

#include "imaging/base/budget_cache.hpp"
#include "rpc/icd/messages.hpp"
#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace cubelink::server {

/// Pixels that the profiles of one message may be made of: 256 MiB.
inline constexpr std::int64_t max_profile_values = 1 << 26;

/// What is held while profiles of so many pixels are made: pixels, values and message. Short ones aren't worth counting.
inline imaging::Reservation memory_for(imaging::BudgetCache& cache, std::int64_t pixels, const imaging::CancelToken& cancel) {
    const auto bytes = 3 * sizeof(float) * static_cast<std::size_t>(pixels);
    if (bytes < (std::size_t{1} << 20)) return {};
    return cache.reserve(std::min(bytes, cache.limit() / 2), cancel);
}

template <class Profile>
void set_floats(Profile& profile, std::span<const float> values) {
    profile.set_raw_values_fp32(values.data(), values.size_bytes());
}

/// SPATIAL_PROFILE_DATA of the cursor with the pixel's value and without profiles. `pyramid` may be null; one that holds the pixels saves the read.
std::shared_ptr<icd::SpatialProfileData> cursor_message(const Image& image, imaging::PlaneId plane, PixelIndex pixel, const imaging::PlanePyramid* pyramid,
                                                        const imaging::CancelToken& cancel);

/// Lists the profiles along x and y that are required of a region (the cursor, or a point) which is in that pixel. `position`: what the product depends on
/// beside the plane.
void list_point_profiles(const ProductContext& context, const ImagePtr& image, std::int32_t region_id, PixelIndex pixel, const std::vector<std::int64_t>& position,
                         std::vector<Product>& out);

} // namespace cubelink::server
