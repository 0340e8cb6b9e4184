#pragma once
/// Cubes and lines at random, for position-velocity images.

#include "imaging/regions/shape.hpp"
#include "imaging/source/memory_image.hpp"

#include <atomic>
#include <cmath>
#include <random>
#include <vector>

namespace cubelink::imaging::test {

class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    double within(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine_); }
    std::int64_t whole(std::int64_t low, std::int64_t high) { return std::uniform_int_distribution<std::int64_t>(low, high)(engine_); }

private:
    std::mt19937_64 engine_;
};

/// Some of the pixels are blank, in some of the channels none.
inline void fill(MemoryImage& image, Random& random) {
    const auto& shape = image.shape();
    for (std::int32_t stokes = 0; stokes < shape.stokes; ++stokes) {
        for (std::int32_t channel = 0; channel < shape.depth; ++channel) {
            const double blanks = random.whole(0, 2) == 0 ? 0.1 : 0;
            for (float& value : image.plane({channel, stokes}))
                value = random.within(0, 1) < blanks ? (random.whole(0, 1) == 0 ? NAN : INFINITY) : static_cast<float>(random.within(-5, 5));
        }
    }
}

/// A line or polyline, also beyond the edges of the plane.
inline Shape random_line(Random& random, double width, double height) {
    const auto place = [&] { return PixelPoint{random.within(-0.2 * width, 1.2 * width), random.within(-0.2 * height, 1.2 * height)}; };
    Shape line{RegionType::line, {place(), place()}, 0};
    if (random.whole(0, 1) == 0) {
        line.type = RegionType::polyline;
        for (auto n = random.whole(1, 4); n > 0; --n) line.points.push_back(place());
    }
    if (random.whole(0, 4) == 0) line.points[1].y = line.points[0].y;
    return line;
}

inline bool same(float a, float b) { return (std::isnan(a) && std::isnan(b)) || a == b; }

/// Ways in which images differ in what they are good at.
inline std::vector<Capabilities> all_kinds() {
    std::vector<Capabilities> kinds(5);
    kinds[0].random_access = kinds[1].random_access = kinds[1].depth_contiguous = true;
    kinds[2].stored_block = {100, 1};
    kinds[3].stored_block = {16, 24};
    kinds[4].whole_planes_only = true;
    return kinds;
}

/// An image whose capabilities are others than those of what it is made of, and which counts what is read of it.
class DisguisedImage final : public ImageSource {
public:
    DisguisedImage(const ImageSource& base, const Capabilities& capabilities) : base_(base), capabilities_(capabilities), channels_(static_cast<std::size_t>(base.shape().depth)) {}

    /// Pixels that have been read of a channel.
    std::int64_t read_of(std::int32_t channel) const { return channels_[static_cast<std::size_t>(channel)]; }

    const ImageShape& shape() const override { return base_.shape(); }
    PixelType stored_type() const override { return base_.stored_type(); }
    const Capabilities& capabilities() const override { return capabilities_; }
    const ImageIdentity& identity() const override { return base_.identity(); }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override {
        channels_[static_cast<std::size_t>(plane.channel)] += rect.size();
        base_.read(rect, plane, out, threads, cancel);
    }
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override {
        base_.read64(rect, plane, out, threads, cancel);
    }
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const override {
        base_.read_spectrum(x, y, stokes, from, out, cancel);
    }
    void read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out, const CancelToken& cancel) const override {
        for (auto channel = channels.from; channel < channels.to; ++channel)
            for (const auto& run : runs) channels_[static_cast<std::size_t>(channel)] += run.length();
        base_.read_pixels(runs, channels, stokes, out, cancel);
    }
    void check_unchanged() const override {}

private:
    const ImageSource& base_;
    const Capabilities capabilities_;
    mutable std::vector<std::atomic<std::int64_t>> channels_;
};

} // namespace cubelink::imaging::test
