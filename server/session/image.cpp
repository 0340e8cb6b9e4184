#include "server/session/image.hpp"

#include <cmath>
#include <type_traits>

namespace cubelink::server {

rpc::Map Image::saved() const {
    rpc::Map map{{"directory", directory},
                 {"file", file},
                 {"hdu", info.hdu},
                 {"support_aips_beam", support_aips_beam},
                 {"channel", plane.channel},
                 {"stokes", plane.stokes},
                 {"cursor", cursor ? rpc::Value(rpc::Array{cursor->x, cursor->y}) : rpc::Value()}};
    if (!recipe.empty()) map["recipe"] = recipe;
    return map;
}

bool Image::has_stokes(std::int32_t stokes) const {
    if (stokes >= 0 && stokes < shape().stokes) return true;
    return imaging::is_computed_stokes(stokes) && source->has(static_cast<imaging::Polarization>(stokes));
}

namespace {

constexpr std::string_view polarization_names[] = {"",   "I",  "Q",  "U",  "V",      "RR",      "LL",      "RL",       "LR",
                                                   "XX", "YY", "XY", "YX", "Ptotal", "Plinear", "PFtotal", "PFlinear", "Pangle"};

std::optional<std::int32_t> stokes_named(std::string_view name, const Image& image) {
    for (std::int32_t type = 1; type <= 17; ++type) {
        if (name != polarization_names[type]) continue;
        if (imaging::is_computed_stokes(type)) return image.has_stokes(type) ? std::optional(type) : std::nullopt;
        const auto& types = image.info.stokes_types;
        bool known = false;
        for (std::size_t i = 0; i < types.size(); ++i) {
            if (types[i] == type) return static_cast<std::int32_t>(i);
            known = known || types[i] != 0;
        }
        // The axis does not say what it holds: I, Q, U, V are taken in their order.
        if (!known && (type - 1) % 4 < image.shape().stokes) return (type - 1) % 4;
        return {};
    }
    return {};
}

} // namespace

std::optional<Coordinate> parse_coordinate(std::string_view text, const Image& image) {
    Coordinate coordinate;
    if (!text.empty() && (text.back() == 'x' || text.back() == 'y' || text.back() == 'z')) {
        coordinate.axis = text.back();
        text.remove_suffix(1);
    }
    if (text.empty()) return coordinate;
    coordinate.stokes = stokes_named(text, image);
    if (!coordinate.stokes) return {};
    return coordinate;
}

void remove_impossible(Requirements& requirements, std::int32_t region_id, const Image& image) {
    const auto impossible = [&](const auto& one) {
        using T = std::remove_cvref_t<decltype(one)>;
        if constexpr (requires { one.coordinate; })
            if (!parse_coordinate(one.coordinate, image)) return true;
        if constexpr (std::is_same_v<T, SpectralRequirement>) return image.info.dimensions < 3;
        if constexpr (std::is_same_v<T, HistogramRequirement>) return region_id != cube_region && one.channel != -1 && !image.has_channel(one.channel);
        return false;
    };
    std::visit([&](auto& list) { std::erase_if(list, impossible); }, requirements);
}

std::optional<PixelIndex> pixel_at(const CursorPosition& position, const imaging::ImageShape& shape) {
    return pixel_at(imaging::PixelPoint{position.x, position.y}, shape);
}

std::optional<PixelIndex> pixel_at(imaging::PixelPoint position, const imaging::ImageShape& shape) {
    const double x = std::round(position.x), y = std::round(position.y);
    if (!(x >= 0 && y >= 0 && x < static_cast<double>(shape.width) && y < static_cast<double>(shape.height))) return {};
    return PixelIndex{static_cast<std::int64_t>(x), static_cast<std::int64_t>(y)};
}

} // namespace cubelink::server
