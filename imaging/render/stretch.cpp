#include "imaging/render/stretch.hpp"

#include "imaging/pixels/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace cubelink::imaging {

namespace {

/// The bright limit lies this many times farther from the median than the faint one: then a linear stretch would show little but the brightest.
constexpr double wide_range = 12;

/// 0 if it counts nothing.
double count_of(const Histogram& histogram) {
    return histogram.bin_width > 0 ? std::accumulate(histogram.bins.begin(), histogram.bins.end(), 0.0) : 0;
}

/// The value below which `count` of the counted pixels lie.
double value_below(const Histogram& histogram, double count) {
    const double start = histogram.first_bin_center - histogram.bin_width / 2;
    double sum = 0;
    for (std::size_t i = 0; i < histogram.bins.size(); ++i) {
        const double n = histogram.bins[i];
        if (n > 0 && sum + n >= count) return start + (static_cast<double>(i) + (count - sum) / n) * histogram.bin_width;
        sum += n;
    }
    return start + static_cast<double>(histogram.bins.size()) * histogram.bin_width;
}

} // namespace

std::optional<Stretch> stretch_named(std::string_view name) {
    for (std::size_t i = 0; i < stretch_names.size(); ++i)
        if (stretch_names[i] == name) return static_cast<Stretch>(i);
    return {};
}

double clipped(double value, const ClipLimits& limits) {
    if (limits.high > limits.low) return std::clamp((value - limits.low) / (limits.high - limits.low), 0.0, 1.0);
    return value == limits.low ? 0.5 : value > limits.low ? 1.0 : 0.0;
}

double stretched(double clipped, Stretch stretch) {
    switch (stretch) {
    case Stretch::linear: return clipped;
    case Stretch::log: return std::log(1 + log_stretch_alpha * clipped) / std::log(1 + log_stretch_alpha);
    case Stretch::sqrt: return std::sqrt(clipped);
    case Stretch::asinh: return std::asinh(clipped / asinh_stretch_softening) / std::asinh(1 / asinh_stretch_softening);
    }
    return clipped;
}

std::optional<ClipLimits> percentile_limits(const Histogram& histogram, double percent) {
    const double total = count_of(histogram);
    if (!(total > 0)) return {};
    const double start = histogram.first_bin_center - histogram.bin_width / 2;
    if (percent >= 100) return ClipLimits{start, start + static_cast<double>(histogram.bins.size()) * histogram.bin_width};
    const double tail = total * (100 - percent) / 200;
    return ClipLimits{value_below(histogram, tail), value_below(histogram, total - tail)};
}

Stretch automatic_stretch(const Histogram& histogram, const ClipLimits& limits) {
    const double total = count_of(histogram);
    if (!(total > 0)) return Stretch::linear;
    const double median = value_below(histogram, total / 2);
    return limits.high - median > wide_range * (median - limits.low) ? Stretch::asinh : Stretch::linear;
}

} // namespace cubelink::imaging
