#include "imaging/fits/layout.hpp"

#include <cmath>

namespace cubelink::imaging {

namespace {

/// True if float32 holds all scaled values of such integers as they are.
bool exact_in_float(PixelType type, const Scaling& scaling) {
    if (type != PixelType::uint8 && type != PixelType::int16) return type == PixelType::float32 && scaling.trivial();
    return scaling.scale == 1 && scaling.zero == std::floor(scaling.zero) && std::fabs(scaling.zero) <= 8388608.0;
}

} // namespace

PixelType pixel_type_of(int bitpix) {
    switch (bitpix) {
    case 8: return PixelType::uint8;
    case 16: return PixelType::int16;
    case 32: return PixelType::int32;
    case 64: return PixelType::int64;
    case -32: return PixelType::float32;
    default: return PixelType::float64;
    }
}

Layout layout_of(const Hdu& hdu, const Axes& axes, std::int64_t part) {
    Layout layout;
    layout.type = pixel_type_of(hdu.bitpix);
    layout.scaling.scale = hdu.header.number("BSCALE").value_or(1.0);
    layout.scaling.zero = hdu.header.number("BZERO").value_or(0.0);
    if (hdu.bitpix > 0) layout.scaling.blank = hdu.header.integer("BLANK");
    layout.wide = !exact_in_float(layout.type, layout.scaling);
    layout.shape = axes.shape;
    layout.lengths = hdu.axes;
    const int complex_axis = hdu.complex ? static_cast<int>(hdu.complex->axis) : static_cast<int>(hdu.axes.size());
    if (hdu.complex) layout.lengths.insert(layout.lengths.begin() + complex_axis, hdu.complex->length);
    layout.origin.assign(layout.lengths.size(), 0);
    // From the number among the axes that are shown (0: none) to the index among those that are stored.
    const auto stored = [complex_axis](int number) { return number > complex_axis ? number : number - 1; };
    layout.x = stored(axes.rendered_x);
    layout.y = stored(axes.rendered_y);
    layout.depth = stored(axes.numbers.depth);
    layout.stokes = stored(axes.numbers.stokes);
    const auto step = [&](int axis) {
        std::int64_t product = 1;
        for (int i = 0; i < axis; ++i) {
            if (__builtin_mul_overflow(product, layout.lengths[static_cast<std::size_t>(i)], &product))
                throw ImageError("HDU " + std::to_string(hdu.number) + ": the product of the axes' lengths is beyond what a file can hold");
        }
        return product;
    };
    layout.step_x = step(layout.x);
    layout.step_y = step(layout.y);
    layout.step_depth = layout.depth < 0 ? 0 : step(layout.depth);
    layout.step_stokes = layout.stokes < 0 ? 0 : step(layout.stokes);
    if (hdu.complex) {
        layout.origin[hdu.complex->axis] = part;
        layout.first = part * step(complex_axis);
    }
    return layout;
}

Capabilities capabilities_of(const Layout& layout) {
    Capabilities capabilities;
    capabilities.prefers_double = layout.wide;
    if (layout.type == PixelType::int64 && !layout.scaling.blank && layout.scaling.scale == 1) {
        if (layout.scaling.zero == 0) capabilities.int64 = Int64Kind::with_sign;
        if (layout.scaling.zero == 0x1p63) capabilities.int64 = Int64Kind::without_sign;
    }
    return capabilities;
}

} // namespace cubelink::imaging
