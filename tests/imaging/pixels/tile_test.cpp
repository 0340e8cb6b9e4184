#include "imaging/pixels/tile.hpp"
#include "imaging/pixels/tile_codec.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/effort.hpp"

#include <doctest/doctest.h>

#include <cfloat>
#include <climits>
#include <cstring>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;

TEST_CASE("tile codes") {
    CHECK(encode_tile_code({0, 0, 0}) == 0);
    CHECK(encode_tile_code({2, 3, 1}) == (2 << 24 | 1 << 12 | 3));
    CHECK(encode_tile_code({12, 4095, 4095}) == (12 << 24 | 4095 << 12 | 4095));
    CHECK(encode_tile_code({13, 0, 0}) == -1);
    CHECK(encode_tile_code({-1, 0, 0}) == -1);
    CHECK(encode_tile_code({2, 4, 0}) == -1);
    CHECK(encode_tile_code({2, 0, -1}) == -1);
    for (std::int32_t code : {-1, INT_MIN, INT_MAX, 13 << 24, 1, 1 << 12, 1 << 24 | 2, 2 << 24 | 4 << 12}) CHECK(!decode_tile_code(code));
    for (int layer = 0; layer <= 12; ++layer) {
        const TileId last{layer, (1 << layer) - 1, (1 << layer) - 1};
        CHECK(decode_tile_code(encode_tile_code(last)) == last);
    }
}

TEST_CASE("layers, mips and sizes") {
    CHECK(max_layer(1, 1) == 0);
    CHECK(max_layer(256, 256) == 0);
    CHECK(max_layer(257, 1) == 1);
    CHECK(max_layer(600, 400) == 2);
    CHECK(max_layer(8192, 100) == 5);
    CHECK_THROWS_AS(max_layer(0, 5), std::invalid_argument);

    const auto tile = tile_geometry({2, 2, 1}, 600, 400);
    REQUIRE(tile);
    CHECK(tile->mip == 1);
    CHECK(tile->rect == Rect{512, 256, 600, 400});
    CHECK(tile->width == 88);
    CHECK(tile->height == 144);
    const auto whole = tile_geometry({0, 0, 0}, 601, 401);
    REQUIRE(whole);
    CHECK(whole->mip == 4);
    CHECK(whole->width == 151);
    CHECK(whole->height == 101);
    CHECK(!tile_geometry({2, 3, 0}, 600, 400)); // valid in itself, beyond the image
    CHECK(!tile_geometry({2, 0, 2}, 600, 400));
    CHECK(!tile_geometry({3, 0, 0}, 600, 400)); // finer than full resolution

    // All tiles of a layer together are the image.
    std::mt19937_64 random(1);
    for (int round = 0; round < 30; ++round) {
        const std::int64_t w = 1 + std::int64_t(random() % 5000), h = 1 + std::int64_t(random() % 5000);
        for (int layer = 0; layer <= max_layer(w, h); ++layer) {
            std::int64_t pixels = 0;
            for (std::int32_t y = 0; y < 1 << layer; ++y) {
                for (std::int32_t x = 0; x < 1 << layer; ++x) {
                    const auto t = tile_geometry({layer, x, y}, w, h);
                    if (!t) continue;
                    pixels += t->rect.size();
                    CHECK(t->width <= 256);
                    CHECK(t->height <= 256);
                    CHECK(t->width == (t->rect.width() + t->mip - 1) / t->mip);
                }
            }
            CHECK(pixels == w * h);
        }
    }
}

TEST_CASE("uncompressed tiles carry blanks as -FLT_MAX") {
    const std::vector<float> pixels{1, NAN, INFINITY, -INFINITY, -2, 0};
    const EncodedTile tile = encode_tile(pixels, 3, 2, TileCompression::none, 11);
    REQUIRE(tile.data.size() == 24);
    float raw[6];
    std::memcpy(raw, tile.data.data(), 24);
    CHECK(raw[0] == 1);
    CHECK(raw[1] == -FLT_MAX);
    CHECK(raw[2] == -FLT_MAX);
    CHECK(raw[3] == -FLT_MAX);
    CHECK(raw[4] == -2);
    CHECK(tile.nan_encodings.empty());
    CHECK(tile.quality == 0);
    const auto back = decode_tile(tile, 3, 2);
    CHECK(back[0] == 1);
    CHECK(std::isnan(back[2]));
    CHECK_THROWS_AS(encode_tile(pixels, 2, 2, TileCompression::none, 11), std::invalid_argument);
    CHECK_THROWS_AS(encode_tile({}, 0, 0, TileCompression::zfp, 11), std::invalid_argument);
    CHECK_THROWS_AS(encode_tile(pixels, 3, 2, TileCompression::zfp, NAN), std::invalid_argument);
}

TEST_CASE("runs of blanks") {
    CHECK(encode_tile(std::vector<float>{1, 2, 3, 4}, 2, 2, TileCompression::zfp, 20).nan_encodings == std::vector<std::int32_t>{4});
    CHECK(encode_tile(std::vector<float>{NAN, 2, 3, NAN}, 2, 2, TileCompression::zfp, 20).nan_encodings ==
          std::vector<std::int32_t>{0, 1, 2, 1});
    CHECK(encode_tile(std::vector<float>{NAN, INFINITY, -INFINITY, NAN}, 2, 2, TileCompression::zfp, 20).nan_encodings ==
          std::vector<std::int32_t>{0, 4});
    CHECK(encode_tile(std::vector<float>{1, NAN, NAN, 2}, 2, 2, TileCompression::zfp, 20).nan_encodings ==
          std::vector<std::int32_t>{1, 2, 1});
}

TEST_CASE("tiles cut out of a plane are those of their pixels; blanks are counted and filled in any place") {
    std::mt19937_64 random(5);
    std::normal_distribution<float> normal(0, 1);
    for (int round = 0; round < cubelink::test::effort(200); ++round) {
        const auto width = std::int32_t(1 + random() % 256), height = std::int32_t(1 + random() % 100);
        const std::ptrdiff_t stride = width + std::ptrdiff_t(random() % 70);
        const double blanks = round % 4 == 0 ? 0 : round % 4 == 1 ? 0.001 : round % 4 == 2 ? 0.3 : 0.99;
        std::vector<float> plane(std::size_t(stride * height), NAN), pixels;
        for (std::int32_t y = 0; y < height; ++y) {
            for (std::int32_t x = 0; x < width; ++x) {
                const bool blank = std::uniform_real_distribution<double>(0, 1)(random) < blanks;
                pixels.push_back(blank ? random() % 2 == 0 ? NAN : -INFINITY : normal(random));
                plane[std::size_t(y * stride + x)] = pixels.back();
            }
        }
        // Written out: runs of blanks, and what ZFP gets in their place.
        std::vector<std::int32_t> runs{0};
        std::vector<float> filled = pixels;
        for (std::size_t i = 0; i < pixels.size(); ++i) {
            const bool in_blank = runs.size() % 2 == 0;
            if (std::isfinite(pixels[i]) == in_blank) runs.push_back(0);
            ++runs.back();
            if (std::isfinite(pixels[i])) continue;
            const auto x0 = std::int32_t(i) % width / 4 * 4, y0 = std::int32_t(i) / width / 4 * 4;
            double sum = 0, count = 0;
            for (std::int32_t y = y0; y < std::min(height, y0 + 4); ++y) {
                for (std::int32_t x = x0; x < std::min(width, x0 + 4); ++x) {
                    const float v = pixels[std::size_t(y * width + x)];
                    if (std::isfinite(v)) sum += v, ++count;
                }
            }
            filled[i] = count > 0 ? float(sum / count) : 0;
        }
        const EncodedTile cut = encode_tile(TileView{plane.data(), stride, width, height}, TileCompression::zfp, 12);
        CHECK(cut.nan_encodings == runs);
        CHECK(cut.data == encode_tile(filled, width, height, TileCompression::zfp, 12).data);

        const EncodedTile plain = encode_tile(TileView{plane.data(), stride, width, height}, TileCompression::none, 0);
        for (float& p : pixels) p = std::isfinite(p) ? p : -FLT_MAX;
        REQUIRE(plain.data.size() == pixels.size() * sizeof(float));
        CHECK(std::memcmp(plain.data.data(), pixels.data(), plain.data.size()) == 0);
    }
}

TEST_CASE("ZFP tiles: blanks come back exactly, pixels within what the precision allows, at every quality and size") {
    std::mt19937_64 random(2);
    std::normal_distribution<float> normal(0, 1);
    for (int round = 0; round < cubelink::test::effort(300); ++round) {
        const auto width = std::int32_t(1 + random() % 256), height = std::int32_t(1 + random() % 256);
        const float quality = float(1 + random() % 32);
        const double blanks = round % 3 == 0 ? 0 : round % 3 == 1 ? 0.1 : 0.9;
        std::vector<float> pixels(std::size_t(width * height));
        for (float& p : pixels) p = normal(random);
        for (float& p : pixels) {
            if (std::uniform_real_distribution<double>(0, 1)(random) < blanks) p = random() % 2 == 0 ? NAN : INFINITY;
        }
        const EncodedTile tile = encode_tile(pixels, width, height, TileCompression::zfp, quality);
        CHECK(tile.quality >= int(quality));
        std::int64_t total = 0;
        for (std::int32_t run : tile.nan_encodings) total += run;
        CHECK(total == width * height);

        const auto back = decode_tile(tile, width, height);
        float largest = 0;
        for (float p : pixels) largest = std::isfinite(p) ? std::max(largest, std::abs(p)) : largest;
        // A block's common exponent is up to one above that of its largest pixel; the transform back adds up the errors of the cut bit
        // planes.
        const float tolerance = std::ldexp(largest, 6 - std::min(tile.quality, 28));
        bool right = true;
        for (std::size_t i = 0; i < pixels.size(); ++i) {
            right = right && (std::isfinite(pixels[i]) ? std::abs(back[i] - pixels[i]) <= tolerance : std::isnan(back[i]));
        }
        INFO(width, " x ", height, " at ", quality);
        CHECK(right);
    }
}

TEST_CASE("quality: rounded, clamped, and raised where a tile shrinks well") {
    std::mt19937_64 random(3);
    std::normal_distribution<float> normal(0, 1);
    std::vector<float> noise(64 * 64);
    for (float& p : noise) p = normal(random);
    CHECK(encode_tile(noise, 64, 64, TileCompression::zfp, 10.6f).quality == 11);
    CHECK(encode_tile(noise, 64, 64, TileCompression::zfp, 1e30f).quality == 32);
    CHECK(encode_tile(noise, 64, 64, TileCompression::zfp, INFINITY).quality == 32);
    CHECK(encode_tile(noise, 64, 64, TileCompression::zfp, 9).quality == 9);

    const std::vector<float> constant(64 * 64, 0.0f);
    const EncodedTile tile = encode_tile(constant, 64, 64, TileCompression::zfp, 11);
    CHECK(tile.quality == 32);
    CHECK(constant.size() * 4 > 10 * tile.data.size());

    // Noise at precision 1 shrinks more than 20-fold, but not 10-fold at 32: what was asked for stays.
    const EncodedTile coarse = encode_tile(noise, 64, 64, TileCompression::zfp, 1);
    CHECK(noise.size() * 4 > 20 * coarse.data.size());
    CHECK(coarse.quality == 1);
    CHECK(decode_tile(coarse, 64, 64).size() == noise.size());
}

TEST_CASE("a tile that is not whole is refused by the decoder") {
    std::vector<float> noise(64 * 64);
    std::mt19937_64 random(4);
    for (float& p : noise) p = float(random() % 1000) / 7;
    const EncodedTile good = encode_tile(noise, 64, 64, TileCompression::zfp, 20);
    EncodedTile bad = good;
    bad.data.resize(100);
    CHECK_THROWS_AS(decode_tile(bad, 64, 64), std::invalid_argument);
    bad = good;
    bad.nan_encodings = {4096, 1};
    CHECK_THROWS_AS(decode_tile(bad, 64, 64), std::invalid_argument);
    bad.nan_encodings = {-5, 4101};
    CHECK_THROWS_AS(decode_tile(bad, 64, 64), std::invalid_argument);
    bad.nan_encodings = {17};
    CHECK_THROWS_AS(decode_tile(bad, 64, 64), std::invalid_argument);
    bad = good;
    bad.quality = 40;
    CHECK_THROWS_AS(decode_tile(bad, 64, 64), std::invalid_argument);
    bad = encode_tile(noise, 64, 64, TileCompression::none, 0);
    bad.data.pop_back();
    CHECK_THROWS_AS(decode_tile(bad, 64, 64), std::invalid_argument);
}
