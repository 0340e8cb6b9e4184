#include "imaging/analysis/fitting/working_image.hpp"

#include "imaging/base/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cubelink::imaging {

namespace {

constexpr float blank = std::numeric_limits<float>::quiet_NaN();

template <class T>
Grid means_of(const FitPixels& pixels, std::int64_t factor, const ThreadShare& threads, const CancelToken& cancel) {
    const Rect& bounds = pixels.bounds();
    Grid grid;
    grid.width = (bounds.width() + factor - 1) / factor;
    grid.height = (bounds.height() + factor - 1) / factor;
    grid.values.resize(std::size_t(grid.width * grid.height));
    if (factor > 1) grid.filled.resize(grid.values.size());
    parallel_for(threads, grid.height, cancel, [&](std::int64_t row, int) {
        std::vector<T> buffer;
        std::vector<double> sum(static_cast<std::size_t>(grid.width)), count(static_cast<std::size_t>(grid.width));
        const std::int64_t from = bounds.y0 + row * factor, to = std::min(bounds.y1, from + factor);
        for (std::int64_t y = from; y < to; ++y) {
            const std::span<const T> values = pixels.rows<T>(y, y + 1, buffer, cancel);
            for (std::int64_t x = 0; x < bounds.width(); ++x) {
                const double value = double(values[std::size_t(x)]);
                if (!std::isfinite(value)) continue;
                sum[std::size_t(x / factor)] += value;
                count[std::size_t(x / factor)] += 1;
            }
        }
        float* const out = grid.values.data() + row * grid.width;
        for (std::int64_t x = 0; x < grid.width; ++x) {
            const double n = count[std::size_t(x)];
            const double filled = n / double(factor * factor);
            out[x] = filled >= 0.25 ? float(sum[std::size_t(x)] / n) : blank;
            if (factor > 1) grid.filled[std::size_t(row * grid.width + x)] = float(filled);
        }
    });
    return grid;
}

/// Sorts.
Spread spread_of_sample(std::vector<float>& sample) {
    if (sample.empty()) return {std::nan(""), std::nan("")};
    const auto middle = [&] {
        const auto half = sample.begin() + std::ptrdiff_t(sample.size() / 2);
        std::nth_element(sample.begin(), half, sample.end());
        return double(*half);
    };
    Spread spread;
    spread.median = middle();
    for (float& value : sample) value = float(std::abs(double(value) - spread.median));
    spread.deviation = 1.4826 * middle();
    return spread;
}

std::vector<float> sample_of(std::span<const float> values) {
    const std::size_t step = std::max<std::size_t>(1, values.size() / 200'000) | 1; // odd: not in step with rows
    std::vector<float> sample;
    for (std::size_t i = 0; i < values.size(); i += step)
        if (std::isfinite(values[i])) sample.push_back(values[i]);
    return sample;
}

} // namespace

Grid block_means(const FitPixels& pixels, std::int64_t factor, const ThreadShare& threads, const CancelToken& cancel) {
    return pixels.wide() ? means_of<double>(pixels, factor, threads, cancel) : means_of<float>(pixels, factor, threads, cancel);
}

Grid half_of(const Grid& grid) {
    Grid half;
    half.width = (grid.width + 1) / 2;
    half.height = (grid.height + 1) / 2;
    half.values.resize(std::size_t(half.width * half.height));
    half.filled.resize(half.values.size());
    for (std::int64_t y = 0; y < half.height; ++y)
        for (std::int64_t x = 0; x < half.width; ++x) {
            double sum = 0, filled = 0;
            for (std::int64_t v = 2 * y; v < std::min(grid.height, 2 * y + 2); ++v)
                for (std::int64_t u = 2 * x; u < std::min(grid.width, 2 * x + 2); ++u) {
                    const auto i = std::size_t(v * grid.width + u);
                    if (!std::isfinite(grid.values[i])) continue;
                    const double weight = grid.filled.empty() ? 1 : double(grid.filled[i]);
                    sum += weight * double(grid.values[i]);
                    filled += weight;
                }
            const auto i = std::size_t(y * half.width + x);
            half.values[i] = filled >= 1 ? float(sum / filled) : blank;
            half.filled[i] = float(filled / 4);
        }
    return half;
}

std::vector<Grid> pyramid_of(Grid grid) {
    std::vector<Grid> grids;
    grids.push_back(std::move(grid));
    while (std::max(grids.back().width, grids.back().height) >= 8) grids.push_back(half_of(grids.back()));
    return grids;
}

GaussianComponent scaled(const GaussianComponent& c, double scale) {
    return {(c.x + 0.5) / scale - 0.5, (c.y + 0.5) / scale - 0.5, c.amplitude, c.fwhm_x / scale, c.fwhm_y / scale, c.pa};
}

Grid residuals_of(const Grid& grid, std::span<const GaussianComponent> components, double offset, const ThreadShare& threads, const CancelToken& cancel) {
    Grid result;
    result.width = grid.width;
    result.height = grid.height;
    result.values.resize(grid.values.size());
    result.filled = grid.filled;
    constexpr std::int64_t rows = 32;
    parallel_for(threads, (grid.height + rows - 1) / rows, cancel, [&](std::int64_t index, int) {
        const Rect band{0, index * rows, grid.width, std::min(grid.height, (index + 1) * rows)};
        std::vector<double> model(std::size_t(band.size()), offset);
        add_model(components, band, model);
        const std::size_t at = std::size_t(band.y0 * grid.width);
        for (std::size_t i = 0; i < model.size(); ++i) result.values[at + i] = float(double(grid.values[at + i]) - model[i]);
    });
    return result;
}

Spread spread_of(std::span<const float> values) {
    auto sample = sample_of(values);
    return spread_of_sample(sample);
}

Spread background_of(std::span<const float> values) {
    auto all = sample_of(values);
    Spread spread;
    for (int round = 0; round < 10; ++round) {
        auto sample = all;
        spread = spread_of_sample(sample);
        const double limit = 3 * spread.deviation;
        const auto outside = [&](float value) { return std::abs(double(value) - spread.median) > limit; };
        const auto kept = std::remove_if(all.begin(), all.end(), outside);
        if (kept == all.end() || kept - all.begin() < 16) break;
        all.erase(kept, all.end());
    }
    return spread;
}

} // namespace cubelink::imaging
