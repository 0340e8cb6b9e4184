#include "server/products/kinds.hpp"

namespace cubelink::server {

extern const ProductKind plane_pyramid, rendering_histogram, required_histogram, plane_statistics, cursor_value, spatial_profile, spectral_profile,
    cube_histogram;

std::span<const ProductKind* const> product_kinds() {
    static constexpr const ProductKind* kinds[] = {&plane_pyramid, &rendering_histogram, &required_histogram, &plane_statistics,
                                                   &cursor_value,  &spatial_profile,     &spectral_profile,   &cube_histogram};
    return kinds;
}

} // namespace cubelink::server
