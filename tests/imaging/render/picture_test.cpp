// Planes in pictures, against pixels looked up one by one; how much of a plane is read; cancelling.

#include "imaging/pixels/polarization.hpp"
#include "imaging/pixels/pyramid_cache.hpp"
#include "imaging/render/picture.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;

namespace {

struct Noise : MemorySource {
    Noise(std::int64_t width, std::int64_t height, std::mt19937_64& random) : MemorySource({width, height, 1, 1}) {
        std::uniform_real_distribution<double> value(0, 255);
        for (auto& pixel : pixels) pixel = random() % 13 == 0 ? NAN : value(random);
    }
};

/// Grey g for the value g.
Look grey() {
    Look look;
    look.map = find_colour_map("Grey");
    look.limits = {0, 255};
    return look;
}

bool same(const Picture& a, const Picture& b) {
    for (int y = 0; y < a.size().height; ++y)
        if (!std::equal(a.row(y), a.row(y) + a.size().width, b.row(y))) return false;
    return a.size() == b.size();
}

} // namespace

TEST_CASE("each picture pixel shows what is under it") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 60; ++round) {
        const Noise source(1 + static_cast<std::int64_t>(random() % 90), 1 + static_cast<std::int64_t>(random() % 90), random);
        const auto& shape = source.shape();
        const PictureSize size{1 + static_cast<int>(random() % 70), 1 + static_cast<int>(random() % 70)};
        std::uniform_real_distribution<double> part(-0.3, 1.3), scale(-3, 3);
        const Framing framing{part(random) * static_cast<double>(shape.width), part(random) * static_cast<double>(shape.height), std::exp2(scale(random))};
        CAPTURE(round);
        BudgetCache cache(64 << 20);
        const auto picture = draw_plane(cache, source, 0, {}, size, framing, grey(), 2, {});
        const auto mip = mip_of_scale(framing.scale, shape);
        CHECK((framing.scale * static_cast<double>(mip) <= 1 || mip == 1));
        int wrong = 0;
        for (int j = 0; j < size.height; ++j) {
            for (int i = 0; i < size.width; ++i) {
                const double x = framing.image_x(i + 0.5, size), y = framing.image_y(j + 0.5, size), half = 0.5 / framing.scale;
                const auto got = picture.row(j)[i];
                if (x < -0.5 || y < -0.5 || x >= static_cast<double>(shape.width) - 0.5 || y >= static_cast<double>(shape.height) - 0.5) {
                    if (!(got == grey().background)) ++wrong;
                    continue;
                }
                // Blocks whose centres lie in the pixel, or the one under its middle.
                const auto chosen = [&](double centre, std::int64_t length) {
                    std::vector<std::int64_t> blocks;
                    const auto step = static_cast<double>(mip);
                    for (std::int64_t b = 0; b * mip < length; ++b) {
                        const double middle = static_cast<double>(b) * step + (step - 1) / 2;
                        if (middle >= centre - half && middle < centre + half) blocks.push_back(b);
                    }
                    if (blocks.size() < 2) blocks = {static_cast<std::int64_t>(std::floor((centre + 0.5) / step))};
                    return blocks;
                };
                double sum = 0;
                int count = 0;
                for (const auto by : chosen(y, shape.height)) {
                    for (const auto bx : chosen(x, shape.width)) {
                        double block = 0;
                        int n = 0;
                        for (auto py = by * mip; py < std::min((by + 1) * mip, shape.height); ++py)
                            for (auto px = bx * mip; px < std::min((bx + 1) * mip, shape.width); ++px)
                                if (const auto v = static_cast<float>(source.at(px, py)); std::isfinite(v)) block += v, ++n;
                        if (n > 0) sum += block / n, ++count;
                    }
                }
                if (count == 0) wrong += got == grey().blank ? 0 : 1;
                else wrong += std::abs(got.r - sum / count) <= 0.51 && got.a == 255 ? 0 : 1;
            }
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE("the picture depends on nothing but the pixels: not on threads, memory or what is cached") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const Noise source(3000, 1500, random);
    const PictureSize size{1300, 1000}; // more than a band
    for (const double scale : {0.11, 0.45, 1.0, 3.7}) {
        CAPTURE(scale);
        const Framing framing{1400, 700, scale};
        BudgetCache cold(256 << 20), warm(256 << 20), tiny(8 << 20);
        cached_pyramid(warm, source, 0, {}, 2, {});
        const auto one = draw_plane(cold, source, 0, {}, size, framing, grey(), 1, {});
        CHECK(same(one, draw_plane(warm, source, 0, {}, size, framing, grey(), 4, {})));
        CHECK(same(one, draw_plane(tiny, source, 0, {}, size, framing, grey(), 3, {})));
    }
}

TEST_CASE("a small part of a plane is read by itself, and nothing of a plane whose pyramid is there") {
    std::mt19937_64 random(1);
    const Noise source(4000, 4000, random);
    BudgetCache cache(256 << 20);
    source.pixels_read = 0;
    draw_plane(cache, source, 0, {}, {300, 200}, {2000, 2000, 1}, grey(), 2, {});
    CHECK(source.pixels_read <= 301 * 201);
    source.pixels_read = 0;
    draw_plane(cache, source, 0, {}, {300, 200}, {-9000, 0, 1}, grey(), 2, {});
    CHECK(source.pixels_read == 0);
    cached_pyramid(cache, source, 0, {}, 2, {});
    source.pixels_read = 0;
    draw_plane(cache, source, 0, {}, {300, 200}, fitting(source.shape(), {300, 200}), grey(), 2, {});
    CHECK(source.pixels_read == 0);
}

TEST_CASE("framings and sizes that make no sense are refused") {
    std::mt19937_64 random(1);
    const Noise source(20, 20, random);
    BudgetCache cache(64 << 20);
    for (const PictureSize size : {PictureSize{0, 1}, PictureSize{1, -1}, PictureSize{max_picture_side + 1, 1}, PictureSize{max_picture_side, max_picture_side}})
        CHECK_THROWS_AS(draw_plane(cache, source, 0, {}, size, {}, grey(), 1, {}), std::invalid_argument);
    for (const Framing framing : {Framing{NAN, 0, 1}, Framing{0, INFINITY, 1}, Framing{0, 0, 0}, Framing{0, 0, -1}, Framing{0, 0, NAN}, Framing{0, 0, INFINITY}, Framing{1e13, 0, 1}})
        CHECK_THROWS_AS(draw_plane(cache, source, 0, {}, {10, 10}, framing, grey(), 1, {}), std::invalid_argument);
    for (const double scale : {min_framing_scale, max_framing_scale})
        for (const double far : {0.0, max_framing_distance, -max_framing_distance}) draw_plane(cache, source, 0, {}, {10, 10}, {far, -far, scale}, grey(), 1, {});
    CancelToken cancelled;
    cancelled.cancel();
    CHECK_THROWS_AS(draw_plane(cache, source, 0, {}, {10, 10}, {10, 10, 1}, grey(), 1, cancelled), Cancelled);
    CHECK_THROWS_AS(draw_plane(cache, source, 0, {}, {10, 10}, {10, 10, 1}, grey(), 1, {}, [] { throw Cancelled(); }), Cancelled);
}

TEST_CASE("fitting leaves nothing out and wastes nothing") {
    const PictureSize size{200, 100};
    CHECK(fitting({50, 100, 1, 1}, size) == Framing{24.5, 49.5, 1});
    CHECK(fitting({400, 100, 1, 1}, size) == Framing{199.5, 49.5, 0.5});
    CHECK(fitting(10, 20, 30, 30, size) == Framing{19.5, 24.5, 10});
    CHECK(mip_of_scale(1, {1000, 10, 1, 1}) == 1);
    CHECK(mip_of_scale(0.5, {1000, 10, 1, 1}) == 2);
    CHECK(mip_of_scale(0.26, {1000, 10, 1, 1}) == 2);
    CHECK(mip_of_scale(min_framing_scale, {1000, 10, 1, 1}) == 1024);
}
