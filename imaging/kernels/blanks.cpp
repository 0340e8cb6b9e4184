#include "imaging/kernels/blanks.hpp"

#include "imaging/kernels/x86.hpp"

#include <bit>
#include <cstdint>

namespace cubelink::imaging::kernels {

namespace {

// Bits rather than std::isfinite: compilers vectorise this loop by themselves, at whatever width the function around it is compiled for.
[[gnu::always_inline]] inline bool is_blank(float value) { return (std::bit_cast<std::uint32_t>(value) & 0x7f800000u) == 0x7f800000u; }

/// The last, perhaps incomplete, word.
std::uint64_t word_plain(const float* values, std::size_t n) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < n; ++i) word |= std::uint64_t(is_blank(values[i])) << i;
    return word;
}

bool find_plain(const float* values, std::size_t n, std::uint64_t* bits) {
    std::uint64_t any = 0;
    for (std::size_t i = 0; i < n; i += 64) any |= bits[i / 64] = word_plain(values + i, n - i < 64 ? n - i : 64);
    return any != 0;
}

#if CUBELINK_X86
CUBELINK_TARGET_AVX2 bool find_avx2(const float* values, std::size_t n, std::uint64_t* bits) {
    const __m256i exponent = _mm256_set1_epi32(0x7f800000);
    std::uint64_t any = 0;
    std::size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        std::uint64_t word = 0;
        for (std::size_t k = 0; k < 64; k += 8) {
            const __m256i v = _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + i + k)), exponent);
            word |= std::uint64_t(unsigned(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(v, exponent))))) << k;
        }
        any |= bits[i / 64] = word;
    }
    if (i < n) any |= bits[i / 64] = word_plain(values + i, n - i);
    return any != 0;
}

CUBELINK_TARGET_AVX512 bool find_avx512(const float* values, std::size_t n, std::uint64_t* bits) {
    const __m512i exponent = _mm512_set1_epi32(0x7f800000);
    std::uint64_t any = 0;
    std::size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        std::uint64_t word = 0;
        for (std::size_t k = 0; k < 64; k += 16)
            word |= std::uint64_t(_mm512_cmpeq_epi32_mask(_mm512_and_epi32(_mm512_loadu_si512(values + i + k), exponent), exponent)) << k;
        any |= bits[i / 64] = word;
    }
    if (i < n) any |= bits[i / 64] = word_plain(values + i, n - i);
    return any != 0;
}
constexpr auto* kFindAvx2 = &find_avx2;
constexpr auto* kFindAvx512 = &find_avx512;
#else
constexpr bool (*kFindAvx2)(const float*, std::size_t, std::uint64_t*) = nullptr;
constexpr bool (*kFindAvx512)(const float*, std::size_t, std::uint64_t*) = nullptr;
#endif

[[gnu::always_inline]] inline void fill_body(const float* values, std::size_t n, float fill, float* out) {
    for (std::size_t i = 0; i < n; ++i) {
        const float value = values[i];
        out[i] = is_blank(value) ? fill : value;
    }
}

void fill_plain(const float* values, std::size_t n, float fill, float* out) { fill_body(values, n, fill, out); }
CUBELINK_TARGET_AVX2 void fill_avx2(const float* values, std::size_t n, float fill, float* out) { fill_body(values, n, fill, out); }
CUBELINK_TARGET_AVX512 void fill_avx512(const float* values, std::size_t n, float fill, float* out) { fill_body(values, n, fill, out); }

} // namespace

bool find_blanks(const float* values, std::size_t n, std::uint64_t* bits, SimdLevel level) {
    using Kernel = bool (*)(const float*, std::size_t, std::uint64_t*);
    return choose<Kernel>(find_plain, kFindAvx2, kFindAvx512, level)(values, n, bits);
}

void fill_blanks(const float* values, std::size_t n, float fill, float* out, SimdLevel level) {
    choose(&fill_plain, &fill_avx2, &fill_avx512, level)(values, n, fill, out);
}

} // namespace cubelink::imaging::kernels
