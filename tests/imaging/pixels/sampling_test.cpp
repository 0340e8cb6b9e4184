// Histograms from samples, and tiles without a pyramid, against those of all pixels.

#include "imaging/pixels/pyramid.hpp"
#include "imaging/pixels/sampled_histogram.hpp"
#include "imaging/pixels/tile_reading.hpp"
#include "tests/imaging/pixels/test_sources.hpp"

#include <doctest/doctest.h>
#include <numeric>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;

namespace {

std::int64_t sum(const Histogram& h) { return std::accumulate(h.bins.begin(), h.bins.end(), std::int64_t(0)); }

/// Noise over a slope, with blank borders.
void fill_mosaic(MemorySource& source, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal(0, 1);
    const auto& shape = source.shape();
    for (std::int64_t y = 0; y < shape.height; ++y)
        for (std::int64_t x = 0; x < shape.width; ++x)
            source.at(x, y) = x < shape.width / 4 || y < shape.height / 8 ? std::numeric_limits<double>::quiet_NaN() : float(normal(random) + double(y) / double(shape.height));
}

/// The largest difference of two cumulative distributions, of which one has the bounds of the other.
double distance(const Histogram& a, const Histogram& b) {
    REQUIRE(a.bins.size() == b.bins.size());
    double sum_a = 0, sum_b = 0, most = 0;
    for (std::size_t i = 0; i < a.bins.size(); ++i) {
        sum_a += a.bins[i];
        sum_b += b.bins[i];
        most = std::max(most, std::abs(sum_a / double(sum(a)) - sum_b / double(sum(b))));
    }
    return most;
}

} // namespace

TEST_CASE("a histogram from a sample is like the exact one, whatever the source and the number of threads") {
    for (const bool wide : {false, true})
        for (const StoredBlock block : {StoredBlock{1, 1}, {2000, 1}, {64, 64}, {100, 7}}) {
            CAPTURE(wide);
            CAPTURE(block.width);
            MemorySource source({2000, 1500, 1, 1}, wide, block.width == 1);
            source.set_stored_block(block);
            fill_mosaic(source, 11);
            const CancelToken cancel;
            source.pixels_read = 0;
            const HistogramSpec spec{200, HistogramBounds{-5, 6}};
            const auto sampled = sampled_histogram(source, {}, spec, 1, cancel, 200'000);
            REQUIRE(sampled);
            CHECK(source.pixels_read < 2000 * 1500 / 4);
            CHECK(sampled->sampled);
            const auto exact = plane_histogram(source, {}, summarise(source, {0, 0, 2000, 1500}, {}, 1, cancel), spec, 1, cancel);
            CHECK(distance(*sampled, exact) < 0.1);
            CHECK(std::abs(double(sum(*sampled)) / double(sum(exact)) - 1) < 0.2);
            CHECK(std::abs(sampled->mean - exact.mean) < 0.1);
            CHECK(std::abs(sampled->std_dev / exact.std_dev - 1) < 0.1);
            const auto again = sampled_histogram(source, {}, spec, 4, cancel, 200'000);
            REQUIRE(again);
            CHECK(again->bins == sampled->bins);
            CHECK(again->mean == sampled->mean);
            // Bounds of its own, from the sample.
            const auto automatic = sampled_histogram(source, {}, {}, 2, cancel, 200'000);
            REQUIRE(automatic);
            CHECK(automatic->bins.size() == std::size_t(automatic_bins(2000, 1500)));
            CHECK(std::abs(double(sum(*automatic)) / double(sum(exact)) - 1) < 0.2);
        }
}

TEST_CASE("no sample where it stands for nothing or saves nothing") {
    const CancelToken cancel;
    MemorySource small({100, 100, 1, 1});
    fill_mosaic(small, 1);
    CHECK_FALSE(sampled_histogram(small, {}, {}, 1, cancel));
    CHECK(small.pixels_read == 0);
    MemorySource blank({2000, 1500, 1, 1});
    std::fill(blank.pixels.begin(), blank.pixels.end(), std::numeric_limits<double>::quiet_NaN());
    CHECK_FALSE(sampled_histogram(blank, {}, {}, 1, cancel, 100'000));
    MemorySource one_tile({2000, 1500, 1, 1}, false, false);
    one_tile.set_stored_block({2000, 1500});
    fill_mosaic(one_tile, 1);
    one_tile.pixels_read = 0;
    CHECK_FALSE(sampled_histogram(one_tile, {}, {}, 1, cancel, 100'000));
    CHECK(one_tile.pixels_read == 0);
    MemorySource good({2000, 1500, 1, 1});
    fill_mosaic(good, 1);
    CHECK_THROWS_AS(sampled_histogram(good, {}, {0, {}}, 1, cancel, 100'000), std::invalid_argument);
    cancel.cancel();
    CHECK_THROWS_AS(sampled_histogram(good, {}, {}, 1, cancel, 100'000), Cancelled);
}

TEST_CASE("tiles that are read together are those of the pyramid") {
    const CancelToken cancel;
    for (const StoredBlock block : {StoredBlock{1, 1}, {1500, 1}, {300, 100}}) {
        CAPTURE(block.width);
        MemorySource source({1500, 1100, 1, 1}, false, block.width == 1);
        source.set_stored_block(block);
        fill_odd(source, 5, 0.1, false);
        const auto pyramid = PlanePyramid::build(source, {}, {}, cancel);
        const int layers = max_layer(1500, 1100);
        std::vector<TileGeometry> tiles;
        for (int layer = layers; layer >= 0; --layer)
            for (std::int32_t y = 0; y < 1 << layer; ++y)
                for (std::int32_t x = 0; x < 1 << layer; ++x)
                    if (const auto tile = tile_geometry({layer, x, y}, 1500, 1100)) tiles.push_back(*tile);
        std::vector<bool> made(tiles.size());
        for (const auto& group : tiles_read_together(source, tiles, 6)) {
            REQUIRE(!group.empty());
            CHECK(group.size() <= 6);
            if (block.width == 1) CHECK(group.size() == 1);
            std::vector<std::vector<float>> pixels;
            std::vector<TileGeometry> members;
            for (const auto i : group) {
                CHECK_FALSE(made[i]);
                made[i] = true;
                members.push_back(tiles[i]);
                pixels.emplace_back(std::size_t(tiles[i].width) * std::size_t(tiles[i].height));
            }
            const std::vector<std::span<float>> out(pixels.begin(), pixels.end());
            read_tiles(source, {}, members, out, 2, cancel);
            for (std::size_t i = 0; i < members.size(); ++i) {
                std::vector<float> expected(pixels[i].size());
                pyramid->read_tile(source, members[i], expected, cancel);
                CHECK(std::equal(expected.begin(), expected.end(), pixels[i].begin(), same<float>));
            }
        }
        CHECK(std::find(made.begin(), made.end(), false) == made.end());
    }
}

TEST_CASE("which tiles are ready sooner without the pyramid") {
    const ImageShape large{24000, 24000, 1, 1};
    // Only asked, never read: no pixels are needed.
    struct Shape final : ImageSource {
        ImageShape shape_;
        Capabilities capabilities_;
        ImageIdentity identity_;
        Shape(ImageShape shape, bool random_access, StoredBlock block) : shape_(shape) {
            capabilities_.random_access = random_access;
            capabilities_.stored_block = block;
        }
        const ImageShape& shape() const override { return shape_; }
        PixelType stored_type() const override { return PixelType::float32; }
        const Capabilities& capabilities() const override { return capabilities_; }
        const ImageIdentity& identity() const override { return identity_; }
        void read(const Rect&, PlaneId, std::span<float>, int, const CancelToken&) const override { throw std::logic_error("read"); }
        void read64(const Rect&, PlaneId, std::span<double>, int, const CancelToken&) const override { throw std::logic_error("read"); }
        void read_spectrum(std::int64_t, std::int64_t, std::int32_t, std::int32_t, std::span<float>, const CancelToken&) const override { throw std::logic_error("read"); }
        void check_unchanged() const override {}
    };
    const auto twelve = [](const ImageShape& shape, int layers_up) {
        std::vector<TileGeometry> tiles;
        for (std::int32_t i = 0; i < 12; ++i)
            if (const auto tile = tile_geometry({max_layer(shape.width, shape.height) - layers_up, i % 4, i / 4}, shape.width, shape.height)) tiles.push_back(*tile);
        return tiles;
    };
    for (const Shape& source : {Shape(large, true, {1, 1}), Shape(large, false, {24000, 1}), Shape(large, false, {256, 256}), Shape(large, false, {100, 100})}) {
        CAPTURE(source.capabilities_.stored_block.width);
        CHECK(tiles_faster_than_pyramid(source, twelve(large, 0)));
        const TileGeometry overview = *tile_geometry({0, 0, 0}, large.width, large.height);
        CHECK_FALSE(tiles_faster_than_pyramid(source, std::span(&overview, 1)));
        CHECK(tile_read_cost(source, overview) >= large.plane_size());
    }
    const Shape whole(large, false, {24000, 24000});
    CHECK_FALSE(tiles_faster_than_pyramid(whole, twelve(large, 0)));
    CHECK(tiles_read_together(whole, twelve(large, 0)).size() == 1);
    const ImageShape small{1024, 1024, 1, 1};
    CHECK_FALSE(tiles_faster_than_pyramid(Shape(small, true, {1, 1}), twelve(small, 0)));
    // Twelve tiles in three rows, each of which is in the same rows of pixels as its neighbours.
    CHECK(tiles_read_together(Shape(large, false, {24000, 1}), twelve(large, 0)).size() == 3);
}
