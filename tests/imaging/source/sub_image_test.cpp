#include "imaging/source/memory_image.hpp"
#include "imaging/source/sub_image.hpp"
#include "tests/support/random_seed.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <stdexcept>

using namespace cubelink::imaging;

namespace {

constexpr ImageShape whole{13, 11, 40, 4};

float value(std::int64_t x, std::int64_t y, std::int64_t channel, std::int64_t stokes) {
    return static_cast<float>(x + whole.width * (y + whole.height * (channel + whole.depth * stokes)));
}

std::shared_ptr<MemoryImage> filled(BudgetCache& budget) {
    auto image = std::make_shared<MemoryImage>(whole, budget);
    for (std::int32_t stokes = 0; stokes < whole.stokes; ++stokes) {
        for (std::int32_t channel = 0; channel < whole.depth; ++channel) {
            const auto pixels = image->plane({channel, stokes});
            for (std::int64_t i = 0; i < whole.plane_size(); ++i) pixels[static_cast<std::size_t>(i)] = value(i % whole.width, i / whole.width, channel, stokes);
        }
    }
    return image;
}

bool same(float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); }

} // namespace

TEST_CASE("a part of an image: every way of reading gives its pixels, blank where they are not selected") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto draw = [&](std::int64_t from, std::int64_t to) { return std::uniform_int_distribution<std::int64_t>(from, to)(random); };
    BudgetCache budget(1 << 22);
    const auto image = filled(budget);
    for (int round = 0; round < 60; ++round) {
        SubImageSelection selection;
        selection.rect.x0 = draw(0, whole.width - 1);
        selection.rect.y0 = draw(0, whole.height - 1);
        selection.rect.x1 = draw(selection.rect.x0 + 1, whole.width);
        selection.rect.y1 = draw(selection.rect.y0 + 1, whole.height);
        const auto range = [&](std::int64_t length) {
            IndexRange made{draw(0, length - 1), 1, draw(1, 4) == 1 ? draw(17, 30) : draw(1, 4)};
            made.count = draw(1, (length - 1 - made.from) / made.step + 1);
            return made;
        };
        selection.channels = range(whole.depth);
        selection.stokes = range(whole.stokes);
        std::vector<std::uint8_t> bits(static_cast<std::size_t>(whole.plane_size()), 1);
        if (round % 3 != 0) {
            for (auto& bit : bits) bit = draw(0, 3) != 0;
            selection.mask = std::make_shared<const PixelMask>(Rect{0, 0, whole.width, whole.height}, bits);
        }
        const SubImage part(image, selection);
        const ImageShape& shape = part.shape();
        REQUIRE(shape == ImageShape{selection.rect.width(), selection.rect.height(), selection.channels.count, selection.stokes.count});
        const auto expected = [&](std::int64_t x, std::int64_t y, std::int64_t channel, std::int64_t stokes) {
            x += selection.rect.x0;
            y += selection.rect.y0;
            if (bits[static_cast<std::size_t>(y * whole.width + x)] == 0) return std::numeric_limits<float>::quiet_NaN();
            return value(x, y, selection.channels.from + channel * selection.channels.step, selection.stokes.from + stokes * selection.stokes.step);
        };
        const auto stokes = static_cast<std::int32_t>(draw(0, shape.stokes - 1));
        const Rect rect{draw(0, shape.width - 1), draw(0, shape.height - 1), shape.width, shape.height};
        const ChannelRange channels{static_cast<std::int32_t>(draw(0, shape.depth - 1)), static_cast<std::int32_t>(shape.depth)};
        std::vector<float> box(static_cast<std::size_t>(rect.size() * channels.count())), plane(static_cast<std::size_t>(rect.size()));
        std::vector<double> wide(plane.size());
        part.read_box(rect, channels, stokes, box, 1, {});
        bool all = true;
        for (std::int32_t channel = channels.from; channel < channels.to; ++channel) {
            part.read(rect, {channel, stokes}, plane, 1, {});
            part.read64(rect, {channel, stokes}, wide, 1, {});
            for (std::size_t i = 0; i < plane.size(); ++i) {
                const auto x = rect.x0 + static_cast<std::int64_t>(i) % rect.width(), y = rect.y0 + static_cast<std::int64_t>(i) / rect.width();
                const float pixel = expected(x, y, channel, stokes);
                all = all && same(plane[i], pixel) && same(static_cast<float>(wide[i]), pixel) &&
                      same(box[static_cast<std::size_t>(channel - channels.from) * plane.size() + i], pixel);
            }
        }
        const std::int64_t x = draw(0, shape.width - 1), y = draw(0, shape.height - 1);
        std::vector<float> spectrum(static_cast<std::size_t>(channels.count()));
        part.read_spectrum(x, y, stokes, channels.from, spectrum, {});
        for (std::size_t i = 0; i < spectrum.size(); ++i) all = all && same(spectrum[i], expected(x, y, channels.from + static_cast<std::int64_t>(i), stokes));
        const std::vector<PixelRun> runs{{shape.height - 1, 0, shape.width}, {0, shape.width - 1, shape.width}};
        std::vector<float> pixels(static_cast<std::size_t>(shape.width + 1));
        part.read_pixels(runs, {channels.from, channels.from + 1}, stokes, pixels, {});
        for (std::int64_t i = 0; i < shape.width; ++i) all = all && same(pixels[static_cast<std::size_t>(i)], expected(i, shape.height - 1, channels.from, stokes));
        all = all && same(pixels.back(), expected(shape.width - 1, 0, channels.from, stokes));
        CHECK(all);
    }
}

TEST_CASE("a part of an image: selections outside of it are refused") {
    BudgetCache budget(1 << 22);
    const auto image = filled(budget);
    const Rect rect{0, 0, 13, 11};
    CHECK_THROWS_AS(SubImage(image, {{0, 0, 14, 11}, {}, {}, nullptr}), std::out_of_range);
    CHECK_THROWS_AS(SubImage(image, {{3, 0, 3, 11}, {}, {}, nullptr}), std::out_of_range);
    CHECK_THROWS_AS(SubImage(image, {{-1, 0, 3, 11}, {}, {}, nullptr}), std::out_of_range);
    CHECK_THROWS_AS(SubImage(image, {rect, {0, 41, 1}, {}, nullptr}), std::out_of_range);
    CHECK_THROWS_AS(SubImage(image, {rect, {39, 2, 1}, {}, nullptr}), std::out_of_range);
    CHECK_THROWS_AS(SubImage(image, {rect, {0, 0, 1}, {}, nullptr}), std::out_of_range);
    CHECK_THROWS_AS(SubImage(image, {rect, {0, 1, 0}, {}, nullptr}), std::out_of_range);
    CHECK_THROWS_AS(SubImage(image, {rect, {1, 2, std::numeric_limits<std::int64_t>::max()}, {}, nullptr}), std::out_of_range);
    CHECK_THROWS_AS(SubImage(image, {rect, {}, {4, 1, 1}, nullptr}), std::out_of_range);
    const SubImage part(image, {{1, 1, 3, 3}, {39, 1, 7}, {}, nullptr});
    std::vector<float> out(4);
    CHECK_NOTHROW(part.read({0, 0, 2, 2}, {0, 0}, out, 1, {}));
    CHECK_THROWS_AS(part.read({0, 0, 2, 2}, {1, 0}, out, 1, {}), std::out_of_range);
    CHECK_THROWS_AS(part.read({1, 0, 3, 2}, {0, 0}, out, 1, {}), std::out_of_range);
}
