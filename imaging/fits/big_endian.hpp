#pragma once
/// The numbers of a FITS file as they stand in it. Pure, any thread.

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
