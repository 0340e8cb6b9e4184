#pragma once
/// World coordinates of an image of `width` × `height` pixels from cards as they stand in a header ("CTYPE1  = 'RA---TAN'").

#include "imaging/base/image_error.hpp"
#include "imaging/world/axes.hpp"
#include "imaging/world/header.hpp"
#include "imaging/world/wcs.hpp"

#include <string>
#include <vector>

namespace cubelink::imaging::test {

inline std::shared_ptr<const Wcs> wcs_of(const std::vector<std::string>& cards, std::int64_t width, std::int64_t height) {
    std::string records;
    for (auto card : cards) {
        card.resize(80, ' ');
        records += card;
    }
    const Header header(records);
    ImageInfo info;
    info.axis_lengths = {width, height};
    const Axes axes = identify_axes(header, info.axis_lengths);
    info.shape = axes.shape;
    info.axes = axes.numbers;
    info.rendered_axes = {axes.rendered_x, axes.rendered_y};
    return Wcs::make(header, info);
}

/// A celestial image: reference value at the pixel `crpix` (1-based), increments in degrees, turned by `turn` degrees.
struct Sky {
    std::string lon = "RA-", lat = "DEC", projection = "TAN", radesys = "ICRS";
    double crval1 = 0, crval2 = 0, crpix1 = 51, crpix2 = 51, cdelt1 = -1e-3, cdelt2 = 1e-3, turn = 0, equinox = 2000;
};

inline std::shared_ptr<const Wcs> wcs_of(const Sky& sky, std::int64_t width = 100, std::int64_t height = 100) {
    const auto number = [](const char* name, double value) { return std::string(name) + "= " + std::to_string(value); };
    const auto small = [](const char* name, double value) {
        char text[64];
        std::snprintf(text, sizeof text, "%s= %.15E", name, value);
        return std::string(text);
    };
    const auto padded = [](std::string name) {
        name.resize(5, '-');
        return name;
    };
    return wcs_of({"CTYPE1  = '" + padded(sky.lon) + sky.projection + "'", "CTYPE2  = '" + padded(sky.lat) + sky.projection + "'", small("CRVAL1  ", sky.crval1),
                   small("CRVAL2  ", sky.crval2), number("CRPIX1  ", sky.crpix1), number("CRPIX2  ", sky.crpix2), small("CDELT1  ", sky.cdelt1),
                   small("CDELT2  ", sky.cdelt2), number("CROTA2  ", sky.turn), "RADESYS = '" + sky.radesys + "'", number("EQUINOX ", sky.equinox)},
                  width, height);
}

} // namespace cubelink::imaging::test
