#include "server/products/kinds.hpp"

#include <algorithm>

namespace cubelink::server {

extern const ProductKind
    plane_pyramid,
    rendering_histogram,
    required_histogram,
    plane_statistics,
    region_histogram,
    region_statistics,
    cursor_value,
    spatial_profile,
    spectral_profile,
    region_spatial_profile,
    region_spectral_profile,
    cube_histogram,
    contours,
    region_contours,
    vector_overlay,
    pv_preview,
    viewport;

std::vector<RegionPtr> ProductContext::regions(const Image& image, RequirementKind kind) const {
    std::vector<RegionPtr> list;
    for (const auto id : region_id ? std::vector{*region_id} : session.requirements().regions(image.file_id, kind))
        if (id > 0)
            if (auto region = session.region(id)) list.push_back(std::move(region));
    return list;
}

bool ProductContext::was_due(const ProductKind& kind, const Image& image, std::int32_t of_region) const {
    const auto kinds = product_kinds();
    const auto number = std::find(kinds.begin(), kinds.end(), &kind) - kinds.begin();
    return board.is_due(image.number, static_cast<std::size_t>(number), of_region);
}

std::span<const ProductKind* const> product_kinds() {
    static constexpr const ProductKind* kinds[] = {
        &plane_pyramid,
        &rendering_histogram,
        &required_histogram,
        &plane_statistics,
        &region_histogram,
        &region_statistics,
        &cursor_value,
        &spatial_profile,
        &spectral_profile,
        &region_spatial_profile,
        &region_spectral_profile,
        &cube_histogram,
        &contours,
        &region_contours,
        &vector_overlay,
        &pv_preview,
        &viewport,
    };
    return kinds;
}

} // namespace cubelink::server
