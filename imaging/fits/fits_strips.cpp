#include "imaging/fits/fits_strips.hpp"

#include "imaging/kernels/byteswap.hpp"
#include "imaging/source/bands.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <type_traits>

namespace cubelink::imaging {

namespace {

/// Bytes of a strip: read, swapped and written while it is still in the processor's caches.
constexpr std::int64_t strip_bytes = 1 << 20;

// The converters from big-endian to native are also those back.
void to_big_endian(const float* in, float* out, std::size_t count, bool) {
    if constexpr (std::endian::native == std::endian::little) float_converter(PixelType::float32, {})(reinterpret_cast<const std::byte*>(in), out, count, {});
    else std::copy_n(in, count, out);
}
void to_big_endian(const double* in, double* out, std::size_t count, bool) {
    if constexpr (std::endian::native == std::endian::little) double_converter(PixelType::float64, {})(reinterpret_cast<const std::byte*>(in), out, count, {});
    else std::copy_n(in, count, out);
}
void to_big_endian(const std::int64_t* in, std::int64_t* out, std::size_t count, bool with_sign) {
    const std::uint64_t zero = with_sign ? 0 : std::uint64_t{1} << 63; // BZERO
    for (std::size_t i = 0; i < count; ++i) {
        std::uint64_t bits = static_cast<std::uint64_t>(in[i]) ^ zero;
        if constexpr (std::endian::native == std::endian::little) bits = __builtin_bswap64(bits);
        out[i] = static_cast<std::int64_t>(bits);
    }
}

void read_as(const ImageSource& source, const Rect& rect, PlaneId plane, std::span<float> out, const CancelToken& cancel) {
    source.read(rect, plane, out, 1, cancel);
}
void read_as(const ImageSource& source, const Rect& rect, PlaneId plane, std::span<double> out, const CancelToken& cancel) {
    source.read64(rect, plane, out, 1, cancel);
}
void read_as(const ImageSource& source, const Rect& rect, PlaneId plane, std::span<std::int64_t> out, const CancelToken& cancel) {
    source.read_int64(rect, plane, out, 1, cancel);
}

} // namespace

FitsNumbers numbers_of(const ImageSource& source) {
    const Capabilities& capabilities = source.capabilities();
    if (capabilities.int64 != Int64Kind::none) return {64, capabilities.int64 == Int64Kind::with_sign};
    // Scaled bytes and 16-bit integers have no more digits than a float: it holds them to half of its last one.
    const PixelType type = source.stored_type();
    const bool wide = type == PixelType::float64 || type == PixelType::int32 || type == PixelType::int64;
    return {capabilities.prefers_double && wide ? -64 : -32, true};
}

FitsStrips::FitsStrips(const ImageSource& source, const std::vector<FitsAxis>& axes, const FitsNumbers& numbers, std::size_t most_memory)
    : shape_(source.shape()), numbers_(numbers) {
    const Capabilities& capabilities = source.capabilities();
    std::int64_t product = 1;
    bool too_large = false;
    int last = 0; // of x, y, depth
    const auto add = [&](std::int64_t& stride, std::int64_t length, int order) {
        if (stride != 0 || (order != 0 && order <= last)) throw std::invalid_argument("the axes of an image to be written are not in order");
        if (order != 0) last = order;
        stride = product;
        too_large = too_large || __builtin_mul_overflow(product, length, &product);
    };
    for (const FitsAxis axis : axes) {
        if (axis == FitsAxis::x) add(stride_x_, shape_.width, 1);
        if (axis == FitsAxis::y) add(stride_y_, shape_.height, 2);
        if (axis == FitsAxis::depth) add(stride_depth_, shape_.depth, 3);
        if (axis == FitsAxis::stokes) {
            stokes_before_depth_ = last < 3;
            if (last < 2 && shape_.height > 1) inner_ = shape_.stokes;
            add(stride_stokes_, shape_.stokes, 0);
            if (last < 1) inner_ = shape_.stokes;
        }
    }
    const auto check = [](std::int64_t stride, std::int64_t length) {
        if (stride == 0 && length != 1) throw std::invalid_argument("an axis of an image to be written is missing");
    };
    check(stride_x_, shape_.width);
    check(stride_y_, shape_.height);
    check(stride_depth_, shape_.depth);
    check(stride_stokes_, shape_.stokes);
    const std::int64_t bytes = numbers_.bytes();
    if (too_large || product > std::int64_t{1} << 58) throw std::invalid_argument("the image is larger than what a file can hold");
    size_ = static_cast<std::uint64_t>(product * bytes);

    const std::int64_t wanted = capabilities.whole_planes_only ? shape_.plane_size() : capabilities.random_access ? strip_bytes / bytes : band_target(source);
    const std::int64_t target = std::max<std::int64_t>(1, std::min(wanted, static_cast<std::int64_t>(most_memory) / (2 * bytes)) / inner_);
    columns_ = std::min(shape_.width, target);
    rows_ = columns_ < shape_.width ? 1 : std::clamp<std::int64_t>(target / shape_.width, 1, shape_.height);
    // Stored blocks are read once.
    const std::int64_t block = capabilities.stored_block.height;
    if (rows_ > block) rows_ -= rows_ % block;
    across_ = (shape_.width + columns_ - 1) / columns_;
    down_ = (shape_.height + rows_ - 1) / rows_;
    count_ = across_ * down_ * shape_.depth * (inner_ == shape_.stokes ? 1 : shape_.stokes);
}

std::size_t FitsStrips::memory() const { return 2 * static_cast<std::size_t>(columns_ * rows_ * inner_ * numbers_.bytes()); }

/// In the order of the file.
FitsStrips::Piece FitsStrips::piece(std::int64_t index) const {
    Piece piece;
    const std::int64_t x = index % across_ * columns_;
    index /= across_;
    const std::int64_t y = index % down_ * rows_;
    index /= down_;
    piece.rect = {x, y, std::min(shape_.width, x + columns_), std::min(shape_.height, y + rows_)};
    const std::int64_t stokes = inner_ == shape_.stokes ? 1 : shape_.stokes;
    piece.depth = stokes_before_depth_ ? index / stokes : index % shape_.depth;
    piece.stokes = stokes_before_depth_ ? index % stokes : index / shape_.depth;
    return piece;
}

/// Of the piece's first pixel, in bytes from the beginning of the data.
std::uint64_t FitsStrips::offset(const Piece& piece, std::int64_t stokes) const {
    const std::int64_t pixels = piece.rect.x0 * stride_x_ + piece.rect.y0 * stride_y_ + piece.depth * stride_depth_ + stokes * stride_stokes_;
    return static_cast<std::uint64_t>(pixels) * static_cast<std::uint64_t>(numbers_.bytes());
}

template <class T>
void FitsStrips::write_as(const ImageSource& source, std::int64_t index, std::uint64_t at, std::byte* work, const FitsSink& sink, const CancelToken& cancel) const {
    const Piece part = piece(index);
    const Rect& rect = part.rect;
    const auto count = static_cast<std::size_t>(rect.size());
    T* values = reinterpret_cast<T*>(work);
    T* swapped = values + columns_ * rows_ * inner_;
    const auto channel = static_cast<std::int32_t>(part.depth);
    const auto give = [&](std::size_t size, std::int64_t stokes) {
        to_big_endian(values, swapped, size, numbers_.with_sign);
        sink(at + offset(part, stokes), std::as_bytes(std::span(swapped, size)));
    };
    if (inner_ == 1) {
        read_as(source, rect, {channel, static_cast<std::int32_t>(part.stokes)}, std::span(values, count), cancel);
        give(count, part.stokes);
        return;
    }
    const bool by_pixel = stride_stokes_ < stride_x_ || stride_x_ == 0; // else by row
    const std::int64_t width = rect.width();
    for (std::int64_t stokes = 0; stokes < inner_; ++stokes) {
        cancel.throw_if_cancelled();
        const PlaneId plane{channel, static_cast<std::int32_t>(stokes)};
        if (!by_pixel && width < shape_.width) { // a part of a row does not lie next to that of another stokes
            read_as(source, rect, plane, std::span(values, count), cancel);
            give(count, stokes);
            continue;
        }
        read_as(source, rect, plane, std::span(swapped, count), cancel);
        if (by_pixel) {
            for (std::size_t i = 0; i < count; ++i) values[static_cast<std::int64_t>(i) * inner_ + stokes] = swapped[i];
        } else {
            for (std::int64_t row = 0; row < rect.height(); ++row) std::copy_n(swapped + row * width, width, values + (row * inner_ + stokes) * width);
        }
    }
    if (by_pixel || width == shape_.width) give(count * static_cast<std::size_t>(inner_), 0);
}

void FitsStrips::write(const ImageSource& source, std::int64_t index, std::uint64_t at, std::byte* work, const FitsSink& sink, const CancelToken& cancel) const {
    if (numbers_.bitpix == 64) write_as<std::int64_t>(source, index, at, work, sink, cancel);
    else if (numbers_.bitpix == -64) write_as<double>(source, index, at, work, sink, cancel);
    else write_as<float>(source, index, at, work, sink, cancel);
}

} // namespace cubelink::imaging
