#pragma once
/// Pixel values to colours: clip, stretch, colour map. Immutable after construction, any thread.

#include "imaging/render/colour_maps.hpp"
#include "imaging/render/stretch.hpp"

#include <array>
#include <cmath>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// How the values of a plane become colours.
struct Look {
    const ColourMap* map = nullptr; // not null
    bool inverted = false;
    Stretch stretch = Stretch::linear;
    ClipLimits limits;
    Rgba blank{33, 38, 46, 255}; // of pixels that are not finite; as in the viewer
    Rgba background{0, 0, 0, 0}; // outside of the image
    friend bool operator==(const Look&, const Look&) = default;
};

class Colouring {
public:
    explicit Colouring(const Look& look);

    Rgba operator()(float value) const { return table_[std::isfinite(value) ? index_of(value) : blank]; }
    /// Of many values: `out` has as many elements.
    void colour(std::span<const float> values, Rgba* out) const;
    /// Which of the 256 colours a finite value has: int(255 · stretched + 0.5). Of a nonlinear stretch by a table of where each colour begins, so that no
    /// pixel costs a logarithm.
    std::size_t index_of(float value) const {
        const double t = clipped(value, limits_);
        if (begins_.empty()) return static_cast<std::size_t>(t * 255 + 0.5);
        std::size_t index = first_[static_cast<std::size_t>(t * bins)];
        while (index < 255 && t >= begins_[index + 1]) ++index;
        return index;
    }

private:
    static constexpr int bins = 4096;
    static constexpr std::size_t blank = 256; // its place in the table
    ClipLimits limits_;
    std::array<Rgba, 257> table_;
    std::vector<double> begins_;       // [i]: the smallest clipped value of colour i; empty if the stretch is linear
    std::vector<std::uint8_t> first_;  // [b]: the colour of b / bins
};

} // namespace cubelink::imaging
