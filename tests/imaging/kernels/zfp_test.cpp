// The ZFP encoder against libzfp, which is its reference: the same bits for any field.

#include "imaging/kernels/zfp_encoder.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/effort.hpp"

#include <doctest/doctest.h>

#include <cfloat>
#include <cstring>
#include <string>

#include <zfp.h>

using namespace cubelink::imaging;

namespace {

std::string by_libzfp(std::vector<float> values, std::int32_t width, std::int32_t height, int precision) {
    zfp_field* field = zfp_field_2d(values.data(), zfp_type_float, std::size_t(width), std::size_t(height));
    zfp_stream* zfp = zfp_stream_open(nullptr);
    zfp_stream_set_precision(zfp, unsigned(precision));
    std::string out(zfp_stream_maximum_size(zfp, field), '\0');
    bitstream* bits = stream_open(out.data(), out.size());
    zfp_stream_set_bit_stream(zfp, bits);
    const std::size_t size = zfp_compress(zfp, field);
    // As it was built, it fills up words of 1 to 8 bytes.
    out.resize(size);
    while (!out.empty() && out.back() == 0) out.pop_back();
    zfp_field_free(field);
    zfp_stream_close(zfp);
    stream_close(bits);
    return out;
}

/// Zeros at the end are cut off, here and above. Empty if it is not supported. Checks that nothing is written beyond the room.
std::string by_ours(const std::vector<float>& values, std::ptrdiff_t stride, std::int32_t width, std::int32_t height, int precision,
                    SimdLevel level) {
    std::vector<std::byte> out(kernels::zfp_room(width, height, precision));
    const std::size_t size = kernels::zfp_encode(values.data(), stride, width, height, precision, out.data(), level);
    REQUIRE(size <= out.size());
    std::string bytes(reinterpret_cast<const char*>(out.data()), size);
    while (!bytes.empty() && bytes.back() == 0) bytes.pop_back();
    return bytes;
}

std::vector<SimdLevel> levels() {
    std::vector<SimdLevel> all{SimdLevel::plain};
    if (simd_level() >= SimdLevel::avx2) all.push_back(SimdLevel::avx2);
    if (simd_level() >= SimdLevel::avx512) all.push_back(SimdLevel::avx512);
    return all;
}

enum class Kind { noise, smooth, sparse, steps, exponents, bits, last };

float value(Kind kind, std::int32_t x, std::int32_t y, std::mt19937_64& random) {
    std::normal_distribution<float> normal(0, 1);
    switch (kind) {
    case Kind::noise: return normal(random);
    case Kind::smooth: return std::sin(0.01f * float(x)) * std::cos(0.02f * float(y)) + 1e-4f * normal(random);
    case Kind::sparse: return random() % 50 == 0 ? normal(random) : random() % 2 == 0 ? 0.0f : -0.0f;
    case Kind::steps: return float(x / 4 % 3) - float(y / 8 % 2);
    case Kind::exponents: return std::ldexp(normal(random), int(random() % 180) - 60);
    default: {
        // Any finite value whose block is not too small for the encoder.
        const auto word = std::uint32_t(random());
        float v;
        std::memcpy(&v, &word, sizeof v);
        return std::isfinite(v) && std::abs(v) > 0x1p-90f ? v : std::copysign(FLT_MAX, v);
    }
    }
}

} // namespace

TEST_CASE("ZFP encoder: the same bits as libzfp, at every precision and size") {
    std::mt19937_64 random(11);
    for (int round = 0; round < cubelink::test::effort(600); ++round) {
        const auto width = std::int32_t(1 + random() % (round % 2 == 0 ? 40 : 256)), height = std::int32_t(1 + random() % (round % 2 == 0 ? 40 : 256));
        const int precision = 1 + int(random() % 32);
        const auto kind = Kind(round % int(Kind::last));
        std::vector<float> values(std::size_t(width * height));
        for (std::int32_t i = 0; i < width * height; ++i) values[std::size_t(i)] = value(kind, i % width, i / width, random);
        const std::string expected = by_libzfp(values, width, height, precision);
        for (const SimdLevel level : levels()) {
            INFO(width, " x ", height, ", precision ", precision, ", kind ", int(kind), ", level ", int(level));
            CHECK(by_ours(values, width, width, height, precision, level) == expected);
        }
    }
}

TEST_CASE("ZFP encoder: rows of a wider image") {
    std::mt19937_64 random(12);
    std::vector<float> image(300 * 70);
    for (float& v : image) v = value(Kind::noise, 0, 0, random);
    std::vector<float> part;
    for (int y = 0; y < 70; ++y) part.insert(part.end(), image.begin() + y * 300 + 13, image.begin() + y * 300 + 13 + 201);
    for (const SimdLevel level : levels())
        CHECK(by_ours({image.begin() + 13, image.end()}, 300, 201, 70, 11, level) == by_libzfp(part, 201, 70, 11));
}

TEST_CASE("ZFP encoder: rejects what only libzfp supports") {
    for (const SimdLevel level : levels()) {
        for (const float odd : {NAN, INFINITY, -INFINITY, FLT_MIN, FLT_TRUE_MIN, -0x1p-99f}) {
            for (const int at : {0, 5, 63, 64 * 64 - 1}) {
                // The blocks around are fine: zeros, and one block of ones.
                std::vector<float> values(64 * 64);
                values[32] = 1;
                values[std::size_t(at)] = odd;
                CHECK(by_ours(values, 64, 64, 64, 16, level).empty());
            }
        }
        // The smallest that it does, and zeros of both signs.
        std::vector<float> values(64 * 64, -0.0f);
        values[100] = -0x1p-98f;
        CHECK(by_ours(values, 64, 64, 64, 16, level) == by_libzfp(values, 64, 64, 16));
    }
}
