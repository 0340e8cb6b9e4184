#pragma once
/// Images of complex numbers: an axis whose CTYPE is COMPLEX has the real and the imaginary part of each pixel, and possibly its weight (the
/// conventional coordinate types of the FITS standard: 1 real, 2 imaginary, 3 weight). Plain values; any thread.

#include <cstdint>
#include <optional>
#include <vector>

namespace cubelink::imaging {

class Header;

struct ComplexAxis {
    std::size_t axis = 0;                     // 0-based, among the axes as they are stored
    std::int64_t length = 2;                  // 2 or 3
    std::int64_t real = 0, imaginary = 1;     // positions on it
    std::optional<std::int64_t> weight;
};

/// The first axis of type COMPLEX with two or three pixels, of an image that has at least two other axes; nothing if there is none.
std::optional<ComplexAxis> find_complex_axis(const Header& header, const std::vector<std::int64_t>& lengths);

/// The header of the amplitudes: without the cards of axis `axis` (0-based), those of the axes behind it renumbered.
Header without_axis(const Header& header, std::size_t axis);

} // namespace cubelink::imaging
