#include "imaging/analysis/moments/moment_kernels.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/random_seed.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <random>
#include <vector>

using namespace cubelink::imaging;
using namespace cubelink::imaging::kernels;

namespace {

/// All that the kernels make of a block.
template <class T>
struct Made {
    std::vector<T> ranged, min, max;
    std::vector<Index<T>> count, at_min, at_max;
    std::vector<double> sum, by_coordinate, by_square, integral, n, mean, m2, deviations, squares, medians, half;

    Made(const std::vector<T>& values, std::size_t pixels, std::size_t channels, const std::vector<double>& coordinates, SimdLevel level) : ranged(values) {
        const std::size_t room = padded(pixels);
        const ValueBlock<T> block{values.data(), pixels, channels};
        keep_range<T>(ranged.data(), pixels * channels, T(-0.5), T(0.75), pixels % 2 == 0, level);
        for (auto* array : {&sum, &by_coordinate, &by_square, &integral, &n, &mean, &m2, &deviations, &squares, &medians, &half}) array->assign(room, 0.0);
        count.assign(room, 0);
        add_weighted<T>(block, coordinates.data(), {count.data(), sum.data(), by_coordinate.data(), by_square.data()}, level);
        add_integral<T>(block, coordinates.data(), integral.data(), level);
        min.assign(room, std::numeric_limits<T>::infinity());
        max.assign(room, -std::numeric_limits<T>::infinity());
        at_min.assign(room, -1);
        at_max.assign(room, -1);
        add_extremes<T>(block, 3, {min.data(), max.data(), at_min.data(), at_max.data()}, level);
        for (int twice = 0; twice < 2; ++twice) add_spread<T>(block, {n.data(), mean.data(), m2.data()}, level);
        add_deviations<T>(block, mean.data(), deviations.data(), squares.data(), level);
        std::vector<double> alone(room);
        add_deviations<T>(block, mean.data(), alone.data(), nullptr, level);
        CHECK(equal(alone, deviations));
        std::vector<Index<T>> keys(channels * moment_padding);
        find_medians<T>(block, keys.data(), medians.data(), CancelToken(), level);
        find_half_coordinates<T>(block, coordinates.data(), sum.data(), half.data(), level);
        for (auto* array : {&sum, &by_coordinate, &by_square, &integral, &n, &mean, &m2, &deviations, &squares, &medians, &half}) array->resize(pixels);
        for (auto* array : {&min, &max}) array->resize(pixels);
        for (auto* array : {&count, &at_min, &at_max}) array->resize(pixels);
    }
    template <class V>
    static bool equal(const std::vector<V>& a, const std::vector<V>& b) {
        for (std::size_t i = 0; i < a.size(); ++i)
            if (!test::same(a[i], b[i])) return false;
        return a.size() == b.size();
    }
    bool operator==(const Made& o) const {
        return equal(ranged, o.ranged) && equal(min, o.min) && equal(max, o.max) && count == o.count && at_min == o.at_min && at_max == o.at_max &&
               equal(sum, o.sum) && equal(by_coordinate, o.by_coordinate) && equal(by_square, o.by_square) && equal(integral, o.integral) && equal(n, o.n) &&
               equal(mean, o.mean) && equal(m2, o.m2) && equal(deviations, o.deviations) && equal(squares, o.squares) && equal(medians, o.medians) && equal(half, o.half);
    }
};

template <class T>
void compare(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int round = 0; round < 100; ++round) {
        const std::size_t pixels = 1 + random() % 50, channels = 1 + random() % 40;
        std::vector<T> values(pixels * channels + moment_padding);
        for (auto& value : values) value = T(test::odd_value(random, round % 2 == 0 ? 0.4 : 0.0));
        if (round % 5 == 0)
            for (auto& value : values) value = std::floor(value); // many equal ones
        std::vector<double> coordinates(channels);
        for (std::size_t i = 0; i < channels; ++i) coordinates[i] = 3.25 * double(i) - 17;
        CAPTURE(round);
        const Made<T> plain(values, pixels, channels, coordinates, SimdLevel::plain);
        for (const SimdLevel level : {SimdLevel::avx2, SimdLevel::avx512})
            if (level <= simd_level()) CHECK(plain == Made<T>(values, pixels, channels, coordinates, level));
    }
}

} // namespace

TEST_CASE("moment kernels: all versions give the same bits") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    compare<float>(seed);
    compare<double>(seed);
}
