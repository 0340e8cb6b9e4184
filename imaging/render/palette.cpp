#include "imaging/render/palette.hpp"

#include <algorithm>
#include <bit>

namespace cubelink::imaging {

/// Multiplicative hashing: the upper bits of the product with 2^32 / golden ratio.
std::size_t Palette::place_of(const Rgba& colour) { return (std::bit_cast<std::uint32_t>(colour) * 2654435769U) >> 22; }

std::size_t Palette::find(const Rgba& colour) const {
    std::size_t i = place_of(colour);
    while (table_[i].index != empty && table_[i].colour != colour) i = (i + 1) % places;
    return i;
}

std::optional<Palette> Palette::of(const Picture& picture, const CancelToken& cancel) {
    Palette palette;
    for (int y = 0; y < picture.size().height; ++y) {
        if (y % 64 == 0) cancel.throw_if_cancelled();
        const Rgba* row = picture.row(y);
        for (int x = 0; x < picture.size().width; ++x) {
            auto& place = palette.table_[palette.find(row[x])];
            if (place.index != empty) continue;
            if (palette.colours_.size() == most) return {};
            place = {row[x], static_cast<std::uint16_t>(palette.colours_.size())};
            palette.colours_.push_back(row[x]);
        }
    }
    palette.sort();
    return palette;
}

void Palette::sort() {
    const auto opaque = std::stable_partition(colours_.begin(), colours_.end(), [](const Rgba& colour) { return colour.a != 255; });
    transparent_ = static_cast<std::size_t>(opaque - colours_.begin());
    for (std::size_t i = 0; i < colours_.size(); ++i) table_[find(colours_[i])].index = static_cast<std::uint16_t>(i);
}

void Palette::indices(const Rgba* row, int width, std::uint8_t* out) const {
    for (int x = 0; x < width; ++x) out[x] = static_cast<std::uint8_t>(table_[find(row[x])].index);
}

} // namespace cubelink::imaging
