#include "server/session/region.hpp"

#include "imaging/source/memory_image.hpp"
#include "server/session/session.hpp"

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
