#pragma once
/// Passes over the pixels of a rectangle in some channels, in parallel, in bands of bounded memory. For the .cpp files of this folder.

#include "imaging/base/parallel.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "imaging/source/bands.hpp"
#include "imaging/source/image_source.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace cubelink::imaging {

/// read() or read64().
template <class T>
void read_pixels(const ImageSource& source, const Rect& rect, PlaneId plane, std::span<T> out, const CancelToken& cancel) {
    if constexpr (std::is_same_v<T, double>)
        source.read64(rect, plane, out, 1, cancel);
    else
        source.read(rect, plane, out, 1, cancel);
}

/// fn(T()) with the type that holds the values of the source: double for wide ones, else float.
template <class Fn>
decltype(auto) with_pixel_type(const ImageSource& source, Fn&& fn) {
    return source.capabilities().prefers_double ? fn(double()) : fn(float());
}

/// The bands of a rectangle in each channel, one channel after the other.
struct PixelBands {
    Bands bands;
    ChannelRange channels;
    std::int32_t stokes = 0;

    PixelBands(const ImageSource& source, const Rect& rect, ChannelRange range, std::int32_t of_stokes)
        : bands(Bands::cut(rect, 32, band_target(source))), channels(range), stokes(of_stokes) {}
    std::int64_t count() const { return bands.count * channels.count(); }
    PlaneId plane(std::int64_t index) const { return {channels.from + static_cast<std::int32_t>(index / bands.count), stokes}; }
    Rect rect(std::int64_t index) const { return bands.band(index % bands.count); }
};

/// The channels cut into ranges of which all bands are visited by one loop: enough work for the loop's threads, and a bounded number of bands.
inline std::vector<ChannelRange> channels_at_once(const ImageSource& source, const Rect& rect, ChannelRange channels) {
    constexpr std::int64_t bands = 1024;
    const auto of_plane = std::max<std::int64_t>(1, Bands::cut(rect, 32, band_target(source)).count);
    const auto step = static_cast<std::int32_t>(std::max<std::int64_t>(1, bands / of_plane));
    std::vector<ChannelRange> ranges;
    for (std::int32_t from = channels.from; from < channels.to; from += std::min(step, channels.to - from))
        ranges.push_back({from, from + std::min(step, channels.to - from)});
    return ranges;
}

/// visit(index, pixels, thread) for each band: `pixels` are its rows.
template <class T, class Visit>
void visit_bands(const ImageSource& source, const PixelBands& all, const ThreadShare& threads, const CancelToken& cancel, Visit&& visit) {
    std::vector<Pixels<T>> buffers(threads.slots());
    parallel_for(threads, all.count(), cancel, [&](std::int64_t index, int thread) {
        auto& buffer = buffers[static_cast<std::size_t>(thread)];
        if (!buffer) buffer = make_pixels<T>(all.bands.largest());
        const Rect rect = all.rect(index);
        const std::span<T> pixels(buffer.get(), static_cast<std::size_t>(rect.size()));
        read_pixels<T>(source, rect, all.plane(index), pixels, cancel);
        visit(index, std::span<const T>(pixels), thread);
    });
}

} // namespace cubelink::imaging
