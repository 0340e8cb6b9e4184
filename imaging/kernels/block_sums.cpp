#include "imaging/kernels/block_sums.hpp"

#include "imaging/kernels/x86.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace cubelink::imaging::kernels {

namespace {

/// Columns from `begin`: the reference, and the tail of the others.
void columns_tail(const float* pixels, std::ptrdiff_t stride, std::size_t rows, std::size_t n, double* sum, std::uint32_t* count, std::size_t begin) {
    for (std::size_t c = begin; c < n; ++c) {
        double s = 0;
        std::uint32_t k = 0;
        for (std::size_t r = 0; r < rows; ++r) {
            const float value = pixels[static_cast<std::ptrdiff_t>(r) * stride + static_cast<std::ptrdiff_t>(c)];
            if (!std::isfinite(value)) continue;
            s += double(value);
            ++k;
        }
        sum[c] = s;
        count[c] = k;
    }
}

void columns_plain(const float* pixels, std::ptrdiff_t stride, std::size_t rows, std::size_t n, double* sum, std::uint32_t* count) {
    columns_tail(pixels, stride, rows, n, sum, count, 0);
}

#if CUBELINK_X86

CUBELINK_TARGET_AVX2 void columns_avx2(const float* pixels, std::ptrdiff_t stride, std::size_t rows, std::size_t n, double* sum, std::uint32_t* count) {
    const __m256 abs_mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    const __m256 inf = _mm256_set1_ps(std::numeric_limits<float>::infinity());
    std::size_t c = 0;
    for (; c + 8 <= n; c += 8) {
        __m256d low = _mm256_setzero_pd(), high = low;
        __m256i k = _mm256_setzero_si256();
        const float* row = pixels + c;
        for (std::size_t r = 0; r < rows; ++r, row += stride) {
            const __m256 v = _mm256_loadu_ps(row);
            const __m256 finite = _mm256_cmp_ps(_mm256_and_ps(v, abs_mask), inf, _CMP_LT_OQ);
            const __m256 x = _mm256_and_ps(v, finite);
            low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(x)));
            high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)));
            k = _mm256_sub_epi32(k, _mm256_castps_si256(finite));
        }
        _mm256_storeu_pd(sum + c, low);
        _mm256_storeu_pd(sum + c + 4, high);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(count + c), k);
    }
    columns_tail(pixels, stride, rows, n, sum, count, c);
}

CUBELINK_TARGET_AVX512 void columns_avx512(const float* pixels, std::ptrdiff_t stride, std::size_t rows, std::size_t n, double* sum, std::uint32_t* count) {
    const __m512 inf = _mm512_set1_ps(std::numeric_limits<float>::infinity());
    const __m512i one = _mm512_set1_epi32(1);
    std::size_t c = 0;
    for (; c + 16 <= n; c += 16) {
        __m512d low = _mm512_setzero_pd(), high = low;
        __m512i k = _mm512_setzero_si512();
        const float* row = pixels + c;
        for (std::size_t r = 0; r < rows; ++r, row += stride) {
            const __m512 v = _mm512_loadu_ps(row);
            const __mmask16 finite = _mm512_cmp_ps_mask(_mm512_abs_ps(v), inf, _CMP_LT_OQ);
            const __m512 x = _mm512_maskz_mov_ps(finite, v);
            low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(x)));
            high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)));
            k = _mm512_mask_add_epi32(k, finite, k, one);
        }
        _mm512_storeu_pd(sum + c, low);
        _mm512_storeu_pd(sum + c + 8, high);
        _mm512_storeu_si512(count + c, k);
    }
    columns_tail(pixels, stride, rows, n, sum, count, c);
}

#define CUBELINK_PICK(name) choose(&name##_plain, &name##_avx2, &name##_avx512, level)
#else
#define CUBELINK_PICK(name) (static_cast<void>(level), &name##_plain)
#endif

} // namespace

void sum_columns(const float* pixels, std::ptrdiff_t stride, std::size_t rows, std::size_t n, double* sum, std::uint32_t* count, SimdLevel level) {
    CUBELINK_PICK(columns)(pixels, stride, rows, n, sum, count);
}

void add_to_blocks(const double* sum, const std::uint32_t* count, std::int64_t first, std::size_t n, std::int64_t side, double* block_sum,
                   double* block_count) {
    std::int64_t block = first / side;
    std::size_t end = static_cast<std::size_t>((block + 1) * side - first);
    for (std::size_t c = 0; c < n; ++block, end += static_cast<std::size_t>(side)) {
        double s = 0;
        std::uint64_t k = 0;
        for (const std::size_t stop = std::min(end, n); c < stop; ++c) {
            s += sum[c];
            k += count[c];
        }
        block_sum[block] += s;
        block_count[block] += double(k);
    }
}

} // namespace cubelink::imaging::kernels
