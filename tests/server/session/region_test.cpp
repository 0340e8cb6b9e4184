#include "server/session/region.hpp"

#include "imaging/source/memory_image.hpp"
#include "server/session/session.hpp"
#include "tests/imaging/regions/sample_wcs.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <random>

using namespace cubelink;
using namespace cubelink::server;
using imaging::RegionType;
using imaging::Shape;

namespace {

ImagePtr image_of(std::int32_t file_id, std::int64_t width, std::int64_t height) {
    static imaging::BudgetCache pixels(1 << 20);
    auto image = std::make_shared<Image>(file_id);
    const imaging::ImageShape shape{width, height, 1, 1};
    image->source = std::make_shared<imaging::PolarizationSource>(
        std::make_shared<imaging::MemoryImage>(shape, pixels), std::vector<int>());
    return image;
}

Shape box(double x, double y, double width, double height) { return {RegionType::rectangle, {{x, y}, {width, height}}, 0}; }

} // namespace

TEST_CASE("a region's mask is made once for an image, and kept in the cache") {
    imaging::BudgetCache cache(1 << 20);
    const auto image = image_of(0, 100, 80), other = image_of(1, 20, 20);
    auto state = std::make_shared<const RegionState>(0, box(50, 50, 10, 10), image.get());
    const auto mask = state->mask_on(*image, cache, {});
    CHECK(mask->count() == 121);
    CHECK(state->mask_on(*image, cache, {}) == mask);
    CHECK(cache.statistics().used > 0);
    // Without coordinates it is on its own image alone.
    CHECK(state->shape_on(*image) == state->shape);
    CHECK_FALSE(state->shape_on(*other).has_value());
    CHECK(state->mask_on(*other, cache, {})->empty());
    cache.drop(image->source->identity());
    CHECK(state->mask_on(*image, cache, {}) != mask);
    CHECK(state->mask_on(*image, cache, {})->count() == 121);
}

TEST_CASE("control points as text, there and back") {
    std::mt19937_64 random(20261127);
    for (int round = 0; round < 200; ++round) {
        Shape shape{RegionType::polygon, {}, 0};
        for (int i = 0; i < 1 + round % 20; ++i)
            shape.points.push_back({std::bit_cast<float>(static_cast<std::uint32_t>(random() % 0x7F800000)), -static_cast<double>(random()) / 7});
        const RegionState state(0, shape, nullptr);
        CHECK(points_of(*state.points_text()) == shape.points);
        CHECK(state.points_text() == state.points_text());
    }
    for (const char* bad : {"1", "1 ", "1 2", "x y ", "1 2 3 ", " 1 2 ", "1,2 "}) CHECK_THROWS_AS(points_of(bad), rpc::BadArguments);
    CHECK(points_of("").empty());
}

TEST_CASE("an image that is opened under the reference's id is another one, if the sky says so") {
    using imaging::test::wcs_of;
    imaging::BudgetCache cache(1 << 20);
    const auto reference = image_of(0, 100, 100), reopened = image_of(0, 100, 100), plain = image_of(0, 100, 100);
    reference->wcs = wcs_of({.crval1 = 10, .crval2 = 20});
    reopened->wcs = wcs_of({.crval1 = 10, .crval2 = 20, .cdelt1 = -5e-4, .cdelt2 = 5e-4});
    const RegionState state(0, box(50, 50, 10, 10), reference.get());
    CHECK(state.mask_on(*reference, cache, {})->count() == 121);
    CHECK(state.mask_on(*reopened, cache, {})->count() == 441);
    CHECK(state.mask_on(*plain, cache, {})->count() == 121); // nothing to compare
    CHECK(state.belongs_to(*reference));
    CHECK_FALSE(state.belongs_to(*reopened));
}

TEST_CASE("on another image a region is what the sky makes of it, also after a cancelled attempt") {
    using imaging::test::wcs_of;
    imaging::BudgetCache cache(1 << 20);
    const auto here = wcs_of({.crval1 = 359.9999, .crval2 = 20}), finer = wcs_of({.crval1 = 359.9999, .crval2 = 20, .cdelt1 = -5e-4, .cdelt2 = 5e-4});
    const auto image = image_of(1, 100, 100);
    image->wcs = finer;
    const auto reference = image_of(0, 100, 100);
    reference->wcs = here;
    const auto state = std::make_shared<const RegionState>(0, box(50, 50, 10, 10), reference.get());
    const imaging::CancelToken cancelled;
    cancelled.cancel();
    CHECK_THROWS_AS(state->mask_on(*image, cache, cancelled), imaging::Cancelled);
    CHECK(cache.statistics().used == 0);
    CHECK(state->mask_on(*image, cache, {})->count() == 441);
    const auto shape = state->shape_on(*image);
    REQUIRE(shape.has_value());
    CHECK(shape->type == RegionType::rectangle);
    CHECK(shape->points[1].x == doctest::Approx(20).epsilon(1e-6));
    // A point is the pixel that it lies in.
    const auto point = std::make_shared<const RegionState>(0, Shape{RegionType::point, {{52, 47}}, 0}, reference.get());
    CHECK(point->mask_on(*image, cache, {})->bounds() == imaging::Rect{54, 44, 55, 45});
}
