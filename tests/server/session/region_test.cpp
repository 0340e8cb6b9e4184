#include "server/session/region.hpp"

#include "imaging/source/memory_image.hpp"
#include "server/session/session.hpp"
#include "tests/imaging/regions/sample_wcs.hpp"

#include <doctest/doctest.h>

#include <algorithm>

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

TEST_CASE("a region's mask is made once for an image, and counts while the state lives") {
    imaging::BudgetCache cache(1 << 20);
    const auto image = image_of(0, 100, 80), other = image_of(1, 20, 20);
    auto state = std::make_shared<const RegionState>(0, box(50, 50, 10, 10), nullptr);
    const auto mask = state->mask_on(*image, cache, {});
    CHECK(mask->count() == 121);
    CHECK(state->mask_on(*image, cache, {}) == mask);
    CHECK(cache.statistics().used > 0);
    // Without coordinates it is on its own image alone.
    CHECK(state->shape_on(*image) == state->shape);
    CHECK_FALSE(state->shape_on(*other).has_value());
    CHECK(state->mask_on(*other, cache, {})->empty());
    state.reset();
    CHECK(cache.statistics().used == 0);
}

TEST_CASE("a state forgets the images that it was not asked for lately") {
    imaging::BudgetCache cache(1 << 20);
    const auto state = std::make_shared<const RegionState>(0, box(5, 5, 4, 4), nullptr);
    std::size_t most = 0;
    for (int i = 0; i < 50; ++i) {
        CHECK(state->mask_on(*image_of(0, 10, 10), cache, {})->count() == 25);
        most = std::max(most, cache.statistics().used);
    }
    CHECK(cache.statistics().used == most);
}

TEST_CASE("on another image a region is what the sky makes of it, also after a cancelled attempt") {
    using imaging::test::wcs_of;
    imaging::BudgetCache cache(1 << 20);
    const auto here = wcs_of({.crval1 = 359.9999, .crval2 = 20}), finer = wcs_of({.crval1 = 359.9999, .crval2 = 20, .cdelt1 = -5e-4, .cdelt2 = 5e-4});
    const auto image = image_of(1, 100, 100);
    image->wcs = finer;
    const auto state = std::make_shared<const RegionState>(0, box(50, 50, 10, 10), here);
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
    const auto point = std::make_shared<const RegionState>(0, Shape{RegionType::point, {{52, 47}}, 0}, here);
    CHECK(point->mask_on(*image, cache, {})->bounds() == imaging::Rect{54, 44, 55, 45});
}
