#pragma once
/// Big-endian numbers, as FITS files have them. Pure functions; any thread.

#include <cstddef>

namespace cubelink::imaging {

/// `at`: sizeof(Unsigned) bytes, any alignment.
template <class Unsigned>
Unsigned big_endian(const std::byte* at) {
    Unsigned value = 0;
    for (std::size_t i = 0; i < sizeof(Unsigned); ++i) value = static_cast<Unsigned>(value << 8 | std::to_integer<Unsigned>(at[i]));
    return value;
}

} // namespace cubelink::imaging
