#include "imaging/base/budget_cache.hpp"
#include "imaging/pixels/polarization.hpp"
#include "imaging/source/stacked_image.hpp"
#include "tests/imaging/pixels/test_sources.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <stdexcept>

using namespace cubelink::imaging;
using test::MemorySource;

namespace {

double value(std::int64_t x, std::int64_t y, std::int64_t channel, std::int64_t stokes) { return double(1 + x + 10 * y + 100 * channel + 1000 * stokes); }

std::shared_ptr<MemorySource> part(std::int64_t stokes, const ImageShape& shape = {7, 5, 4, 1}, bool wide = false, bool direct = true) {
    auto source = std::make_shared<MemorySource>(shape, wide, direct);
    for (std::int64_t z = 0; z < shape.depth; ++z)
        for (std::int64_t y = 0; y < shape.height; ++y)
            for (std::int64_t x = 0; x < shape.width; ++x) source->at(x, y, z) = value(x, y, z, stokes);
    return source;
}

} // namespace

TEST_CASE("every read of a stacked image goes to the part of its stokes") {
    const StackedImage image({part(0), part(1), part(2)}, nullptr);
    CHECK(image.shape() == ImageShape{7, 5, 4, 3});
    CHECK(image.identity().is_computed());
    const Rect rect{1, 2, 6, 5};
    const PixelMask mask(std::vector<PixelRun>{{2, 1, 3}, {4, 6, 7}});
    const std::vector<PixelRun> runs{{4, 0, 3}, {1, 2, 4}, {4, 1, 2}};
    for (std::int32_t stokes = 0; stokes < 3; ++stokes) {
        std::vector<float> plane(15), spectrum(3), box(30), masked(6), pixels(12);
        std::vector<double> plane64(15), pixels64(12);
        image.read(rect, {2, stokes}, plane, 1, {});
        image.read64(rect, {2, stokes}, plane64, 1, {});
        image.read_spectrum(3, 4, stokes, 1, spectrum, {});
        image.read_box(rect, {1, 3}, stokes, box, 1, {});
        image.read_masked(mask, {1, 3}, stokes, masked, 1, {});
        image.read_pixels(runs, {2, 4}, stokes, pixels, {});
        image.read_pixels64(runs, {2, 4}, stokes, pixels64, {});
        for (std::int64_t i = 0; i < 15; ++i) {
            const auto at = std::size_t(i);
            const std::int64_t x = 1 + i % 5, y = 2 + i / 5;
            CHECK(plane[at] == value(x, y, 2, stokes));
            CHECK(plane64[at] == value(x, y, 2, stokes));
            CHECK(box[at] == value(x, y, 1, stokes));
            CHECK(box[at + 15] == value(x, y, 2, stokes));
        }
        for (std::int64_t i = 0; i < 3; ++i) CHECK(spectrum[std::size_t(i)] == value(3, 4, 1 + i, stokes));
        CHECK(masked == std::vector<float>{float(value(1, 2, 1, stokes)), float(value(2, 2, 1, stokes)), float(value(6, 4, 1, stokes)), float(value(1, 2, 2, stokes)),
                                           float(value(2, 2, 2, stokes)), float(value(6, 4, 2, stokes))});
        for (std::size_t i = 0; i < 12; ++i) CHECK(pixels[i] == float(pixels64[i]));
        CHECK(pixels[0] == value(0, 4, 2, stokes));
        CHECK(pixels[5] == value(1, 4, 2, stokes));
        CHECK(pixels[6] == value(0, 4, 3, stokes));
        CHECK(pixels[11] == value(1, 4, 3, stokes));
    }
    std::vector<float> out(1);
    for (const std::int32_t stokes : {-1, 3, 13}) {
        CHECK_THROWS_AS(image.read({0, 0, 1, 1}, {0, stokes}, out, 1, {}), std::out_of_range);
        CHECK_THROWS_AS(image.read_spectrum(0, 0, stokes, 0, out, {}), std::out_of_range);
        CHECK_THROWS_AS(image.read_box({0, 0, 1, 1}, {0, 1}, stokes, out, 1, {}), std::out_of_range);
        CHECK_THROWS_AS(image.read_pixels(std::vector<PixelRun>{{0, 0, 1}}, {0, 1}, stokes, out, {}), std::out_of_range);
    }
    CHECK_THROWS_AS(image.read({0, 0, 8, 1}, {0, 0}, out, 1, {}), std::out_of_range);
    CHECK_THROWS_AS(image.read({0, 0, 1, 1}, {4, 0}, out, 1, {}), std::out_of_range);
}

TEST_CASE("a stacked image can do what all of its parts can") {
    const auto blocks = [](std::int64_t width, std::int64_t height) {
        auto source = part(0, {7, 5, 4, 1}, false, false);
        source->set_stored_block({width, height});
        return source;
    };
    const StackedImage direct({part(0), part(1)}, nullptr), mixed({part(0), blocks(4, 2)}, nullptr), wide({part(0), part(1, {7, 5, 4, 1}, true)}, nullptr);
    CHECK(direct.capabilities().random_access);
    CHECK(!direct.capabilities().prefers_double);
    CHECK(direct.stored_type() == PixelType::float32);
    CHECK(!mixed.capabilities().random_access);
    CHECK(mixed.capabilities().stored_block.width == 4);
    CHECK(mixed.capabilities().stored_block.height == 2);
    CHECK(wide.capabilities().prefers_double);
    CHECK(wide.stored_type() == PixelType::float64);
    std::vector<std::int64_t> out(1);
    CHECK_THROWS_AS(direct.read_int64({0, 0, 1, 1}, {0, 0}, out, 1, {}), std::logic_error);
}

TEST_CASE("images of another shape or of several polarizations are not stacked") {
    CHECK_THROWS_AS(StackedImage({}, nullptr), std::invalid_argument);
    CHECK_THROWS_AS(StackedImage({part(0), part(1, {7, 5, 3, 1})}, nullptr), std::invalid_argument);
    CHECK_THROWS_AS(StackedImage({std::make_shared<MemorySource>(ImageShape{7, 5, 4, 2})}, nullptr), std::invalid_argument);
}

TEST_CASE("computed polarizations of a stacked image") {
    const auto stacked = std::make_shared<const StackedImage>(std::vector<std::shared_ptr<const ImageSource>>{part(0), part(1), part(2), part(3)}, nullptr);
    const PolarizationSource image(stacked, {1, 2, 3, 4});
    std::vector<double> out(1);
    for (const auto type : image.available()) {
        image.read64({3, 2, 4, 3}, {1, static_cast<std::int32_t>(type)}, out, 1, {});
        CHECK(out[0] == doctest::Approx(computed_polarization(type, value(3, 2, 1, 0), value(3, 2, 1, 1), value(3, 2, 1, 2), value(3, 2, 1, 3))));
    }
    CHECK(image.available().size() == 5);
}

TEST_CASE("what is cached of a stacked image goes with it") {
    BudgetCache budget(1 << 20);
    ImageIdentity identity;
    {
        const StackedImage image({part(0), part(1)}, &budget);
        identity = image.identity();
        budget.get<int>({identity, 0, {}, CacheKind::other, 0}, 100, {}, [] { return std::make_shared<const int>(1); });
        CHECK(budget.statistics().entries == 1);
    }
    CHECK(budget.statistics().entries == 0);
    CHECK(!budget.find<int>({identity, 0, {}, CacheKind::other, 0}));
}
