// Fits of random fields: the values that went in come out, whatever is fixed, blank, or in memory; start values are found.

#include "imaging/analysis/fitting/gaussian_fit.hpp"
#include "imaging/analysis/fitting/initial_values.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

using namespace cubelink::imaging;
using cubelink::imaging::test::MemorySource;
using cubelink::test::effort;

namespace {

class Random {
public:
    explicit Random(std::uint64_t seed) : engine(seed) {}
    double between(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine); }
    double normal() { return std::normal_distribution<double>()(engine); }
    std::mt19937_64 engine;
};

struct Field {
    Rect rect;
    std::vector<GaussianComponent> components; // normalised
    double offset = 0, noise = 0;
    std::vector<float> pixels;
    std::vector<bool> free() const { return std::vector<bool>(gaussian_parameters * components.size() + 1, false); }
};

/// Sources that lie at least 1.1 of their mean widths apart.
Field random_field(Random& random, std::size_t sources, double noise, double blanks, bool negative = false) {
    Field field;
    field.noise = noise;
    field.rect = {10, 20, 10 + std::int64_t(random.between(60, 200)), 20 + std::int64_t(random.between(60, 200))};
    field.offset = random.between(-1, 1);
    for (int tries = 0; field.components.size() < sources && tries < 10'000; ++tries) {
        GaussianComponent c;
        c.fwhm_y = random.between(3, 12);
        c.fwhm_x = c.fwhm_y * random.between(1.1, 2.2);
        c.x = random.between(double(field.rect.x0) + 8, double(field.rect.x1) - 9);
        c.y = random.between(double(field.rect.y0) + 8, double(field.rect.y1) - 9);
        c.amplitude = (negative ? -1 : 1) * random.between(1, 10);
        c.pa = random.between(0, 180);
        const bool apart = std::all_of(field.components.begin(), field.components.end(), [&](const auto& other) {
            return std::hypot(c.x - other.x, c.y - other.y) > 0.55 * (c.fwhm_x + other.fwhm_x);
        });
        if (apart) field.components.push_back(c);
    }
    std::vector<double> model(std::size_t(field.rect.size()), field.offset);
    add_model(field.components, field.rect, model);
    for (const double value : model)
        field.pixels.push_back(random.between(0, 1) < blanks ? (random.between(0, 1) < 0.5 ? std::nanf("") : HUGE_VALF) : float(value + noise * random.normal()));
    return field;
}

std::vector<GaussianComponent> disturbed(Random& random, const Field& field, double by) {
    auto start = field.components;
    for (auto& c : start) {
        c.x += by * c.fwhm_y * random.between(-0.3, 0.3);
        c.y += by * c.fwhm_y * random.between(-0.3, 0.3);
        c.amplitude *= 1 + by * random.between(-0.3, 0.3);
        c.fwhm_x *= 1 + by * random.between(-0.2, 0.2);
        c.fwhm_y *= 1 + by * random.between(-0.2, 0.2);
        c.pa += by * random.between(-20, 20);
    }
    return start;
}

double angle_between(double a, double b) {
    const double d = std::abs(std::fmod(a - b, 180.0));
    return std::min(d, 180 - d);
}

void check_close(const GaussianComponent& got, const GaussianComponent& expected, double tolerance) {
    CHECK(std::abs(got.x - expected.x) < tolerance * expected.fwhm_x);
    CHECK(std::abs(got.y - expected.y) < tolerance * expected.fwhm_x);
    CHECK(std::abs(got.amplitude - expected.amplitude) < tolerance * std::abs(expected.amplitude));
    CHECK(std::abs(got.fwhm_x - expected.fwhm_x) < tolerance * expected.fwhm_x);
    CHECK(std::abs(got.fwhm_y - expected.fwhm_y) < tolerance * expected.fwhm_y);
    CHECK(angle_between(got.pa, expected.pa) < tolerance * 60 / (expected.fwhm_x / expected.fwhm_y - 1));
}

} // namespace

TEST_CASE("Without noise the values that went in come out, by each decomposition") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    Random random(seed);
    for (int round = 0; round < effort(24); ++round) {
        const Field field = random_field(random, 1 + std::size_t(round) % 4, 0, round % 2 == 0 ? 0 : 0.1);
        const FitPixels pixels(field.pixels, field.rect);
        GaussianFitOptions options;
        options.decomposition = static_cast<Decomposition>(round % 4);
        const auto fit = fit_gaussians(pixels, disturbed(random, field, 0.6), field.offset + 0.1, field.free(), options, 2, {});
        CHECK(fit.end != LeastSquaresEnd::iteration_limit);
        CHECK(fit.end != LeastSquaresEnd::no_value);
        CHECK(std::abs(fit.offset - field.offset) < 1e-6);
        for (std::size_t k = 0; k < field.components.size(); ++k) check_close(fit.components[k], field.components[k], 2e-6); // floats
    }
}

TEST_CASE("Fixed parameters stay as they are, to the bit; the others are at the minimum") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    Random random(seed);
    for (int round = 0; round < effort(20); ++round) {
        const Field field = random_field(random, 1 + std::size_t(round) % 3, 0.05, 0.05);
        const FitPixels pixels(field.pixels, field.rect);
        const auto start = disturbed(random, field, 0.3);
        auto fixed = field.free();
        for (std::size_t i = 0; i < fixed.size(); ++i) fixed[i] = random.between(0, 1) < 0.4;
        fixed[std::size_t(random.between(0, double(fixed.size())))] = false;
        const auto fit = fit_gaussians(pixels, start, field.offset, fixed, {}, 2, {});
        std::vector<double> before, after;
        for (std::size_t k = 0; k < start.size(); ++k) {
            for (const double value : parameters_of(start[k])) before.push_back(value);
            for (const double value : parameters_of(fit.components[k])) after.push_back(value);
        }
        before.push_back(field.offset);
        after.push_back(fit.offset);
        for (std::size_t i = 0; i < fixed.size(); ++i)
            if (fixed[i]) CHECK(before[i] == after[i]);
        if (fixed.back()) CHECK(fit.offset_variance == 0);
        else CHECK(fit.offset_variance > 0);
        // Again from there: nothing moves.
        const auto again = fit_gaussians(pixels, fit.components, fit.offset, fixed, {}, 1, {});
        CHECK(again.sum == doctest::Approx(fit.sum).epsilon(1e-9));
    }
}

TEST_CASE("Pixels that don't fit into the budget are read anew: the same fit, bit for bit, in any number of threads") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    Random random(seed);
    for (const bool wide : {false, true}) {
        const Field field = random_field(random, 2, 0.1, 0.05);
        MemorySource source({field.rect.x1 + 7, field.rect.y1 + 5, 1, 1}, wide);
        for (double& value : source.pixels) value = 1e6; // outside
        for (std::int64_t y = field.rect.y0; y < field.rect.y1; ++y)
            for (std::int64_t x = field.rect.x0; x < field.rect.x1; ++x)
                source.at(x, y) = double(field.pixels[std::size_t((y - field.rect.y0) * field.rect.width() + x - field.rect.x0)]);
        std::vector<PixelRun> runs;
        for (std::int64_t y = field.rect.y0; y < field.rect.y1; ++y) {
            const std::int64_t cut = y % 5;
            runs.push_back({y, field.rect.x0 + cut, field.rect.x0 + 30});
            runs.push_back({y, field.rect.x0 + 31, field.rect.x1 - cut});
        }
        const PixelMask mask(runs);
        BudgetCache large(64 << 20), small(32 << 10);
        const FitPixels kept(source, {}, {}, &mask, large, 2, {}), anew(source, {}, {}, &mask, small, 2, {});
        CHECK(kept.in_memory());
        CHECK(!anew.in_memory());
        const auto start = disturbed(random, field, 0.3);
        const auto first = fit_gaussians(kept, start, 0, field.free(), {}, 1, {}), second = fit_gaussians(anew, start, 0, field.free(), {}, 3, {});
        CHECK(first.components == second.components);
        CHECK(first.offset == second.offset);
        CHECK(first.sum == second.sum);
        CHECK(first.pixels == second.pixels);
        CHECK(first.pixels <= std::int64_t(mask.count()));
        CHECK(first.sum < 0.02 * double(mask.count()));
    }
}

TEST_CASE("At the limit of iterations a fit has values, better ones than it began with") {
    Random random(4);
    const Field field = random_field(random, 2, 0.1, 0);
    const FitPixels pixels(field.pixels, field.rect);
    const auto start = disturbed(random, field, 1);
    GaussianFitOptions options;
    double before = HUGE_VAL;
    for (const int limit : {1, 2, 200}) {
        options.max_iterations = limit;
        int told = 0;
        options.on_iteration = [&](int iteration) { CHECK(iteration == told++); };
        const auto fit = fit_gaussians(pixels, start, field.offset + 1, field.free(), options, 2, {});
        CHECK((fit.end == LeastSquaresEnd::iteration_limit) == (limit < 200));
        CHECK(fit.iterations <= limit);
        CHECK(fit.iterations == told);
        CHECK(fit.sum < before);
        before = fit.sum;
    }
}

TEST_CASE("A fit that is cancelled ends") {
    Random random(1);
    const Field field = random_field(random, 2, 0.1, 0);
    const FitPixels pixels(field.pixels, field.rect);
    CancelToken cancel;
    GaussianFitOptions options;
    options.on_iteration = [&](int iteration) {
        if (iteration == 1) cancel.cancel();
    };
    auto start = disturbed(random, field, 1);
    CHECK_THROWS_AS(fit_gaussians(pixels, start, 3, field.free(), options, 2, cancel), Cancelled);
}

TEST_CASE("Hopeless starts end, without a value that is not finite") {
    Random random(2);
    const Field field = random_field(random, 1, 0.1, 0);
    const FitPixels pixels(field.pixels, field.rect);
    for (GaussianComponent start : {GaussianComponent{1e6, 1e6, 1, 3, 3, 0}, GaussianComponent{50, 50, 0, 3, 3, 0}, GaussianComponent{50, 50, 1, 1e-200, 1e-200, 0},
                                    GaussianComponent{50, 50, 1e300, 5, 4, 0}, GaussianComponent{50, 50, 1, 1e9, 1e-9, 7}}) {
        const auto fit = fit_gaussians(pixels, std::span(&start, 1), 0, field.free(), {}, 2, {});
        for (const double value : parameters_of(fit.components[0])) CHECK(std::isfinite(value));
    }
}

TEST_CASE("A component that nothing holds stays in sane bounds, and is said not to be determined") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    Random random(seed);
    const Rect rect{10, 20, 160, 140};
    for (int round = 0; round < effort(24); ++round) {
        // Noise, or a source in the right half of which the left one is blank.
        const bool half = round % 2 == 0;
        const GaussianComponent source{120, 80, 3, 12, 8, 30};
        std::vector<double> model(std::size_t(rect.size()), 0.25);
        if (half) add_model(std::span(&source, 1), rect, model);
        std::vector<float> values(model.size());
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = half && std::int64_t(i) % rect.width() < 70 ? std::nanf("") : float(model[i] + 0.05 * random.normal());
        const FitPixels pixels(values, rect);
        const GaussianComponent start{random.between(12, half ? 70 : 158), random.between(22, 138), random.between(0.02, 3), 14, 12, 30};
        GaussianFitOptions options;
        options.decomposition = static_cast<Decomposition>(round / 2 % 4);
        const auto fit = fit_gaussians(pixels, std::span(&start, 1), 0, std::vector<bool>(7, false), options, 2, {});
        const auto& c = fit.components.at(0);
        CAPTURE(start.x);
        CAPTURE(start.y);
        CHECK(std::abs(c.x - 84.5) <= 1500 + 1e-6);
        CHECK(std::abs(c.y - 79.5) <= 1200 + 1e-6);
        CHECK(c.fwhm_x <= 15000);
        REQUIRE(fit.states.size() == 1);
        const bool outside = c.x < 9.5 - c.fwhm_x || c.x > 159.5 + c.fwhm_x || c.y < 19.5 - c.fwhm_x || c.y > 139.5 + c.fwhm_x;
        if (outside || c.fwhm_x > 750) CHECK(fit.states[0] != ComponentState::determined);
    }
}

TEST_CASE("Doubles of any magnitude: the same fit, scaled") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    Random random(seed);
    const Field field = random_field(random, 2, 0.1, 0.02);
    BudgetCache budget(64 << 20);
    const ImageShape shape{field.rect.width(), field.rect.height(), 1, 1};
    const Rect rect{0, 0, shape.width, shape.height};
    const auto fitted = [&](int exponent, bool fixed_offset, std::size_t limit) {
        MemorySource source(shape, true);
        for (std::size_t i = 0; i < source.pixels.size(); ++i) source.pixels[i] = std::ldexp(double(field.pixels[i]), exponent);
        BudgetCache pixels_budget(limit);
        const FitPixels pixels(source, {}, rect, nullptr, pixels_budget, 2, {}, scale_of(std::ldexp(16.0, exponent)));
        const double offset = std::ldexp(field.offset, exponent);
        std::vector<double> parts;
        const auto initial = find_initial_values(pixels, 2, fixed_offset ? std::optional(offset) : std::nullopt, 0, budget, 2, {},
                                                 [&](double part) { parts.push_back(part); });
        CHECK(parts.size() >= initial.components.size());
        CHECK(std::is_sorted(parts.begin(), parts.end()));
        CHECK(parts.back() <= 1);
        std::vector<bool> fixed(gaussian_parameters * initial.components.size() + 1, false);
        fixed.back() = fixed_offset;
        GaussianFitOptions options;
        options.noise = std::ldexp(0.1, exponent);
        return fit_gaussians(pixels, initial.components, initial.offset, fixed, options, 2, {});
    };
    for (const bool fixed_offset : {false, true}) {
        const auto plain = fitted(0, fixed_offset, 64 << 20);
        for (const int exponent : {-900, -660, -100, 100, 660, 900}) {
            CAPTURE(exponent);
            const auto fit = fitted(exponent, fixed_offset, exponent == 660 ? 32 << 10 : 64 << 20);
            REQUIRE(fit.components.size() == plain.components.size());
            for (std::size_t k = 0; k < fit.components.size(); ++k) {
                auto c = fit.components[k];
                c.amplitude = std::ldexp(c.amplitude, -exponent);
                check_close(c, plain.components[k], 1e-4);
            }
            CHECK(fit.sum == doctest::Approx(plain.sum).epsilon(1e-6));
            CHECK(std::ldexp(fit.offset, -exponent) == doctest::Approx(plain.offset).epsilon(1e-4));
            CHECK((fit.offset_variance == 0) == fixed_offset);
        }
    }
    CHECK(scale_of(0) == 1);
    CHECK(scale_of(HUGE_VAL) == 1);
    CHECK(scale_of(1e18) == 1);
    CHECK(scale_of(std::ldexp(1.5, 70)) == std::ldexp(1.0, -70));
    CHECK(std::isfinite(scale_of(5e-324)));
}

TEST_CASE("Which components are not determined") {
    Random random(6);
    const Rect rect{0, 0, 80, 60};
    const std::vector<GaussianComponent> sources{{20, 30, 5, 8, 6, 10}, {60, 30, 5, 8, 6, 10}};
    std::vector<double> model(std::size_t(rect.size()), 0.0);
    add_model(sources, rect, model);
    std::vector<float> values;
    for (const double value : model) values.push_back(float(value + 0.01 * random.normal()));
    for (int y = 40; y < 60; ++y)
        for (int x = 0; x < 80; ++x) values[std::size_t(y * 80 + x)] = std::nanf("");
    const FitPixels pixels(values, rect);
    std::vector<GaussianComponent> start{sources[0], {1e9, 1e9, 1, 5, 5, 0}, sources[1], {40, 58, 1, 1, 1, 0}, {40, 10, 0, 5, 5, 0}};
    std::vector<bool> fixed(31, false);
    for (int i = 24; i < 27; ++i) fixed[std::size_t(i)] = true; // the last one, and its amplitude 0
    const auto fit = fit_gaussians(pixels, start, 0, fixed, {}, 2, {});
    using enum ComponentState;
    CHECK(fit.states == std::vector{determined, no_influence, determined, no_influence, no_influence});
    CHECK(sentences_of(fit.states).starts_with("Components 2, 4 and 5 have no influence on the fitted pixels"));
    CHECK(fit.components[1] == start[1]);

    CHECK(state_of({-8, 30, 1, 5, 5, 0}, {}, rect, 3) == outside);
    CHECK(state_of({-8, 30, 1, 5, 5, 0}, {true, true}, rect, 3) == determined); // as was wanted
    CHECK(state_of({-4, 30, 1, 5, 5, 0}, {}, rect, 3) == determined);
    CHECK(state_of({4, 30, 1, 401, 5, 0}, {}, rect, 3) == too_wide);
    CHECK(state_of({4, 30, 1, 401, 5, 0}, {false, false, false, true, true, true}, rect, 3) == determined);
    CHECK(state_of({4, 30, 1, 5, 5, 0}, {}, rect, 1e-8) == no_influence);
    CHECK(state_of({4, 30, 1, 5, 5, 0}, {true, true, true, true, true, true}, rect, 0) == determined);
    CHECK(sentences_of(std::vector{outside, determined, too_wide, too_wide}) ==
          "Component 1 has left the fitted pixels: the centre is further from them than the width. Not determined. "
          "Components 3 and 4 are more than five times as wide as what was fitted: not determined.");
    CHECK(sentences_of(std::vector{determined, determined}).empty());
}

TEST_CASE("Start values: random fields of 1 to 8 sources are fitted from nothing") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    Random random(seed);
    BudgetCache budget(256 << 20);
    int fields = 0, good = 0;
    std::string others;
    for (int round = 0; round < effort(48); ++round) {
        const std::size_t sources = 1 + std::size_t(round) % 8;
        const Field field = random_field(random, sources, round % 3 == 0 ? 0.01 : 0.12, round % 2 == 0 ? 0 : 0.08, round % 5 == 4);
        const FitPixels pixels(field.pixels, field.rect);
        const bool fixed_offset = round % 4 == 3;
        const auto initial = find_initial_values(pixels, field.components.size(), fixed_offset ? std::optional(field.offset) : std::nullopt, 0, budget, 2, {});
        CHECK(initial.components.size() <= field.components.size());
        std::vector<bool> fixed(gaussian_parameters * initial.components.size() + 1, false);
        fixed.back() = fixed_offset;
        const auto fit = fit_gaussians(pixels, initial.components, initial.offset, fixed, {}, 2, {});
        auto best_fixed = field.free();
        best_fixed.back() = fixed_offset;
        const auto best = fit_gaussians(pixels, field.components, field.offset, best_fixed, {}, 2, {});
        ++fields;
        const bool found = fit.sum <= best.sum * (1 + 1e-6);
        good += found;
        if (!found) others += "round " + std::to_string(round) + ": sum " + std::to_string(fit.sum) + ", the best is " + std::to_string(best.sum) + "; ";
    }
    CAPTURE(others); // those that are not as good as from the true values
    CHECK(10 * good >= 9 * fields);
}

TEST_CASE("Start values: little sources in a large image, a field of noise, one value, nothing") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    Random random(seed);
    BudgetCache budget(256 << 20);
    const Rect rect{0, 0, 3000, 2500};
    const std::vector<GaussianComponent> sources{{700, 1800, 40, 4, 3.5, 30}, {2100, 600, -25, 60, 40, 120}};
    std::vector<double> model(std::size_t(rect.size()), 2.0);
    add_model(sources, rect, model);
    std::vector<float> values(model.size());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = float(model[i] + random.normal());
    const FitPixels pixels(values, rect);
    const auto initial = find_initial_values(pixels, 5, std::nullopt, 0, budget, 2, {});
    REQUIRE(initial.components.size() == 2);
    const std::vector<bool> free(13, false);
    const auto fit = fit_gaussians(pixels, initial.components, initial.offset, free, {}, 2, {});
    const bool small_first = std::abs(fit.components[0].x - 700) < 5;
    check_close(fit.components[small_first ? 0 : 1], sources[0], 0.1);
    check_close(fit.components[small_first ? 1 : 0], sources[1], 0.05);

    const Rect small{0, 0, 50, 40};
    std::vector<float> noise(2000);
    for (float& value : noise) value = float(random.normal());
    const auto of_noise = find_initial_values(FitPixels(noise, small), 4, std::nullopt, 0, budget, 2, {});
    CHECK(!of_noise.components.empty());
    for (const auto& c : of_noise.components)
        for (const double value : parameters_of(c)) CHECK(std::isfinite(value));
    const std::vector<float> same(2000, 3.0F), none(2000, std::nanf(""));
    CHECK_THROWS_AS(find_initial_values(FitPixels(same, small), 1, std::nullopt, 0, budget, 2, {}), std::invalid_argument);
    CHECK_THROWS_AS(find_initial_values(FitPixels(none, small), 1, std::nullopt, 0, budget, 2, {}), std::invalid_argument);
}
