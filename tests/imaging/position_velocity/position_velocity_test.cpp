// Position-velocity images, held against the line profile of each channel, which has tests of its own.

#include "imaging/analysis/position_velocity/position_velocity.hpp"
#include "imaging/pixels/polarization.hpp"
#include "imaging/regions/box_pixels.hpp"
#include "tests/imaging/position_velocity/random_cube.hpp"
#include "tests/imaging/regions/sample_wcs.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;
using cubelink::test::effort;

namespace {

std::vector<float> of_channels(const ImageSource& source, const PositionVelocity& what, BudgetCache& budget, int threads = 2) {
    std::vector<float> out(static_cast<std::size_t>(what.width() * what.height()), -1);
    position_velocity(source, what, out, budget, threads, {});
    return out;
}

} // namespace

TEST_CASE("each channel is the profile along the line, however the image is read") {
    const auto seed = cubelink::test::random_seed();
    INFO("seed " << seed);
    Random random(seed);
    BudgetCache budget{std::size_t{1} << 28};
    MemoryImage image({100, 80, 37, 2}, budget);
    fill(image, random);
    const auto wcs = wcs_of({.crval1 = 10, .crval2 = 20}, 100, 80), bent = wcs_of({.projection = "AIT", .crval1 = 10, .crval2 = 0, .cdelt1 = -1, .cdelt2 = 1}, 100, 80);
    for (int round = 0; round < effort(60); ++round) {
        const auto line = random_line(random, 100, 80);
        const auto width = static_cast<int>(random.whole(1, 20));
        const auto sampling = sample_line(line, width, round % 3 == 0 ? nullptr : round % 3 == 1 ? bent.get() : wcs.get());
        PositionVelocity what{sampling.boxes, {static_cast<std::int32_t>(random.whole(0, 36)), 37}, static_cast<std::int32_t>(round % 2), random.whole(0, 1) == 0};
        what.channels.to = static_cast<std::int32_t>(random.whole(what.channels.from + 1, 37));
        const auto capabilities = all_kinds()[static_cast<std::size_t>(random.whole(0, 4))];
        const DisguisedImage disguised(image, capabilities);
        const auto values = of_channels(disguised, what, budget, static_cast<int>(random.whole(1, 3)));
        for (auto channel = what.channels.from; channel < what.channels.to; ++channel) {
            const auto expected = line_profile(sampling.boxes, image.shape(), [&](const PixelMask& mask, std::span<float> out) {
                image.read_masked(mask, {channel, channel + 1}, what.stokes, out, 1, {});
            });
            const auto row = static_cast<std::size_t>(channel - what.channels.from), n = expected.size();
            for (std::size_t i = 0; i < n; ++i) {
                const float value = what.reverse ? values[i * static_cast<std::size_t>(what.width()) + row] : values[row * n + i];
                REQUIRE(same(value, expected[i]));
            }
        }
        const auto pixels = static_cast<std::int64_t>(BoxPixels(sampling.boxes, image.shape(), SIZE_MAX).mask().count());
        for (std::int32_t channel = 0; channel < 37; ++channel) {
            const bool wanted = channel >= what.channels.from && channel < what.channels.to;
            if (!wanted) REQUIRE(disguised.read_of(channel) == 0);
            else if (capabilities.random_access && !capabilities.depth_contiguous) REQUIRE(disguised.read_of(channel) == pixels);
            else if (!capabilities.random_access) REQUIRE(disguised.read_of(channel) <= image.shape().plane_size());
        }
    }
}

TEST_CASE("long polylines are read in pieces") {
    BudgetCache budget{std::size_t{1} << 28};
    MemoryImage image({64, 64, 3, 1}, budget);
    Random random(1);
    fill(image, random);
    Shape line{RegionType::polyline, {}, 0};
    for (int i = 0; i < 600; ++i) line.points.push_back({i % 2 == 0 ? 1.0 : 60.0, random.within(0, 63)});
    const auto sampling = sample_line(line, 7, nullptr);
    REQUIRE(BoxPixels(sampling.boxes, image.shape(), std::size_t{1} << 16).size() < sampling.boxes.size());
    for (const auto& capabilities : all_kinds()) {
        const auto values = of_channels(DisguisedImage(image, capabilities), {sampling.boxes, {1, 3}, 0, false}, budget);
        const auto expected = line_profile(sampling.boxes, image.shape(), [&](const PixelMask& mask, std::span<float> out) { image.read_masked(mask, {2, 3}, 0, out, 1, {}); });
        for (std::size_t i = 0; i < expected.size(); ++i) REQUIRE(same(values[sampling.boxes.size() + i], expected[i]));
    }
}

TEST_CASE("of lines whose pixels don't fit into memory some are made after the others") {
    BudgetCache large{std::size_t{1} << 26}, small{std::size_t{1} << 20};
    MemoryImage image({64, 64, 3, 1}, large);
    Random random(2);
    fill(image, random);
    Shape line{RegionType::polyline, {}, 0};
    for (int i = 0; i < 50; ++i) line.points.push_back({i % 2 == 0 ? 1.0 : 60.0, random.within(0, 63)});
    const auto sampling = sample_line(line, 12, nullptr);
    const PositionVelocity what{sampling.boxes, {0, 3}, 0, true};
    const auto expected = of_channels(image, what, large);
    std::vector<float> values(expected.size(), -1);
    double last = 0;
    position_velocity(image, what, values, small, 2, {}, [&](double done) {
        CHECK(done >= last);
        last = done;
    });
    CHECK(last <= 1);
    for (std::size_t i = 0; i < values.size(); ++i) REQUIRE(same(values[i], expected[i]));
}

TEST_CASE("a line that is not on the image is blank") {
    BudgetCache budget{std::size_t{1} << 26};
    MemoryImage image({20, 20, 4, 1}, budget);
    const auto sampling = sample_line({RegionType::line, {{100, 100}, {120, 130}}, 0}, 3, nullptr);
    for (const auto& capabilities : all_kinds()) {
        const DisguisedImage disguised(image, capabilities);
        for (const float value : of_channels(disguised, {sampling.boxes, {0, 4}, 0, false}, budget)) CHECK(std::isnan(value));
        CHECK(disguised.read_of(2) == 0);
    }
}

TEST_CASE("computed polarizations") {
    BudgetCache budget{std::size_t{1} << 26};
    const auto image = std::make_shared<MemoryImage>(ImageShape{30, 20, 5, 4}, budget);
    Random random(7);
    fill(*image, random);
    const PolarizationSource source(image, {1, 2, 3, 4});
    const auto sampling = sample_line({RegionType::line, {{3, 3}, {25, 14}}, 0}, 4, nullptr);
    const auto values = of_channels(source, {sampling.boxes, {0, 5}, 14, false}, budget);
    const auto expected = line_profile(sampling.boxes, image->shape(), [&](const PixelMask& mask, std::span<float> out) { source.read_masked(mask, {3, 4}, 14, out, 1, {}); });
    for (std::size_t i = 0; i < expected.size(); ++i) REQUIRE(same(values[3 * expected.size() + i], expected[i]));
}

TEST_CASE("progress, cancelling, memory and mistakes") {
    BudgetCache budget{std::size_t{1} << 26};
    MemoryImage image({50, 50, 200, 1}, budget);
    Random random(3);
    fill(image, random);
    const auto used = budget.statistics().used;
    const auto sampling = sample_line({RegionType::line, {{3, 3}, {45, 44}}, 0}, 20, nullptr);
    const PositionVelocity what{sampling.boxes, {0, 200}, 0, false};
    std::vector<float> out(sampling.boxes.size() * 200);
    double last = 0;
    position_velocity(image, what, out, budget, 1, {}, [&](double done) {
        CHECK(done > last);
        last = done;
    });
    CHECK(last == 1);
    const CancelToken cancel;
    CHECK_THROWS_AS(position_velocity(image, what, out, budget, 1, cancel, [&](double) { cancel.cancel(); }), Cancelled);
    CHECK_THROWS_AS(position_velocity(image, what, std::span(out).first(10), budget, 1, {}), std::invalid_argument);
    CHECK_THROWS_AS(position_velocity(image, {sampling.boxes, {5, 5}, 0, false}, {}, budget, 1, {}), std::invalid_argument);
    CHECK_THROWS_AS(position_velocity(image, {sampling.boxes, {1, 201}, 0, false}, out, budget, 1, {}), std::out_of_range);
    CHECK(budget.statistics().used == used);
}
