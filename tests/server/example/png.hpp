#pragma once
/// Just enough of a PNG writer for test pictures: 8-bit RGB, stored (uncompressed) deflate blocks. Public standard: RFC 2083.

#include <cstdint>
#include <functional>
#include <string>

namespace cubelink::example {

struct Colour {
    std::uint8_t red = 0, green = 0, blue = 0;
};

/// The bytes of a PNG file; `colour_at(x, y)` with y counted from the top. Sizes from 1 to 4096.
std::string png(unsigned width, unsigned height, const std::function<Colour(unsigned x, unsigned y)>& colour_at);

/// The two pictures of the example server: a disk before a gradient; the alternative in other colours.
std::string picture(bool alternative);

} // namespace cubelink::example
