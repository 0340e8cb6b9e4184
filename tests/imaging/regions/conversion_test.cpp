// Regions of one image on another.

#include "imaging/regions/conversion.hpp"
#include "imaging/regions/mask.hpp"
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

Shape converted(const Shape& shape, const Sky& from, const Sky& to) {
    const auto here = wcs_of(from), there = wcs_of(to);
    REQUIRE(here);
    REQUIRE(there);
    const auto found = convert(shape, *here, *there);
    REQUIRE(found.has_value());
    return *found;
}

void check_near(PixelPoint a, PixelPoint b, double most) {
    CHECK(std::abs(a.x - b.x) <= most);
    CHECK(std::abs(a.y - b.y) <= most);
}

void check_angle(double a, double b, double most) { CHECK(std::abs(std::remainder(a - b, 360)) <= most); }

} // namespace

TEST_CASE("on an image with the same coordinates a shape stays what it is") {
    const Sky sky{.crval1 = 83.6, .crval2 = 22};
    for (const Shape& shape : {Shape{RegionType::point, {{10.3, 20.7}}, 0}, Shape{RegionType::line, {{1, 2}, {33.3, 44}}, 12}, Shape{RegionType::rectangle, {{40, 30}, {21, 7}}, 30},
                               Shape{RegionType::ellipse, {{40, 30}, {21, 7}}, -50}, Shape{RegionType::ellipse, {{40, 30}, {7, 21}}, 110},
                               Shape{RegionType::ellipse, {{40, 30}, {9, 9}}, 25}, Shape{RegionType::polygon, {{1, 1}, {80, 3}, {33, 71}}, 0},
                               Shape{RegionType::ann_text, {{40, 30}, {0, 0}}, 10}, Shape{RegionType::ann_compass, {{40, 30}, {5, 5}}, 0},
                               Shape{RegionType::ann_ellipse, {{40, 30}, {1e-3, 7}}, 10}, Shape{RegionType::ann_ruler, {{40, 30}, {60, 70}}, 0}}) {
        CAPTURE(name_of(shape.type));
        const auto found = converted(shape, sky, sky);
        CHECK(found.type == shape.type);
        REQUIRE(found.points.size() == shape.points.size());
        for (std::size_t i = 0; i < shape.points.size(); ++i) check_near(found.points[i], shape.points[i], 1e-6);
        check_angle(found.rotation, shape.rotation, 1e-4);
    }
}

TEST_CASE("turned, scaled and flipped images") {
    const Sky from{.crval1 = 83.6, .crval2 = 22};
    const Shape box{RegionType::rectangle, {{50, 50}, {20, 8}}, 10}, ellipse{RegionType::ellipse, {{50, 50}, {20, 8}}, 10};
    for (const double turn : {0.0, 30.0, -120.0}) {
        for (const auto& shape : {box, ellipse}) {
            const auto found = converted(shape, from, {.crval1 = 83.6, .crval2 = 22, .cdelt1 = -5e-4, .cdelt2 = 5e-4, .turn = turn});
            CHECK(found.type == shape.type);
            check_near(found.points[0], {50, 50}, 1e-6);
            check_near(found.points[1], {40, 16}, 1e-4);
            check_angle(std::remainder(2 * (found.rotation - turn - 10), 360), 0, 1e-3);
        }
    }
    // Longitude to the right: the angle changes its sign, the sizes stay in their order.
    for (const auto& shape : {box, ellipse}) {
        const auto found = converted(shape, from, {.crval1 = 83.6, .crval2 = 22, .cdelt1 = 1e-3, .cdelt2 = 1e-3});
        CHECK(found.type == shape.type);
        check_near(found.points[1], {20, 8}, 1e-4);
        check_angle(2 * found.rotation, -20, 1e-3);
    }
    // Pixels that are no squares: an ellipse stays one, whichever its angle; a box only along the axes.
    const Sky oblong{.crval1 = 83.6, .crval2 = 22, .cdelt1 = -1e-3, .cdelt2 = 5e-4};
    CHECK(converted(ellipse, from, oblong).type == RegionType::ellipse);
    CHECK(converted(box, from, oblong).type == RegionType::polygon);
    const auto upright = converted({RegionType::rectangle, {{50, 50}, {20, 8}}, 0}, from, oblong);
    CHECK(upright.type == RegionType::rectangle);
    check_near(upright.points[1], {20, 16}, 1e-4);
}

TEST_CASE("a region across longitude 0, near and over a pole") {
    const Shape box{RegionType::rectangle, {{50, 50}, {60, 40}}, 20};
    const auto across = converted(box, {.crval1 = 0.001, .crval2 = 10}, {.crval1 = 359.999, .crval2 = 10, .turn = 15});
    CHECK(across.type == RegionType::rectangle);
    check_near(across.points[1], {60, 40}, 1e-3);
    for (const double latitude : {89.99, 90.0, -90.0, -89.97}) {
        const auto pole = converted(box, {.crval1 = 10, .crval2 = latitude}, {.projection = "SIN", .crval1 = 200, .crval2 = latitude});
        CHECK(pole.type == RegionType::rectangle);
        check_near(pole.points[1], {60, 40}, 1e-2);
    }
    // The pole is a line at the edge of a plate carrée: an outline around it is torn, one beside it is bent.
    const Sky plane{.projection = "CAR", .crval1 = 0, .crval2 = 0, .cdelt1 = -1, .cdelt2 = 1};
    const Sky pole{.crval1 = 0, .crval2 = 90, .cdelt1 = -0.2, .cdelt2 = 0.2};
    CHECK_FALSE(convert(box, *wcs_of(pole), *wcs_of(plane)).has_value());
    CHECK_FALSE(convert({RegionType::polygon, {{30, 30}, {70, 30}, {50, 80}}, 0}, *wcs_of(pole), *wcs_of(plane)).has_value());
    const auto beside = convert({RegionType::rectangle, {{50, 70}, {20, 10}}, 0}, *wcs_of(pole), *wcs_of(plane));
    REQUIRE(beside.has_value());
    CHECK(beside->type == RegionType::polygon);
}

TEST_CASE("where the projection bends it, a region becomes its outline") {
    const Sky from{.crval1 = 40, .crval2 = 50, .cdelt1 = -0.3, .cdelt2 = 0.3}, to{.projection = "AIT", .crval1 = 0, .crval2 = 0, .cdelt1 = -0.1, .cdelt2 = 0.1};
    for (const RegionType type : {RegionType::rectangle, RegionType::ellipse, RegionType::ann_rectangle, RegionType::ann_ellipse}) {
        const auto found = converted({type, {{50, 50}, {60, 40}}, 20}, from, to);
        CHECK(found.type == (is_annotation(type) ? RegionType::ann_polygon : RegionType::polygon));
        CHECK(found.points.size() == 1000);
    }
    const auto polygon = converted({RegionType::polygon, {{20, 20}, {80, 20}, {80, 80}, {20, 80}}, 0}, from, to);
    CHECK(polygon.type == RegionType::polygon);
    CHECK(polygon.points.size() > 20);
    // Lines keep their vertices.
    CHECK(converted({RegionType::polyline, {{20, 20}, {80, 20}, {80, 80}}, 0}, from, to).points.size() == 3);
}

TEST_CASE("there and back selects the same pixels") {
    const auto seed = cubelink::test::random_seed();
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const auto within = [&](double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); };
    const std::vector<std::string> projections{"TAN", "SIN", "SFL", "AIT", "CAR", "ZEA"}, frames{"ICRS", "FK5", "FK4"};
    for (int round = 0; round < effort(300); ++round) {
        const double lon = within(0, 360), lat = within(-85, 85);
        const auto sky = [&] {
            // All-sky projections are centred near the region, so that it is not torn.
            return Sky{.projection = projections[random() % projections.size()], .radesys = frames[random() % frames.size()], .crval1 = std::fmod(lon + 359 + within(0, 2), 360),
                       .crval2 = lat, .cdelt1 = within(0, 1) < 0.5 ? within(-2e-2, -5e-3) : within(5e-3, 2e-2), .cdelt2 = within(5e-3, 2e-2), .turn = within(-180, 180)};
        };
        const Sky here = sky(), there = sky();
        const auto a = wcs_of(here), b = wcs_of(there);
        REQUIRE(a);
        REQUIRE(b);
        Shape shape;
        switch (random() % 4) {
        case 0: shape = {RegionType::rectangle, {{within(20, 80), within(20, 80)}, {within(1, 40), within(1, 40)}}, within(-180, 180)}; break;
        case 1: shape = {RegionType::ellipse, {{within(20, 80), within(20, 80)}, {within(1, 20), within(1, 20)}}, within(-180, 180)}; break;
        case 2: shape = {RegionType::polygon, {{within(0, 100), within(0, 100)}, {within(0, 100), within(0, 100)}, {within(0, 100), within(0, 100)}}, 0}; break;
        default: shape = {RegionType::point, {{std::round(within(5, 95)), std::round(within(5, 95))}}, 0};
        }
        const auto out = convert(shape, *a, *b);
        if (!out) { // a corner beyond the projection's border
            CHECK(shape.type != RegionType::point);
            continue;
        }
        const auto back = convert(*out, *b, *a);
        REQUIRE(back.has_value());
        const ImageShape image{100, 100, 1, 1};
        const auto before = mask_of(shape, image).count(), after = mask_of(*back, image).count();
        // 0.1 pixels along the outline.
        CHECK(std::abs(static_cast<double>(before) - static_cast<double>(after)) <= 8 + 0.1 * 4 * std::sqrt(static_cast<double>(before)) * 2);
        if (shape.type == RegionType::point) CHECK(before == after);
    }
}

TEST_CASE("what cannot be converted is nothing") {
    const Sky sky{.crval1 = 10, .crval2 = 10};
    const Shape point{RegionType::point, {{50, 50}}, 0};
    const auto plain = wcs_of(std::vector<std::string>{"CTYPE1  = 'X'", "CTYPE2  = 'Y'", "CRPIX1  = 1.0", "CRPIX2  = 1.0"}, 10, 10);
    REQUIRE(plain);
    CHECK_FALSE(convert(point, *wcs_of(sky), *plain).has_value());
    CHECK_FALSE(convert(point, *plain, *wcs_of(sky)).has_value());
    // The other side of the sky.
    CHECK_FALSE(convert(point, *wcs_of(sky), *wcs_of(Sky{.crval1 = 190, .crval2 = -10})).has_value());
    CHECK_FALSE(convert({RegionType::rectangle, {{50, 50}, {3e38, 3e38}}, 0}, *wcs_of(sky), *wcs_of(Sky{.crval1 = 11, .crval2 = 10})).has_value());
    CHECK_THROWS_AS(convert({RegionType::rectangle, {{50, 50}}, 0}, *wcs_of(sky), *wcs_of(sky)), std::invalid_argument);
    const CancelToken cancelled;
    cancelled.cancel();
    CHECK_THROWS_AS(convert(point, *wcs_of(sky), *wcs_of(sky), cancelled), Cancelled);
}
