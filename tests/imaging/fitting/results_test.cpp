// What follows from a fit: errors, fluxes, sizes without the beam, the log, images.

#include "imaging/analysis/fitting/fit_images.hpp"
#include "imaging/analysis/fitting/fit_log.hpp"
#include "imaging/analysis/fitting/fit_results.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>
#include <regex>

using namespace cubelink::imaging;
using cubelink::imaging::test::MemorySource;
using cubelink::test::effort;

namespace {

double angle_between(double a, double b) {
    const double d = std::abs(std::fmod(a - b, 180.0));
    return std::min(d, 180 - d);
}

const FixedParameters all_free{};

} // namespace

TEST_CASE("Errors shrink with the signal, are 0 for what is fixed, and belong to their axes") {
    const GaussianComponent c{50, 60, 10, 8, 4, 0}; // the major axis along y
    const FitNoise noise{0.1, 3};
    const auto e = errors_of(c, all_free, noise);
    CHECK(e.y > e.x);
    CHECK(e.fwhm_x / c.fwhm_x == doctest::Approx(e.y * std::sqrt(8 * std::numbers::ln2) / c.fwhm_x));
    auto brighter = c;
    brighter.amplitude = -100;
    const auto less = errors_of(brighter, all_free, noise);
    for (std::size_t i = 0; i < gaussian_parameters; ++i) {
        if (i != 2) CHECK(parameters_of(less)[i] == doctest::Approx(parameters_of(e)[i] / 10));
        FixedParameters fixed{};
        fixed[i] = true;
        CHECK(parameters_of(errors_of(c, fixed, noise))[i] == 0);
    }
    CHECK(less.amplitude == doctest::Approx(e.amplitude));
    GaussianComponent round = c;
    round.fwhm_y = round.fwhm_x;
    CHECK(errors_of(round, all_free, noise).pa == 90);
    for (const double value : parameters_of(errors_of(c, all_free, {0, 3}))) CHECK(value == 0);
    GaussianComponent nothing = c;
    nothing.amplitude = 0;
    for (const double beam : {0.0, 3.0}) {
        const auto unknown = errors_of(nothing, all_free, {0.1, beam});
        for (std::size_t i = 0; i < 5; ++i) CHECK(parameters_of(unknown)[i] == HUGE_VAL);
        CHECK(unknown.pa == 90);
    }
}

TEST_CASE("Without correlation the errors are those that the fit's own matrix gives") {
    // Condon's formulas for independent noise are the inverse of the normal matrix of a well sampled Gaussian.
    const GaussianComponent c{60.2, 59.7, 5, 24, 15, 35};
    const double rms = 0.2;
    const auto e = errors_of(c, all_free, {rms, 0});
    CHECK(e.amplitude == doctest::Approx(5 * std::sqrt(2.0) / std::sqrt(std::numbers::pi * 24 * 15 * 25 / (8 * std::numbers::ln2 * rms * rms))));
    const auto flux = flux_of(c, all_free, {rms, 0}, *flux_unit_of("Jy/pixel"));
    REQUIRE(flux);
    CHECK(flux->value == doctest::Approx(5 * 24 * 15 * std::numbers::pi / (4 * std::numbers::ln2)));
    CHECK(flux->error / flux->value == doctest::Approx(e.amplitude / 5));
}

TEST_CASE("Units of flux") {
    struct Case {
        const char* unit;
        const char* of_flux; // "": none
        double scale;
    };
    for (const Case& one : {Case{"Jy/beam", "Jy", 1}, Case{"JY/BEAM", "Jy", 1}, Case{"beam-1 Jy", "Jy", 1}, Case{"mJy/beam", "mJy", 1e-3}, Case{"Jy/pixel", "Jy", 1},
                            Case{"K", "", 0}, Case{"", "", 0}, Case{"Jy/beam.km/s", "", 0}, Case{"Jy", "", 0}, Case{"counts/beam", "", 0}}) {
        INFO(std::string(one.unit));
        const auto unit = flux_unit_of(one.unit);
        CHECK(unit.has_value() == (one.of_flux[0] != 0));
        if (!unit) continue;
        CHECK(unit->unit == one.of_flux);
        CHECK(unit->scale == one.scale);
    }
    const GaussianComponent c{5, 6, 2, 9, 6, 0};
    CHECK(!flux_of(c, all_free, {0.1, 0}, *flux_unit_of("Jy/beam")));
    CHECK(flux_of(c, all_free, {0.1, 3}, *flux_unit_of("Jy/beam"))->value == doctest::Approx(2 * 9 * 6 / 9.0));
}

TEST_CASE("A source that was convolved with a beam comes out of the deconvolution") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto between = [&](double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); };
    for (int round = 0; round < effort(500); ++round) {
        const double minor = between(0.5, 5), major = minor * between(1.1, 4), pa = between(0, 180);
        Beam beam{between(2, 4), between(1, 2), between(-180, 180), -1, -1};
        // Second moments add.
        const auto moments = [](double a, double b, double angle) {
            const double s = std::sin(angle * std::numbers::pi / 180), c = std::cos(angle * std::numbers::pi / 180);
            return std::array{a * a * s * s + b * b * c * c, (a * a - b * b) * s * c, a * a * c * c + b * b * s * s};
        };
        const auto source = moments(major, minor, pa), of_beam = moments(beam.major, beam.minor, beam.pa);
        const double xx = source[0] + of_beam[0], xy = source[1] + of_beam[1], yy = source[2] + of_beam[2];
        const double half = std::hypot((xx - yy) / 2, xy), mean = (xx + yy) / 2;
        const SkyEllipse convolved{std::sqrt(mean + half), std::sqrt(mean - half), std::atan2(2 * xy, yy - xx) * 90 / std::numbers::pi};
        const SkyEllipse got = deconvolved(convolved, beam);
        CHECK(got.major == doctest::Approx(major).epsilon(1e-6));
        CHECK(got.minor == doctest::Approx(minor).epsilon(1e-6));
        CHECK(angle_between(got.pa, pa) < 1e-4);
    }
    const Beam beam{5, 3, 20, -1, -1};
    CHECK(deconvolved({5, 3, 20}, beam).major == 0);
    CHECK(deconvolved({4, 2, 20}, beam).major == 0);
    const auto along = deconvolved({6, 2.9, 20}, beam);
    CHECK(along.major == doctest::Approx(std::sqrt(11.0)));
    CHECK(along.minor == 0);
}

TEST_CASE("On the sky, x runs west: the position angle is that of the image, turned with it") {
    const GaussianComponent c{0, 0, 1, 10, 4, 30};
    const double step = 2.0 / 3600;
    const auto north_up = ellipse_on_sky(c, {-step, 0, 0, step});
    CHECK(north_up.major == doctest::Approx(20));
    CHECK(north_up.minor == doctest::Approx(8));
    CHECK(north_up.pa == doctest::Approx(30));
    CHECK(ellipse_on_sky(c, {step, 0, 0, step}).pa == doctest::Approx(150)); // mirrored
    CHECK(ellipse_on_sky(c, {0, -step, -step, 0}).pa == doctest::Approx(120)); // +y is west, +x is south
    const auto oblong = ellipse_on_sky({0, 0, 1, 5, 5, 0}, {-step, 0, 0, 2 * step});
    CHECK(oblong.major == doctest::Approx(20));
    CHECK(oblong.minor == doctest::Approx(10));
    CHECK(std::min(oblong.pa, 180 - oblong.pa) == doctest::Approx(0));
}

TEST_CASE("The log: generated values are plain decimals, and nothing else looks like them") {
    const std::vector<GaussianComponent> components{{12.5, 1e5 + 0.125, 1.25e-9, 3, 2, 0}, {-3.5, 7, -4e12, 30, 20, 179.5}};
    const std::string text = log_of_initial_values(components, "Jy/beam");
    CHECK(text.starts_with("Generated initial values\n"));
    CHECK(text.find("Amplitude = 0.00000000125 (Jy/beam)\n") != std::string::npos);
    CHECK(text.find("Amplitude = -4000000000000 (Jy/beam)\n") != std::string::npos);
    CHECK(text.find("Center Y = 100000.125 (px)\n") != std::string::npos);
    const std::regex pattern(R"(= (-?\d+(\.\d+)?) \()");
    CHECK(std::distance(std::sregex_iterator(text.begin(), text.end(), pattern), std::sregex_iterator()) == 12);
    CHECK(log_of_initial_values(components, "").find("(arbitrary unit)") != std::string::npos);
    CHECK(log_of_initial_values(components, "[()]").find("(arbitrary unit)") != std::string::npos);
    const std::string hostile = log_of_initial_values(components, "Jy = 7 (px)\n= 8 (");
    CHECK(std::distance(std::sregex_iterator(hostile.begin(), hostile.end(), pattern), std::sregex_iterator()) == 12);
    CHECK(std::count(hostile.begin(), hostile.end(), '\n') == std::count(text.begin(), text.end(), '\n'));

    FitReport report;
    report.image = "a.fits";
    report.region = "the whole image";
    report.fit.components = components;
    report.fit.iterations = 200;
    report.fit.end = LeastSquaresEnd::iteration_limit;
    for (const auto& c : components) report.components.push_back({c, {0, 0.1, 1e-11, 0.2, 0.2, 90}, {true}, Flux{1, 0.25}});
    report.flux_unit = "Jy";
    const std::string log = log_of_fit(report);
    CHECK(log.starts_with("Gaussian fitting with 2 components\n"));
    CHECK(log.find("has not converged") != std::string::npos);
    CHECK(log.find("(fixed)") != std::string::npos);
    CHECK(log.find("Integrated flux: 1 ± 0.25 Jy") != std::string::npos);
    CHECK(log.find("ot determined") == std::string::npos);
    report.components[1].state = ComponentState::outside;
    report.fit.states = {ComponentState::determined, ComponentState::outside};
    const std::string lost = log_of_fit(report);
    CHECK(lost.find("Component 2 has left the fitted pixels") != std::string::npos);
    CHECK(lost.find("Component #2:\n  Not determined") != std::string::npos);
    CHECK(lost.find("Integrated flux: not determined") > lost.find("Integrated flux: 1 ± 0.25 Jy"));
    CHECK(std::distance(std::sregex_iterator(log.begin(), log.end(), pattern), std::sregex_iterator()) == 0);
}

TEST_CASE("Images of a fit: any rectangle of them is that part of the whole; blanks stay, and so does what is outside of the region") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto source = std::make_shared<MemorySource>(ImageShape{70, 50, 2, 1}, true);
    for (double& value : source->pixels) value = random() % 11 == 0 ? std::nan("") : std::normal_distribution<double>(1e6, 1)(random);
    const FittedModel model{{{30, 20, 4, 12, 7, 40}, {50, 30, -2, 9, 8, 100}}, 1e6, {12, 8, 61, 44}};
    std::vector<PixelRun> runs;
    for (std::int64_t y = 8; y < 44; ++y) runs.push_back({y, 12 + y % 7, 61 - y % 3});
    const auto mask = std::make_shared<const PixelMask>(runs);
    const ModelImage of_model(model);
    const ResidualImage residual(model, source, {1, 0}, mask);
    CHECK(of_model.identity() != residual.identity());
    for (int round = 0; round < effort(60); ++round) {
        Rect rect{std::int64_t(random() % 49), std::int64_t(random() % 36), 0, 0};
        rect.x1 = rect.x0 + 1 + std::int64_t(random() % std::uint64_t(49 - rect.x0));
        rect.y1 = rect.y0 + 1 + std::int64_t(random() % std::uint64_t(36 - rect.y0));
        std::vector<double> expected(std::size_t(rect.size()), model.offset);
        add_model(model.components, {rect.x0 + 12, rect.y0 + 8, rect.x1 + 12, rect.y1 + 8}, expected);
        std::vector<float> got(expected.size()), left(expected.size());
        std::vector<double> wide(expected.size());
        of_model.read(rect, {0, 0}, got, 2, {});
        residual.read(rect, {0, 0}, left, 2, {});
        residual.read64(rect, {0, 0}, wide, 1, {});
        for (std::int64_t y = rect.y0; y < rect.y1; ++y)
            for (std::int64_t x = rect.x0; x < rect.x1; ++x) {
                const auto i = std::size_t((y - rect.y0) * rect.width() + x - rect.x0);
                CHECK(got[i] == float(expected[i]));
                const PixelRun& run = runs[std::size_t(y)];
                const bool inside = x + 12 >= run.x0 && x + 12 < run.x1;
                const double value = inside ? source->at(x + 12, y + 8, 1) : std::nan("");
                if (std::isnan(value)) CHECK(std::isnan(left[i]));
                else CHECK(left[i] == float(value - expected[i])); // of doubles: not of floats of a million
                CHECK((std::isnan(left[i]) ? std::isnan(wide[i]) : wide[i] == double(left[i])));
            }
    }
    std::vector<float> pixel(1);
    CHECK_THROWS_AS(of_model.read({0, 0, 50, 1}, {0, 0}, pixel, 1, {}), std::out_of_range);
    CHECK_THROWS_AS(of_model.read({0, 0, 1, 1}, {1, 0}, pixel, 1, {}), std::out_of_range);
    of_model.read_spectrum(3, 4, 0, 0, pixel, {});
    CHECK(std::isfinite(pixel[0]));
}
