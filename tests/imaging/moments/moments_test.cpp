#include "imaging/analysis/moments/moments.hpp"
#include "imaging/source/memory_image.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/random_seed.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <random>
#include <stdexcept>
#include <vector>

using namespace cubelink::imaging;
using cubelink::imaging::test::MemorySource;

namespace {

const std::vector<Moment> all_moments = [] {
    std::vector<Moment> all;
    for (int i = 0; i < moment_count; ++i) all.push_back(*moment_of_number(i));
    return all;
}();

/// The definitions, pixel by pixel in long double.
double naive(Moment moment, const std::vector<double>& values, const std::vector<double>& coordinates, const std::vector<double>& widths) {
    using Real = long double;
    const std::size_t n = values.size();
    if (n == 0) return NAN;
    Real sum = 0, integral = 0, weighted = 0;
    for (std::size_t i = 0; i < n; ++i) {
        sum += values[i];
        integral += Real(values[i]) * widths[i];
        weighted += Real(values[i]) * coordinates[i];
    }
    const Real mean = sum / Real(n);
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    const auto average = [&](auto&& of) {
        Real total = 0;
        for (const double value : values) total += of(value);
        return total;
    };
    switch (moment) {
    case Moment::mean: return double(mean);
    case Moment::integrated: return double(integral);
    case Moment::weighted_coordinate: return sum == 0 ? NAN : double(weighted / sum);
    case Moment::weighted_dispersion: {
        if (sum == 0) return NAN;
        Real square = 0;
        for (std::size_t i = 0; i < n; ++i) square += values[i] * (coordinates[i] - weighted / sum) * (coordinates[i] - weighted / sum);
        square /= sum;
        return square < 0 ? NAN : double(std::sqrt(square));
    }
    case Moment::median: return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    case Moment::median_coordinate: {
        if (sum == 0) return NAN;
        Real running = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const Real next = running + values[i];
            if (sum > 0 ? next >= sum / 2 : next <= sum / 2)
                return i == 0 ? coordinates[0] : double(coordinates[i - 1] + (coordinates[i] - coordinates[i - 1]) * (sum / 2 - running) / values[i]);
            running = next;
        }
        return NAN;
    }
    case Moment::standard_deviation: return n < 2 ? NAN : double(std::sqrt(average([&](Real v) { return (v - mean) * (v - mean); }) / Real(n - 1)));
    case Moment::rms: return double(std::sqrt(average([](Real v) { return v * v; }) / Real(n)));
    case Moment::absolute_deviation: return double(average([&](Real v) { return std::abs(v - mean); }) / Real(n));
    case Moment::maximum: return sorted.back();
    case Moment::minimum: return sorted.front();
    case Moment::maximum_coordinate: return coordinates[std::size_t(std::max_element(values.begin(), values.end()) - values.begin())];
    case Moment::minimum_coordinate: return coordinates[std::size_t(std::min_element(values.begin(), values.end()) - values.begin())];
    }
    return NAN;
}

struct Results {
    std::vector<std::vector<float>> planes;
    Results(const MomentInput& input, const std::vector<Moment>& moments, const ThreadShare& threads = 1, const MomentOptions& options = {})
        : planes(moments.size(), std::vector<float>(std::size_t(input.rect.size()), -7.0F)) {
        std::vector<std::span<float>> spans(planes.begin(), planes.end());
        compute_moments(input, moments, spans, threads, CancelToken(), options);
    }
};

MomentInput whole(const MemorySource& source) {
    MomentInput input;
    input.source = &source;
    input.channels = {0, std::int32_t(source.shape().depth)};
    input.rect = {0, 0, source.shape().width, source.shape().height};
    for (std::int64_t z = 0; z < source.shape().depth; ++z) {
        input.coordinates.push_back(1200.0 - 2.5 * double(z));
        input.widths.push_back(2.5);
    }
    return input;
}

bool kept(const MomentInput& input, std::size_t at, double value) {
    if (!std::isfinite(value) || !std::isfinite(input.coordinates[at]) || !std::isfinite(input.widths[at])) return false;
    if (input.include && !(value >= input.include->low && value <= input.include->high)) return false;
    if (input.exclude && value >= input.exclude->low && value <= input.exclude->high) return false;
    return input.limits.empty() || (value >= input.limits[at].low && value <= input.limits[at].high);
}

/// `tolerance`: of moments that divide by a sum that may nearly vanish; they are compared where it does not.
void check(const MomentInput& input, const Results& results, const std::vector<Moment>& moments) {
    const auto& source = static_cast<const MemorySource&>(*input.source);
    std::vector<char> selected(std::size_t(input.rect.size()), input.mask == nullptr);
    if (input.mask != nullptr)
        for (const PixelRun& run : input.mask->runs())
            for (std::int64_t x = run.x0; x < run.x1; ++x) selected[std::size_t((run.y - input.rect.y0) * input.rect.width() + x - input.rect.x0)] = 1;
    int wrong = 0;
    for (std::int64_t y = input.rect.y0; y < input.rect.y1; ++y) {
        for (std::int64_t x = input.rect.x0; x < input.rect.x1; ++x) {
            const auto pixel = std::size_t((y - input.rect.y0) * input.rect.width() + x - input.rect.x0);
            std::vector<double> values, coordinates, widths;
            double sum = 0, absolute = 0;
            for (std::int32_t z = input.channels.from; z < input.channels.to && selected[pixel]; ++z) {
                const double stored = source.at(x, y, z, input.stokes), value = source.capabilities().prefers_double ? stored : double(float(stored));
                const auto at = std::size_t(z - input.channels.from);
                if (!kept(input, at, value)) continue;
                values.push_back(value);
                coordinates.push_back(input.coordinates[at]);
                widths.push_back(input.widths[at]);
                sum += value;
                absolute += std::abs(value);
            }
            for (std::size_t k = 0; k < moments.size(); ++k) {
                const double expected = naive(moments[k], values, coordinates, widths), got = results.planes[k][pixel];
                const bool by_sum = is_coordinate(moments[k]) && moments[k] != Moment::maximum_coordinate && moments[k] != Moment::minimum_coordinate;
                if (by_sum && std::abs(sum) < 1e-3 * absolute) continue;
                double scale = std::abs(expected);
                if (moments[k] == Moment::mean || moments[k] == Moment::integrated) scale = std::max(scale, absolute * 1e-6);
                if (moments[k] == Moment::weighted_dispersion) {
                    scale = std::max(scale, 1.0); // near 0 the square root leaves few digits
                    if (std::isnan(expected) != std::isnan(got)) continue;
                }
                const bool same = std::isnan(expected) ? std::isnan(got) : std::abs(got - expected) <= 2e-6 * scale + 1e-30;
                if (!same && ++wrong < 5) {
                    CAPTURE(x);
                    CAPTURE(y);
                    CAPTURE(moment_suffix(moments[k]));
                    CAPTURE(expected);
                    CAPTURE(got);
                    CHECK(same);
                }
            }
        }
    }
    CHECK(wrong == 0);
}

} // namespace

TEST_CASE("moments: all of them, and any of them, are what their definitions say") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 60; ++round) {
        CAPTURE(round);
        const ImageShape shape{1 + std::int64_t(random() % 70), 1 + std::int64_t(random() % 20), 1 + std::int64_t(random() % 60), 1 + std::int64_t(random() % 2)};
        MemorySource source(shape, random() % 2 == 0, random() % 2 == 0);
        test::fill_odd(source, random(), round % 3 == 0 ? 0.0 : 0.3, false);
        if (random() % 2 == 0)
            for (double& value : source.pixels) value = double(float(value + 5));
        if (!source.capabilities().random_access && random() % 2 == 0) source.set_stored_block({1 + std::int64_t(random() % 16), 1 + std::int64_t(random() % 8)});
        MomentInput input = whole(source);
        input.stokes = std::int32_t(random() % std::uint64_t(shape.stokes));
        const auto cut = [&](std::int64_t length) {
            const auto a = std::int64_t(random() % std::uint64_t(length)), b = std::int64_t(random() % std::uint64_t(length));
            return std::pair(std::min(a, b), std::max(a, b) + 1);
        };
        if (random() % 2 == 0) {
            const auto range = cut(shape.depth);
            input.channels = {std::int32_t(range.first), std::int32_t(range.second)};
            input.coordinates.assign(input.coordinates.begin() + range.first, input.coordinates.begin() + range.second);
            input.widths.resize(input.coordinates.size());
        }
        if (random() % 2 == 0) {
            const auto x = cut(shape.width), y = cut(shape.height);
            input.rect = {x.first, y.first, x.second, y.second};
        }
        if (random() % 3 == 0)
            for (std::size_t i = 0; i < input.widths.size(); ++i) input.widths[i] = 1.0 + 0.1 * double(random() % 10);
        if (random() % 4 == 0) input.coordinates[random() % input.coordinates.size()] = NAN;
        if (random() % 3 == 0) input.include = ValueRange{-0.5, 5.5};
        if (random() % 3 == 0) input.exclude = ValueRange{-0.25, 0.75};
        if (random() % 4 == 0)
            for (std::size_t i = 0; i < input.coordinates.size(); ++i) input.limits.push_back({0.1 * double(random() % 10), double(INFINITY)});
        PixelMask mask;
        if (random() % 2 == 0) {
            std::vector<std::uint8_t> chosen(std::size_t(input.rect.size()));
            for (auto& one : chosen) one = random() % 3 != 0;
            mask = PixelMask(input.rect, chosen);
            input.mask = &mask;
        }
        std::vector<Moment> moments = all_moments;
        if (round % 2 == 0) {
            std::shuffle(moments.begin(), moments.end(), random);
            moments.resize(1 + random() % moments.size());
        }
        const Results results(input, moments);
        check(input, results, moments);
        // Neither threads nor memory change a bit.
        MomentOptions little;
        little.memory = 1;
        for (const Results& other : {Results(input, moments, 3), Results(input, moments, 2, little)}) {
            for (std::size_t k = 0; k < moments.size(); ++k)
                for (std::size_t i = 0; i < results.planes[k].size(); ++i)
                    if (!test::same(other.planes[k][i], results.planes[k][i])) {
                        CAPTURE(moment_suffix(moments[k]));
                        REQUIRE(other.planes[k][i] == results.planes[k][i]);
                    }
        }
    }
}

TEST_CASE("moments: deviations that are small against the values keep their digits") {
    MemorySource source({16, 1, 400, 1}, true);
    std::mt19937_64 random(5);
    std::normal_distribution<double> noise(0, 1e-3);
    for (double& value : source.pixels) value = 1e6 + noise(random);
    source.at(3, 0, 0) = -4e9; // an outlier at the beginning
    const MomentInput input = whole(source);
    const std::vector<Moment> moments{Moment::standard_deviation, Moment::absolute_deviation, Moment::weighted_dispersion};
    check(input, Results(input, moments), moments);
}

TEST_CASE("moments: each pixel is read once, and nothing beside the region") {
    MemorySource source({64, 48, 30, 1}, false, true);
    test::fill_odd(source, 1, 0.1);
    MomentInput input = whole(source);
    const Results all(input, all_moments);
    CHECK(source.pixels_read == 64 * 48 * 30);
    source.pixels_read = 0;
    std::vector<PixelRun> runs;
    for (std::int64_t y = 10; y < 20; ++y) runs.push_back({y, 5 + y, 12 + y});
    const PixelMask mask(runs);
    input.mask = &mask;
    input.rect = mask.bounds();
    const Results region(input, all_moments);
    CHECK(source.pixels_read == 70 * 30);
}

TEST_CASE("moments: cancelled, over budget, contradictory") {
    MemorySource source({32, 32, 40, 1});
    test::fill_odd(source, 1, 0.1);
    MomentInput input = whole(source);
    std::vector<float> plane(32 * 32);
    const std::vector<std::span<float>> planes{plane};
    const std::vector<Moment> median{Moment::median};
    CancelToken cancel;
    MomentOptions options;
    options.progress = [&](double) { cancel.cancel(); };
    CHECK_THROWS_AS(compute_moments(input, median, planes, 1, cancel, options), Cancelled);
    BudgetCache tiny(1000, 10);
    options = {};
    options.budget = &tiny;
    CHECK_THROWS_AS(compute_moments(input, median, planes, 1, CancelToken(), options), OverBudget);
    BudgetCache enough(1 << 24, 10);
    options.budget = &enough;
    compute_moments(input, median, planes, 2, CancelToken(), options);
    CHECK(enough.statistics().used == 0);
    input.coordinates.pop_back();
    CHECK_THROWS_AS(compute_moments(input, median, planes, 1, CancelToken()), std::invalid_argument);
    input = whole(source);
    input.channels.to = 41;
    CHECK_THROWS_AS(compute_moments(input, median, planes, 1, CancelToken()), std::out_of_range);
    input = whole(source);
    input.rect.x1 = 33;
    CHECK_THROWS_AS(compute_moments(input, median, planes, 1, CancelToken()), std::out_of_range);
}

TEST_CASE("moments: where memory is in use elsewhere tiles are smaller") {
    MemorySource source({300, 200, 60, 1});
    test::fill_odd(source, 1, 0.1);
    const MomentInput input = whole(source);
    const std::vector<Moment> moments{Moment::median, Moment::integrated};
    std::vector<float> expected(2 * 60'000), got(expected.size(), -1);
    const auto compute = [&](std::vector<float>& values, const MomentOptions& options) {
        const std::span<float> all(values);
        const std::vector<std::span<float>> planes{all.first(60'000), all.last(60'000)};
        compute_moments(input, moments, planes, 4, CancelToken(), options);
    };
    compute(expected, {});
    BudgetCache budget(std::size_t{64} << 20, 0); // whoever has to wait fails
    MomentOptions options;
    options.budget = &budget;
    options.memory = budget.limit() / 4;
    for (const std::size_t free : {std::size_t{64} << 20, std::size_t{3} << 20, std::size_t{1} << 20, std::size_t{600} << 10}) {
        const auto held = budget.reserve(budget.limit() - free, CancelToken());
        std::fill(got.begin(), got.end(), -1.0F);
        compute(got, options);
        int wrong = 0;
        for (std::size_t i = 0; i < got.size(); ++i) wrong += !(got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i])));
        CHECK(wrong == 0);
    }
    const auto held = budget.reserve(budget.limit() - 100'000, CancelToken());
    CHECK_THROWS_AS(compute(got, options), OverBudget);
}

TEST_CASE("moments: names and units") {
    CHECK(moment_suffix(Moment::weighted_dispersion) == "weighted_dispersion_coord");
    CHECK(moment_unit(Moment::integrated, "Jy/beam", "km/s") == "Jy/beam.km/s");
    CHECK(moment_unit(Moment::integrated, "", "km/s") == "km/s");
    CHECK(moment_unit(Moment::median_coordinate, "K", "km/s") == "km/s");
    CHECK(moment_unit(Moment::rms, "K", "km/s") == "K");
    CHECK_FALSE(moment_of_number(13));
    CHECK_FALSE(moment_of_number(-1));
}
