// Each kernel's versions against each other and against arithmetic written out, on random pixels with blanks, denormals and huge values.

#include "imaging/kernels/blanks.hpp"
#include "imaging/kernels/downsample.hpp"
#include "imaging/kernels/histogram_bins.hpp"
#include "imaging/kernels/reduce.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/effort.hpp"

#include <doctest/doctest.h>

#include <cfloat>
#include <cstring>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;

namespace {

std::vector<SimdLevel> levels() {
    std::vector<SimdLevel> all{SimdLevel::plain};
    if (simd_level() >= SimdLevel::avx2) all.push_back(SimdLevel::avx2);
    if (simd_level() >= SimdLevel::avx512) all.push_back(SimdLevel::avx512);
    return all;
}

template <class T>
std::vector<T> odd_values(std::mt19937_64& random, std::size_t n, double blanks) {
    std::vector<T> values(n);
    for (T& v : values) v = T(odd_value(random, blanks));
    return values;
}

template <class T>
void check_reduce(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int round = 0; round < cubelink::test::effort(300); ++round) {
        const std::size_t n = random() % 700;
        const double blanks = round % 4 == 0 ? 0.0 : round % 4 == 1 ? 0.05 : round % 4 == 2 ? 0.9 : 1.0;
        const auto values = odd_values<T>(random, n, blanks);

        std::int64_t count = 0;
        long double sum = 0, sum_sq = 0, size = 0;
        double min = HUGE_VAL, max = -HUGE_VAL;
        for (T v : values) {
            if (!std::isfinite(v)) continue;
            ++count;
            sum += v;
            size += std::abs((long double)v);
            sum_sq += (long double)v * v;
            min = std::min(min, double(v));
            max = std::max(max, double(v));
        }
        long double m2 = 0;
        for (T v : values) {
            if (std::isfinite(v)) m2 += (v - sum / count) * (v - sum / count);
        }

        const kernels::Reduced plain = kernels::reduce(values.data(), n, SimdLevel::plain);
        CHECK(plain.count == count);
        CHECK(plain.min == min);
        CHECK(plain.max == max);
        CHECK(std::abs(double(plain.sum - sum)) <= 1e-13 * double(size));
        CHECK(std::abs(double(plain.sum_sq - sum_sq)) <= 1e-13 * double(sum_sq));
        CHECK(std::abs(double(plain.m2 - m2)) <= 1e-12 * double(m2));
        for (SimdLevel level : levels()) {
            const kernels::Reduced fast = kernels::reduce(values.data(), n, level);
            CHECK(fast.count == plain.count);
            CHECK(fast.min == plain.min);
            CHECK(fast.max == plain.max);
            CHECK(fast.sum == plain.sum);
            CHECK(fast.sum_sq == plain.sum_sq);
            CHECK(fast.m2 == plain.m2);
        }
    }
}

template <class T>
void check_bins(std::uint64_t seed, double shrink) {
    std::mt19937_64 random(seed);
    for (int round = 0; round < cubelink::test::effort(200); ++round) {
        const std::size_t n = random() % 500;
        auto values = odd_values<T>(random, n, 0.1);
        for (T& v : values) v = T(v * shrink);
        kernels::Binning b;
        b.bins = std::int32_t(1 + random() % (round % 2 == 0 ? 50 : 20000));
        b.min = (-1.0 - double(random() % 3)) * shrink;
        b.max = (0.5 + double(random() % 3)) * shrink;
        if (shrink < 1e-200) b.scale = 0x1p600;
        if (round % 4 == 0) { // bounds far from zero: the pixels' last bits decide
            b.min = 1e5 + double(random() % 3), b.max = b.min + 3;
            for (T& v : values) v = T(b.min + std::ldexp(double(random() % 4096), -10));
        }
        if (round % 4 == 1) // where bins begin
            for (T& v : values) v = T(b.min + double(random() % 7) * (b.max - b.min) / b.bins);
        b.width = (b.max * b.scale - b.min * b.scale) / b.bins;
        if (n > 2) values[0] = T(b.max), values[1] = T(b.min);

        std::vector<std::uint32_t> expected(std::size_t(b.bins));
        for (T v : values) {
            if (!(double(v) >= b.min && double(v) <= b.max)) continue;
            const double position = std::floor((v * b.scale - b.min * b.scale) / b.width);
            ++expected[std::size_t(std::clamp(position, 0.0, b.bins - 1.0))];
        }
        for (SimdLevel level : levels()) {
            std::vector<std::uint32_t> counts(2 * std::size_t(b.bins) + 2);
            kernels::count_into_bins(values.data(), n, b, counts.data(), level);
            bool right = true;
            for (std::size_t i = 0; i < expected.size(); ++i) right = right && counts[i] + counts[expected.size() + i] == expected[i];
            CHECK(right);
        }
    }
}

} // namespace

TEST_CASE("reduce: all versions give the same bits, near the exact sums") {
    check_reduce<float>(1);
    check_reduce<double>(2);
}

TEST_CASE("count_into_bins: all versions count the same") {
    check_bins<float>(3, 1);
    check_bins<double>(4, 1);
    check_bins<double>(5, 1e-300);
}

TEST_CASE("halving carries sum and count of finite pixels") {
    std::mt19937_64 random(6);
    for (int round = 0; round < cubelink::test::effort(300); ++round) {
        const std::size_t n = 1 + random() % 300, half = (n + 1) / 2;
        const double blanks = round % 3 == 0 ? 0.0 : round % 3 == 1 ? 0.1 : 0.95;
        const auto row0 = odd_values<float>(random, n, blanks), row1 = odd_values<float>(random, n, blanks);
        const bool pair = random() % 4 != 0;

        std::vector<double> sum(half), count(half);
        for (std::size_t i = 0; i < n; ++i) {
            for (const auto* row : {&row0, &row1}) {
                if ((row == &row1 && !pair) || !std::isfinite((*row)[i])) continue;
                sum[i / 2] += (*row)[i];
                ++count[i / 2];
            }
        }
        std::vector<double> plain_sum;
        for (SimdLevel level : levels()) {
            std::vector<double> s(half), c(half);
            kernels::halve_pixels(row0.data(), pair ? row1.data() : nullptr, n, s.data(), c.data(), level);
            if (plain_sum.empty()) plain_sum = s;
            CHECK(c == count);
            CHECK(s == plain_sum);
            // Four floats as doubles: each of three additions rounds, relative to the largest.
            for (std::size_t k = 0; k < half; ++k) CHECK(std::abs(s[k] - sum[k]) <= 1e-15 * 4e38);
            std::vector<float> means(half);
            kernels::block_means(s.data(), c.data(), half, means.data(), level);
            for (std::size_t k = 0; k < half; ++k) CHECK(same(means[k], c[k] > 0 ? float(s[k] / c[k]) : NAN));
        }

        // Levels above: blocks of blocks.
        std::vector<double> above_sum, above_count;
        for (SimdLevel level : levels()) {
            std::vector<double> s((half + 1) / 2), c((half + 1) / 2);
            kernels::halve_blocks(plain_sum.data(), count.data(), pair ? plain_sum.data() : nullptr, pair ? count.data() : nullptr, half,
                                  s.data(), c.data(), level);
            if (above_sum.empty()) above_sum = s, above_count = c;
            CHECK(s == above_sum);
            CHECK(c == above_count);
        }
        double total = 0, expected = 0;
        for (double c : above_count) total += c;
        for (double c : count) expected += c * (pair ? 2 : 1);
        CHECK(total == expected);
    }
}

TEST_CASE("blanks are found and filled") {
    std::mt19937_64 random(7);
    for (int round = 0; round < cubelink::test::effort(200); ++round) {
        const std::size_t n = random() % 9000;
        auto values = odd_values<float>(random, n, round % 2 == 0 ? 0.0 : 0.0005);
        std::vector<std::uint64_t> expected((n + 63) / 64);
        for (std::size_t i = 0; i < n; ++i) expected[i / 64] |= std::uint64_t(!std::isfinite(values[i])) << i % 64;
        const bool any = std::any_of(expected.begin(), expected.end(), [](std::uint64_t word) { return word != 0; });
        for (SimdLevel level : levels()) {
            std::vector<std::uint64_t> bits((n + 63) / 64, ~std::uint64_t(0));
            CHECK(kernels::find_blanks(values.data(), n, bits.data(), level) == any);
            CHECK(bits == expected);
            std::vector<float> out(n);
            kernels::fill_blanks(values.data(), n, -FLT_MAX, out.data(), level);
            bool right = true;
            for (std::size_t i = 0; i < n; ++i) right = right && out[i] == (std::isfinite(values[i]) ? values[i] : -FLT_MAX);
            CHECK(right);
        }
    }
}
