// Masks of regions, held against a test of each pixel's centre by itself.

#include "imaging/base/image_error.hpp"
#include "imaging/regions/mask.hpp"
#include "imaging/regions/polygon_scan.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <random>
#include <stdexcept>

using namespace cubelink::imaging;
using cubelink::test::effort;

namespace {

constexpr ImageShape image{100, 100, 1, 1};

std::size_t count(RegionType type, std::vector<PixelPoint> points, double rotation = 0, const ImageShape& shape = image) {
    return mask_of({type, std::move(points), rotation}, shape).count();
}

enum class Place { outside, inside, undecided };

/// Whether the segment comes into the square of half-side `reach` around the point.
bool touches(PixelPoint a, PixelPoint b, PixelPoint at, double reach) {
    double from = 0, to = 1;
    for (const auto& [start, delta, middle] : {std::tuple(a.x, b.x - a.x, at.x), std::tuple(a.y, b.y - a.y, at.y)}) {
        const double low = middle - reach - start, high = middle + reach - start;
        if (delta == 0) {
            if (low > 0 || high < 0) return false;
            continue;
        }
        from = std::max(from, std::min(low / delta, high / delta));
        to = std::min(to, std::max(low / delta, high / delta));
    }
    return from <= to;
}

Place in_polygon(const std::vector<PixelPoint>& vertices, PixelPoint at, double tolerance) {
    bool inside = false, near = false;
    for (std::size_t i = 0; i < vertices.size(); ++i) {
        const auto a = vertices[i], b = vertices[(i + 1) % vertices.size()];
        if (touches(a, b, at, tolerance * 0.999)) return Place::inside;
        near = near || touches(a, b, at, tolerance * 1.001);
        if ((a.y <= at.y) == (b.y <= at.y)) continue;
        const long double part = (static_cast<long double>(at.y) - a.y) / (static_cast<long double>(b.y) - a.y);
        if (a.x + part * (static_cast<long double>(b.x) - a.x) < at.x) inside = !inside;
    }
    return near ? Place::undecided : inside ? Place::inside : Place::outside;
}

Place in_ellipse(const Shape& shape, PixelPoint at, double tolerance) {
    const long double angle = shape.rotation * std::numbers::pi_v<long double> / 180;
    const long double dx = at.x - shape.points[0].x, dy = at.y - shape.points[0].y;
    const long double u = (dx * std::cos(angle) + dy * std::sin(angle)) / (shape.points[1].y + tolerance);
    const long double v = (dy * std::cos(angle) - dx * std::sin(angle)) / (shape.points[1].x + tolerance);
    const long double radius = std::hypot(u, v);
    return std::abs(radius - 1) < 1e-9L ? Place::undecided : radius < 1 ? Place::inside : Place::outside;
}

bool holds(const PixelMask& mask, std::int64_t x, std::int64_t y) {
    for (const auto& run : mask.runs())
        if (run.y == y && run.x0 <= x && x < run.x1) return true;
    return false;
}

/// The first pixel where the mask is not what the shape says, as text; empty if there is none.
std::string difference(const Shape& shape, const ImageShape& size) {
    const auto mask = mask_of(shape, size);
    std::vector<char> selected(static_cast<std::size_t>(size.plane_size()));
    for (const auto& run : mask.runs()) {
        if (run.x0 < 0 || run.x1 > size.width || run.y < 0 || run.y >= size.height) return "a run beyond the image";
        std::fill_n(selected.begin() + run.y * size.width + run.x0, run.length(), char{1});
    }
    const bool ellipse = shape.type == RegionType::ellipse;
    const auto vertices = shape.type == RegionType::rectangle ? rectangle_corners(shape) : shape.points;
    const double tolerance = outline_tolerance(ellipse ? std::span(vertices).first(1) : std::span(vertices), size.width, size.height);
    for (std::int64_t y = 0; y < size.height; ++y) {
        for (std::int64_t x = 0; x < size.width; ++x) {
            const PixelPoint at{static_cast<double>(x), static_cast<double>(y)};
            const auto place = ellipse ? in_ellipse(shape, at, tolerance) : in_polygon(vertices, at, tolerance);
            if (place != Place::undecided && (place == Place::inside) != (selected[static_cast<std::size_t>(y * size.width + x)] != 0))
                return "pixel (" + std::to_string(x) + ", " + std::to_string(y) + ") is " + (place == Place::inside ? "missing" : "too many");
        }
    }
    return {};
}

std::string text_of(const Shape& shape) {
    std::string text(name_of(shape.type));
    for (const auto& point : shape.points) text += " (" + std::to_string(point.x) + ", " + std::to_string(point.y) + ")";
    return text + " turned by " + std::to_string(shape.rotation);
}

void check(const Shape& shape, const ImageShape& size) {
    const auto what = difference(shape, size);
    if (!what.empty()) FAIL_CHECK(text_of(shape) << " on " << size.width << " x " << size.height << ": " << what);
}

} // namespace

TEST_CASE("centres on the outline are inside") {
    CHECK(count(RegionType::rectangle, {{50, 50}, {10, 10}}) == 121);
    CHECK(count(RegionType::rectangle, {{50.5, 50.5}, {10, 10}}) == 100);
    for (const double turn : {90.0, 180.0, 270.0, -90.0, 36000.0}) CHECK(count(RegionType::rectangle, {{50, 50}, {10, 10}}, turn) == 121);
    CHECK(count(RegionType::ellipse, {{50, 50}, {2, 2}}) == 13);
    CHECK(count(RegionType::ellipse, {{50, 50}, {2, 2}}, 90) == 13);
    CHECK(count(RegionType::polygon, {{10, 10}, {20, 10}, {20, 20}, {10, 20}}) == 121);
    CHECK(count(RegionType::polygon, {{10, 10}, {14, 14}, {10, 14}}) == 15);
    CHECK(count(RegionType::rectangle, {{50, 50}, {10 * std::sqrt(2.0), 10 * std::sqrt(2.0)}}, 45) == 221); // |dx| + |dy| ≤ 10
    // Not a pixel of a side that is beyond its column.
    CHECK(mask_of({RegionType::rectangle, {{50, 50}, {3, 1}}, 90}, image).bounds() == Rect{50, 49, 51, 52});
    // A third is not a float.
    const double third = static_cast<double>(1.0F / 3.0F);
    CHECK(holds(mask_of({RegionType::polygon, {{third, 0}, {30 + third, 90}, {40, 0}}, 0}, image), 11, 32));
}

TEST_CASE("an ellipse's first semi-axis lies along y") {
    CHECK(mask_of({RegionType::ellipse, {{50, 50}, {20, 5}}, 0}, image).bounds() == Rect{45, 30, 56, 71});
    CHECK(mask_of({RegionType::ellipse, {{50, 50}, {20, 5}}, 90}, image).bounds() == Rect{30, 45, 71, 56});
    // From +y towards -x.
    const auto turned = mask_of({RegionType::ellipse, {{50, 50}, {20, 2}}, 30}, image);
    CHECK(holds(turned, 42, 64));
    CHECK_FALSE(holds(turned, 58, 64));
}

TEST_CASE("a point is the pixel that it lies in") {
    CHECK(mask_of({RegionType::point, {{3.4, 7.5}}, 0}, image).bounds() == Rect{3, 8, 4, 9});
    CHECK(mask_of({RegionType::point, {{-0.4, 99.4}}, 0}, image).bounds() == Rect{0, 99, 1, 100});
    CHECK(count(RegionType::point, {{-0.5, 5}}) == 0);
    CHECK(count(RegionType::point, {{5, 99.5}}) == 0);
    CHECK(count(RegionType::point, {{3e38, -3e38}}) == 0);
}

TEST_CASE("polygons that cross themselves, or have no area") {
    CHECK(count(RegionType::polygon, {{10, 10}, {20, 20}, {20, 10}, {10, 20}}) == 71); // two triangles, the crossing (15, 15) counts once
    // A square within a square, joined by one edge there and back: the outline of the hole belongs to it.
    CHECK(count(RegionType::polygon, {{0, 0}, {20, 0}, {20, 20}, {0, 20}, {0, 0}, {5, 5}, {15, 5}, {15, 15}, {5, 15}, {5, 5}}) == 441 - 81);
    CHECK(count(RegionType::polygon, {{10, 10}, {20, 10}, {15, 10}}) == 11);
    CHECK(count(RegionType::polygon, {{10, 10.5}, {20, 10.5}, {15, 10.5}}) == 0);
    CHECK(count(RegionType::polygon, {{10, 10}, {10, 10}, {10, 10}}) == 1);
    CHECK(count(RegionType::rectangle, {{50.5, 50.5}, {0.5, 0.5}}) == 0);
    CHECK(count(RegionType::ellipse, {{50.5, 50.5}, {0.5, 0.5}}) == 0);
}

TEST_CASE("shapes beyond the image, and larger than all") {
    for (const double size : {1e3, 1e10, 3.4e38}) {
        CHECK(count(RegionType::rectangle, {{50, 50}, {size, size}}) == 10000);
        CHECK(count(RegionType::rectangle, {{50, 50}, {size, size}}, 33) == 10000);
        CHECK(count(RegionType::ellipse, {{50, 50}, {size, size}}, 33) == 10000);
        CHECK(count(RegionType::ellipse, {{50, 50}, {size, 3.5}}) == 700);
        CHECK(count(RegionType::polygon, {{-size, -size}, {size, -size}, {50, size}}) == 10000);
        CHECK(count(RegionType::rectangle, {{50 + size * 0.6, 50}, {size, size}}) == 0);
        CHECK(count(RegionType::rectangle, {{size * 0.5, 50}, {size, 10}}) == 1100);
        CHECK(count(RegionType::ellipse, {{-size, 50}, {0.9 * size, 0.9 * size}}) == 0);
        CHECK(count(RegionType::polygon, {{-10, -size}, {-5, size}, {-7, 0}}) == 0);
        // Half of the image, along its diagonal.
        CHECK(count(RegionType::polygon, {{0, 0}, {size, size}, {size, 0}}) == 5050);
    }
    CHECK(mask_of({RegionType::rectangle, {{50, 50}, {1e3, 1e3}}, 0}, {1, 1, 1, 1}).count() == 1);
    CHECK(mask_of({RegionType::rectangle, {{-3.4e38, 3.4e38}, {3.4e38, 3.4e38}}, 3.4e38}, image).count() <= 10000);
}

TEST_CASE("what has no inside has no mask") {
    CHECK_THROWS_AS(count(RegionType::line, {{1, 1}, {5, 5}}), std::invalid_argument);
    CHECK_THROWS_AS(count(RegionType::ann_rectangle, {{5, 5}, {2, 2}}), std::invalid_argument);
    CHECK_THROWS_AS(count(RegionType::rectangle, {{5, 5}, {-2, 2}}), std::invalid_argument);
    CHECK_THROWS_AS(count(RegionType::polygon, {{5, 5}, {NAN, 2}, {3, 3}}), std::invalid_argument);
}

TEST_CASE("masks of random shapes are those of a test of each centre") {
    const auto seed = cubelink::test::random_seed();
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const auto within = [&](double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); };
    const auto as_float = [](double value) { return static_cast<double>(static_cast<float>(value)); };
    for (int round = 0; round < effort(8000); ++round) {
        const ImageShape size{1 + static_cast<std::int64_t>(random() % 60), 1 + static_cast<std::int64_t>(random() % 60), 1, 1};
        // Whole, half and other coordinates; some shapes far larger than the image.
        const double scale = round % 7 == 0 ? 1000 : 1;
        const int grid = round % 3;
        const auto coordinate = [&](double length) {
            const double value = within(-0.5 * length - 5, 1.5 * length + 5) * scale;
            return grid == 0 ? std::round(value) : grid == 1 ? std::round(value * 2) / 2 : as_float(value);
        };
        const auto place = [&] { return PixelPoint{coordinate(static_cast<double>(size.width)), coordinate(static_cast<double>(size.height))}; };
        const auto extent = [&] {
            const double value = round % 5 == 0 ? within(0.001, 0.3) : within(0.1, 40) * scale;
            return grid == 0 ? std::max(1.0, std::round(value)) : as_float(value);
        };
        const double rotation = round % 4 == 0 ? 90.0 * static_cast<double>(random() % 5) : round % 4 == 1 ? 45 : within(-400, 400);
        Shape shape;
        switch (random() % 3) {
        case 0: shape = {RegionType::rectangle, {place(), {extent(), extent()}}, rotation}; break;
        case 1: shape = {RegionType::ellipse, {place(), {extent(), extent()}}, rotation}; break;
        default:
            shape = {RegionType::polygon, {}, 0};
            for (std::size_t n = 3 + random() % 12; n > 0; --n) shape.points.push_back(place());
            if (round % 6 == 0) shape.points.push_back(shape.points.front()); // closed once more
            if (round % 10 == 0) { // a sliver
                shape.points = {place(), place()};
                shape.points.push_back({shape.points[1].x, shape.points[1].y + within(-0.01, 0.01)});
            }
        }
        check(shape, size);
    }
}

TEST_CASE("thin ellipses and boxes at all angles") {
    for (int degrees = 0; degrees < 360; degrees += 3) {
        for (const double thickness : {1e-6, 0.01, 0.4, 1.0}) {
            check({RegionType::rectangle, {{30.25, 30.5}, {40, thickness}}, static_cast<double>(degrees)}, {61, 61, 1, 1});
            check({RegionType::ellipse, {{30, 30}, {25, thickness}}, static_cast<double>(degrees)}, {61, 61, 1, 1});
            check({RegionType::ellipse, {{30.3, 30}, {thickness, 1000}}, static_cast<double>(degrees)}, {61, 61, 1, 1});
        }
    }
}

TEST_CASE("outlines of many vertices: a comb, a spiral, and one that crosses too many rows") {
    const ImageShape large{4000, 4000, 1, 1};
    std::vector<PixelPoint> comb;
    for (int i = 0; i < 1000; ++i) comb.insert(comb.end(), {{i * 4 - 0.25, 10.5}, {i * 4 - 0.25, 3000.5}, {i * 4 + 1.25, 3000.5}, {i * 4 + 1.25, 10.5}});
    comb.insert(comb.end(), {{4100, 10.5}, {4100, 9.5}, {-5, 9.5}, {-5, 10.5}});
    const auto mask = mask_of({RegionType::polygon, comb, 0}, large);
    CHECK(mask.count() == 2990 * 2000 + 4000);
    CHECK(mask.runs().size() == 2990 * 1000 + 1);

    std::vector<PixelPoint> spiral;
    const std::size_t half = max_shape_points / 2;
    for (std::size_t i = 0; i < 2 * half; ++i) {
        const double t = static_cast<double>(i < half ? i : 2 * half - 1 - i) / static_cast<double>(half), radius = 1900 * t + (i < half ? 1.5 : 0);
        spiral.push_back({2000 + radius * std::cos(400 * t), 2000 + radius * std::sin(400 * t)});
    }
    const auto turns = mask_of({RegionType::polygon, spiral, 0}, large);
    CHECK(turns.count() > 100'000);
    CHECK(turns.count() < 2'000'000);

    std::vector<PixelPoint> zigzag;
    for (std::size_t i = 0; i < max_shape_points; ++i) zigzag.push_back({static_cast<double>(i % 4000), i % 2 == 0 ? -10.0 : 4010.0});
    CHECK_THROWS_AS(mask_of({RegionType::polygon, zigzag, 0}, large), ImageError);

    const CancelToken cancelled;
    cancelled.cancel();
    CHECK_THROWS_AS(mask_of({RegionType::polygon, comb, 0}, large, cancelled), Cancelled);
}
