#pragma once
/// The colours of a picture that has few of them, as one drawn by a colour map has. Belongs to one thread.

#include "imaging/base/cancel.hpp"
#include "imaging/render/picture.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace cubelink::imaging {

class Palette {
public:
    static constexpr std::size_t most = 256;

    /// The palette of a picture; nothing if it has more than `most` colours. Throws Cancelled within some rows of `cancel`.
    static std::optional<Palette> of(const Picture& picture, const CancelToken& cancel);

    /// Those that are not opaque come first, as PNG wants them.
    const std::vector<Rgba>& colours() const { return colours_; }
    std::size_t transparent() const { return transparent_; }
    /// `width` colours of the picture as indices into colours().
    void indices(const Rgba* row, int width, std::uint8_t* out) const;

private:
    /// A hash table with open addressing, at most a quarter full.
    static constexpr std::size_t places = 1024;
    struct Place {
        Rgba colour{};
        std::uint16_t index = empty;
    };
    static constexpr std::uint16_t empty = 0xFFFF;

    static std::size_t place_of(const Rgba& colour);
    /// Of the colour, or of the empty place where it would be.
    std::size_t find(const Rgba& colour) const;
    void sort();

    std::array<Place, places> table_{};
    std::vector<Rgba> colours_;
    std::size_t transparent_ = 0;
};

} // namespace cubelink::imaging
