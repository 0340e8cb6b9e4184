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

Layout layout_of(const Hdu& hdu, const Axes& axes) {
    Layout layout;
    layout.type = pixel_type_of(hdu.bitpix);
    layout.scaling.scale = hdu.header.number("BSCALE").value_or(1.0);
    layout.scaling.zero = hdu.header.number("BZERO").value_or(0.0);
    if (hdu.bitpix > 0) layout.scaling.blank = hdu.header.integer("BLANK");
    layout.wide = !exact_in_float(layout.type, layout.scaling);
    layout.shape = axes.shape;
    layout.lengths = hdu.axes;
    layout.x = axes.rendered_x - 1;
    layout.y = axes.rendered_y - 1;
    layout.depth = axes.numbers.depth - 1;
    layout.stokes = axes.numbers.stokes - 1;
    const auto step = [&](int axis) {
        std::int64_t product = 1;
        for (int i = 0; i < axis; ++i) {
            if (__builtin_mul_overflow(product, hdu.axes[static_cast<std::size_t>(i)], &product))
                throw ImageError("HDU " + std::to_string(hdu.number) + ": the product of the axes' lengths is beyond what a file can hold");
        }
        return product;
    };
    layout.step_x = step(layout.x);
    layout.step_y = step(layout.y);
    layout.step_depth = layout.depth < 0 ? 0 : step(layout.depth);
    layout.step_stokes = layout.stokes < 0 ? 0 : step(layout.stokes);
    return layout;
}

void check_request(const ImageShape& shape, const Rect& rect, PlaneId plane, std::size_t size) {
    const bool inside = rect.x0 >= 0 && rect.y0 >= 0 && rect.x0 <= rect.x1 && rect.y0 <= rect.y1 && rect.x1 <= shape.width && rect.y1 <= shape.height;
    if (!inside) throw std::out_of_range("the rectangle is not within the image");
    if (plane.channel < 0 || plane.channel >= shape.depth)
        throw std::out_of_range("channel " + std::to_string(plane.channel) + " does not exist, the image has " + std::to_string(shape.depth));
    if (plane.stokes < 0 || plane.stokes >= shape.stokes)
        throw std::out_of_range("stokes " + std::to_string(plane.stokes) + " does not exist, the image has " + std::to_string(shape.stokes));
    if (static_cast<std::uint64_t>(rect.size()) != size) throw std::out_of_range("the size of the buffer is not that of the rectangle");
}

void check_spectrum_request(const ImageShape& shape, std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::size_t size) {
    if (x < 0 || y < 0 || x >= shape.width || y >= shape.height) throw std::out_of_range("the pixel is not within the image");
    if (stokes < 0 || stokes >= shape.stokes)
        throw std::out_of_range("stokes " + std::to_string(stokes) + " does not exist, the image has " + std::to_string(shape.stokes));
    if (from < 0 || from > shape.depth || size > static_cast<std::uint64_t>(shape.depth - from)) throw std::out_of_range("the channels are not within the image");
}

} // namespace cubelink::imaging
