// Smoothing against sums written out in double precision.

#include "imaging/analysis/smoothing.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cfloat>
#include <cstring>
#include <memory>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;

namespace {

std::vector<float> all_of(const SmoothedPlane& plane, std::int64_t rows_at_once) {
    std::vector<float> out(std::size_t(std::max<std::int64_t>(0, plane.width() * plane.height())));
    for (std::int64_t y = 0; y < plane.height(); y += rows_at_once)
        plane.read(y, std::min(plane.height(), y + rows_at_once), out.data() + y * plane.width(), {});
    return out;
}

std::unique_ptr<MemorySource> noise(std::mt19937_64& random) {
    auto source = std::make_unique<MemorySource>(ImageShape{1 + std::int64_t(random() % 90), 1 + std::int64_t(random() % 60), 1, 1});
    const int blanks = std::array{1000000, 30, 2}[random() % 3];
    for (double& value : source->pixels) {
        value = double(float(std::uniform_real_distribution<double>(-2, 5)(random)));
        if (random() % std::uint64_t(blanks) == 0) value = random() % 2 == 0 ? std::nan("") : HUGE_VAL;
    }
    return source;
}

void check_value(float got, double expected) {
    if (!std::isfinite(expected)) CHECK(got == -FLT_MAX);
    else CHECK(double(got) == doctest::Approx(expected).epsilon(2e-5));
}

} // namespace

TEST_CASE("block averages are means of what is finite, cut at the edges") {
    const std::uint64_t seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < cubelink::test::effort(60); ++round) {
        const auto made = noise(random);
        const MemorySource& source = *made;
        const auto f = std::int64_t(2 + random() % 9), w = source.shape().width, h = source.shape().height;
        const SmoothedPlane plane(source, {}, Smoothing::block_average, int(f));
        REQUIRE(plane.width() == (w + f - 1) / f);
        REQUIRE(plane.height() == (h + f - 1) / f);
        CHECK(plane.scale() == double(f));
        CHECK(plane.offset() == 0);
        const auto got = all_of(plane, 1 + std::int64_t(random() % 5));
        for (std::int64_t j = 0; j < plane.height(); ++j)
            for (std::int64_t i = 0; i < plane.width(); ++i) {
                double sum = 0, count = 0;
                for (auto y = j * f; y < std::min(h, (j + 1) * f); ++y)
                    for (auto x = i * f; x < std::min(w, (i + 1) * f); ++x)
                        if (std::isfinite(source.at(x, y))) {
                            sum += source.at(x, y);
                            ++count;
                        }
                check_value(got[std::size_t(j * plane.width() + i)], count > 0 ? sum / count : std::nan(""));
            }
    }
}

TEST_CASE("Gaussians: weights of what is finite, along y and then along x") {
    const std::uint64_t seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < cubelink::test::effort(60); ++round) {
        const auto made = noise(random);
        const MemorySource& source = *made;
        const int factor = 2 + int(random() % 5), r = factor - 1;
        const auto w = source.shape().width, h = source.shape().height;
        const SmoothedPlane plane(source, {}, Smoothing::gaussian, factor);
        REQUIRE(plane.width() == std::max<std::int64_t>(0, w - 2 * r));
        REQUIRE(plane.height() == std::max<std::int64_t>(0, h - 2 * r));
        CHECK(plane.offset() == r);
        CHECK(plane.scale() == 1);
        const auto weight = [&](int k) { return std::exp(-0.5 * k * k / (r / 2.0 * (r / 2.0))); };
        const auto along_y = [&](std::int64_t x, std::int64_t y) {
            double sum = 0, total = 0;
            for (int k = -r; k <= r; ++k)
                if (std::isfinite(source.at(x, y + k))) {
                    sum += weight(k) * source.at(x, y + k);
                    total += weight(k);
                }
            return total > 0 ? sum / total : std::nan("");
        };
        const auto got = all_of(plane, 1 + std::int64_t(random() % 9));
        for (std::int64_t j = 0; j < plane.height(); ++j)
            for (std::int64_t i = 0; i < plane.width(); ++i) {
                double sum = 0, total = 0;
                for (int k = -r; k <= r; ++k)
                    if (const double value = along_y(i + r + k, j + r); std::isfinite(value)) {
                        sum += weight(k) * value;
                        total += weight(k);
                    }
                const double expected = std::isfinite(source.at(i + r, j + r)) ? sum / total : std::nan("");
                const float value = got[std::size_t(j * plane.width() + i)];
                if (std::isfinite(expected)) CHECK(double(value) == doctest::Approx(expected).epsilon(1e-5).scale(5));
                else CHECK(value == -FLT_MAX);
            }
    }
}

TEST_CASE("a factor of 1 or less does not smooth; one that is too large is refused") {
    std::mt19937_64 random(3);
    const auto made = noise(random);
        const MemorySource& source = *made;
    for (const int factor : {-3, 0, 1}) {
        const SmoothedPlane plane(source, {}, Smoothing::gaussian, factor);
        CHECK(plane.width() == source.shape().width);
        const auto got = all_of(plane, 7);
        for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == (std::isfinite(source.pixels[i]) ? float(source.pixels[i]) : -FLT_MAX));
    }
    CHECK_THROWS_AS(SmoothedPlane(source, {}, Smoothing::gaussian, max_gaussian_factor + 1), std::invalid_argument);
    CHECK_THROWS_AS(SmoothedPlane(source, {}, Smoothing::block_average, max_block_factor + 1), std::invalid_argument);
}

TEST_CASE("values of the largest size stay finite") {
    MemorySource source({20, 20, 1, 1});
    for (double& value : source.pixels) value = FLT_MAX;
    const SmoothedPlane plane(source, {}, Smoothing::gaussian, 4);
    for (const float value : all_of(plane, 20)) CHECK(value == FLT_MAX);
}
