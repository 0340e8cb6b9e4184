// Every mip of images of odd sizes against means taken block by block; streaming, memory, threads, cancelling.

#include "imaging/pixels/polarization.hpp"
#include "imaging/pixels/pyramid.hpp"
#include "imaging/pixels/pyramid_cache.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/effort.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <numbers>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;

namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The mean of one block in long double, and the sum of sizes for a fair tolerance.
struct Block {
    long double sum = 0, size = 0;
    int count = 0;
};

Block block(const MemorySource& source, std::int64_t x, std::int64_t y, std::int64_t mip, std::int64_t stokes = 0) {
    Block b;
    for (std::int64_t j = y * mip; j < std::min((y + 1) * mip, source.shape().height); ++j) {
        for (std::int64_t i = x * mip; i < std::min((x + 1) * mip, source.shape().width); ++i) {
            const float v = float(source.at(i, j, 0, stokes));
            if (!std::isfinite(v)) continue;
            b.sum += v;
            b.size += std::abs(v);
            ++b.count;
        }
    }
    return b;
}

void check_all_mips(const MemorySource& source, const PlanePyramid& pyramid) {
    const std::int64_t w = source.shape().width, h = source.shape().height;
    for (std::int64_t mip = 1; mip <= 2 * std::max(w, h); mip *= 2) {
        const std::int64_t mw = ceil_div(w, mip), mh = ceil_div(h, mip);
        std::vector<float> out(std::size_t(mw * mh));
        pyramid.read(source, {0, 0, w, h}, mip, out, CancelToken());
        bool right = true;
        for (std::int64_t y = 0; y < mh; ++y) {
            for (std::int64_t x = 0; x < mw; ++x) {
                const float got = out[std::size_t(y * mw + x)];
                if (mip == 1) {
                    right = right && same(got, float(source.at(x, y)));
                    continue;
                }
                const Block b = block(source, x, y, mip);
                if (b.count == 0) right = right && std::isnan(got);
                // Half a unit in the last place of float32, and what cancels out in doubles.
                else
                    right = right &&
                            std::abs(got - b.sum / b.count) <= 6.1e-8L * std::abs(b.sum / b.count) + 1e-14L * b.size / b.count + 1e-45L;
            }
        }
        INFO("mip ", mip, " of ", w, " x ", h);
        CHECK(right);
    }
}

} // namespace

TEST_CASE("every mip is the mean of the finite pixels of its block") {
    std::uint64_t seed = 10;
    const std::pair<int, int> sizes[] = {{1, 1},    {2, 1},     {1, 5},     {3, 3},    {31, 33}, {64, 64},
                                         {65, 127}, {257, 100}, {600, 401}, {1, 1000}, {1023, 3}};
    for (const auto& [w, h] : sizes) {
        if (cubelink::test::sanitized && w * h > 60000) continue;
        for (double blanks : {0.0, 0.2, 0.97}) {
            MemorySource source({w, h, 1, 1});
            fill_odd(source, ++seed, blanks);
            for (std::size_t keep : {std::size_t(0), std::size_t(16) << 20}) {
                for (std::size_t max_bytes : {std::size_t(256) << 20, std::size_t(w * h / 3), std::size_t(64)}) {
                    PyramidOptions options;
                    options.threads = 2;
                    options.keep_below = keep;
                    options.max_bytes = max_bytes;
                    const auto pyramid = PlanePyramid::build(source, {}, options, CancelToken());
                    CHECK(pyramid->bytes() <= PlanePyramid::bytes_needed(source, {}, options));
                    check_all_mips(source, *pyramid);
                }
            }
        }
    }
}

TEST_CASE("columns are cut in very wide images, and sources that are not direct are read whole") {
    MemorySource wide_image({40000, 70, 1, 1}, false, false);
    fill_odd(wide_image, 99, 0.1);
    PyramidOptions options;
    options.threads = 2;
    const auto pyramid = PlanePyramid::build(wide_image, {}, options, CancelToken());
    CHECK(!pyramid->pixels().empty());
    CHECK(wide_image.pixels_read == wide_image.shape().plane_size());
    check_all_mips(wide_image, *pyramid);
    if (cubelink::test::sanitized) return; // once is enough to go everywhere
    options.max_bytes = 1 << 20;
    check_all_mips(wide_image, *PlanePyramid::build(wide_image, {}, options, CancelToken()));
}

TEST_CASE("a large image is read once, in bands, and gives the same bits for any number of threads") {
    MemorySource source({3001, 2050, 1, 1});
    fill_odd(source, 20, 0.01, false);
    std::vector<float> first;
    PlaneSummary summary;
    for (int threads : {1, 2, 3, 7}) {
        PyramidOptions options;
        options.threads = threads;
        options.keep_below = 0;
        source.pixels_read = 0;
        std::vector<double> seen;
        options.progress = [&](double done) { seen.push_back(done); };
        const auto pyramid = PlanePyramid::build(source, {}, options, CancelToken());
        CHECK(source.pixels_read == source.shape().plane_size());
        REQUIRE(!seen.empty());
        CHECK(std::is_sorted(seen.begin(), seen.end()));
        CHECK(seen.back() <= 1.0);
        std::vector<float> out(std::size_t(ceil_div(3001, 8) * ceil_div(2050, 8)));
        pyramid->read(source, {0, 0, 3001, 2050}, 8, out, CancelToken());
        if (first.empty()) first = out, summary = pyramid->summary();
        CHECK(std::memcmp(first.data(), out.data(), out.size() * sizeof(float)) == 0);
        CHECK(pyramid->summary().sum == summary.sum);
        CHECK(pyramid->summary().m2 == summary.m2);
    }
    long double sum = 0, m2 = 0;
    std::int64_t n = 0;
    for (double p : source.pixels) {
        if (std::isfinite(p)) sum += p, ++n;
    }
    for (double p : source.pixels) {
        if (std::isfinite(p)) m2 += (p - sum / n) * (p - sum / n);
    }
    CHECK(summary.count == n);
    CHECK(summary.total == source.shape().plane_size());
    CHECK(summary.sum == doctest::Approx(double(sum)).epsilon(1e-11));
    CHECK(summary.m2 == doctest::Approx(double(m2)).epsilon(1e-13));
}

TEST_CASE("tiles are parts of levels, kept or not") {
    MemorySource source({1500, 900, 1, 1});
    fill_odd(source, 30, 0.1);
    for (std::size_t max_bytes : {std::size_t(1) << 30, std::size_t(100000), std::size_t(100)}) {
        PyramidOptions options;
        options.keep_below = 0;
        options.max_bytes = max_bytes;
        const auto pyramid = PlanePyramid::build(source, {}, options, CancelToken());
        for (std::int32_t layer = 0; layer <= max_layer(1500, 900); ++layer) {
            for (std::int32_t y = 0; y < 1 << layer; ++y) {
                for (std::int32_t x = 0; x < 1 << layer; ++x) {
                    const auto tile = tile_geometry({layer, x, y}, 1500, 900);
                    if (!tile) continue;
                    std::vector<float> out(std::size_t(tile->width * tile->height));
                    pyramid->read_tile(source, *tile, out, CancelToken());
                    const std::int64_t mw = ceil_div(1500, tile->mip);
                    std::vector<float> whole(std::size_t(mw * ceil_div(900, tile->mip)));
                    read_downsampled(source, {}, {0, 0, 1500, 900}, tile->mip, whole, 1, CancelToken());
                    bool right = true;
                    for (std::int32_t j = 0; j < tile->height; ++j) {
                        for (std::int32_t i = 0; i < tile->width; ++i) {
                            right =
                                right && same(out[std::size_t(j * tile->width + i)], whole[std::size_t((y * 256 + j) * mw + x * 256 + i)]);
                        }
                    }
                    CHECK(right);
                }
            }
        }
    }
}

TEST_CASE("wide sources: statistics from doubles, tiles in float32, blank beyond its range") {
    MemorySource source({50, 40, 1, 1}, true);
    for (std::size_t i = 0; i < source.pixels.size(); ++i) source.pixels[i] = 1e9 + double(i % 7) * 1e-3;
    const auto pyramid = PlanePyramid::build(source, {}, {}, CancelToken());
    CHECK(pyramid->summary().max == 1e9 + 6e-3);
    CHECK(pyramid->summary().std_dev() == doctest::Approx(2.0008e-3).epsilon(1e-3));
    source.at(3, 4) = 1e300;
    const auto beyond = PlanePyramid::build(source, {}, {}, CancelToken());
    CHECK(beyond->summary().max == 1e300);
    std::vector<float> out(1);
    beyond->read(source, {2, 4, 4, 6}, 2, out, CancelToken());
    CHECK(out[0] == 1e9f);
}

TEST_CASE("bad rectangles and mips are refused") {
    MemorySource source({100, 50, 1, 1});
    const auto pyramid = PlanePyramid::build(source, {}, {}, CancelToken());
    std::vector<float> out(100 * 50);
    CHECK_THROWS_AS(pyramid->read(source, {0, 0, 101, 50}, 1, out, CancelToken()), std::out_of_range);
    CHECK_THROWS_AS(pyramid->read(source, {-1, 0, 100, 50}, 1, out, CancelToken()), std::out_of_range);
    CHECK_THROWS_AS(pyramid->read(source, {0, 0, 100, 50}, 3, out, CancelToken()), std::invalid_argument);
    CHECK_THROWS_AS(pyramid->read(source, {0, 0, 100, 50}, 0, out, CancelToken()), std::invalid_argument);
    CHECK_THROWS_AS(pyramid->read(source, {1, 0, 100, 50}, 2, out, CancelToken()), std::invalid_argument);
    CHECK_THROWS_AS(pyramid->read(source, {0, 0, 100, 50}, 2, out, CancelToken()), std::invalid_argument);
    CHECK_THROWS_AS(PlanePyramid::build(source, {1, 0}, {}, CancelToken()), std::out_of_range);
}

TEST_CASE("building stops when cancelled") {
    MemorySource source({2000, 2000, 1, 1});
    CancelToken cancel;
    PyramidOptions options;
    options.threads = 2;
    options.progress = [&](double) { cancel.cancel(); };
    CHECK_THROWS_AS(PlanePyramid::build(source, {}, options, cancel), Cancelled);
    CHECK(source.pixels_read < source.shape().plane_size() / 2);
}

TEST_CASE("the mean of angles is the angle of the means, of the pixels that have both parts") {
    // Blanks differ between Q and U; half of the pixels have only one of them.
    bool wide = false;
    SUBCASE("float32") {}
    SUBCASE("through doubles") { wide = true; }
    const auto base = std::make_shared<MemorySource>(ImageShape{70, 50, 1, 4}, wide);
    fill_odd(*base, 40, 0.3, false);
    for (double& pixel : base->pixels) pixel = double(float(pixel));
    const PolarizationSource source(base, {1, 2, 3, 4});
    for (std::size_t max_bytes : {std::size_t(1) << 20, std::size_t(600)}) {
        PyramidOptions options;
        options.max_bytes = max_bytes;
        const auto pyramid = PlanePyramid::build(source, {0, 17}, options, CancelToken());
        std::vector<float> angles(70 * 50);
        pyramid->read(source, {0, 0, 70, 50}, 1, angles, CancelToken());
        CHECK(pyramid->summary().sum == doctest::Approx(summarise(angles).sum));
        CHECK(pyramid->summary().count == summarise(angles).count);
        int blank = 0;
        for (std::int64_t mip : {2, 4, 16, 64}) {
            const std::int64_t w = ceil_div(70, mip), h = ceil_div(50, mip);
            std::vector<float> out(std::size_t(w * h)), direct(out.size());
            pyramid->read(source, {0, 0, 70, 50}, mip, out, CancelToken());
            read_downsampled(source, {0, 17}, {0, 0, 70, 50}, mip, direct, 1, CancelToken());
            for (std::int64_t by = 0; by < h; ++by) {
                for (std::int64_t bx = 0; bx < w; ++bx) {
                    double q = 0, u = 0;
                    int count = 0;
                    for (std::int64_t y = by * mip; y < std::min<std::int64_t>(50, (by + 1) * mip); ++y) {
                        for (std::int64_t x = bx * mip; x < std::min<std::int64_t>(70, (bx + 1) * mip); ++x) {
                            if (std::isnan(angles[std::size_t(y * 70 + x)])) continue;
                            q += double(base->at(x, y, 0, 1));
                            u += double(base->at(x, y, 0, 2));
                            ++count;
                        }
                    }
                    const float got = out[std::size_t(by * w + bx)];
                    blank += count == 0;
                    if (count == 0) CHECK(std::isnan(got));
                    else CHECK(got == doctest::Approx(0.5 * std::atan2(u, q) * 180 / std::numbers::pi).epsilon(1e-5));
                    CHECK((std::isnan(got) ? std::isnan(direct[std::size_t(by * w + bx)]) : got == direct[std::size_t(by * w + bx)]));
                }
            }
        }
        CHECK(blank > 0);
    }
}

TEST_CASE("levels are the same whichever of them is made from sums that were held") {
    const auto base = std::make_shared<MemorySource>(ImageShape{700, 500, 1, 4});
    fill_odd(*base, 40, 0.3, false);
    const PolarizationSource source(base, {1, 2, 3, 4});
    for (const std::int32_t stokes : {0, 17}) { // as it is, and an angle of two parts
        PyramidOptions options;
        options.threads = 2;
        const auto usual = PlanePyramid::build(source, {0, stokes}, options, CancelToken());
        for (const std::int64_t blocks : {100, 20, 1, 0}) { // a level of 64, 128 … pixels, as of images beyond 2^30 pixels
            options.base_blocks = blocks;
            const auto pyramid = PlanePyramid::build(source, {0, stokes}, options, CancelToken());
            for (std::int64_t mip = 2; mip <= 1024; mip *= 2) {
                std::vector<float> wanted(std::size_t(ceil_div(700, mip) * ceil_div(500, mip))), got(wanted.size());
                usual->read(source, {0, 0, 700, 500}, mip, wanted, CancelToken());
                pyramid->read(source, {0, 0, 700, 500}, mip, got, CancelToken());
                INFO("stokes ", stokes, ", ", blocks, " blocks, mip ", mip);
                CHECK(std::equal(wanted.begin(), wanted.end(), got.begin(), [](float a, float b) { return same(a, b); }));
            }
        }
    }
}

TEST_CASE("through the cache a pyramid and its histogram are made once") {
    MemorySource source({300, 200, 2, 1});
    fill_odd(source, 50, 0.1, false);
    BudgetCache cache(8 << 20);
    const auto first = cached_pyramid(cache, source, 0, {0, 0}, 2, CancelToken());
    const auto histogram = cached_histogram(cache, source, 0, {0, 0}, 2, CancelToken());
    const std::int64_t read = source.pixels_read;
    CHECK(cached_pyramid(cache, source, 0, {0, 0}, 2, CancelToken()) == first);
    CHECK(cached_histogram(cache, source, 0, {0, 0}, 2, CancelToken()) == histogram);
    CHECK(source.pixels_read == read);
    CHECK(cached_pyramid(cache, source, 0, {1, 0}, 2, CancelToken()) != first);
    source.set_identity(FileState{1, 2, 3, 5});
    CHECK(cached_pyramid(cache, source, 0, {0, 0}, 2, CancelToken()) != first);
    CHECK(cache.statistics().used >= first->bytes());
}

TEST_CASE("full-resolution tiles are cached within their share") {
    MemorySource source({1100, 700, 2, 1});
    fill_odd(source, 51, 0.1, false);
    BudgetCache cache(8 << 20); // an eighth is three whole tiles, and four less a few bytes
    const auto tile = [&](std::int32_t x, std::int32_t y, std::int32_t channel = 0) {
        return cached_tile(cache, source, 0, {channel, 0}, *tile_geometry({max_layer(1100, 700), x, y}, 1100, 700), CancelToken());
    };
    const auto same = [&](const TilePixels& got, const Rect& rect, std::int32_t channel) {
        std::vector<float> expected(std::size_t(rect.size()));
        source.read(rect, {channel, 0}, expected, 1, CancelToken());
        return got.count == expected.size() && std::memcmp(got.pixels().data(), expected.data(), got.pixels().size_bytes()) == 0;
    };
    CHECK(same(*tile(4, 2), {1024, 512, 1100, 700}, 0)); // the corner, cut on both sides
    CHECK(same(*tile(1, 0), {256, 0, 512, 256}, 0));
    CHECK(same(*tile(0, 1), {0, 256, 256, 512}, 0)); // neither taken for the other
    CHECK(same(*tile(0, 1, 1), {0, 256, 256, 512}, 1));
    const std::int64_t read = source.pixels_read;
    const auto again = tile(0, 1);
    CHECK(source.pixels_read == read);
    CHECK(same(*again, {0, 256, 256, 512}, 0));

    for (std::int32_t x = 0; x < 4; ++x) tile(x, 0, 1);
    CHECK(cache.statistics().used <= (8 << 20) / 8 + again->count * sizeof(float) + 1000); // what is in use is not forgotten
    CHECK(tile(0, 1) == again);

    // Nothing else goes for them.
    const auto rest = cache.reserve(cache.limit() - cache.statistics().used, CancelToken());
    CHECK(same(*tile(3, 1), {768, 256, 1024, 512}, 0));
    source.set_identity(FileState{1, 2, 3, 6});
    CHECK(tile(0, 1) != again);
}

TEST_CASE("of a large plane the finest levels are not kept: their tiles are made from pixels, and kept") {
    MemorySource source({1100, 700, 1, 1});
    fill_odd(source, 52, 0.1, false);
    PyramidOptions options;
    options.keep_below = 550 * 350 * 4 - 1;
    const auto pyramid = PlanePyramid::build(source, {}, options, CancelToken());
    CHECK(!pyramid->holds(1));
    CHECK(!pyramid->holds(2));
    CHECK(pyramid->holds(4));
    CHECK(pyramid->holds(2048)); // one pixel: as the last level
    CHECK(pyramid->bytes() < 550 * 350 * 4 / 2);
    options.keep_below = 550 * 350 * 4;
    CHECK(PlanePyramid::build(source, {}, options, CancelToken())->holds(2));

    BudgetCache cache(16 << 20);
    const auto geometry = *tile_geometry({2, 2, 1}, 1100, 700);
    REQUIRE(geometry.mip == 2);
    std::vector<float> expected(std::size_t(geometry.width * geometry.height));
    PlanePyramid::build(source, {}, PyramidOptions(), CancelToken())->read_tile(source, geometry, expected, CancelToken());
    const auto tile = cached_tile(cache, source, 0, {0, 0}, geometry, CancelToken());
    REQUIRE(tile->count == expected.size());
    CHECK(std::memcmp(tile->pixels().data(), expected.data(), tile->pixels().size_bytes()) == 0);
    CHECK(cached_tile(cache, source, 0, {0, 0}, geometry, CancelToken()) == tile);
    // The same place at full resolution is another tile.
    CHECK(cached_tile(cache, source, 0, {0, 0}, *tile_geometry({3, 2, 1}, 1100, 700), CancelToken()) != tile);
}

TEST_CASE("pyramids that are quick to make take the place of older ones") {
    MemorySource source({600, 400, 40, 1}); // 960 kB of pixels each
    fill_odd(source, 53, 0.1, false);
    BudgetCache cache(32 << 20); // an eighth is three of them
    const auto shown = cached_pyramid(cache, source, 0, {0, 0}, 2, CancelToken());
    REQUIRE(!shown->pixels().empty());
    for (std::int32_t z = 1; z < 40; ++z) cached_pyramid(cache, source, 0, {z, 0}, 2, CancelToken());
    CHECK(cache.statistics().used <= (32 << 20) / 8 + 2 * shown->bytes());
    CHECK(cached_pyramid(cache, source, 0, {0, 0}, 2, CancelToken()) == shown); // in use all the time
    const std::int64_t read = source.pixels_read;
    cached_pyramid(cache, source, 0, {39, 0}, 2, CancelToken());
    CHECK(source.pixels_read == read);
}

TEST_CASE("memory for pixels is kept for the next of its size, within a limit") {
    keep_spare_pixels(0);
    keep_spare_pixels(4 << 20);
    CHECK(spare_pixels() == 0);
    auto first = make_pixels<float>(200000);
    float* const address = first.get();
    std::fill_n(address, 200000, 1.0f);
    first.reset();
    CHECK(spare_pixels() == 800000);
    auto larger = make_pixels<float>(200001);
    CHECK(larger.get() != address);
    auto far_smaller = make_pixels<float>(100000);
    CHECK(far_smaller.get() != address);
    auto again = make_pixels<double>(90000);
    CHECK(reinterpret_cast<float*>(again.get()) == address);
    CHECK(spare_pixels() == 0);
    again.reset();
    CHECK(spare_pixels() == 800000); // all of it, however much was asked for
    CHECK(make_pixels<float>(200000).get() == address);

    std::vector<Pixels<float>> many;
    for (int i = 0; i < 20; ++i) many.push_back(make_pixels<float>(100000));
    many.clear();
    CHECK(spare_pixels() <= 4 << 20);
    CHECK(spare_pixels() > 3 << 20);
    make_pixels<float>(2 << 20).reset(); // too large to be kept at all
    CHECK(spare_pixels() <= 4 << 20);
    keep_spare_pixels(1 << 20);
    CHECK(spare_pixels() <= 1 << 20);
    keep_spare_pixels(16 << 20);
}
