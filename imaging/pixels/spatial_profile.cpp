#include "imaging/pixels/spatial_profile.hpp"

#include "imaging/kernels/blanks.hpp"
#include "imaging/pixels/pyramid.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cubelink::imaging {

namespace {

constexpr float kBlank = std::numeric_limits<float>::quiet_NaN();

/// The pixels that a profile is made of, and how many values it has.
struct Range {
    std::int64_t from = 0, to = 0; // pixels, cut at the axis
    std::int64_t group = 0;        // pixels per (min, max); 0: every pixel as it is
    std::int64_t length = 0;
};

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

Range range_of(std::int64_t start, std::int64_t end, std::int64_t mip, std::int64_t n) {
    if (end <= 0 || end > n) end = n;
    start = std::clamp<std::int64_t>(start, 0, n);
    Range r;
    if (start >= end) return r;
    if (mip < 2) {
        r.from = start;
        r.to = end;
        r.length = end - start;
        return r;
    }
    mip = std::min<std::int64_t>(mip, n); // coarser is the same: one group holds the axis
    r.group = 2 * mip;
    const std::int64_t s = ceil_div(start, r.group), e = ceil_div(end, r.group); // in groups
    r.length = 2 * (e - s);
    r.from = std::min(s * r.group, n);
    r.to = std::min(e * r.group, n);
    return r;
}

/// `pixels` are those of [from, to).
std::vector<float> decimate(std::span<const float> pixels, const Range& r) {
    std::vector<float> out;
    out.reserve(std::size_t(r.length));
    if (r.group == 0) {
        out.assign(pixels.begin(), pixels.end());
        kernels::fill_blanks(out.data(), out.size(), kBlank, out.data());
        return out;
    }
    for (std::int64_t g = 0; g < r.length / 2; ++g) {
        const auto begin = std::min<std::int64_t>(g * r.group, std::int64_t(pixels.size()));
        const auto end = std::min<std::int64_t>(begin + r.group, std::int64_t(pixels.size()));
        std::int64_t min_at = -1, max_at = -1;
        for (std::int64_t i = begin; i < end; ++i) {
            const float v = pixels[std::size_t(i)];
            if (!std::isfinite(v)) continue;
            if (min_at < 0 || v < pixels[std::size_t(min_at)]) min_at = i;
            if (max_at < 0 || v > pixels[std::size_t(max_at)]) max_at = i;
        }
        if (min_at < 0) {
            out.insert(out.end(), {kBlank, kBlank});
        } else {
            out.push_back(pixels[std::size_t(std::min(min_at, max_at))]);
            out.push_back(pixels[std::size_t(std::max(min_at, max_at))]);
        }
    }
    return out;
}

} // namespace

std::vector<float> decimate_profile(std::span<const float> axis, std::int64_t start, std::int64_t end, std::int64_t mip) {
    const Range r = range_of(start, end, mip, std::int64_t(axis.size()));
    return decimate(axis.subspan(std::size_t(r.from), std::size_t(r.to - r.from)), r);
}

std::vector<float> spatial_profile(const ImageSource& source, PlaneId plane, std::int64_t x, std::int64_t y, const SpatialProfileSpec& spec,
                                   const CancelToken& cancel, const PlanePyramid* pyramid) {
    const ImageShape& shape = source.shape();
    if (x < 0 || y < 0 || x >= shape.width || y >= shape.height) throw std::out_of_range("the pixel of a profile is outside the image");
    const bool row = spec.axis == ProfileAxis::x;
    const Range r = range_of(spec.start, spec.end, spec.mip, row ? shape.width : shape.height);
    const Rect rect = row ? Rect{r.from, y, r.to, y + 1} : Rect{x, r.from, x + 1, r.to};
    std::vector<float> pixels(std::size_t(r.to - r.from));
    if (!pixels.empty()) {
        if (pyramid != nullptr)
            pyramid->read(source, rect, 1, pixels, cancel);
        else
            source.read(rect, plane, pixels, 1, cancel);
    }
    return decimate(pixels, r);
}

} // namespace cubelink::imaging
