#include "imaging/pixels/order_statistics.hpp"
#include "imaging/pixels/polarization.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/random_seed.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

using namespace cubelink::imaging;
using cubelink::imaging::test::MemorySource;
using cubelink::imaging::test::odd_value;
using cubelink::imaging::test::same;

namespace {

std::vector<double> sorted(std::vector<double> values) {
    std::erase_if(values, [](double v) { return !std::isfinite(v); });
    std::sort(values.begin(), values.end());
    return values;
}

/// numpy.percentile(…, method="linear") of sorted values.
double percentile(const std::vector<double>& values, double percent) {
    if (values.empty()) return NAN;
    const double at = double(values.size() - 1) * (percent / 100);
    const auto below = std::min(std::size_t(std::floor(at)), values.size() - 1), above = std::min(below + 1, values.size() - 1);
    const double a = values[below], b = values[above], t = at - double(below);
    if (a == b || t == 0 || above == below) return a;
    return t >= 0.5 ? b - (b - a) * (1 - t) : a + (b - a) * t;
}

void check(const MemorySource& source, const PixelSelection& pixels, const ThreadShare& threads) {
    std::vector<double> values;
    const PixelMask whole = [&] {
        std::vector<PixelRun> rows;
        for (std::int64_t y = 0; y < source.shape().height; ++y) rows.push_back({y, 0, source.shape().width});
        return PixelMask(std::move(rows));
    }();
    for (std::int32_t z = pixels.channels.from; z < pixels.channels.to; ++z)
        for (const PixelRun& run : (pixels.mask ? *pixels.mask : whole).runs())
            for (std::int64_t x = run.x0; x < run.x1; ++x) {
                const double v = source.at(x, run.y, z, pixels.stokes);
                values.push_back(source.capabilities().prefers_double ? v : double(float(v)));
            }
    values = sorted(std::move(values));
    const double percents[] = {50, 0, 100, 25, 75, 1, 99.9, 33.3333, 50, 50.001};
    const auto got = order_statistics(source, pixels, percents, true, threads, CancelToken());
    CHECK(got.count == std::int64_t(values.size()));
    REQUIRE(got.percentiles.size() == std::size(percents));
    for (std::size_t i = 0; i < std::size(percents); ++i) {
        CAPTURE(percents[i]);
        CHECK(same(got.percentiles[i], percentile(values, percents[i])));
    }
    const double median = percentile(values, 50);
    for (double& v : values) v = std::abs(v - median);
    CHECK(same(got.mad, percentile(sorted(std::move(values)), 50)));
    CHECK(std::isnan(order_statistics(source, pixels, {}, false, threads, CancelToken()).mad));
}

/// Pixels of one of several kinds.
void fill(MemorySource& source, std::mt19937_64& random, int kind) {
    std::normal_distribution<double> normal(0, 1);
    const double few[] = {-1.5, 0.0, 0.25, 1e-30, 7};
    for (double& v : source.pixels) {
        switch (kind) {
        case 0: v = odd_value(random, 0.1, false); break;
        case 1: v = odd_value(random, 0.3, true); break;
        case 2: v = few[random() % 5]; break;
        case 3: v = 3.25; break;
        case 4: v = 1 + 1e-6 * normal(random); break; // all with the same leading bits
        case 5: v = NAN; break;
        default: v = random() % 2 ? double(random() % 100000) : normal(random) * 1e300; break;
        }
    }
}

} // namespace

TEST_CASE("percentiles and median absolute deviation are those of the sorted values") {
    const auto seed = cubelink::test::random_seed();
    std::mt19937_64 random(seed);
    CAPTURE(seed);
    for (int kind = 0; kind < 7; ++kind) {
        for (const bool wide : {false, true}) {
            if (kind == 6 && !wide) continue;
            CAPTURE(kind);
            CAPTURE(wide);
            // Few enough to be sorted at once; read once and kept.
            for (const ImageShape& shape : {ImageShape{1, 1, 1, 1}, ImageShape{2, 3, 1, 1}, ImageShape{61, 47, 3, 2}, ImageShape{301, 333, 2, 1}}) {
                MemorySource source(shape, wide, random() % 2 == 0);
                fill(source, random, kind);
                check(source, {nullptr, {0, std::int32_t(shape.depth)}, std::int32_t(shape.stokes - 1)}, 1 + int(random() % 3));
                std::vector<PixelRun> runs;
                for (std::int64_t y = shape.height / 3; y < shape.height; ++y) runs.push_back({y, shape.width / 4, shape.width / 2 + 1});
                const PixelMask mask(std::move(runs));
                check(source, {&mask, {std::int32_t(shape.depth - 1), std::int32_t(shape.depth)}, 0}, 2);
            }
        }
    }
}

TEST_CASE("many pixels are read several times instead of being kept") {
    const auto seed = cubelink::test::random_seed();
    std::mt19937_64 random(seed);
    CAPTURE(seed);
    for (const int kind : {0, 2, 4, 6}) {
        CAPTURE(kind);
        MemorySource source({300, 200, 3, 1}, kind == 6 || kind == 4);
        fill(source, random, kind);
        check(source, {nullptr, {0, 3}, 0, 100'000}, 2);
        CHECK(source.pixels_read > source.shape().plane_size() * 3);
    }
}

TEST_CASE("many percentiles at once") {
    std::mt19937_64 random(3);
    MemorySource source({300, 200, 3, 1});
    fill(source, random, 0);
    std::vector<double> percents, values;
    for (int i = 0; i < 100; ++i) percents.push_back(double(random() % 100001) / 1000);
    for (const double v : source.pixels)
        if (std::isfinite(float(v))) values.push_back(double(float(v)));
    std::sort(values.begin(), values.end());
    const auto got = order_statistics(source, {nullptr, {0, 3}, 0, 1000}, percents, false, 2, CancelToken());
    bool right = true;
    for (std::size_t i = 0; i < percents.size(); ++i) {
        const double at = double(values.size() - 1) * (percents[i] / 100);
        const auto below = std::size_t(at);
        right = right && got.percentiles[i] >= values[below] && got.percentiles[i] <= values[std::min(below + 1, values.size() - 1)];
    }
    CHECK(right);
}

TEST_CASE("what is not possible, and what stops") {
    const MemorySource source({10, 10, 1, 1});
    for (const double bad : {-1.0, 100.5, double(NAN)}) {
        const double percents[] = {bad};
        CHECK_THROWS_AS(order_statistics(source, {}, percents, false, 1, CancelToken()), std::invalid_argument);
    }
    const std::vector<double> many(kMaxPercentiles + 1, 5);
    CHECK_THROWS_AS(order_statistics(source, {}, many, false, 1, CancelToken()), std::invalid_argument);
    const PixelMask outside(std::vector<PixelRun>{{3, 5, 11}});
    CHECK_THROWS_AS(order_statistics(source, {&outside, {0, 1}, 0}, {}, true, 1, CancelToken()), std::out_of_range);
    const CancelToken cancelled;
    cancelled.cancel();
    CHECK_THROWS_AS(order_statistics(source, {}, {}, true, 2, cancelled), Cancelled);
    struct Enough {};
    CHECK_THROWS_AS(order_statistics(source, {}, {}, true, 2, CancelToken(), [] { throw Enough(); }), Enough);
    CHECK(order_statistics_bytes(source, {}, 2) < (std::size_t(64) << 20));
}

TEST_CASE("of computed polarizations") {
    const auto base = std::make_shared<MemorySource>(ImageShape{40, 30, 1, 4});
    std::mt19937_64 random(1);
    fill(*base, random, 0);
    const PolarizationSource source(base, {1, 2, 3, 4});
    std::vector<float> pixels(1200);
    source.read({0, 0, 40, 30}, {0, 14}, pixels, 1, CancelToken());
    const double median[] = {50};
    CHECK(order_statistics(source, {nullptr, {0, 1}, 14}, median, false, 1, CancelToken()).percentiles[0] ==
          percentile(sorted({pixels.begin(), pixels.end()}), 50));
}
