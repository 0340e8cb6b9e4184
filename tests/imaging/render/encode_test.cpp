// Files of pictures, read by the libraries' own decoders; cancelling.

#include "imaging/render/encode.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>
#include <png.h>
#include <webp/decode.h>

#include <cstdio>
#include <random>

#include <jpeglib.h>

using namespace cubelink::imaging;

namespace {

Picture random_picture(const PictureSize& size, bool opaque, std::mt19937_64& random) {
    Picture picture(size);
    for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < size.width; ++x) {
            const auto bits = random();
            picture.row(y)[x] = {static_cast<std::uint8_t>(bits), static_cast<std::uint8_t>(bits >> 8), static_cast<std::uint8_t>(bits >> 16),
                                 static_cast<std::uint8_t>(opaque ? 255 : bits >> 24)};
        }
    if (!opaque) picture.row(0)[0].a = 7;
    return picture;
}

Picture decoded_png(const std::vector<std::uint8_t>& file) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    REQUIRE(png_image_begin_read_from_memory(&image, file.data(), file.size()) != 0);
    image.format = PNG_FORMAT_RGBA;
    Picture picture({static_cast<int>(image.width), static_cast<int>(image.height)});
    REQUIRE(png_image_finish_read(&image, nullptr, picture.row(0), 0, nullptr) != 0);
    return picture;
}

Picture decoded_webp(const std::vector<std::uint8_t>& file) {
    int width = 0, height = 0;
    REQUIRE(WebPGetInfo(file.data(), file.size(), &width, &height) != 0);
    Picture picture({width, height});
    REQUIRE(WebPDecodeRGBAInto(file.data(), file.size(), reinterpret_cast<std::uint8_t*>(picture.row(0)), static_cast<std::size_t>(picture.size().pixels()) * 4, width * 4) !=
            nullptr);
    return picture;
}

Picture decoded_jpeg(const std::vector<std::uint8_t>& file) {
    jpeg_decompress_struct jpeg{};
    jpeg_error_mgr errors{};
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, file.data(), file.size());
    jpeg_read_header(&jpeg, TRUE);
    jpeg.out_color_space = JCS_EXT_RGBA;
    jpeg_start_decompress(&jpeg);
    Picture picture({static_cast<int>(jpeg.output_width), static_cast<int>(jpeg.output_height)});
    while (jpeg.output_scanline < jpeg.output_height) {
        auto* row = reinterpret_cast<JSAMPROW>(picture.row(static_cast<int>(jpeg.output_scanline)));
        jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    return picture;
}

void check_same(const Picture& a, const Picture& b) {
    REQUIRE(a.size() == b.size());
    int wrong = 0;
    for (int y = 0; y < a.size().height; ++y)
        for (int x = 0; x < a.size().width; ++x) wrong += a.row(y)[x] == b.row(y)[x] ? 0 : 1;
    CHECK(wrong == 0);
}

} // namespace

TEST_CASE("PNG and lossless WebP give back every pixel") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (const PictureSize size : {PictureSize{1, 1}, PictureSize{1, 300}, PictureSize{257, 1}, PictureSize{123, 77}, PictureSize{max_picture_side, 2}}) {
        for (const bool opaque : {true, false}) {
            CAPTURE(size.width);
            CAPTURE(opaque);
            const auto picture = random_picture(size, opaque, random);
            CHECK(picture.opaque() == opaque);
            for (const auto format : {PictureFormat::png, PictureFormat::webp}) {
                const auto file = encode(picture, {format}, {});
                CHECK(file.size() <= encoding_bytes(size, {format}));
                check_same(picture, format == PictureFormat::png ? decoded_png(file) : decoded_webp(file));
            }
        }
    }
}

TEST_CASE("PNG with few colours is indexed, and gives back every pixel") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (const std::size_t count : {1U, 2U, 17U, 255U, 256U, 257U}) {
        for (const bool opaque : {true, false}) {
            CAPTURE(count);
            CAPTURE(opaque);
            std::vector<Rgba> colours;
            while (colours.size() < count) {
                const auto bits = random();
                const Rgba colour{static_cast<std::uint8_t>(bits), static_cast<std::uint8_t>(bits >> 8), static_cast<std::uint8_t>(bits >> 16),
                                  static_cast<std::uint8_t>(opaque || bits >> 63 != 0 ? 255 : bits >> 24)};
                if (std::find(colours.begin(), colours.end(), colour) == colours.end()) colours.push_back(colour);
            }
            Picture picture({61, 43});
            for (int y = 0; y < 43; ++y)
                for (int x = 0; x < 61; ++x) picture.row(y)[x] = colours[y * 61 + x < static_cast<int>(count) ? y * 61 + x : random() % count];
            const auto file = encode(picture, {PictureFormat::png}, {});
            const int colour_type = file[25]; // of the chunk IHDR: behind the signature, length, name, width, height and depth
            CHECK((colour_type == 3) == (count <= 256));
            check_same(picture, decoded_png(file));
        }
    }
}

TEST_CASE("JPEG and lossy WebP come near, the nearer the higher the quality; black where JPEG cannot be transparent") {
    Picture picture({200, 150});
    for (int y = 0; y < 150; ++y)
        for (int x = 0; x < 200; ++x) picture.row(y)[x] = {static_cast<std::uint8_t>(x), static_cast<std::uint8_t>(y), static_cast<std::uint8_t>((x + y) / 2), 255};
    const auto distance = [&](const Picture& other) {
        double sum = 0;
        for (int y = 0; y < 150; ++y)
            for (int x = 0; x < 200; ++x) sum += std::abs(picture.row(y)[x].r - other.row(y)[x].r) + std::abs(picture.row(y)[x].b - other.row(y)[x].b);
        return sum / (2 * 150 * 200);
    };
    for (const auto format : {PictureFormat::jpeg, PictureFormat::webp}) {
        std::size_t smaller = 0;
        for (const int quality : {0, 30, 60, 100}) {
            const auto file = encode(picture, {format, quality}, {});
            const auto back = format == PictureFormat::jpeg ? decoded_jpeg(file) : decoded_webp(file);
            REQUIRE(back.size() == picture.size());
            CHECK(distance(back) < (quality == 0 ? 30 : quality < 100 ? 8 : 2.5));
            CHECK(file.size() > smaller);
            smaller = file.size();
        }
    }
    for (int y = 0; y < 150; ++y) std::fill_n(picture.row(y), 100, Rgba{255, 255, 255, 0});
    CHECK(decoded_jpeg(encode(picture, {PictureFormat::jpeg}, {})).row(75)[20].r < 4);
}

TEST_CASE("encoding that is given up leaves nothing behind") {
    std::mt19937_64 random(1);
    const auto picture = random_picture({2000, 1500}, false, random);
    for (const auto format : {PictureFormat::png, PictureFormat::jpeg, PictureFormat::webp}) {
        const CancelToken cancelled;
        cancelled.cancel();
        CHECK_THROWS_AS(encode(picture, {format}, cancelled), Cancelled);
        CHECK_THROWS_AS(encode(picture, {format, 80}, cancelled), Cancelled);
    }
    CHECK(picture_format_named("JPG") == PictureFormat::jpeg);
    CHECK(picture_format_named("webp") == PictureFormat::webp);
    CHECK_FALSE(picture_format_named("gif"));
    CHECK_FALSE(picture_format_named(""));
}
