#include "imaging/pixels/histogram.hpp"
#include "imaging/pixels/statistics.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_seed.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <random>
#include <stdexcept>
#include <vector>

using namespace cubelink::imaging;
using cubelink::imaging::test::fill_odd;
using cubelink::imaging::test::MemorySource;
using cubelink::imaging::test::same;

namespace {

/// Some runs in some rows of a random box; may be empty.
PixelMask random_mask(std::mt19937_64& random, const ImageShape& shape) {
    const auto below = [&](std::int64_t n) { return std::int64_t(random() % std::uint64_t(n)); };
    const std::int64_t x0 = below(shape.width), y0 = below(shape.height), width = 1 + below(shape.width - x0), height = 1 + below(shape.height - y0);
    std::vector<PixelRun> runs;
    for (std::int64_t y = y0; y < y0 + height; ++y) {
        for (std::int64_t x = x0 + below(3); x < x0 + width;) {
            const std::int64_t end = std::min(x0 + width, x + 1 + (below(4) == 0 ? below(width) : below(5)));
            runs.push_back({y, x, end});
            x = end + 1 + below(20);
        }
    }
    return PixelMask(std::move(runs));
}

template <class T>
std::vector<T> pixels_of(const MemorySource& source, const PixelMask& mask, PlaneId plane) {
    std::vector<T> values;
    for (const PixelRun& run : mask.runs())
        for (std::int64_t x = run.x0; x < run.x1; ++x) values.push_back(T(source.at(x, run.y, plane.channel, plane.stokes)));
    return values;
}

/// Straightforward: in extended precision.
void check_summary(const PlaneSummary& got, const std::vector<double>& values) {
    long double sum = 0, sum_sq = 0, size = 0;
    std::int64_t count = 0;
    double min = NAN, max = NAN;
    for (const double v : values) {
        if (!std::isfinite(v)) continue;
        ++count;
        sum += v;
        sum_sq += static_cast<long double>(v) * v;
        size += std::abs(static_cast<long double>(v));
        min = std::fmin(min, v);
        max = std::fmax(max, v);
    }
    long double m2 = 0;
    for (const double v : values)
        if (std::isfinite(v)) m2 += (v - sum / count) * (v - sum / count);
    CHECK(got.total == std::int64_t(values.size()));
    CHECK(got.count == count);
    CHECK(same(got.min, min));
    CHECK(same(got.max, max));
    CHECK(std::abs(double(got.sum - sum)) <= 1e-14 * double(size));
    CHECK(std::abs(double(got.sum_sq - sum_sq)) <= 1e-14 * double(sum_sq));
    CHECK(std::abs(double(got.m2 - m2)) <= 1e-12 * double(sum_sq));
}

bool equal(const PlaneSummary& a, const PlaneSummary& b) {
    return a.total == b.total && a.count == b.count && same(a.min, b.min) && same(a.max, b.max) && a.sum == b.sum && a.sum_sq == b.sum_sq && a.m2 == b.m2;
}

} // namespace

TEST_CASE("many masks by one pass: as each alone, whatever the source and the number of threads") {
    const auto seed = cubelink::test::random_seed();
    std::mt19937_64 random(seed);
    CAPTURE(seed);
    for (int round = 0; round < cubelink::test::effort(24); ++round) {
        const bool wide = round % 2 == 1, direct = round % 3 != 0;
        // The second is wider than what is read at once.
        const ImageShape shape = round % 8 == 7 ? ImageShape{300000, 5, 2, 2} : ImageShape{1 + std::int64_t(random() % 400), 1 + std::int64_t(random() % 300), 2, 2};
        MemorySource source(shape, wide, direct);
        fill_odd(source, random(), 0.2, false);
        if (!direct) source.set_stored_block({64, 1 + std::int64_t(random() % 100)});
        std::vector<PixelMask> masks(1 + random() % 12);
        for (auto& mask : masks) mask = random() % 8 == 0 ? PixelMask() : random_mask(random, shape);
        std::vector<const PixelMask*> list;
        for (const auto& mask : masks) list.push_back(&mask);
        const PlaneId plane{1, 1};
        const auto summaries = summarise(source, list, plane, 1 + int(random() % 3), CancelToken());
        REQUIRE(summaries.size() == masks.size());

        std::vector<float> in_memory(std::size_t(shape.plane_size()));
        source.read({0, 0, shape.width, shape.height}, plane, in_memory, 1, CancelToken());
        const auto from_memory = summarise(source, list, plane, 2, CancelToken(), in_memory);
        std::vector<HistogramCounter> counters;
        for (std::size_t i = 0; i < masks.size(); ++i) {
            const auto values = wide ? pixels_of<double>(source, masks[i], plane) : std::vector<double>();
            const auto narrow = pixels_of<float>(source, masks[i], plane);
            check_summary(summaries[i], wide ? values : std::vector<double>(narrow.begin(), narrow.end()));
            CHECK(equal(summaries[i], from_memory[i]));
            const PixelMask* const alone[] = {&masks[i]};
            CHECK(equal(summaries[i], summarise(source, alone, plane, 1, CancelToken())[0]));
            counters.emplace_back(HistogramBounds{summaries[i].min, summaries[i].max}, 1 + std::int32_t(random() % 50));
        }
        auto expected = counters;
        HistogramCounter::add_masks(source, list, plane, counters, 1 + int(random() % 3), CancelToken());
        for (std::size_t i = 0; i < masks.size(); ++i) {
            if (wide) expected[i].add(std::span<const double>(pixels_of<double>(source, masks[i], plane)));
            else expected[i].add(std::span<const float>(pixels_of<float>(source, masks[i], plane)));
            CHECK(counters[i].counts() == expected[i].counts());
        }
    }
}

TEST_CASE("of masks side by side each pixel is read about once") {
    MemorySource source({2000, 600, 1, 1});
    std::vector<PixelMask> masks;
    for (std::int64_t y = 0; y + 40 < 600; y += 10)
        for (std::int64_t x = 0; x + 50 < 2000; x += 10) {
            std::vector<PixelRun> runs;
            for (std::int64_t k = 0; k < 40; ++k) runs.push_back({y + k, x, x + 50});
            masks.emplace_back(std::move(runs));
        }
    std::vector<const PixelMask*> list;
    for (const auto& mask : masks) list.push_back(&mask);
    const auto summaries = summarise(source, list, {}, 2, CancelToken());
    CHECK(std::all_of(summaries.begin(), summaries.end(), [](const PlaneSummary& s) { return s.count == 2000; }));
    CHECK(source.pixels_read <= 2000 * 600);
    // Of one that is small not much more than itself.
    source.pixels_read = 0;
    summarise(source, std::span(list).first(1), {}, 2, CancelToken());
    CHECK(source.pixels_read == 2000);
}

TEST_CASE("where the extremes of a mask lie") {
    const auto seed = cubelink::test::random_seed();
    std::mt19937_64 random(seed);
    CAPTURE(seed);
    for (int round = 0; round < cubelink::test::effort(20); ++round) {
        MemorySource source({1 + std::int64_t(random() % 200), 1 + std::int64_t(random() % 100), 1, 1}, round % 2 == 1);
        for (double& v : source.pixels) v = random() % 5 == 0 ? NAN : double(random() % 7); // most extremes are there several times
        const PixelMask mask = random_mask(random, source.shape());
        const PixelMask* const masks[] = {&mask};
        const auto summary = summarise(source, masks, {}, 2, CancelToken())[0];
        const auto at = find_positions(source, mask, {}, summary, 2, CancelToken());
        ExtremePositions first;
        for (const PixelRun& run : mask.runs())
            for (std::int64_t x = run.x0; x < run.x1; ++x) {
                if (first.min_x < 0 && source.at(x, run.y) == summary.min) first.min_x = x, first.min_y = run.y;
                if (first.max_x < 0 && source.at(x, run.y) == summary.max) first.max_x = x, first.max_y = run.y;
            }
        CHECK(at.min_x == first.min_x);
        CHECK(at.min_y == first.min_y);
        CHECK(at.max_x == first.max_x);
        CHECK(at.max_y == first.max_y);
    }
}

TEST_CASE("masks outside of the image, masks of nothing, cancellation") {
    const MemorySource source({10, 10, 1, 1});
    const PixelMask outside(std::vector<PixelRun>{{3, 5, 11}}), none;
    const PixelMask* const bad[] = {&outside};
    CHECK_THROWS_AS(summarise(source, bad, {}, 1, CancelToken()), std::out_of_range);
    CHECK(summarise(source, MaskList(), {}, 1, CancelToken()).empty());
    const PixelMask* const nothing[] = {&none};
    CHECK(summarise(source, nothing, {}, 1, CancelToken())[0].total == 0);
    std::vector<HistogramCounter> counters;
    CHECK_THROWS_AS(HistogramCounter::add_masks(source, nothing, {}, counters, 1, CancelToken()), std::invalid_argument);
    const PixelMask some(std::vector<PixelRun>{{3, 5, 6}});
    const PixelMask* const one[] = {&some};
    const CancelToken cancelled;
    cancelled.cancel();
    CHECK_THROWS_AS(summarise(source, one, {}, 2, cancelled), Cancelled);
}

TEST_CASE("channels together are summarised and counted as one after the other") {
    MemorySource source({70, 40, 60, 2});
    fill_odd(source, 7, 0.1, false);
    const Rect all{0, 0, 70, 40};
    PlaneSummary expected;
    for (std::int32_t z = 3; z < 57; ++z) expected.merge(summarise(source, all, {z, 1}, 1, CancelToken()));
    const auto summary = summarise(source, all, {3, 57}, 1, 3, CancelToken());
    CHECK(summary.count == expected.count);
    CHECK(summary.min == expected.min);
    CHECK(summary.max == expected.max);
    CHECK(summary.sum == doctest::Approx(expected.sum).epsilon(1e-14));
    CHECK(summary.m2 == doctest::Approx(expected.m2).epsilon(1e-13));
    HistogramCounter together({-1, 1}, 33), apart({-1, 1}, 33);
    together.add(source, all, {3, 57}, 1, 3, CancelToken());
    for (std::int32_t z = 3; z < 57; ++z) apart.add(source, all, {z, 1}, 1, CancelToken());
    CHECK(together.counts() == apart.counts());
}

TEST_CASE("sums of a billion pixels lose no digits") {
    // As from 250,000 parts of 4096 pixels.
    const std::vector<float> tenths(4096, 0.1f);
    const PlaneSummary part = summarise(tenths);
    PlaneSummary all;
    for (int i = 0; i < 250000; ++i) all.merge(part);
    CHECK(all.count == std::int64_t(4096) * 250000);
    CHECK(all.sum == double(static_cast<long double>(part.sum) * 250000));
    CHECK(all.sum_sq == double(static_cast<long double>(part.sum_sq) * 250000));
    CHECK(all.mean() == double(0.1f));
    CHECK(all.std_dev() < 1e-15);
    // What cancels leaves what is small.
    PlaneSummary cancelled;
    for (const double value : {1e17, 1.0, -1e17, 0.25, 1e30, -1e30}) cancelled.merge(summarise(std::vector<double>{value}));
    CHECK(cancelled.sum == 1.25);
    // Beyond the range of doubles nothing becomes NaN.
    PlaneSummary huge;
    for (int i = 0; i < 3; ++i) huge.merge(summarise(std::vector<double>{1.5e308}));
    CHECK(huge.sum == HUGE_VAL);
    CHECK(huge.max == 1.5e308);
}
