#pragma once
/// Images for tests: in memory, of doubles or floats, with switches for what the code under test asks a source about.

#include "imaging/source/image_source.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <random>
#include <thread>
#include <vector>

namespace cubelink::imaging::test {

class MemorySource : public ImageSource {
public:
    explicit MemorySource(ImageShape shape, bool wide = false, bool direct = true)
        : pixels(std::size_t(shape.plane_size() * shape.depth * shape.stokes)), shape_(shape) {
        capabilities_.prefers_double = wide;
        capabilities_.random_access = direct;
    }

    std::vector<double> pixels; // x fastest, then y, channel, stokes
    mutable std::atomic<std::int64_t> pixels_read{0};
    std::chrono::microseconds spectrum_delay{0}; // per channel

    double& at(std::int64_t x, std::int64_t y, std::int64_t z = 0, std::int64_t s = 0) {
        return pixels[std::size_t(((s * shape_.depth + z) * shape_.height + y) * shape_.width + x)];
    }
    double at(std::int64_t x, std::int64_t y, std::int64_t z = 0, std::int64_t s = 0) const {
        return const_cast<MemorySource*>(this)->at(x, y, z, s);
    }

    const ImageShape& shape() const override { return shape_; }
    PixelType stored_type() const override { return capabilities_.prefers_double ? PixelType::float64 : PixelType::float32; }
    const Capabilities& capabilities() const override { return capabilities_; }
    const ImageIdentity& identity() const override { return identity_; }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int, const CancelToken& cancel) const override {
        copy(rect, plane, out, cancel);
    }
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int, const CancelToken& cancel) const override {
        copy(rect, plane, out, cancel);
    }
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                       const CancelToken& cancel) const override {
        if (x < 0 || y < 0 || x >= shape_.width || y >= shape_.height || stokes < 0 || stokes >= shape_.stokes)
            throw std::out_of_range("pixel");
        for (std::size_t i = 0; i < out.size(); ++i) {
            cancel.throw_if_cancelled();
            if (spectrum_delay.count() > 0) std::this_thread::sleep_for(spectrum_delay);
            out[i] = float(at(x, y, from + std::int64_t(i), stokes));
        }
    }
    void check_unchanged() const override {}

    void set_stored_block(StoredBlock block) { capabilities_.stored_block = block; }
    void set_identity(const ImageIdentity& identity) { identity_ = identity; }

private:
    template <class T>
    void copy(const Rect& rect, PlaneId plane, std::span<T> out, const CancelToken& cancel) const {
        cancel.throw_if_cancelled();
        if (rect.x0 < 0 || rect.y0 < 0 || rect.x1 > shape_.width || rect.y1 > shape_.height || rect.width() < 0 || rect.height() < 0)
            throw std::out_of_range("rect");
        if (plane.channel < 0 || plane.channel >= shape_.depth || plane.stokes < 0 || plane.stokes >= shape_.stokes)
            throw std::out_of_range("plane");
        if (out.size() != std::size_t(rect.size())) throw std::invalid_argument("size");
        std::size_t i = 0;
        for (std::int64_t y = rect.y0; y < rect.y1; ++y) {
            for (std::int64_t x = rect.x0; x < rect.x1; ++x) out[i++] = T(at(x, y, plane.channel, plane.stokes));
        }
        pixels_read += rect.size();
    }

    ImageShape shape_;
    Capabilities capabilities_;
    ImageIdentity identity_ = FileState{1, 2, 3, 4};
};

/// Values of every size and sign, with blanks: `blanks` is the share of non-finite ones.
inline double odd_value(std::mt19937_64& random, double blanks, bool denormal_and_huge = true) {
    std::uniform_real_distribution<double> uniform(0, 1);
    std::normal_distribution<double> normal(0, 1);
    if (uniform(random) < blanks) {
        const double which = uniform(random);
        const double inf = std::numeric_limits<double>::infinity();
        return which < 0.8 ? std::numeric_limits<double>::quiet_NaN() : which < 0.9 ? inf : -inf;
    }
    const double value = float(normal(random));
    if (!denormal_and_huge) return value;
    const double which = uniform(random);
    if (which < 0.02) return double(std::numeric_limits<float>::denorm_min()) * std::floor(100 * uniform(random));
    if (which < 0.04) return double(float(value * 1e37));
    if (which < 0.06) return std::signbit(value) ? -0.0 : 0.0;
    return value;
}

inline void fill_odd(MemorySource& source, std::uint64_t seed, double blanks, bool denormal_and_huge = true) {
    std::mt19937_64 random(seed);
    for (double& p : source.pixels) p = odd_value(random, blanks, denormal_and_huge);
}

/// Same bits, or both NaN.
template <class T>
bool same(T a, T b) {
    return a == b || (std::isnan(a) && std::isnan(b));
}

} // namespace cubelink::imaging::test
