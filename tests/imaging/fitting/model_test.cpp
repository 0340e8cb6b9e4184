// The model of Gaussians: its kernels against the mathematical library, its sums and derivatives against sums over pixels written out.

#include "imaging/analysis/fitting/gaussian_kernels.hpp"
#include "imaging/analysis/fitting/gaussian_model.hpp"
#include "imaging/analysis/fitting/normal_equations.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <random>

using namespace cubelink::imaging;
using cubelink::test::effort;

namespace {

const SimdLevel all_levels[] = {SimdLevel::plain, SimdLevel::avx2, SimdLevel::avx512};

/// The definition, in extended precision.
long double value_of(const GaussianComponent& c, long double x, long double y) {
    const long double pa = (long double)c.pa * std::numbers::pi_v<long double> / 180;
    const long double dx = x - (long double)c.x, dy = y - (long double)c.y;
    const long double a = (dy * std::cos(pa) - dx * std::sin(pa)) / (long double)c.fwhm_x;
    const long double b = (dx * std::cos(pa) + dy * std::sin(pa)) / (long double)c.fwhm_y;
    return (long double)c.amplitude * std::exp(-4 * std::numbers::ln2_v<long double> * (a * a + b * b));
}

GaussianComponent random_component(std::mt19937_64& random, double width, double height) {
    const auto between = [&](double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); };
    return {between(-5, width + 5), between(-5, height + 5), between(-3, 8), between(2, 40), between(1.2, 12), between(-200, 200)};
}

} // namespace

TEST_CASE("exp of the kernels: within 1.5 units in the last place, the same bits at each level") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    std::vector<double> values{0, -0.0, 1, -1, 709, -708, 709.5, -708.1, 1e300, -1e300, HUGE_VAL, -HUGE_VAL, std::nan("")};
    for (int i = 0; i < effort(200000); ++i) values.push_back(std::uniform_real_distribution<double>(i % 3 == 0 ? -708 : -70, i % 3 == 0 ? 709 : 1)(random));
    std::vector<double> out(values.size());
    for (const SimdLevel level : all_levels) {
        kernels::exponentials(values.data(), values.size(), out.data(), level);
        double worst = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const double x = values[i];
            if (std::isnan(x)) CHECK(std::isnan(out[i]));
            else if (x < -708) CHECK(out[i] == 0);
            else if (x > 709) CHECK(out[i] == std::numeric_limits<double>::infinity());
            else {
                const long double exact = std::exp((long double)x);
                const double unit = std::nextafter(double(exact), HUGE_VAL) - double(exact);
                worst = std::max(worst, std::abs(double(((long double)out[i] - exact) / (long double)unit)));
            }
        }
        CHECK(worst < 1.5);
        CHECK(out[0] == 1);
    }
}

TEST_CASE("All levels give the same sums") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < effort(300); ++round) {
        const std::size_t n = 1 + random() % 70;
        std::vector<float> data(n);
        for (float& value : data) value = random() % 7 == 0 ? std::nanf("") : std::normal_distribution<float>()(random);
        const kernels::RowGaussian row{-0.3, 0.002, -17.25, 3.5};
        std::vector<double> results[3];
        for (int k = 0; k < 3; ++k) {
            const SimdLevel level = all_levels[k];
            std::vector<double> residuals(n), finite(n), gaussian(n), other(n), unused(n);
            const auto count = kernels::begin_residuals(data.data(), n, 0.25, residuals.data(), finite.data(), level);
            kernels::add_gaussian(row, count < n ? finite.data() : nullptr, n, gaussian.data(), residuals.data(), level);
            kernels::add_gaussian({0, 0.01, -3, 1}, nullptr, n, other.data(), unused.data(), level);
            const auto of_residuals = kernels::residual_sums(residuals.data(), n, level);
            const auto sums = kernels::gaussian_sums(gaussian.data(), residuals.data(), -17.25, n, level);
            const auto pairs = kernels::pair_sums(gaussian.data(), other.data(), -9, n, level);
            auto& result = results[k];
            result = {double(count), of_residuals.sum, of_residuals.squares};
            result.insert(result.end(), sums.g, sums.g + 3);
            result.insert(result.end(), sums.gr, sums.gr + 3);
            result.insert(result.end(), sums.gg, sums.gg + 5);
            result.insert(result.end(), pairs.gh, pairs.gh + 5);
            result.insert(result.end(), gaussian.begin(), gaussian.end());
        }
        CHECK(results[0] == results[1]);
        CHECK(results[0] == results[2]);
        double squares = 0, moment = 0, pair = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const double d = -17.25 + double(i), g = std::isfinite(data[i]) ? std::exp(-0.3 - 0.002 * d * d) : 0;
            const double r = std::isfinite(data[i]) ? 0.25 - double(data[i]) + 3.5 * g : 0;
            squares += r * r;
            moment += g * g * d * d * d * d;
            const double e = -9 + double(i);
            pair += g * std::exp(-0.01 * (double(i) - 3) * (double(i) - 3)) * e * e * e;
        }
        CHECK(results[0][2] == doctest::Approx(squares).epsilon(1e-12));
        CHECK(results[0][13] == doctest::Approx(moment).epsilon(1e-12));
        CHECK(std::abs(results[0][17] - pair) <= 1e-10 * (1 + std::abs(pair)));
    }
}

TEST_CASE("The model is its definition: within 1e-12 of the amplitude") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < effort(60); ++round) {
        const Rect rect{std::int64_t(random() % 50), std::int64_t(random() % 50), 60 + std::int64_t(random() % 90), 60 + std::int64_t(random() % 30)};
        std::vector<GaussianComponent> components;
        for (std::size_t k = 0; k < 1 + random() % 3; ++k) components.push_back(random_component(random, 150, 90));
        std::vector<double> out(std::size_t(rect.size()), 0.5);
        add_model(components, rect, out);
        double worst = 0;
        for (std::int64_t y = rect.y0; y < rect.y1; ++y)
            for (std::int64_t x = rect.x0; x < rect.x1; ++x) {
                long double exact = 0.5L;
                for (const auto& c : components) exact += value_of(c, (long double)x, (long double)y);
                worst = std::max(worst, std::abs(double((long double)out[std::size_t((y - rect.y0) * rect.width() + x - rect.x0)] - exact)));
            }
        CHECK(worst < 1e-12 * 8);
    }
}

TEST_CASE("Normal equations: derivatives against differences, sums against sums over pixels, with blanks, in any number of threads") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < effort(25); ++round) {
        const bool far = round % 2 == 0;
        const std::int64_t x0 = far ? 40'000 : 0, y0 = far ? 30'000 : 0;
        const Rect rect{x0, y0, x0 + 20 + std::int64_t(random() % (round % 5 == 0 ? 1500 : 60)), y0 + 1 + std::int64_t(random() % 70)};
        std::vector<float> data(std::size_t(rect.size()));
        for (float& value : data) value = round % 3 > 0 && random() % 9 == 0 ? (random() % 2 ? std::nanf("") : HUGE_VALF) : std::normal_distribution<float>()(random);
        std::vector<GaussianComponent> components;
        for (std::size_t k = 0; k < 1 + random() % 3; ++k) {
            components.push_back(random_component(random, double(rect.width()), double(rect.height())));
            components.back().x += double(x0);
            components.back().y += double(y0);
        }
        const double offset = 0.125;
        const FitPixels pixels(data, rect);
        NormalSummation summation(pixels, components.size(), ThreadShare(1 + round % 3));
        const NormalEquations got = summation.sum(components, offset, {});

        const std::size_t p = gaussian_parameters * components.size() + 1;
        std::vector<double> gradient(p), matrix(p * p), gradient_size(p);
        double squares = 0;
        std::int64_t count = 0;
        for (std::int64_t y = rect.y0; y < rect.y1; ++y)
            for (std::int64_t x = rect.x0; x < rect.x1; ++x) {
                const float value = data[std::size_t((y - rect.y0) * rect.width() + x - rect.x0)];
                if (!std::isfinite(value)) continue;
                ++count;
                long double model = (long double)offset;
                std::vector<double> row(p, 1.0);
                for (std::size_t c = 0; c < components.size(); ++c) {
                    model += value_of(components[c], (long double)x, (long double)y);
                    for (std::size_t i = 0; i < gaussian_parameters; ++i) {
                        const double h = 1e-3; // fourth order, in extended precision
                        const auto at = [&](double steps) {
                            auto values = parameters_of(components[c]);
                            const double moved = values[i] + steps * h;
                            values[i] = moved;
                            return value_of(component_of(values), (long double)x, (long double)y);
                        };
                        row[gaussian_parameters * c + i] = double((8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * (long double)h));
                    }
                }
                const double r = double(model - (long double)value);
                squares += r * r;
                for (std::size_t i = 0; i < p; ++i) {
                    gradient[i] += row[i] * r;
                    gradient_size[i] += std::abs(row[i] * r);
                    for (std::size_t k = 0; k <= i; ++k) matrix[i * p + k] += row[i] * row[k];
                }
            }
        CHECK(got.count == count);
        CHECK(got.squares == doctest::Approx(squares).epsilon(1e-12));
        for (std::size_t i = 0; i < p; ++i) {
            INFO("parameter " << i << " of " << p << " in round " << round);
            CHECK(std::abs(got.gradient[i] - gradient[i]) <= 1e-7 * gradient_size[i] + 1e-12);
            for (std::size_t k = 0; k <= i; ++k)
                CHECK(std::abs(got.matrix[i * p + k] - matrix[i * p + k]) <= 1e-7 * std::sqrt(matrix[i * p + i] * matrix[k * p + k]) + 1e-12);
        }
        NormalSummation alone(pixels, components.size(), 1);
        const NormalEquations& again = alone.sum(components, offset, {});
        CHECK(again.squares == got.squares);
        CHECK(again.gradient == got.gradient);
        CHECK(again.matrix == got.matrix);
    }
}

TEST_CASE("A normalised component is the same Gaussian") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < effort(200); ++round) {
        GaussianComponent c = random_component(random, 50, 50);
        if (random() % 2 == 0) c.fwhm_x = -c.fwhm_x;
        const GaussianComponent n = normalised(c);
        CHECK(n.fwhm_x >= n.fwhm_y);
        CHECK(n.fwhm_y > 0);
        CHECK(n.pa >= 0);
        CHECK(n.pa < 180);
        for (int k = 0; k < 5; ++k) {
            const double x = c.x + double(random() % 9) - 4, y = c.y + double(random() % 9) - 4;
            CHECK(double(value_of(n, x, y)) == doctest::Approx(double(value_of(c, x, y))).epsilon(1e-9));
        }
    }
}
