// Histograms and statistics against loops written out.

#include "imaging/pixels/histogram.hpp"
#include "imaging/pixels/pyramid.hpp"
#include "imaging/pixels/statistics.hpp"
#include "tests/imaging/pixels/test_sources.hpp"

#include <doctest/doctest.h>

#include <cfloat>
#include <climits>
#include <numeric>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;

namespace {

std::vector<std::int32_t> count(const std::vector<double>& pixels, double min, double max, std::int32_t n) {
    std::vector<std::int32_t> bins(static_cast<std::size_t>(n));
    const double width = (max - min) / n;
    for (double v : pixels) {
        if (!(v >= min && v <= max)) continue;
        ++bins[std::size_t(std::clamp(std::floor((v - min) / width), 0.0, n - 1.0))];
    }
    return bins;
}

PlaneSummary whole(const MemorySource& source) {
    return summarise(source, {0, 0, source.shape().width, source.shape().height}, {}, 2, CancelToken());
}

} // namespace

TEST_CASE("automatic bins") {
    CHECK(automatic_bins(1, 1) == 2);
    CHECK(automatic_bins(8192, 8192) == 8192);
    CHECK(automatic_bins(10, 11) == 10);
    CHECK(automatic_bins(0, 0) == 2);
    CHECK(automatic_bins(INT64_MAX, INT64_MAX) == kMaxHistogramBins);
}

TEST_CASE("histograms of planes, whatever the source and the number of threads") {
    for (bool wide : {false, true}) {
        MemorySource source({700, 333, 1, 1}, wide);
        fill_odd(source, 1, 0.1, false);
        const PlaneSummary summary = whole(source);
        const auto pyramid = PlanePyramid::build(source, {}, {}, CancelToken());
        for (int threads : {1, 2, 5}) {
            for (const PlanePyramid* kept : {static_cast<const PlanePyramid*>(nullptr), pyramid.get()}) {
                const Histogram h = plane_histogram(source, {}, summary, {}, threads, CancelToken(), kept);
                CHECK(h.bins.size() == 482);
                CHECK(h.bounds == HistogramBounds{summary.min, summary.max});
                CHECK(h.bin_width == (summary.max - summary.min) / 482);
                CHECK(h.first_bin_center == summary.min + h.bin_width / 2);
                CHECK(h.bins == count(source.pixels, summary.min, summary.max, 482));
                CHECK(std::accumulate(h.bins.begin(), h.bins.end(), std::int64_t(0)) == summary.count);
                CHECK(h.mean == summary.mean());
                CHECK(h.std_dev == summary.std_dev());
            }
        }
        HistogramSpec spec;
        spec.num_bins = 17;
        spec.bounds = HistogramBounds{-0.5, 1.25};
        const Histogram fixed = plane_histogram(source, {}, summary, spec, 2, CancelToken());
        CHECK(fixed.bins == count(source.pixels, -0.5, 1.25, 17));
        CHECK(fixed.mean == summary.mean());
    }
}

TEST_CASE("degenerate and hostile histograms") {
    const auto histogram = [](std::vector<double> pixels, HistogramSpec spec) {
        return histogram_of(std::span<const double>(pixels), std::int64_t(pixels.size()), 1, spec);
    };
    for (const auto& pixels : {std::vector<double>{}, std::vector<double>{NAN, INFINITY}, std::vector<double>{3, 3, 3}}) {
        const Histogram h = histogram(pixels, {});
        CHECK(h.bins == std::vector<std::int32_t>{0});
        CHECK(h.bounds == HistogramBounds{0, 0});
        CHECK(h.bin_width == 0);
        CHECK(std::isnan(h.mean) == (pixels.size() != 3));
    }
    CHECK(histogram({3, 3, 3}, {}).mean == 3);
    CHECK(histogram({3, 3, 3}, {}).std_dev == 0);
    CHECK(std::isnan(histogram({3}, {}).std_dev));
    CHECK(histogram({1, 2}, {10, HistogramBounds{2, 1}}).bins.size() == 1);
    CHECK(histogram({1, 2}, {10, HistogramBounds{NAN, 1}}).bins.size() == 1);
    CHECK_THROWS_AS(histogram({1, 2}, {10, HistogramBounds{0, INFINITY}}), std::invalid_argument);
    for (std::int32_t bins : {0, -2, INT_MIN, INT_MAX, kMaxHistogramBins + 1})
        CHECK_THROWS_AS(histogram({1, 2}, {bins, {}}), std::invalid_argument);
    // Ranges that overflow and widths that underflow.
    CHECK(histogram({-DBL_MAX, -DBL_MAX / 4, DBL_MAX / 4, DBL_MAX}, {4, {}}).bins == std::vector<std::int32_t>{1, 1, 1, 1});
    CHECK(histogram({0, 5e-324, 1e-323, 1.5e-323}, {2, {}}).bins == std::vector<std::int32_t>{2, 2});
    CHECK(histogram({0, 5e-324}, {1000, {}}).bins.back() == 1);
}

TEST_CASE("partial counts merge, and saturate only when shown") {
    HistogramCounter a({0, 1}, 4), b({0, 1}, 4);
    a.add(std::vector<float>{0, 0.3f, 1});
    b.add(std::vector<float>{0.3f, NAN, 2});
    a.merge(b);
    CHECK(a.counts() == std::vector<std::uint64_t>{1, 2, 0, 1});
    CHECK_THROWS_AS(a.merge(HistogramCounter({0, 2}, 4)), std::invalid_argument);
    for (int doubling = 0; doubling < 31; ++doubling) a.merge(HistogramCounter(a));
    CHECK(a.counts()[1] == std::uint64_t(2) << 31);
    const Histogram h = a.histogram({});
    CHECK(h.saturated);
    CHECK(h.bins[0] == INT_MAX);
    CHECK(h.bins[2] == 0);
}

TEST_CASE("statistics of a rectangle") {
    MemorySource source({90, 80, 1, 1});
    fill_odd(source, 5, 0.2, false);
    const Rect rect{10, 20, 71, 55};
    const PlaneSummary s = summarise(source, rect, {}, 2, CancelToken());
    double n = 0, sum = 0, sum_sq = 0, min = HUGE_VAL, max = -HUGE_VAL;
    std::int64_t min_x = 0, min_y = 0;
    for (std::int64_t y = rect.y0; y < rect.y1; ++y) {
        for (std::int64_t x = rect.x0; x < rect.x1; ++x) {
            const double v = source.at(x, y);
            if (!std::isfinite(v)) continue;
            ++n;
            sum += v;
            sum_sq += v * v;
            if (v < min) min = v, min_x = x, min_y = y;
            max = std::max(max, v);
        }
    }
    CHECK(statistic(StatsType::num_pixels, s) == n);
    CHECK(statistic(StatsType::nan_count, s) == rect.size() - n);
    CHECK(statistic(StatsType::sum, s) == doctest::Approx(sum));
    CHECK(statistic(StatsType::mean, s) == doctest::Approx(sum / n));
    CHECK(statistic(StatsType::sum_sq, s) == doctest::Approx(sum_sq));
    CHECK(statistic(StatsType::rms, s) == doctest::Approx(std::sqrt(sum_sq / n)));
    CHECK(statistic(StatsType::sigma, s) == doctest::Approx(std::sqrt((sum_sq - sum * sum / n) / (n - 1))));
    CHECK(statistic(StatsType::min, s) == min);
    CHECK(statistic(StatsType::max, s) == max);
    CHECK(statistic(StatsType::extrema, s) == (std::abs(min) > std::abs(max) ? min : max));
    CHECK(std::isnan(statistic(StatsType::flux_density, s)));
    CHECK(statistic(StatsType::flux_density, s, {FluxUnit::per_beam, 12.5, NAN}) == doctest::Approx(sum / 12.5));
    const ExtremePositions at = find_positions(source, rect, {}, s, 2, CancelToken());
    CHECK(at.min_x == min_x);
    CHECK(at.min_y == min_y);
    CHECK(source.at(at.max_x, at.max_y) == max);
}

TEST_CASE("statistics of nothing, of one pixel, of what cancels") {
    const PlaneSummary none = summarise(std::vector<float>{NAN, INFINITY});
    for (int type = 0; type <= 14; ++type) {
        const double value = statistic(StatsType(type), none, {FluxUnit::per_pixel, 1, 1});
        if (type == 0)
            CHECK(value == 0);
        else if (type == 1)
            CHECK(value == 2);
        else
            CHECK(std::isnan(value));
    }
    const PlaneSummary one = summarise(std::vector<float>{-4});
    CHECK(std::isnan(statistic(StatsType::sigma, one)));
    CHECK(statistic(StatsType::rms, one) == 4);
    CHECK(statistic(StatsType::extrema, one) == -4);
    std::vector<double> far(100000);
    for (std::size_t i = 0; i < far.size(); ++i) far[i] = 1e9 + double(i % 2);
    CHECK(statistic(StatsType::sigma, summarise(far)) == doctest::Approx(0.5000025).epsilon(1e-9));
}

TEST_CASE("units of flux density") {
    for (const char* unit : {"Jy/beam", "JY/BEAM", "mJy/beam", "beam-1 Jy", "Jy beam^-1", "Jy beam-1", "Jy.beam**-1"})
        CHECK(flux_unit(unit) == FluxUnit::per_beam);
    for (const char* unit : {"K", " K ", "mK"}) CHECK(flux_unit(unit) == FluxUnit::kelvin);
    for (const char* unit : {"MJy/sr", "Jy sr-1"}) CHECK(flux_unit(unit) == FluxUnit::per_steradian);
    for (const char* unit : {"Jy/arcsec^2", "Jy/arcsec2", "Jy arcsec**-2"}) CHECK(flux_unit(unit) == FluxUnit::per_arcsec2);
    CHECK(flux_unit("Jy/pixel") == FluxUnit::per_pixel);
    for (const char* unit : {"", "km/s", "beam", "mk", "Jy", "count/pixel"}) CHECK(flux_unit(unit) == FluxUnit::none);
    for (double area : {0.0, -1.0, double(NAN), double(INFINITY)}) {
        CHECK(std::isnan(flux_factor({FluxUnit::per_beam, area, 1})));
        CHECK(std::isnan(flux_factor({FluxUnit::kelvin, 1, area})));
    }
    CHECK(flux_factor({FluxUnit::per_steradian, NAN, 4}) == doctest::Approx(4 * 2.350443e-11).epsilon(1e-6));
}
