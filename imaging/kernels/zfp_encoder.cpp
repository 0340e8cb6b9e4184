#include "imaging/kernels/zfp_encoder.hpp"

#include "imaging/kernels/x86.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace cubelink::imaging::kernels {

namespace {

constexpr int kSide = 4, kBlock = 16;
/// Place of the i-th coefficient (by sequency) in the block, x + 4 y.
constexpr std::array<std::uint8_t, kBlock> kOrder = {0, 1, 4, 5, 2, 8, 6, 9, 3, 12, 10, 7, 13, 11, 14, 15};
constexpr std::uint32_t kNegabinary = 0xaaaaaaaau;

/// Below this biased exponent the factor that makes integers of a block would overflow.
constexpr std::uint32_t kLowestExponent = 29, kNotFinite = 255;

/// The largest magnitude of a block, as bits, determines its exponent; 0 means a block of zeros.
constexpr std::uint32_t exponent_of(std::uint32_t magnitude) { return magnitude >> 23; }
constexpr bool declined(std::uint32_t magnitude) {
    const std::uint32_t e = exponent_of(magnitude);
    return (e < kLowestExponent && magnitude != 0) || e == kNotFinite;
}
/// 2^(30 − (exponent of the block, mantissas being in [½, 1))), as bits of a float32.
constexpr std::uint32_t scale_bits(std::uint32_t exponent) { return (283 - exponent) << 23; }

/// For each byte, its bits with a 1 inserted behind each that is set: lowest first, as they leave.
constexpr auto kTested = [] {
    std::array<std::uint16_t, 256> table{};
    for (unsigned byte = 0; byte < 256; ++byte) {
        unsigned bits = 0, at = 0;
        for (unsigned i = 0; i < 8; ++i) {
            if (byte >> i & 1) bits |= 3u << at++;
            ++at;
        }
        table[byte] = static_cast<std::uint16_t>(bits);
    }
    return table;
}();

/// Appends bits to a stream. Writes up to 8 bytes beyond its end.
class BitWriter {
public:
    explicit BitWriter(std::byte* out) : start_(out), at_(out) {}

    /// `bits` has nothing set beyond `count` ≤ 56.
    [[gnu::always_inline]] void put(std::uint64_t bits, unsigned count) {
        pending_ |= bits << filled_;
        store();
        filled_ += count;
        at_ += filled_ >> 3;
        pending_ >>= filled_ & 56;
        filled_ &= 7;
    }

    /// Says how many bytes there are; the rest of the last is zeros.
    std::size_t finish() {
        store();
        return std::size_t(at_ - start_) + (filled_ > 0 ? 1 : 0);
    }

private:
    [[gnu::always_inline]] void store() {
        std::uint64_t word = pending_;
        if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
        std::memcpy(at_, &word, sizeof word);
    }

    std::byte* const start_;
    std::byte* at_;
    std::uint64_t pending_ = 0; // the byte under way
    unsigned filled_ = 0;       // bits of it
};

/// `plane(k)`: bit k of each of the 16 coefficients, the first one lowest.
template <class Plane>
[[gnu::always_inline]] inline void put_block(BitWriter& to, std::uint32_t exponent, int precision, const Plane& plane) {
    to.put(2 * std::uint64_t(exponent + 1) + 1, 9);
    unsigned n = 0; // coefficients seen to be non-zero, and those ahead of them
    for (int k = 31; k >= 32 - precision; --k) {
        const std::uint32_t bits = plane(k), rest = bits >> n;
        const auto ahead = unsigned(std::bit_width(rest)), low = unsigned(std::popcount(rest & 0xff)), set = unsigned(std::popcount(rest));
        // Group test, bits up to and with the one that is set, group test, …: the last test says no. The last coefficient of all needs
        // neither a bit of its own, being the only one left, nor a test after it.
        std::uint64_t tested = 1 | std::uint64_t(kTested[rest & 0xff]) << 1 | std::uint64_t(kTested[rest >> 8]) << (9 + low);
        const unsigned end = n + ahead, all = end == kBlock ? 1 : 0;
        const unsigned length = 1 + ahead + set - all - (all & (ahead > 0 ? 1u : 0u));
        tested &= (std::uint64_t(1) << (length - 1 + all)) - 1;
        to.put((bits & ((1u << n) - 1)) | tested << n, n + length);
        n = end;
    }
}

/// The transform of four values along a row or a column; in unsigned arithmetic, as it may wrap, but for the shifts.
[[gnu::always_inline]] inline void lift(std::int32_t* p, int step) {
    const auto add = [](std::int32_t a, std::int32_t b) { return std::int32_t(std::uint32_t(a) + std::uint32_t(b)); };
    const auto subtract = [](std::int32_t a, std::int32_t b) { return std::int32_t(std::uint32_t(a) - std::uint32_t(b)); };
    std::int32_t x = p[0], y = p[step], z = p[2 * step], w = p[3 * step];
    x = add(x, w) >> 1, w = subtract(w, x);
    z = add(z, y) >> 1, y = subtract(y, z);
    x = add(x, z) >> 1, z = subtract(z, x);
    w = add(w, y) >> 1, y = subtract(y, w);
    w = add(w, y >> 1), y = subtract(y, w >> 1);
    p[0] = x, p[step] = y, p[2 * step] = z, p[3 * step] = w;
}

/// A block at the far edges: rows and columns that lack are copies of others.
void gather_part(const float* values, std::ptrdiff_t stride, int columns, int rows, float* block) {
    const auto pad = [](float* p, int n, int step) {
        if (n < 2) p[step] = p[0];
        if (n < 3) p[2 * step] = p[step];
        if (n < 4) p[3 * step] = p[0];
    };
    for (int y = 0; y < rows; ++y) {
        std::copy_n(values + y * stride, columns, block + kSide * y);
        pad(block + kSide * y, columns, 1);
    }
    for (int x = 0; x < kSide; ++x) pad(block + x, rows, kSide);
}

/// The coefficients of a block, by sequency.
[[gnu::always_inline]] inline void transform(const float* block, float scale, std::uint32_t* coefficients) {
    std::int32_t integers[kBlock];
    for (int i = 0; i < kBlock; ++i) integers[i] = std::int32_t(scale * block[i]);
    for (int y = 0; y < kSide; ++y) lift(integers + kSide * y, 1);
    for (int x = 0; x < kSide; ++x) lift(integers + x, kSide);
    for (std::size_t i = 0; i < kBlock; ++i) coefficients[i] = (std::uint32_t(integers[kOrder[i]]) + kNegabinary) ^ kNegabinary;
}

struct PlainPlanes {
    const std::uint32_t* coefficients;
    [[gnu::always_inline]] std::uint32_t operator()(int k) const {
        std::uint32_t bits = 0;
        for (int i = 0; i < kBlock; ++i) bits |= (coefficients[i] >> k & 1u) << i;
        return bits;
    }
};

/// One block of 16 values. False if it is declined.
template <class Planes>
[[gnu::always_inline]] inline bool encode_block(BitWriter& to, const float* block, int precision) {
    std::uint32_t magnitude = 0;
    for (int i = 0; i < kBlock; ++i) magnitude = std::max(magnitude, std::bit_cast<std::uint32_t>(block[i]) & 0x7fffffffu);
    if (declined(magnitude)) return false;
    if (magnitude == 0) {
        to.put(0, 1);
        return true;
    }
    alignas(64) std::uint32_t coefficients[kBlock];
    const std::uint32_t exponent = exponent_of(magnitude);
    transform(block, std::bit_cast<float>(scale_bits(exponent)), coefficients);
    put_block(to, exponent, precision, Planes{coefficients});
    return true;
}

/// Blocks from column `x` on of the row of blocks at `values`.
template <class Planes>
[[gnu::always_inline]] inline bool encode_row(BitWriter& to, const float* values, std::ptrdiff_t stride, int x, int width, int rows, int precision) {
    for (; x < width; x += kSide) {
        alignas(64) float block[kBlock];
        const int columns = std::min(kSide, width - x);
        if (columns == kSide && rows == kSide) {
            for (int y = 0; y < kSide; ++y) std::copy_n(values + y * stride + x, kSide, block + kSide * y);
        } else {
            gather_part(values + x, stride, columns, rows, block);
        }
        if (!encode_block<Planes>(to, block, precision)) return false;
    }
    return true;
}

bool row_plain(BitWriter& to, const float* values, std::ptrdiff_t stride, int width, int rows, int precision) {
    return encode_row<PlainPlanes>(to, values, stride, 0, width, rows, precision);
}

#if CUBELINK_X86

struct Avx2Planes {
    const std::uint32_t* coefficients;
    CUBELINK_TARGET_AVX2 std::uint32_t operator()(int k) const {
        const __m128i up = _mm_cvtsi32_si128(31 - k);
        const auto* at = reinterpret_cast<const __m256i*>(coefficients);
        const auto low = unsigned(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_sll_epi32(_mm256_load_si256(at), up))));
        const auto high = unsigned(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_sll_epi32(_mm256_load_si256(at + 1), up))));
        return low | high << 8;
    }
};

CUBELINK_TARGET_AVX2 bool row_avx2(BitWriter& to, const float* values, std::ptrdiff_t stride, int width, int rows, int precision) {
    return encode_row<Avx2Planes>(to, values, stride, 0, width, rows, precision);
}

struct Avx512Planes {
    __m512i coefficients;
    CUBELINK_TARGET_AVX512 std::uint32_t operator()(int k) const {
        return _mm512_test_epi32_mask(coefficients, _mm512_set1_epi32(int(1u << k)));
    }
};

/// Four blocks side by side: row i of all four in r[i], or, after transposing, column i, or all of block i.
struct FourBlocks {
    __m512i r[4];
};

/// 4 × 4 within each 128-bit lane.
CUBELINK_TARGET_AVX512 inline FourBlocks transpose_blocks(const FourBlocks& b) {
    const __m512i t0 = _mm512_unpacklo_epi32(b.r[0], b.r[1]), t1 = _mm512_unpackhi_epi32(b.r[0], b.r[1]);
    const __m512i t2 = _mm512_unpacklo_epi32(b.r[2], b.r[3]), t3 = _mm512_unpackhi_epi32(b.r[2], b.r[3]);
    return {{_mm512_unpacklo_epi64(t0, t2), _mm512_unpackhi_epi64(t0, t2), _mm512_unpacklo_epi64(t1, t3), _mm512_unpackhi_epi64(t1, t3)}};
}

/// 4 × 4 lanes.
CUBELINK_TARGET_AVX512 inline FourBlocks transpose_lanes(const FourBlocks& b) {
    const __m512i t0 = _mm512_shuffle_i32x4(b.r[0], b.r[1], 0x44), t1 = _mm512_shuffle_i32x4(b.r[0], b.r[1], 0xee);
    const __m512i t2 = _mm512_shuffle_i32x4(b.r[2], b.r[3], 0x44), t3 = _mm512_shuffle_i32x4(b.r[2], b.r[3], 0xee);
    return {{_mm512_shuffle_i32x4(t0, t2, 0x88), _mm512_shuffle_i32x4(t0, t2, 0xdd), _mm512_shuffle_i32x4(t1, t3, 0x88),
             _mm512_shuffle_i32x4(t1, t3, 0xdd)}};
}

CUBELINK_TARGET_AVX512 inline void lift(FourBlocks& b) {
    __m512i x = b.r[0], y = b.r[1], z = b.r[2], w = b.r[3];
    x = _mm512_srai_epi32(_mm512_add_epi32(x, w), 1), w = _mm512_sub_epi32(w, x);
    z = _mm512_srai_epi32(_mm512_add_epi32(z, y), 1), y = _mm512_sub_epi32(y, z);
    x = _mm512_srai_epi32(_mm512_add_epi32(x, z), 1), z = _mm512_sub_epi32(z, x);
    w = _mm512_srai_epi32(_mm512_add_epi32(w, y), 1), y = _mm512_sub_epi32(y, w);
    w = _mm512_add_epi32(w, _mm512_srai_epi32(y, 1)), y = _mm512_sub_epi32(y, _mm512_srai_epi32(w, 1));
    b.r[0] = x, b.r[1] = y, b.r[2] = z, b.r[3] = w;
}

CUBELINK_TARGET_AVX512 bool row_avx512(BitWriter& to, const float* values, std::ptrdiff_t stride, int width, int rows, int precision) {
    const __m512i magnitudes = _mm512_set1_epi32(0x7fffffff), negabinary = _mm512_set1_epi32(int(kNegabinary));
    const __m512i order = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kOrder.data())));
    int x = 0;
    for (; rows == kSide && x + 4 * kSide <= width; x += 4 * kSide) {
        __m512 row[4];
        for (int y = 0; y < 4; ++y) row[y] = _mm512_loadu_ps(values + y * stride + x);
        __m512i largest = _mm512_and_epi32(_mm512_castps_si512(row[0]), magnitudes);
        for (int y = 1; y < 4; ++y) largest = _mm512_max_epu32(largest, _mm512_and_epi32(_mm512_castps_si512(row[y]), magnitudes));
        largest = _mm512_max_epu32(largest, _mm512_shuffle_epi32(largest, _MM_PERM_CDAB));
        largest = _mm512_max_epu32(largest, _mm512_shuffle_epi32(largest, _MM_PERM_BADC));

        const __m512i exponents = _mm512_srli_epi32(largest, 23);
        const __m512 scale = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(283), exponents), 23));
        FourBlocks b;
        for (int y = 0; y < 4; ++y) b.r[y] = _mm512_cvttps_epi32(_mm512_mul_ps(row[y], scale));
        b = transpose_blocks(b);
        lift(b);
        b = transpose_blocks(b);
        lift(b);
        for (auto& r : b.r) r = _mm512_xor_epi32(_mm512_add_epi32(r, negabinary), negabinary);
        b = transpose_lanes(b);

        alignas(64) std::uint32_t magnitude[16];
        _mm512_store_si512(magnitude, largest);
        for (int i = 0; i < 4; ++i) {
            const std::uint32_t m = magnitude[4 * i];
            if (declined(m)) return false;
            if (m == 0) to.put(0, 1);
            else put_block(to, exponent_of(m), precision, Avx512Planes{_mm512_permutexvar_epi32(order, b.r[i])});
        }
    }
    return encode_row<Avx2Planes>(to, values, stride, x, width, rows, precision);
}

constexpr auto* kRowAvx2 = &row_avx2;
constexpr auto* kRowAvx512 = &row_avx512;
#else
constexpr bool (*kRowAvx2)(BitWriter&, const float*, std::ptrdiff_t, int, int, int) = nullptr;
constexpr bool (*kRowAvx512)(BitWriter&, const float*, std::ptrdiff_t, int, int, int) = nullptr;
#endif

} // namespace

std::size_t zfp_room(std::int32_t width, std::int32_t height, int precision) {
    const std::size_t blocks = std::size_t((width + kSide - 1) / kSide) * std::size_t((height + kSide - 1) / kSide);
    // Of a block: the bit that says that it is there, its exponent, its planes, and a group test for each coefficient but the last.
    const std::size_t bits = blocks * std::size_t(9 + kBlock * precision + kBlock - 1 + precision);
    return bits / 8 + 1 + 8;
}

std::size_t zfp_encode(const float* values, std::ptrdiff_t stride, std::int32_t width, std::int32_t height, int precision, std::byte* out,
                       SimdLevel level) {
    using Row = bool (*)(BitWriter&, const float*, std::ptrdiff_t, int, int, int);
    const Row row = choose<Row>(row_plain, kRowAvx2, kRowAvx512, level);
    BitWriter to(out);
    for (std::int32_t y = 0; y < height; y += kSide)
        if (!row(to, values + y * stride, stride, width, std::min(kSide, height - y), precision)) return 0;
    return to.finish();
}

} // namespace cubelink::imaging::kernels
