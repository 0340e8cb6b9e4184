#include "imaging/analysis/convolution/convolution.hpp"
#include "imaging/analysis/moments/moment_maps.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/random_seed.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <numbers>
#include <random>

using namespace cubelink::imaging;
using cubelink::imaging::test::MemorySource;

namespace {

Beam beam(double major, double minor, double pa) { return {major, minor, pa, -1, -1}; }

/// Pixel by pixel, from the formula.
std::vector<double> naive(const MemorySource& source, const Rect& rect, const EllipticalKernel& kernel) {
    std::vector<double> out;
    for (std::int64_t y = rect.y0; y < rect.y1; ++y) {
        for (std::int64_t x = rect.x0; x < rect.x1; ++x) {
            double sum = 0, weight = 0;
            for (int j = -kernel.radius_y(); j <= kernel.radius_y(); ++j) {
                for (int i = -kernel.radius_x(); i <= kernel.radius_x(); ++i) {
                    if (x + i < 0 || y + j < 0 || x + i >= source.shape().width || y + j >= source.shape().height) continue;
                    const double value = float(source.at(x + i, y + j));
                    if (!std::isfinite(value)) continue;
                    sum += kernel.value(i, j) * value;
                    weight += kernel.value(i, j);
                }
            }
            out.push_back(std::isfinite(source.at(x, y)) ? sum / weight : NAN);
        }
    }
    return out;
}

} // namespace

TEST_CASE("beams: as matrices and back") {
    for (const double pa : {-89.0, -30.0, 0.0, 12.5, 90.0}) {
        const Beam back = beam_of(matrix_of(beam(5, 3, pa)));
        CHECK(back.major == doctest::Approx(5));
        CHECK(back.minor == doctest::Approx(3));
        CHECK(back.pa == doctest::Approx(pa));
    }
    CHECK(beam_of(matrix_of(beam(4, 4, 77))).pa == doctest::Approx(0));
    CHECK(beam_of(matrix_of(beam(5, 3, 100))).pa == doctest::Approx(-80));
}

TEST_CASE("common beam: of some beams whose answer is known") {
    const std::vector<Beam> same(3, beam(5, 3, 20));
    CHECK(common_beam(same)->major == doctest::Approx(5));
    CHECK(common_beam(same)->pa == doctest::Approx(20));
    const std::vector<Beam> one_inside{beam(2, 1, 70), beam(5, 3, 20)};
    CHECK(common_beam(one_inside)->minor == doctest::Approx(3));
    const std::vector<Beam> crossed{beam(6, 2, 0), beam(6, 2, 90)};
    CHECK(common_beam(crossed)->major == doctest::Approx(6));
    CHECK(common_beam(crossed)->minor == doctest::Approx(6));
    const std::vector<Beam> circle_and_needle{beam(4, 4, 0), beam(8, 0.01, 30)};
    CHECK(common_beam(circle_and_needle)->major == doctest::Approx(8));
    CHECK(common_beam(circle_and_needle)->minor == doctest::Approx(4));
    CHECK(common_beam(circle_and_needle)->pa == doctest::Approx(30));
    CHECK_FALSE(common_beam({}));
    // Rounding errors lead the search in circles: one of these stood out of its answer by 2e-6.
    const std::vector<Beam> circling{beam(1.0199310122540515, 0.97839388360417612, -60.799348784094867), beam(1.0247005237830287, 0.70619214281694509, -22.871610739656944),
                                     beam(1.0026334937147094, 0.9867742437534619, 72.461372686619825),   beam(1.0259626972007903, 0.91686691184938585, -53.581529592570526),
                                     beam(1.0282391183046129, 0.27221640493936999, 30.044405358173393),  beam(1.0146481105671648, 0.42287118839549898, 41.552147432022196),
                                     beam(1.0379094921682834, 0.21611483888486749, -10.744163092864582), beam(1.0118393279505258, 0.21330972102868537, -36.416045520843163),
                                     beam(1.0210873291242133, 0.36602087857304577, -13.392709749856209)};
    for (const Beam& one : circling) CHECK(least_width(matrix_of(one), matrix_of(*common_beam(circling))) > -1e-8);
    const std::vector<Beam> invalid{beam(4, 4, 0), beam(NAN, NAN, NAN)};
    CHECK_FALSE(common_beam(invalid));
}

TEST_CASE("common beam: all fit into it, and no smaller one nearby holds them") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> uniform(0, 1);
    for (int round = 0; round < 300; ++round) {
        CAPTURE(round);
        std::vector<Beam> beams;
        const auto count = 1 + random() % 12;
        for (std::size_t i = 0; i < count; ++i) {
            const double major = std::pow(10.0, round % 3 == 0 ? 0.02 * uniform(random) : 2 * uniform(random));
            beams.push_back(beam(major, major * (0.05 + 0.95 * uniform(random)), 180 * uniform(random) - 90));
        }
        const auto common = common_beam(beams);
        REQUIRE(common);
        const EllipseMatrix m = matrix_of(*common);
        const double size = m.xx + m.yy;
        for (const Beam& one : beams) CHECK(least_width(matrix_of(one), m) > -1e-8 * size);
        // The problem is convex: if no small change makes it smaller, nothing does.
        for (int change = 0; change < 200; ++change) {
            const double step = 1e-3 * size;
            EllipseMatrix other{m.xx + step * (uniform(random) - 0.5), m.xy + step * (uniform(random) - 0.5), m.yy + step * (uniform(random) - 0.5)};
            if (!(other.xx > 0) || other.determinant() >= m.determinant() * (1 - 1e-6)) continue;
            bool holds_all = other.determinant() > 0;
            for (const Beam& one : beams) holds_all = holds_all && least_width(matrix_of(one), other) >= 0;
            CHECK_FALSE(holds_all);
        }
    }
}

TEST_CASE("elliptical kernel: few products are the Gaussian, its widths are those that were asked for") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> uniform(0, 1);
    for (int round = 0; round < 40; ++round) {
        const double major = 2.5 + 20 * uniform(random), minor = std::max(2.0, major * uniform(random));
        const EllipseMatrix widths = matrix_of(beam(major, minor, 180 * uniform(random)));
        const EllipticalKernel kernel(widths);
        CAPTURE(major);
        CAPTURE(minor);
        double sum = 0, xx = 0, xy = 0, yy = 0, worst = 0;
        const double peak = kernel.value(0, 0), f = 8 * std::numbers::ln2, det = widths.determinant();
        for (int y = -kernel.radius_y(); y <= kernel.radius_y(); ++y) {
            for (int x = -kernel.radius_x(); x <= kernel.radius_x(); ++x) {
                const double value = kernel.value(x, y);
                sum += value;
                xx += value * x * x;
                xy += value * x * y;
                yy += value * y * y;
                worst = std::max(worst, std::abs(value / peak - std::exp(-f / 2 * (widths.yy * x * x - 2 * widths.xy * x * y + widths.xx * y * y) / det)));
            }
        }
        CHECK(worst < 3e-6);
        CHECK(sum == doctest::Approx(1).epsilon(1e-5));
        // Cut off at 4 standard deviations.
        const double size = widths.xx + widths.yy;
        CHECK(std::abs(f * xx - widths.xx) < 0.01 * size);
        CHECK(std::abs(f * xy - widths.xy) < 0.01 * size);
        CHECK(std::abs(f * yy - widths.yy) < 0.01 * size);
    }
    CHECK(EllipticalKernel(EllipseMatrix{0, 0, 0}).identity());
    CHECK(EllipticalKernel(EllipseMatrix{-1e-9, 0, 1e-12}).identity());
    CHECK_THROWS_AS(EllipticalKernel(EllipseMatrix{1e8, 0, 1e8}), std::invalid_argument);
}

TEST_CASE("convolution: weighted means of what is there, blanks stay blank") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 20; ++round) {
        MemorySource source({40, 30, 1, 1});
        test::fill_odd(source, random(), round % 2 == 0 ? 0.2 : 0.0, false);
        const EllipticalKernel kernel(matrix_of(beam(3.0 + double(random() % 5), 2.5, double(random() % 180))));
        const Rect rect = round % 3 == 0 ? Rect{10, 8, 33, 25} : Rect{0, 0, 40, 30};
        const auto expected = naive(source, rect, kernel);
        std::vector<float> got(expected.size());
        convolve_plane(source, rect, {0, 0}, kernel, 2.5, got, CancelToken());
        int wrong = 0;
        for (std::size_t i = 0; i < got.size(); ++i) {
            const bool same = std::isnan(expected[i]) ? std::isnan(got[i]) : std::abs(got[i] - 2.5 * expected[i]) < 2e-5;
            wrong += !same;
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE("convolution: a source with its channel's beam becomes one with the common beam, of the same flux") {
    // Point sources, seen with beams that differ, of 1 Jy: their peaks are 1 Jy/beam.
    const std::array<double, 4> matrix{-1.0 / 3600, 0, 0, 1.0 / 3600}; // 1 arcsec, east to the left
    std::vector<Beam> beams{beam(5, 4, 30), beam(6, 4.5, -40), beam(4.2, 4.1, 10)};
    const ImageShape shape{101, 101, 3, 1};
    MemorySource source(shape);
    for (int channel = 0; channel < 3; ++channel) {
        beams[std::size_t(channel)].channel = channel;
        beams[std::size_t(channel)].stokes = 0;
        const auto m = *in_pixels(matrix_of(beams[std::size_t(channel)]), matrix);
        for (std::int64_t y = 0; y < 101; ++y)
            for (std::int64_t x = 0; x < 101; ++x) {
                const double dx = double(x - 50), dy = double(y - 50);
                source.at(x, y, channel) = std::exp(-4 * std::numbers::ln2 * (m.yy * dx * dx - 2 * m.xy * dx * dy + m.xx * dy * dy) / m.determinant());
            }
    }
    CHECK(beams_differ(beams, {0, 3}, 0));
    CHECK_FALSE(beams_differ(beams, {1, 2}, 0));
    const BeamPlan plan = plan_common_beam(beams, {0, 3}, 0, matrix, shape, "Jy/beam");
    REQUIRE(plan.problem == "");
    BudgetCache budget(1 << 26);
    MemoryImage out(shape, budget);
    convolve_channels(source, {0, 0, 101, 101}, {0, 3}, 0, plan, out, &budget, 2, CancelToken());
    const auto m = *in_pixels(matrix_of(plan.beam), matrix);
    for (std::int32_t channel = 0; channel < 3; ++channel) {
        CAPTURE(channel);
        double worst = 0;
        for (std::int64_t y = 0; y < 101; ++y)
            for (std::int64_t x = 0; x < 101; ++x) {
                const double dx = double(x - 50), dy = double(y - 50);
                const double expected = std::exp(-4 * std::numbers::ln2 * (m.yy * dx * dx - 2 * m.xy * dx * dy + m.xx * dy * dy) / m.determinant());
                worst = std::max(worst, std::abs(expected - double(out.plane({channel, 0})[std::size_t(y * 101 + x)])));
            }
        CHECK(worst < 0.03);
    }
    CHECK(plan_common_beam(beams, {0, 3}, 0, matrix, shape, "K").scales[2] == 1.0);

    // The convolved cube of moments that are cancelled is not given back before the caller says so.
    MomentMapsInput input;
    input.source = std::shared_ptr<const ImageSource>(std::shared_ptr<void>(), &source);
    input.channels = {0, 3};
    input.rect = {0, 0, 101, 101};
    input.coordinates = {1, 2, 3};
    input.widths = {1, 1, 1};
    input.beams = plan;
    std::vector<float> map(101 * 101);
    const std::vector<std::span<float>> planes{map};
    const std::vector<Moment> moments{Moment::mean};
    std::vector<std::shared_ptr<const void>> leftovers;
    const CancelToken cancel;
    const auto used = budget.statistics().used;
    CHECK_THROWS_AS(compute_moment_maps(input, moments, planes, {budget, "", &leftovers}, 1, cancel, [&](double done) {
                        if (done > 0.6) cancel.cancel();
                    }), Cancelled);
    CHECK(leftovers.size() == 1);
    CHECK(budget.statistics().used == used + sizeof(float) * 3 * 101 * 101);
    leftovers.clear();
    CHECK(budget.statistics().used == used);
    beams[1].major = NAN;
    CHECK(plan_common_beam(beams, {0, 3}, 0, matrix, shape, "K").problem == "channel 1 has no valid beam");
    CHECK_FALSE(plan_common_beam(beams, {2, 3}, 0, std::nullopt, shape, "K").problem.empty());
}
