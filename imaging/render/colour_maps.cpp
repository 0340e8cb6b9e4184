#include "imaging/render/colour_maps.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace cubelink::imaging {

namespace {

struct Source {
    const char *name, *colours;
};
// {"name", "rrggbb rrggbb …"}, for each entry of colour_maps.json: made by CMake.
constexpr Source sources[] = {
#include "colour_maps.inc"
};

int hex_digit(char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

ColourMap made_from(const Source& source) {
    std::vector<std::array<double, 3>> anchors;
    const std::string_view text = source.colours;
    for (std::size_t at = 0; at + 6 <= text.size(); at += 7) {
        auto& anchor = anchors.emplace_back();
        for (std::size_t k = 0; k < 3; ++k) anchor[k] = 16 * hex_digit(text[at + 2 * k]) + hex_digit(text[at + 2 * k + 1]);
    }
    ColourMap map{source.name, {}};
    for (std::size_t i = 0; i < 256; ++i) {
        const double at = static_cast<double>(i) / 255 * static_cast<double>(anchors.size() - 1);
        const auto left = std::min(static_cast<std::size_t>(at), anchors.size() - 2);
        std::array<std::uint8_t, 3> rgb;
        for (std::size_t k = 0; k < 3; ++k)
            rgb[k] = static_cast<std::uint8_t>(std::floor(anchors[left][k] + (at - static_cast<double>(left)) * (anchors[left + 1][k] - anchors[left][k]) + 0.5));
        map.colours[i] = {rgb[0], rgb[1], rgb[2]};
    }
    return map;
}

std::string simplified(std::string_view name) {
    std::string text(name);
    for (std::size_t at; (at = text.find("–")) != std::string::npos;) text.replace(at, std::string_view("–").size(), "-");
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : static_cast<char>(c); });
    return text == "gray" ? "grey" : text;
}

} // namespace

std::span<const ColourMap> colour_maps() {
    static const std::vector<ColourMap> maps = [] {
        std::vector<ColourMap> list;
        for (const auto& source : sources) list.push_back(made_from(source));
        return list;
    }();
    return maps;
}

const ColourMap* find_colour_map(std::string_view name) {
    const auto wanted = simplified(name);
    for (const auto& map : colour_maps())
        if (simplified(map.name) == wanted) return &map;
    return nullptr;
}

} // namespace cubelink::imaging
