#pragma once
/// The colour maps, 256 colours each. They stand in colour_maps.json, from which the viewer has them too: a few colours, evenly spaced, with straight lines
/// between them. Immutable, any thread.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace cubelink::imaging {

struct Rgba {
    std::uint8_t r = 0, g = 0, b = 0, a = 255;
    friend bool operator==(const Rgba&, const Rgba&) = default;
};

struct ColourMap {
    std::string name;
    std::array<Rgba, 256> colours;
};

/// In the order of the file; the names as they are shown.
std::span<const ColourMap> colour_maps();
/// nullptr if there is none of that name. Upper and lower case are alike, "gray" is "Grey", and a hyphen stands for a dash.
const ColourMap* find_colour_map(std::string_view name);

} // namespace cubelink::imaging
