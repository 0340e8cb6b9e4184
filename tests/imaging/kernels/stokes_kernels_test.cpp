// Computed polarizations, vectors and sums over blocks: each version against the plain one and against the rule.

#include "imaging/kernels/block_sums.hpp"
#include "imaging/kernels/polarization.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <numbers>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;

namespace {

constexpr SimdLevel levels[] = {SimdLevel::plain, SimdLevel::avx2, SimdLevel::avx512};
bool has(SimdLevel level) { return level <= simd_level(); }

template <class T>
std::vector<T> odd_values(std::mt19937_64& random, std::size_t n) {
    std::vector<T> values(n);
    for (T& value : values) value = T(odd_value(random, 0.1));
    return values;
}

template <class T>
double by_the_rule(Polarization type, T i, T q, T u, T v) {
    const auto d = [](T value) { return double(value); };
    const bool with_v = type == Polarization::ptotal || type == Polarization::pftotal;
    const bool with_i = type == Polarization::pftotal || type == Polarization::pflinear;
    if (!std::isfinite(q) || !std::isfinite(u) || (with_v && !std::isfinite(v)) || (with_i && !std::isfinite(i))) return NAN;
    if (type == Polarization::pangle) return 0.5 * std::atan2(d(u), d(q)) * 180 / std::numbers::pi;
    const double p = std::sqrt(d(q) * d(q) + d(u) * d(u) + (with_v ? d(v) * d(v) : 0));
    return with_i ? 100 * p / d(i) : p;
}

template <class T>
void check_polarizations(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (const std::size_t n : {1, 7, 16, 100, 1003}) {
        auto i = odd_values<T>(random, n), q = odd_values<T>(random, n), u = odd_values<T>(random, n), v = odd_values<T>(random, n);
        // The corners of atan2.
        const T corners[] = {T(0), T(-0.0), T(1), T(-1), T(1e-30), T(-1e30)};
        for (std::size_t k = 0; k + 100 < n && k < 36; ++k) q[k] = corners[k / 6], u[k] = corners[k % 6];
        for (std::int32_t type = 13; type <= 17; ++type) {
            CAPTURE(type);
            const auto polarization = Polarization(type);
            std::vector<T> plain(n);
            kernels::polarization(polarization, kernels::StokesValues<T>{i.data(), q.data(), u.data(), v.data()}, n, plain.data(), SimdLevel::plain);
            for (std::size_t k = 0; k < n; ++k) {
                const double expected = by_the_rule(polarization, i[k], q[k], u[k], v[k]);
                const bool right = std::isnan(expected) || std::isinf(T(expected)) ? same(T(expected), plain[k])
                                                          : std::abs(double(plain[k]) - expected) <=
                                                                std::abs(expected) * 4 * double(std::numeric_limits<T>::epsilon()) +
                                                                    2 * double(std::numeric_limits<T>::denorm_min());
                CHECK_MESSAGE(right, expected, " ", plain[k], " of ", q[k], " ", u[k]);
            }
            for (const SimdLevel level : levels) {
                if (!has(level)) continue;
                std::vector<T> out = q; // in place
                kernels::polarization(polarization, kernels::StokesValues<T>{i.data(), out.data(), u.data(), v.data()}, n, out.data(), level);
                CHECK(std::equal(out.begin(), out.end(), plain.begin(), same<T>));
            }
        }
    }
}

} // namespace

TEST_CASE("computed polarizations: all versions, floats and doubles") {
    const std::uint64_t seed = cubelink::test::random_seed();
    CAPTURE(seed);
    check_polarizations<float>(seed);
    check_polarizations<double>(seed);
}

TEST_CASE("angles are those of atan2") {
    std::mt19937_64 random(7);
    double worst = 0;
    for (int k = 0; k < 20000; ++k) {
        const double angle = std::uniform_real_distribution<double>(-std::numbers::pi, std::numbers::pi)(random);
        const double q = std::cos(angle), u = std::sin(angle);
        double out = 0;
        kernels::polarization(Polarization::pangle, kernels::StokesValues<double>{nullptr, &q, &u, nullptr}, 1, &out);
        const double expected = 0.5 * std::atan2(u, q) * 180 / std::numbers::pi;
        worst = std::max(worst, std::abs(out - expected) / std::abs(expected));
    }
    CHECK(worst < 1e-15);
}

TEST_CASE("vectors: all versions") {
    std::mt19937_64 random(8);
    const std::size_t n = 501;
    auto i = odd_values<double>(random, n), q = odd_values<double>(random, n), u = odd_values<double>(random, n);
    for (int way = 0; way < 16; ++way) {
        kernels::VectorTerms terms;
        terms.debias = way & 1 ? 0.3 : 0;
        terms.fractional = way & 2;
        terms.threshold_on_i = way & 4;
        terms.threshold_on_pi = way & 8 && !terms.threshold_on_i;
        terms.threshold = 0.2;
        std::vector<float> length(n), angle(n);
        kernels::polarization_vectors(terms, i.data(), q.data(), u.data(), n, length.data(), angle.data(), SimdLevel::plain);
        for (const SimdLevel level : levels) {
            if (!has(level)) continue;
            std::vector<float> other_length(n), other_angle(n);
            kernels::polarization_vectors(terms, i.data(), q.data(), u.data(), n, other_length.data(), other_angle.data(), level);
            CHECK(std::equal(length.begin(), length.end(), other_length.begin(), same<float>));
            CHECK(std::equal(angle.begin(), angle.end(), other_angle.begin(), same<float>));
            kernels::polarization_vectors(terms, i.data(), q.data(), u.data(), n, nullptr, other_angle.data(), level);
            CHECK(std::equal(angle.begin(), angle.end(), other_angle.begin(), same<float>));
        }
        for (std::size_t k = 0; k < n; ++k) {
            CHECK(!std::isinf(length[k]));
            if (terms.threshold_on_i && !(i[k] >= 0.2)) CHECK((std::isnan(length[k]) && std::isnan(angle[k])));
        }
    }
}

TEST_CASE("sums over columns and blocks: all versions") {
    std::mt19937_64 random(9);
    for (int round = 0; round < 200; ++round) {
        const std::size_t n = 1 + random() % 200, rows = 1 + random() % 9;
        const auto stride = static_cast<std::ptrdiff_t>(n + random() % 5);
        const auto pixels = odd_values<float>(random, static_cast<std::size_t>(stride) * rows);
        std::vector<double> sum(n);
        std::vector<std::uint32_t> count(n);
        kernels::sum_columns(pixels.data(), stride, rows, n, sum.data(), count.data(), SimdLevel::plain);
        for (const SimdLevel level : levels) {
            if (!has(level)) continue;
            std::vector<double> other(n);
            std::vector<std::uint32_t> other_count(n);
            kernels::sum_columns(pixels.data(), stride, rows, n, other.data(), other_count.data(), level);
            CHECK(other == sum);
            CHECK(other_count == count);
        }
        const auto side = 1 + std::int64_t(random() % 30), first = std::int64_t(random() % 100);
        std::vector<double> block_sum(300), block_count(300), expected_sum(300), expected_count(300);
        for (std::size_t c = 0; c < n; ++c) {
            expected_count[std::size_t((first + std::int64_t(c)) / side)] += double(count[c]);
            expected_sum[std::size_t((first + std::int64_t(c)) / side)] += sum[c];
        }
        kernels::add_to_blocks(sum.data(), count.data(), first, n, side, block_sum.data(), block_count.data());
        CHECK(block_count == expected_count);
        for (std::size_t b = 0; b < 300; ++b) CHECK(block_sum[b] == doctest::Approx(expected_sum[b]));
    }
}
