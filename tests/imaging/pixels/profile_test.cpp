// Spatial and spectral profiles, computed polarizations.

#include "imaging/pixels/polarization.hpp"
#include "imaging/pixels/pyramid.hpp"
#include "imaging/pixels/spatial_profile.hpp"
#include "imaging/pixels/spectral_profile.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/effort.hpp"

#include <doctest/doctest.h>

#include <climits>
#include <numbers>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;

namespace {

bool equal(const std::vector<float>& a, const std::vector<float>& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (!same(a[i], b[i])) return false;
    }
    return true;
}

/// As the rule reads, for every group.
std::vector<float> by_the_rule(const std::vector<float>& axis, std::int64_t start, std::int64_t end, std::int64_t mip) {
    const auto n = std::int64_t(axis.size());
    const auto half = [mip](std::int64_t at) { return 2 * std::int64_t(std::ceil(double(at) / double(2 * mip))); };
    const std::int64_t s = half(start), e = half(end);
    std::vector<float> out;
    for (std::int64_t group = s * mip; group < e * mip; group += 2 * mip) {
        float min = NAN, max = NAN;
        std::int64_t min_at = 0, max_at = 0;
        for (std::int64_t i = group; i < std::min(group + 2 * mip, n); ++i) {
            const float v = axis[std::size_t(i)];
            if (!std::isfinite(v)) continue;
            if (!(v >= min)) min = v, min_at = i;
            if (!(v <= max)) max = v, max_at = i;
        }
        out.push_back(min_at <= max_at ? min : max);
        out.push_back(min_at <= max_at ? max : min);
    }
    return out;
}

} // namespace

TEST_CASE("decimation keeps extremes in the order in which they occur") {
    CHECK(equal(decimate_profile(std::vector<float>{5, 1, 2, 9, 7, 7, 7, 7}, 0, 8, 2), {1, 9, 7, 7}));
    CHECK(equal(decimate_profile(std::vector<float>{9, 1, NAN, NAN, INFINITY, NAN, NAN, NAN, 4}, 0, 9, 2), {9, 1, NAN, NAN, 4, 4}));
    std::mt19937_64 random(1);
    for (int round = 0; round < cubelink::test::effort(500); ++round) {
        std::vector<float> axis(1 + random() % 400);
        for (float& v : axis) v = float(odd_value(random, round % 2 == 0 ? 0.0 : 0.4));
        const auto n = std::int64_t(axis.size());
        const std::int64_t start = std::int64_t(random() % std::uint64_t(n)),
                           end = start + 1 + std::int64_t(random() % std::uint64_t(n - start));
        const std::int64_t mip = 2 + std::int64_t(random() % 40);
        const auto got = decimate_profile(axis, start, end, mip);
        // More than one group per axis: the limit on mip does not matter then.
        if (mip <= n) CHECK(equal(got, by_the_rule(axis, start, end, mip)));
    }
}

TEST_CASE("ranges from outside") {
    std::vector<float> axis(100);
    for (std::size_t i = 0; i < axis.size(); ++i) axis[i] = float(i);
    CHECK(decimate_profile(axis, 0, 0, 1).size() == 100);
    CHECK(decimate_profile(axis, 10, 20, 0) == std::vector<float>(axis.begin() + 10, axis.begin() + 20));
    CHECK(decimate_profile(axis, -5, 1000, 1) == axis);
    CHECK(decimate_profile(axis, 50, 40, 1).empty());
    CHECK(decimate_profile(axis, INT64_MAX, INT64_MIN, 1).empty());
    CHECK(decimate_profile(axis, INT64_MIN, INT64_MAX, INT_MAX) == std::vector<float>{0, 99});
    CHECK(decimate_profile(axis, 0, 100, INT64_MAX) == std::vector<float>{0, 99});
    CHECK(decimate_profile({}, 0, 10, 4).empty());
}

TEST_CASE("rows and columns through a pixel") {
    MemorySource source({37, 53, 2, 1});
    fill_odd(source, 2, 0.2);
    const auto pyramid = PlanePyramid::build(source, {1, 0}, {}, CancelToken());
    for (const PlanePyramid* kept : {static_cast<const PlanePyramid*>(nullptr), pyramid.get()}) {
        std::vector<float> row, column;
        for (std::int64_t x = 0; x < 37; ++x) row.push_back(std::isfinite(source.at(x, 50, 1)) ? float(source.at(x, 50, 1)) : NAN);
        for (std::int64_t y = 0; y < 53; ++y) column.push_back(std::isfinite(source.at(3, y, 1)) ? float(source.at(3, y, 1)) : NAN);
        CHECK(equal(spatial_profile(source, {1, 0}, 3, 50, {ProfileAxis::x, 0, 0, 1}, CancelToken(), kept), row));
        CHECK(equal(spatial_profile(source, {1, 0}, 3, 50, {ProfileAxis::y, 0, 0, 1}, CancelToken(), kept), column));
        CHECK(
            equal(spatial_profile(source, {1, 0}, 3, 50, {ProfileAxis::y, 7, 41, 4}, CancelToken(), kept), by_the_rule(column, 7, 41, 4)));
        CHECK_THROWS_AS(spatial_profile(source, {1, 0}, 37, 0, {}, CancelToken(), kept), std::out_of_range);
        CHECK_THROWS_AS(spatial_profile(source, {1, 0}, 0, -1, {}, CancelToken(), kept), std::out_of_range);
    }
}

TEST_CASE("spectra come in slices that can be seen and stopped") {
    MemorySource source({2, 2, 700, 1});
    fill_odd(source, 3, 0.1);
    std::vector<float> expected;
    for (std::int64_t z = 0; z < 700; ++z) expected.push_back(std::isfinite(source.at(1, 0, z)) ? float(source.at(1, 0, z)) : NAN);
    int partial = 0;
    SpectralProfileOptions options;
    options.report_time = std::chrono::hours(1);
    CHECK(equal(spectral_profile(source, 1, 0, 0, CancelToken(), [&](auto, double) { ++partial; }, options), expected));
    CHECK(partial == 0); // too quick to be worth a report
    CHECK_THROWS_AS(spectral_profile(source, 2, 0, 0, CancelToken()), std::out_of_range);
    CHECK_THROWS_AS(spectral_profile(source, 0, 0, 1, CancelToken()), std::out_of_range);

    source.spectrum_delay = std::chrono::microseconds(200);
    options.slice_time = std::chrono::milliseconds(4);
    options.report_time = std::chrono::milliseconds(20);
    double last = 0;
    const auto report = [&](std::span<const float> values, double progress) {
        ++partial;
        CHECK(progress > last);
        CHECK(progress < 1);
        last = progress;
        const auto done = std::size_t(std::lround(progress * 700));
        CHECK(values.size() == 700);
        CHECK(equal({values.begin(), values.begin() + std::ptrdiff_t(done)}, {expected.begin(), expected.begin() + std::ptrdiff_t(done)}));
        for (std::size_t i = done; i < 700; ++i) CHECK(std::isnan(values[i]));
    };
    CHECK(equal(spectral_profile(source, 1, 0, 0, CancelToken(), report, options), expected));
    CHECK(partial >= 2);

    const CancelToken cancel;
    int told = 0;
    CHECK_THROWS_AS(spectral_profile(source, 1, 0, 0, cancel, [&](auto, double) { cancel.cancel(), ++told; }, options), Cancelled);
    CHECK(told == 1);
}

TEST_CASE("computed polarizations: which there are") {
    const auto base = std::make_shared<MemorySource>(ImageShape{4, 3, 2, 4});
    using P = Polarization;
    CHECK(PolarizationSource(base, {1, 2, 3, 4}).available() == std::vector<P>{P::ptotal, P::plinear, P::pftotal, P::pflinear, P::pangle});
    CHECK(PolarizationSource(base, {}).available().size() == 5);
    CHECK(PolarizationSource(base, {2, 3}).available() == std::vector<P>{P::plinear, P::pangle});
    CHECK(PolarizationSource(base, {1, 2, 3}).available() == std::vector<P>{P::plinear, P::pflinear, P::pangle});
    CHECK(PolarizationSource(base, {-1, -2, -3, -4}).available().empty());
    CHECK(PolarizationSource(std::make_shared<MemorySource>(ImageShape{4, 3, 2, 1}), {1, 2, 3, 4}).available().empty());
    CHECK(polarization_unit(P::ptotal, "Jy/beam") == "Jy/beam");
    CHECK(polarization_unit(P::pflinear, "Jy/beam") == "%");
    CHECK(polarization_unit(P::pangle, "Jy/beam") == "degree");
}

TEST_CASE("computed polarizations: values, planes, spectra, errors") {
    for (bool wide : {false, true}) {
        const auto base = std::make_shared<MemorySource>(ImageShape{40, 30, 3, 4}, wide);
        fill_odd(*base, 4, 0.1, false);
        const std::vector<int> order{4, 1, 3, 2}; // V, I, U, Q
        const PolarizationSource source(base, order);
        for (std::int32_t type = 13; type <= 17; ++type) {
            const Rect rect{5, 3, 33, 28};
            std::vector<double> out64(std::size_t(rect.size()));
            std::vector<float> out(out64.size()), spectrum(3);
            source.read(rect, {2, type}, out, 2, CancelToken());
            source.read64(rect, {2, type}, out64, 2, CancelToken());
            source.read_spectrum(6, 7, type, 0, spectrum, CancelToken());
            const auto value = [&](std::int64_t x, std::int64_t y, std::int64_t z) {
                const double v = base->at(x, y, z, 0), i = base->at(x, y, z, 1), u = base->at(x, y, z, 2), q = base->at(x, y, z, 3);
                const double linear = std::sqrt(q * q + u * u), total = std::sqrt(q * q + u * u + v * v);
                const bool all = std::isfinite(q) && std::isfinite(u) && (type == 14 || type == 16 || type == 17 || std::isfinite(v)) &&
                                 ((type != 15 && type != 16) || std::isfinite(i));
                if (!all) return double(NAN);
                return type == 13   ? total
                       : type == 14 ? linear
                       : type == 15 ? 100 * total / i
                       : type == 16 ? 100 * linear / i
                                    : 90 / std::numbers::pi * std::atan2(u, q);
            };
            for (std::size_t k = 0; k < out.size(); ++k) {
                const double expected = value(rect.x0 + std::int64_t(k) % rect.width(), rect.y0 + std::int64_t(k) / rect.width(), 2);
                if (std::isnan(expected)) {
                    CHECK(std::isnan(out[k]));
                    CHECK(std::isnan(out64[k]));
                } else {
                    CHECK(out64[k] == doctest::Approx(expected).epsilon(1e-12));
                    CHECK(out[k] == doctest::Approx(expected).epsilon(1e-6));
                }
            }
            for (std::int64_t z = 0; z < 3; ++z) {
                const double expected = value(6, 7, z);
                if (std::isnan(expected))
                    CHECK(std::isnan(spectrum[std::size_t(z)]));
                else
                    CHECK(spectrum[std::size_t(z)] == doctest::Approx(expected).epsilon(1e-6));
            }
        }
        std::vector<float> one(1);
        source.read({0, 0, 1, 1}, {0, 1}, one, 1, CancelToken());
        CHECK(same(one[0], float(base->at(0, 0, 0, 1))));
        CHECK_THROWS_AS(source.read({0, 0, 1, 1}, {0, 12}, one, 1, CancelToken()), std::out_of_range);
        CHECK_THROWS_AS(source.read({0, 0, 1, 1}, {0, 18}, one, 1, CancelToken()), std::out_of_range);
        CHECK_THROWS_AS(source.read({0, 0, 1, 1}, {0, -1}, one, 1, CancelToken()), std::out_of_range);
        CHECK_THROWS_AS(source.read({0, 0, 41, 1}, {0, 14}, one, 1, CancelToken()), std::out_of_range);
        CHECK_THROWS_AS(PolarizationSource(base, {1}).read({0, 0, 1, 1}, {0, 14}, one, 1, CancelToken()), std::out_of_range);
    }
}
