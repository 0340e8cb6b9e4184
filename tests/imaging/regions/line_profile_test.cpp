// Profiles along lines, held against each box by itself.

#include "imaging/base/image_error.hpp"
#include "imaging/regions/line_profile.hpp"
#include "imaging/regions/mask.hpp"
#include "imaging/source/memory_image.hpp"
#include "tests/imaging/regions/sample_wcs.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;
using cubelink::test::effort;

namespace {

/// An image whose pixels are x + 1000 y, or as `value` says.
struct Picture {
    BudgetCache budget{std::size_t{1} << 28};
    MemoryImage image;
    int reads = 0;

    explicit Picture(std::int64_t width = 100, std::int64_t height = 80, const std::function<float(std::int64_t, std::int64_t)>& value = {})
        : image({width, height, 1, 1}, budget) {
        auto plane = image.plane({});
        for (std::int64_t y = 0; y < height; ++y) {
            for (std::int64_t x = 0; x < width; ++x)
                plane[static_cast<std::size_t>(y * width + x)] = value ? value(x, y) : static_cast<float>(x + 1000 * y);
        }
    }
    std::vector<float> profile(const LineSampling& sampling) {
        return line_profile(sampling.boxes, image.shape(), [&](const PixelMask& mask, std::span<float> out) {
            ++reads;
            image.read_masked(mask, {0, 1}, 0, out, 1, {});
        });
    }
};

bool same(float a, float b) { return (std::isnan(a) && std::isnan(b)) || a == b; }

/// Mean of the pixels of a box.
float plain_mean(const LineBox& b, std::span<const float> plane, const ImageShape& shape) {
    const auto corner = [&](double u, double v) { return PixelPoint{b.centre.x + u * b.along.x + v * b.across.x, b.centre.y + u * b.along.y + v * b.across.y}; };
    const auto mask = mask_of({RegionType::polygon, {corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)}, 0}, shape);
    double sum = 0;
    int count = 0;
    for (const auto& run : mask.runs()) {
        for (std::int64_t x = run.x0; x < run.x1; ++x) {
            const float value = plane[static_cast<std::size_t>(run.y * shape.width + x)];
            if (!std::isfinite(value)) continue;
            sum += static_cast<double>(value);
            ++count;
        }
    }
    return count == 0 ? NAN : static_cast<float>(sum / count);
}

} // namespace

TEST_CASE("a horizontal line: from its second point to the first, a pixel at a time") {
    Picture picture;
    const auto sampling = sample_line({RegionType::line, {{30, 40}, {10, 40}}, 0}, 3, nullptr);
    REQUIRE(sampling.boxes.size() == 21);
    CHECK(sampling.unit == "pixel");
    CHECK(sampling.crpix == 10);
    CHECK(sampling.crval == 0);
    CHECK(sampling.cdelt == 1);
    const auto values = picture.profile(sampling);
    for (std::size_t i = 0; i < 21; ++i) CHECK(values[i] == 40010.0F + static_cast<float>(i));
    CHECK(picture.reads == 1);
    // The other way round, and upright.
    CHECK(picture.profile(sample_line({RegionType::line, {{10, 40}, {30, 40}}, 0}, 20, nullptr)).front() == 40030.0F);
    CHECK(picture.profile(sample_line({RegionType::line, {{7, 60}, {7, 50}}, 0}, 1, nullptr)).front() == 50007.0F);
}

TEST_CASE("numbers of boxes") {
    const auto count = [](double length) { return sample_line({RegionType::line, {{10, 10}, {10 + length, 10}}, 0}, 3, nullptr).boxes.size(); };
    CHECK(count(0) == 1);
    CHECK(count(0.4) == 1);
    CHECK(count(1.9) == 1);
    CHECK(count(2) == 3);
    CHECK(count(19) == 19);
    CHECK(count(20) == 21);
    CHECK_THROWS_AS(count(1e6), ImageError);
    CHECK_THROWS_AS(count(3e38), ImageError);
    const auto polyline = [](std::vector<PixelPoint> points) { return sample_line({RegionType::polyline, std::move(points), 0}, 3, nullptr); };
    const auto corner = polyline({{10, 10}, {20, 10}, {20, 15}});
    CHECK(corner.boxes.size() == 16); // the corner once
    CHECK(corner.crpix == 8);
    CHECK(corner.crval == 8);
    CHECK(corner.boxes[10].centre == PixelPoint{20, 10});
    CHECK(corner.boxes[11].centre == PixelPoint{20, 11});
    CHECK(polyline({{10, 10}, {20.4, 10}, {20.4, 15}}).boxes.size() == 16);
    CHECK(polyline({{10, 10}, {10, 10}, {10, 10}}).boxes.size() == 1);
    CHECK_THROWS_AS(polyline({{10, 10}, {3e38, 10}, {-3e38, 15}}), ImageError);
    CHECK_THROWS_AS(sample_line({RegionType::line, {{1, 1}, {5, 5}}, 0}, 0, nullptr), std::invalid_argument);
    CHECK_THROWS_AS(sample_line({RegionType::line, {{1, 1}, {5, 5}}, 0}, 21, nullptr), std::invalid_argument);
    CHECK_THROWS_AS(sample_line({RegionType::rectangle, {{1, 1}, {5, 5}}, 0}, 3, nullptr), std::invalid_argument);
    CHECK_THROWS_AS(sample_line({RegionType::line, {{1, 1}}, 0}, 3, nullptr), std::invalid_argument);
}

TEST_CASE("blanks are left out; what has no pixels is NaN") {
    Picture picture(100, 80, [](std::int64_t x, std::int64_t y) { return x == 20 ? NAN : y == 39 ? INFINITY : static_cast<float>(x); });
    const auto values = picture.profile(sample_line({RegionType::line, {{30, 40}, {-10, 40}}, 0}, 3, nullptr));
    REQUIRE(values.size() == 41);
    for (int i = 0; i < 41; ++i) {
        const int x = i - 10;
        CHECK(same(values[static_cast<std::size_t>(i)], x < 0 || x == 20 ? NAN : static_cast<float>(x)));
    }
    const auto reads = picture.reads;
    for (const float value : picture.profile(sample_line({RegionType::line, {{-30, 400}, {-10, 440}}, 0}, 3, nullptr))) CHECK(std::isnan(value));
    CHECK(picture.reads == reads);
}

TEST_CASE("lines at random are the means of their boxes") {
    const auto seed = cubelink::test::random_seed();
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const auto within = [&](double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); };
    Picture picture(100, 80, [&](std::int64_t, std::int64_t) { return within(0, 1) < 0.1 ? NAN : static_cast<float>(within(-5, 5)); });
    const auto wcs = wcs_of({.crval1 = 10, .crval2 = 20}), bent = wcs_of({.projection = "AIT", .crval1 = 10, .crval2 = 0, .cdelt1 = -1, .cdelt2 = 1});
    for (int round = 0; round < effort(400); ++round) {
        const bool whole = round % 3 == 0;
        const auto place = [&] {
            const PixelPoint at{within(-20, 120), within(-20, 100)};
            return whole ? PixelPoint{std::round(at.x), std::round(at.y)} : at;
        };
        Shape line{RegionType::line, {place(), place()}, 0};
        if (round % 2 == 0) {
            line.type = RegionType::polyline;
            for (auto n = 1 + random() % 4; n > 0; --n) line.points.push_back(place());
        }
        if (round % 5 == 0) line.points[1].y = line.points[0].y;
        const auto width = 1 + static_cast<int>(random() % 20);
        const auto sampling = sample_line(line, width, round % 4 == 0 ? nullptr : round % 4 == 1 ? bent.get() : wcs.get());
        const auto values = picture.profile(sampling);
        REQUIRE(values.size() == sampling.boxes.size());
        for (std::size_t i = 0; i < values.size(); ++i) {
            const float expected = plain_mean(sampling.boxes[i], picture.image.plane({}), picture.image.shape());
            REQUIRE(same(values[i], expected));
        }
        if (sampling.equal_angles) continue;
        for (const auto& box : sampling.boxes) {
            REQUIRE(std::hypot(box.across.x, box.across.y) == doctest::Approx(width / 2.0));
            REQUIRE(std::abs(box.along.x * box.across.x + box.along.y * box.across.y) < 1e-9);
        }
    }
}

TEST_CASE("the axis has the unit that suits the length") {
    const auto axis_of = [](double pixel, double length) {
        return sample_line({RegionType::line, {{10, 10}, {10 + length, 10}}, 0}, 3, wcs_of({.crval1 = 10, .crval2 = 20, .cdelt1 = -pixel, .cdelt2 = pixel}).get());
    };
    CHECK(axis_of(1e-9, 20).unit == "milliarcsec");
    CHECK(axis_of(1e-9, 20).cdelt == doctest::Approx(3.6e-3).epsilon(1e-3));
    CHECK(axis_of(1e-3, 20).unit == "arcsec");
    CHECK(axis_of(1e-3, 20).cdelt == doctest::Approx(3.6).epsilon(1e-5));
    CHECK(axis_of(1e-3, 50).unit == "arcmin");
    CHECK(axis_of(1e-3, 50).cdelt == doctest::Approx(0.06).epsilon(1e-5));
    CHECK(axis_of(0.1, 40).unit == "deg");
    CHECK(axis_of(1e-3, 0).cdelt == doctest::Approx(3.6).epsilon(1e-5));
    // A slanting line over pixels that are no squares: the mean step.
    const auto oblong = sample_line({RegionType::line, {{10, 10}, {40, 50}}, 0}, 3, wcs_of({.crval1 = 10, .crval2 = 20, .cdelt1 = -1e-4, .cdelt2 = 2e-4}).get());
    CHECK_FALSE(oblong.equal_angles);
    CHECK(oblong.cdelt == doctest::Approx(0.36 * std::hypot(0.6, 1.6)).epsilon(1e-4));
}

TEST_CASE("where pixels differ in size, steps on the sky are equal") {
    const auto wcs = wcs_of({.projection = "AIT", .crval1 = 10, .crval2 = 0, .cdelt1 = -1, .cdelt2 = 1});
    for (const Shape& line : {Shape{RegionType::line, {{90, 20}, {20, 75}}, 0}, Shape{RegionType::polyline, {{90, 20}, {60, 70}, {20, 40}}, 0}}) {
        const auto sampling = sample_line(line, 4, wcs.get());
        REQUIRE(sampling.equal_angles);
        CHECK(sampling.unit == "deg");
        CHECK(sampling.cdelt == doctest::Approx(1));
        CHECK(sampling.crpix == static_cast<double>(sampling.boxes.size() / 2));
        CHECK(sampling.crval == doctest::Approx(line.type == RegionType::line ? 0 : sampling.crpix));
        std::vector<PixelPoint> centres;
        for (const auto& box : sampling.boxes) centres.push_back(box.centre);
        std::vector<SkyPoint> sky(centres.size());
        wcs->pixels_to_sky(centres, 0, sky);
        int corners = 0;
        for (std::size_t i = 1; i < sky.size(); ++i) {
            const double step = separation(sky[i - 1], sky[i]);
            if (std::abs(step - 1) > 0.01) ++corners;
            CHECK(step < 1.01);
        }
        CHECK(corners <= 1);
        // Width and length of a box in the sky: four and three steps.
        const auto& box = sampling.boxes[sampling.boxes.size() / 4];
        const std::vector<PixelPoint> ends{{box.centre.x + box.along.x, box.centre.y + box.along.y}, {box.centre.x - box.along.x, box.centre.y - box.along.y},
                                           {box.centre.x + box.across.x, box.centre.y + box.across.y}, {box.centre.x - box.across.x, box.centre.y - box.across.y}};
        std::vector<SkyPoint> places(4);
        wcs->pixels_to_sky(ends, 0, places);
        CHECK(separation(places[0], places[1]) == doctest::Approx(3).epsilon(0.02));
        CHECK(separation(places[2], places[3]) == doctest::Approx(4).epsilon(0.02));
    }
    // The ends of a straight line lie at equal angles from its middle.
    const auto line = sample_line({RegionType::line, {{90, 20}, {20, 75}}, 0}, 4, wcs.get());
    CHECK(line.boxes.size() % 2 == 1);
    // A line that leaves the sky: steps of a pixel.
    const auto beyond = sample_line({RegionType::line, {{50, 50}, {50, 5000}}, 0}, 4, wcs.get());
    CHECK_FALSE(beyond.equal_angles);
}
