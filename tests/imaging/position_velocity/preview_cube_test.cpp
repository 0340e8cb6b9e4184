// The cube of a preview, held against plain means, and cuts through it against position-velocity images of the same cube.

#include "imaging/analysis/position_velocity/position_velocity.hpp"
#include "imaging/analysis/position_velocity/preview_cube.hpp"
#include "tests/imaging/position_velocity/random_cube.hpp"
#include "tests/imaging/regions/sample_wcs.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;
using cubelink::test::effort;

namespace {

float plain_mean(const MemoryImage& image, const PreviewCubeSpec& spec, std::int64_t x, std::int64_t y, std::int64_t z) {
    const std::int64_t from = spec.channels.from + z * spec.rebin_z;
    if (from + spec.rebin_z > spec.channels.to) return NAN;
    double sum = 0;
    int count = 0;
    for (auto channel = from; channel < from + spec.rebin_z; ++channel) {
        const auto plane = image.plane({static_cast<std::int32_t>(channel), spec.stokes});
        for (auto j = spec.rect.y0 + y * spec.rebin_xy; j < std::min(spec.rect.y1, spec.rect.y0 + (y + 1) * spec.rebin_xy); ++j) {
            for (auto i = spec.rect.x0 + x * spec.rebin_xy; i < std::min(spec.rect.x1, spec.rect.x0 + (x + 1) * spec.rebin_xy); ++i) {
                const float value = plane[static_cast<std::size_t>(j * image.shape().width + i)];
                if (!std::isfinite(value)) continue;
                sum += static_cast<double>(value);
                ++count;
            }
        }
    }
    return count == 0 ? NAN : static_cast<float>(sum / count);
}

} // namespace

TEST_CASE("averaged over blocks, then cut like any cube") {
    const auto seed = cubelink::test::random_seed();
    INFO("seed " << seed);
    Random random(seed);
    BudgetCache budget{std::size_t{1} << 28};
    for (int round = 0; round < effort(25); ++round) {
        const ImageShape shape{random.whole(1, 70), random.whole(1, 60), random.whole(1, 40), 2};
        MemoryImage image(shape, budget);
        fill(image, random);
        PreviewCubeSpec spec;
        spec.rect = {random.whole(0, shape.width - 1), random.whole(0, shape.height - 1), 0, 0};
        spec.rect.x1 = random.whole(spec.rect.x0 + 1, shape.width);
        spec.rect.y1 = random.whole(spec.rect.y0 + 1, shape.height);
        spec.channels.from = static_cast<std::int32_t>(random.whole(0, shape.depth - 1));
        spec.channels.to = static_cast<std::int32_t>(random.whole(spec.channels.from + 1, shape.depth));
        spec.stokes = static_cast<std::int32_t>(random.whole(0, 1));
        spec.rebin_xy = static_cast<std::int32_t>(random.whole(0, 1) == 0 ? 1 : random.whole(1, 5));
        spec.rebin_z = static_cast<std::int32_t>(random.whole(0, 1) == 0 ? 1 : random.whole(1, 4));
        const DisguisedImage disguised(image, all_kinds()[static_cast<std::size_t>(random.whole(0, 4))]);
        const PreviewCube cube(disguised, spec, budget, static_cast<int>(random.whole(1, 3)), {});

        MemoryImage averaged({spec.width(), spec.height(), spec.depth(), 1}, budget);
        for (std::int64_t z = 0; z < spec.depth(); ++z)
            for (std::int64_t y = 0; y < spec.height(); ++y)
                for (std::int64_t x = 0; x < spec.width(); ++x)
                    averaged.plane({static_cast<std::int32_t>(z), 0})[static_cast<std::size_t>(y * spec.width() + x)] = plain_mean(image, spec, x, y, z);
        for (int i = 0; i < 4; ++i) {
            const auto line = random_line(random, static_cast<double>(spec.width()), static_cast<double>(spec.height()));
            const auto sampling = sample_line(line, static_cast<int>(random.whole(1, 20)), nullptr);
            const PositionVelocity what{sampling.boxes, {0, static_cast<std::int32_t>(spec.depth())}, 0, i % 2 == 1};
            std::vector<float> expected(static_cast<std::size_t>(what.width() * what.height())), values(expected.size(), -1);
            position_velocity(averaged, what, expected, budget, 2, {});
            cube.cut(sampling.boxes, what.reverse, values, 2, {});
            for (std::size_t k = 0; k < values.size(); ++k) {
                const bool close = same(values[k], expected[k]) || std::abs(values[k] - expected[k]) <= 1e-5F;
                REQUIRE(close);
            }
        }
        for (std::int32_t channel = 0; channel < shape.depth; ++channel) CHECK(disguised.read_of(channel) <= spec.rect.size());
    }
}

TEST_CASE("large blocks are read in slices") {
    BudgetCache budget{std::size_t{1} << 26};
    MemoryImage image({3000, 250, 2, 1}, budget);
    Random random(11);
    fill(image, random);
    const PreviewCubeSpec spec{.rect = {1, 0, 3000, 250}, .channels = {0, 2}, .rebin_xy = 100};
    const auto sampling = sample_line({RegionType::line, {{28, 1}, {0, 1}}, 0}, 1, nullptr);
    REQUIRE(sampling.boxes.size() == 29);
    for (const auto& kind : all_kinds()) {
        const DisguisedImage disguised(image, kind);
        const PreviewCube cube(disguised, spec, budget, 2, {});
        std::vector<float> values(sampling.boxes.size() * 2);
        cube.cut(sampling.boxes, false, values, 1, {});
        for (std::int64_t z = 0; z < 2; ++z) {
            CHECK(disguised.read_of(static_cast<std::int32_t>(z)) == spec.rect.size());
            for (std::size_t i = 0; i < sampling.boxes.size(); ++i) {
                const auto x = std::llround(sampling.boxes[i].centre.x);
                REQUIRE(values[static_cast<std::size_t>(z) * sampling.boxes.size() + i] == doctest::Approx(plain_mean(image, spec, x, 1, z)));
            }
        }
    }
}

TEST_CASE("a line lies in the cube where it lies in the image") {
    const PixelGrid grid = PreviewCubeSpec{.rect = {10, 20, 50, 60}, .channels = {0, 1}, .rebin_xy = 4}.grid();
    CHECK(grid.from_image({9.5, 19.5}) == PixelPoint{-0.5, -0.5});
    CHECK(grid.from_image({11.5, 21.5}) == PixelPoint{0, 0});
    CHECK(grid.to_image({1, 2}) == PixelPoint{15.5, 29.5});
    // Steps are those of the blocks on the sky.
    const auto wcs = wcs_of({.crval1 = 10, .crval2 = 20}, 100, 100);
    const auto plain = sample_line({RegionType::line, {{10, 30}, {37, 50}}, 0}, 3, wcs.get());
    const auto of_grid = sample_line({RegionType::line, {grid.from_image({10, 30}), grid.from_image({37, 50})}, 0}, 3, wcs.get(), {}, grid);
    CHECK(of_grid.unit == plain.unit);
    CHECK(of_grid.cdelt == doctest::Approx(4 * plain.cdelt).epsilon(1e-3));
    CHECK(of_grid.boxes.size() == 9);
    // Where the sky is bent too.
    const auto bent = wcs_of({.projection = "AIT", .crval1 = 10, .crval2 = 0, .cdelt1 = -1, .cdelt2 = 1}, 100, 100);
    const auto bent_grid = sample_line({RegionType::line, {{2, 3}, {8, 9}}, 0}, 3, bent.get(), {}, grid);
    CHECK(bent_grid.equal_angles);
    CHECK(bent_grid.cdelt == doctest::Approx(4));
}

TEST_CASE("what does not fit is refused with its size") {
    BudgetCache budget{std::size_t{1} << 20, 100};
    MemoryImage image({100, 100, 20, 1}, budget);
    const PreviewCubeSpec spec{.rect = {0, 0, 100, 100}, .channels = {0, 20}};
    const auto why = [&](const PreviewCubeSpec& which) {
        try {
            const PreviewCube cube(image, which, budget, 1, {});
        } catch (const ImageError& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    CHECK(why(spec) == "The preview's cube of 100 × 100 pixels and 20 channels takes 0.8 MiB, more than half of the memory limit of 1.0 MiB. "
                       "Choose a smaller region, fewer channels, or average more pixels and channels (rebin).");
    auto smaller = spec;
    smaller.rebin_z = 2;
    CHECK(why(smaller).find("more than is free of") != std::string::npos);
    smaller.rebin_xy = 4;
    CHECK(why(smaller).empty());
    const auto used = budget.statistics().used;
    CHECK_THROWS_AS(PreviewCube(image, {.rect = {0, 0, 101, 100}, .channels = {0, 1}}, budget, 1, {}), std::out_of_range);
    const CancelToken cancel;
    cancel.cancel();
    CHECK_THROWS_AS(PreviewCube(image, smaller, budget, 1, cancel), Cancelled);
    CHECK(budget.statistics().used == used);
}

TEST_CASE("all cubes together take half of the memory at most") {
    BudgetCache budget{std::size_t{4} << 20, 600'000}; // waiting for memory would show
    MemoryImage image({100, 100, 20, 1}, budget);
    PreviewCubeSpec spec{.rect = {0, 0, 100, 100}, .channels = {0, 20}};
    const auto make = [&] { return std::make_unique<const PreviewCube>(image, spec, budget, 1, CancelToken()); };
    auto first = make();
    const auto second = make();
    const auto used = budget.statistics().used;
    try {
        make();
        FAIL("a third one");
    } catch (const ImageError& error) {
        CHECK(std::string(error.what()) == "The preview's cube of 100 × 100 pixels and 20 channels takes 0.8 MiB, and the other previews of this server 1.5 MiB: all together may take "
                                           "half of the memory limit of 4.0 MiB. Choose a smaller region, fewer channels, or average more pixels and channels (rebin).");
    }
    CHECK(budget.statistics().used == used);
    spec.rebin_z = 2;
    CHECK(make() != nullptr);
    spec.rebin_z = 1;
    const CancelToken cancel;
    cancel.cancel();
    CHECK_THROWS_AS(PreviewCube(image, spec, budget, 1, cancel), Cancelled);
    first.reset();
    CHECK(make() != nullptr);
}
