#include "imaging/kernels/downsample.hpp"

#include "imaging/kernels/x86.hpp"

#include <cmath>
#include <limits>

namespace cubelink::imaging::kernels {

namespace {

constexpr float kBlank = std::numeric_limits<float>::quiet_NaN();

/// Blocks [from, ceil(n / 2)): the reference, and the tail of the others.
void halve_pixels_plain(const float* row0, const float* row1, std::size_t n, double* sum, double* count, std::size_t from) {
    const auto value = [n](const float* row, std::size_t i) {
        return row != nullptr && i < n && std::isfinite(row[i]) ? double(row[i]) : 0.0;
    };
    const auto one = [n](const float* row, std::size_t i) { return row != nullptr && i < n && std::isfinite(row[i]) ? 1.0 : 0.0; };
    for (std::size_t k = from; k < (n + 1) / 2; ++k) {
        const std::size_t i = 2 * k;
        sum[k] = (value(row0, i) + value(row1, i)) + (value(row0, i + 1) + value(row1, i + 1));
        count[k] = (one(row0, i) + one(row1, i)) + (one(row0, i + 1) + one(row1, i + 1));
    }
}

void halve_array_plain(const double* a, const double* b, std::size_t n, double* out, std::size_t from) {
    for (std::size_t k = from; k < (n + 1) / 2; ++k) {
        const std::size_t i = 2 * k;
        const double left = a[i] + (b != nullptr ? b[i] : 0.0);
        const double right = i + 1 < n ? a[i + 1] + (b != nullptr ? b[i + 1] : 0.0) : 0.0;
        out[k] = left + right;
    }
}

void block_means_plain(const double* sum, const double* count, std::size_t n, float* mean, std::size_t from) {
    for (std::size_t k = from; k < n; ++k) mean[k] = count[k] > 0 ? float(sum[k] / count[k]) : kBlank;
}

void pixels_plain(const float* row0, const float* row1, std::size_t n, double* sum, double* count) {
    halve_pixels_plain(row0, row1, n, sum, count, 0);
}
void array_plain(const double* a, const double* b, std::size_t n, double* out) { halve_array_plain(a, b, n, out, 0); }
void means_plain(const double* sum, const double* count, std::size_t n, float* mean) { block_means_plain(sum, count, n, mean, 0); }

#if CUBELINK_X86

// Plain functions rather than lambdas below: a lambda does not inherit the target of the function around it.
CUBELINK_TARGET_AVX2 inline __m256d pair_sums(__m256d low, __m256d high) { return _mm256_permute4x64_pd(_mm256_hadd_pd(low, high), 0xd8); }
CUBELINK_TARGET_AVX2 inline __m256d add_rows_low(__m256 a, __m256 b) {
    return _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(a)), _mm256_cvtps_pd(_mm256_castps256_ps128(b)));
}
CUBELINK_TARGET_AVX2 inline __m256d add_rows_high(__m256 a, __m256 b) {
    return _mm256_add_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)), _mm256_cvtps_pd(_mm256_extractf128_ps(b, 1)));
}

CUBELINK_TARGET_AVX2 void pixels_avx2(const float* row0, const float* row1, std::size_t n, double* sum, double* count) {
    const __m256 abs_mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    const __m256 inf = _mm256_set1_ps(std::numeric_limits<float>::infinity()), ones = _mm256_set1_ps(1.0f);
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 a = _mm256_loadu_ps(row0 + i);
        const __m256 fa = _mm256_cmp_ps(_mm256_and_ps(a, abs_mask), inf, _CMP_LT_OQ);
        __m256 b = _mm256_setzero_ps(), fb = b;
        if (row1 != nullptr) {
            b = _mm256_loadu_ps(row1 + i);
            fb = _mm256_cmp_ps(_mm256_and_ps(b, abs_mask), inf, _CMP_LT_OQ);
        }
        const __m256 xa = _mm256_and_ps(a, fa), xb = _mm256_and_ps(b, fb);
        _mm256_storeu_pd(sum + i / 2, pair_sums(add_rows_low(xa, xb), add_rows_high(xa, xb)));
        const __m256 ca = _mm256_and_ps(ones, fa), cb = _mm256_and_ps(ones, fb);
        _mm256_storeu_pd(count + i / 2, pair_sums(add_rows_low(ca, cb), add_rows_high(ca, cb)));
    }
    halve_pixels_plain(row0, row1, n, sum, count, i / 2);
}

CUBELINK_TARGET_AVX2 void array_avx2(const double* a, const double* b, std::size_t n, double* out) {
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256d low = _mm256_loadu_pd(a + i), high = _mm256_loadu_pd(a + i + 4);
        if (b != nullptr) {
            low = _mm256_add_pd(low, _mm256_loadu_pd(b + i));
            high = _mm256_add_pd(high, _mm256_loadu_pd(b + i + 4));
        }
        _mm256_storeu_pd(out + i / 2, pair_sums(low, high));
    }
    halve_array_plain(a, b, n, out, i / 2);
}

CUBELINK_TARGET_AVX2 void means_avx2(const double* sum, const double* count, std::size_t n, float* mean) {
    const __m256d zero = _mm256_setzero_pd(), blank = _mm256_set1_pd(std::numeric_limits<double>::quiet_NaN());
    std::size_t k = 0;
    for (; k + 4 <= n; k += 4) {
        const __m256d c = _mm256_loadu_pd(count + k);
        const __m256d m = _mm256_div_pd(_mm256_loadu_pd(sum + k), c);
        _mm_storeu_ps(mean + k, _mm256_cvtpd_ps(_mm256_blendv_pd(blank, m, _mm256_cmp_pd(c, zero, _CMP_GT_OQ))));
    }
    block_means_plain(sum, count, n, mean, k);
}

CUBELINK_TARGET_AVX512 inline __m512d pair_sums(__m512d low, __m512d high) {
    const __m512i even = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0), odd = _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_add_pd(_mm512_permutex2var_pd(low, even, high), _mm512_permutex2var_pd(low, odd, high));
}
CUBELINK_TARGET_AVX512 inline __m512d add_rows_low(__m512 a, __m512 b) {
    return _mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(a)), _mm512_cvtps_pd(_mm512_castps512_ps256(b)));
}
CUBELINK_TARGET_AVX512 inline __m512d add_rows_high(__m512 a, __m512 b) {
    return _mm512_add_pd(_mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(b, 1)));
}

CUBELINK_TARGET_AVX512 void pixels_avx512(const float* row0, const float* row1, std::size_t n, double* sum, double* count) {
    const __m512 inf = _mm512_set1_ps(std::numeric_limits<float>::infinity()), ones = _mm512_set1_ps(1.0f);
    const __m512d all = _mm512_set1_pd(row1 != nullptr ? 4.0 : 2.0);
    const __mmask16 full_b = row1 != nullptr ? 0xffff : 0;
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m512 a = _mm512_loadu_ps(row0 + i);
        const __mmask16 fa = _mm512_cmp_ps_mask(_mm512_abs_ps(a), inf, _CMP_LT_OQ);
        __m512 b = _mm512_setzero_ps();
        __mmask16 fb = 0;
        if (row1 != nullptr) {
            b = _mm512_loadu_ps(row1 + i);
            fb = _mm512_cmp_ps_mask(_mm512_abs_ps(b), inf, _CMP_LT_OQ);
        }
        const __m512 xa = _mm512_maskz_mov_ps(fa, a), xb = _mm512_maskz_mov_ps(fb, b);
        _mm512_storeu_pd(sum + i / 2, pair_sums(add_rows_low(xa, xb), add_rows_high(xa, xb)));
        if (fa == 0xffff && fb == full_b) {
            _mm512_storeu_pd(count + i / 2, all);
        } else {
            const __m512 ca = _mm512_maskz_mov_ps(fa, ones), cb = _mm512_maskz_mov_ps(fb, ones);
            _mm512_storeu_pd(count + i / 2, pair_sums(add_rows_low(ca, cb), add_rows_high(ca, cb)));
        }
    }
    halve_pixels_plain(row0, row1, n, sum, count, i / 2);
}

CUBELINK_TARGET_AVX512 void array_avx512(const double* a, const double* b, std::size_t n, double* out) {
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512d low = _mm512_loadu_pd(a + i), high = _mm512_loadu_pd(a + i + 8);
        if (b != nullptr) {
            low = _mm512_add_pd(low, _mm512_loadu_pd(b + i));
            high = _mm512_add_pd(high, _mm512_loadu_pd(b + i + 8));
        }
        _mm512_storeu_pd(out + i / 2, pair_sums(low, high));
    }
    halve_array_plain(a, b, n, out, i / 2);
}

CUBELINK_TARGET_AVX512 void means_avx512(const double* sum, const double* count, std::size_t n, float* mean) {
    const __m512d blank = _mm512_set1_pd(std::numeric_limits<double>::quiet_NaN());
    std::size_t k = 0;
    for (; k + 8 <= n; k += 8) {
        const __m512d c = _mm512_loadu_pd(count + k);
        const __mmask8 some = _mm512_cmp_pd_mask(c, _mm512_setzero_pd(), _CMP_GT_OQ);
        _mm256_storeu_ps(mean + k, _mm512_cvtpd_ps(_mm512_mask_div_pd(blank, some, _mm512_loadu_pd(sum + k), c)));
    }
    block_means_plain(sum, count, n, mean, k);
}

#define CUBELINK_PICK(name) choose(&name##_plain, &name##_avx2, &name##_avx512, level)
#else
#define CUBELINK_PICK(name) (static_cast<void>(level), &name##_plain)
#endif

} // namespace

void halve_pixels(const float* row0, const float* row1, std::size_t n, double* sum, double* count, SimdLevel level) {
    CUBELINK_PICK(pixels)(row0, row1, n, sum, count);
}

void halve_blocks(const double* sum0, const double* count0, const double* sum1, const double* count1, std::size_t n, double* sum,
                  double* count, SimdLevel level) {
    const auto halve = CUBELINK_PICK(array);
    halve(sum0, sum1, n, sum);
    halve(count0, count1, n, count);
}

void block_means(const double* sum, const double* count, std::size_t n, float* mean, SimdLevel level) {
    CUBELINK_PICK(means)(sum, count, n, mean);
}

} // namespace cubelink::imaging::kernels
