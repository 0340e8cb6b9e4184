#include "imaging/analysis/contour_kernels.hpp"

#include "imaging/kernels/x86.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#define CUBELINK_INLINE inline __attribute__((always_inline))

namespace cubelink::imaging::kernels {

namespace {

// ---- Which pixels reach a level

CUBELINK_INLINE std::uint64_t word_plain(const float* values, std::size_t n, float level) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < n; ++i) word |= std::uint64_t(values[i] >= level) << i;
    return word;
}

void at_least_plain(const float* values, std::size_t n, float level, std::uint64_t* bits) {
    for (std::size_t i = 0; i < n; i += 64) *bits++ = word_plain(values + i, std::min<std::size_t>(64, n - i), level);
}

#if CUBELINK_X86
CUBELINK_TARGET_AVX2 void at_least_avx2(const float* values, std::size_t n, float level, std::uint64_t* bits) {
    const __m256 limit = _mm256_set1_ps(level);
    std::size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        std::uint64_t word = 0;
        for (unsigned k = 0; k < 8; ++k)
            word |= std::uint64_t(static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(values + i + 8 * k), limit, _CMP_GE_OQ))))
                    << (8 * k);
        *bits++ = word;
    }
    if (i < n) *bits = word_plain(values + i, n - i, level);
}

CUBELINK_TARGET_AVX512 void at_least_avx512(const float* values, std::size_t n, float level, std::uint64_t* bits) {
    const __m512 limit = _mm512_set1_ps(level);
    std::size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        std::uint64_t word = 0;
        for (unsigned k = 0; k < 4; ++k)
            word |= std::uint64_t(_mm512_cmp_ps_mask(_mm512_loadu_ps(values + i + 16 * k), limit, _CMP_GE_OQ)) << (16 * k);
        *bits++ = word;
    }
    if (i < n) *bits = word_plain(values + i, n - i, level);
}
#endif

// ---- Weighted means: blocks that stay in registers

template <std::size_t block>
CUBELINK_INLINE void mean_block(const float* const* rows, const float* weights, std::size_t taps, float total, std::size_t at, float* out) {
    float sum[block] = {};
    for (std::size_t k = 0; k < taps; ++k) {
        const float* row = rows[k] + at;
        const float weight = weights[k];
        for (std::size_t i = 0; i < block; ++i) sum[i] += weight * row[i];
    }
    for (std::size_t i = 0; i < block; ++i) out[at + i] = std::clamp(sum[i] / total, -FLT_MAX, FLT_MAX);
}

template <std::size_t block>
CUBELINK_INLINE void finite_block(const float* const* rows, const float* weights, std::size_t taps, std::size_t at, float* out) {
    float sum[block] = {}, total[block] = {};
    for (std::size_t k = 0; k < taps; ++k) {
        const float* row = rows[k] + at;
        const float weight = weights[k];
        for (std::size_t i = 0; i < block; ++i) {
            const bool finite = std::abs(row[i]) <= FLT_MAX;
            sum[i] += weight * (finite ? row[i] : 0.0f);
            total[i] += finite ? weight : 0.0f;
        }
    }
    for (std::size_t i = 0; i < block; ++i)
        out[at + i] = total[i] > 0 ? std::clamp(sum[i] / total[i], -FLT_MAX, FLT_MAX) : std::numeric_limits<float>::quiet_NaN();
}

template <std::size_t block>
CUBELINK_INLINE void mean_all(const float* const* rows, const float* weights, std::size_t taps, float total, std::size_t n, float* out) {
    std::size_t i = 0;
    for (; i + block <= n; i += block) mean_block<block>(rows, weights, taps, total, i, out);
    for (; i < n; ++i) mean_block<1>(rows, weights, taps, total, i, out);
}

template <std::size_t block>
CUBELINK_INLINE void finite_all(const float* const* rows, const float* weights, std::size_t taps, std::size_t n, float* out) {
    std::size_t i = 0;
    for (; i + block <= n; i += block) finite_block<block>(rows, weights, taps, i, out);
    for (; i < n; ++i) finite_block<1>(rows, weights, taps, i, out);
}

CUBELINK_INLINE void add_finite_loop(const float* values, std::size_t n, double* sum, double* count) {
    for (std::size_t i = 0; i < n; ++i) {
        const bool finite = std::abs(values[i]) <= FLT_MAX;
        sum[i] += finite ? double(values[i]) : 0.0;
        count[i] += finite ? 1.0 : 0.0;
    }
}

CUBELINK_INLINE void quantize_loop(const float* values, std::size_t n, float decimation, std::int32_t* out) {
    for (std::size_t i = 0; i < n; ++i) {
        const float scaled = values[i] * decimation;
        const auto whole = static_cast<std::int32_t>(scaled);
        out[i] = whole + (scaled - static_cast<float>(whole) >= 0.5f ? 1 : 0); // scaled − whole is exact
    }
    for (std::size_t i = n; i-- > 2;)
        out[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(out[i]) - static_cast<std::uint32_t>(out[i - 2]));
}

// The block is what eight registers hold.
#define CUBELINK_VERSION(suffix, target, block)                                                                                                  \
    target void mean_##suffix(const float* const* rows, const float* weights, std::size_t taps, float total, std::size_t n, float* out) {        \
        mean_all<block>(rows, weights, taps, total, n, out);                                                                                     \
    }                                                                                                                                            \
    target void finite_##suffix(const float* const* rows, const float* weights, std::size_t taps, std::size_t n, float* out) {                   \
        finite_all<block>(rows, weights, taps, n, out);                                                                                          \
    }                                                                                                                                            \
    target void add_##suffix(const float* values, std::size_t n, double* sum, double* count) { add_finite_loop(values, n, sum, count); }         \
    target void quantize_##suffix(const float* values, std::size_t n, float decimation, std::int32_t* out) {                                     \
        quantize_loop(values, n, decimation, out);                                                                                               \
    }

CUBELINK_VERSION(plain, , 16)
#if CUBELINK_X86
CUBELINK_VERSION(avx2, CUBELINK_TARGET_AVX2, 32)
CUBELINK_VERSION(avx512, CUBELINK_TARGET_AVX512, 64)
#define CUBELINK_PICK(name) choose(&name##_plain, &name##_avx2, &name##_avx512, level)
#else
#define CUBELINK_PICK(name) (static_cast<void>(level), &name##_plain)
#endif

} // namespace

void at_least(const float* values, std::size_t n, float limit, std::uint64_t* bits, SimdLevel level) { CUBELINK_PICK(at_least)(values, n, limit, bits); }

void weighted_mean(const float* const* rows, const float* weights, std::size_t taps, float total, std::size_t n, float* out, SimdLevel level) {
    CUBELINK_PICK(mean)(rows, weights, taps, total, n, out);
}

void weighted_mean_of_finite(const float* const* rows, const float* weights, std::size_t taps, std::size_t n, float* out, SimdLevel level) {
    CUBELINK_PICK(finite)(rows, weights, taps, n, out);
}

void add_finite(const float* values, std::size_t n, double* sum, double* count, SimdLevel level) { CUBELINK_PICK(add)(values, n, sum, count); }

void quantize_vertices(const float* values, std::size_t n, float decimation, std::int32_t* out, SimdLevel level) {
    CUBELINK_PICK(quantize)(values, n, decimation, out);
}

} // namespace cubelink::imaging::kernels
