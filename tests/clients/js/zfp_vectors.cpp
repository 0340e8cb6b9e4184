// Writes test vectors for ZFP decoders to standard output: tiles as libzfp compresses them and as libzfp itself decompresses them.
//
//     zfp_vectors SEED COUNT
//
// Each record is four little-endian int32 (width, height, precision, bytes of the stream), the stream, and width × height float32.
// The tiles differ in size (1 to 256, mostly with partial blocks), precision (1 to 32) and kind: smooth, noise, point sources, constants, zeros,
// denormals, the whole range of exponents.

#include <zfp.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace {

std::vector<float> make_tile(std::mt19937_64& random, int width, int height, int kind) {
    std::normal_distribution<float> noise;
    std::uniform_int_distribution<std::uint32_t> any_bits;
    std::uniform_int_distribution<int> exponent(-149, 127);
    std::vector<float> tile(static_cast<std::size_t>(width) * height, 0.0f);
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            float& v = tile[static_cast<std::size_t>(y) * width + x];
            switch (kind) {
            case 0: v = std::sin(0.05f * x) * std::cos(0.03f * y) * 1e-3f; break;
            case 1: v = noise(random); break;
            case 2: v = 1e-5f * noise(random) + (any_bits(random) % 300 == 0 ? 10.0f * std::fabs(noise(random)) : 0.0f); break;
            case 3: v = -3.25f; break;
            case 4: v = (x / 8 + y / 8) % 2 == 0 ? 0.0f : 1.0f; break;
            case 5: v = std::ldexp(noise(random), -140); break; // denormals
            case 6: v = std::ldexp(noise(random) < 0 ? -1.5f : 1.25f, exponent(random)); break;
            case 7: { // any finite bit pattern
                std::uint32_t bits = any_bits(random);
                std::memcpy(&v, &bits, 4);
                if (!std::isfinite(v)) v = std::numeric_limits<float>::max();
                break;
            }
            default: v = static_cast<float>(x * y); break;
            }
        }
    }
    return tile;
}

void put(const void* data, std::size_t size) {
    if (size > 0 && std::fwrite(data, 1, size, stdout) != size) std::exit(1);
}

} // namespace

int main(int argc, char** argv) {
    std::mt19937_64 random(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1);
    const int count = argc > 2 ? std::atoi(argv[2]) : 200;
    std::uniform_int_distribution<int> any_size(1, 256), small_size(1, 12), any_precision(1, 32);
    for (int i = 0; i < count; ++i) {
        int width = i % 10 == 0 ? 256 : i % 3 == 0 ? small_size(random) : any_size(random);
        int height = i % 10 == 0 ? 256 : i % 3 == 1 ? small_size(random) : any_size(random);
        const int precision = i % 5 == 0 ? 11 : any_precision(random);
        std::vector<float> tile = make_tile(random, width, height, i % 9);

        zfp_field* field = zfp_field_2d(tile.data(), zfp_type_float, width, height);
        zfp_stream* zfp = zfp_stream_open(nullptr);
        zfp_stream_set_precision(zfp, precision);
        std::vector<unsigned char> buffer(zfp_stream_maximum_size(zfp, field));
        bitstream* bits = stream_open(buffer.data(), buffer.size());
        zfp_stream_set_bit_stream(zfp, bits);
        zfp_stream_rewind(zfp);
        const std::size_t size = zfp_compress(zfp, field);
        if (size == 0) return 1;
        std::vector<float> decoded(tile.size());
        zfp_field_set_pointer(field, decoded.data());
        zfp_stream_rewind(zfp);
        if (zfp_decompress(zfp, field) == 0) return 1;
        zfp_field_free(field);
        zfp_stream_close(zfp);
        stream_close(bits);

        const std::int32_t head[4] = {width, height, precision, static_cast<std::int32_t>(size)};
        put(head, sizeof head);
        put(buffer.data(), size);
        put(decoded.data(), decoded.size() * sizeof(float));
    }
    return 0;
}
