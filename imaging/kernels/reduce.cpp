#include "imaging/kernels/reduce.hpp"

#include "imaging/kernels/x86.hpp"

#include <algorithm>
#include <cmath>

namespace cubelink::imaging::kernels {

namespace {

constexpr std::size_t kLanes = 16;

double fold(const double* lanes) {
    double half[kLanes];
    std::copy(lanes, lanes + kLanes, half);
    for (std::size_t width = kLanes / 2; width > 0; width /= 2) {
        for (std::size_t i = 0; i < width; ++i) half[i] += half[i + width];
    }
    return half[0];
}

/// The reference, and the tails of the others: pixels [from, n), from a multiple of 16.
template <class T>
struct Lanes {
    std::int64_t count = 0;
    T min = std::numeric_limits<T>::infinity(), max = -std::numeric_limits<T>::infinity();
    double sum[kLanes] = {}, sum_sq[kLanes] = {}, m2[kLanes] = {};

    void add(const T* values, std::size_t from, std::size_t n) {
        for (std::size_t i = from; i < n; ++i) {
            if (!std::isfinite(values[i])) continue;
            ++count;
            min = std::min(min, values[i]);
            max = std::max(max, values[i]);
            const double x = values[i];
            sum[i % kLanes] += x;
            sum_sq[i % kLanes] += x * x;
        }
    }
    void add_deviations(const T* values, std::size_t from, std::size_t n, double mean) {
        for (std::size_t i = from; i < n; ++i) {
            if (!std::isfinite(values[i])) continue;
            const double d = double(values[i]) - mean;
            m2[i % kLanes] += d * d;
        }
    }
    Reduced result() const {
        Reduced r;
        r.count = count;
        r.min = min;
        r.max = max;
        r.sum = fold(sum);
        r.sum_sq = fold(sum_sq);
        r.m2 = fold(m2);
        return r;
    }
};

template <class T>
Reduced reduce_plain(const T* values, std::size_t n) {
    Lanes<T> lanes;
    lanes.add(values, 0, n);
    if (lanes.count > 0) lanes.add_deviations(values, 0, n, fold(lanes.sum) / double(lanes.count));
    return lanes.result();
}

#if CUBELINK_X86

CUBELINK_TARGET_AVX2 Reduced reduce_float_avx2(const float* values, std::size_t n) {
    const std::size_t whole = n / kLanes * kLanes;
    const __m256 abs_mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    const __m256 inf = _mm256_set1_ps(std::numeric_limits<float>::infinity());
    const __m256 minus_inf = _mm256_set1_ps(-std::numeric_limits<float>::infinity());
    __m256 min = inf, max = minus_inf;
    __m256d sum[4], sum_sq[4], m2[4];
    for (int k = 0; k < 4; ++k) sum[k] = sum_sq[k] = m2[k] = _mm256_setzero_pd();

    std::int64_t count = 0;
    for (std::size_t i = 0; i < whole; i += kLanes) {
        for (int half = 0; half < 2; ++half) {
            const __m256 v = _mm256_loadu_ps(values + i + 8 * half);
            const __m256 finite = _mm256_cmp_ps(_mm256_and_ps(v, abs_mask), inf, _CMP_LT_OQ);
            count += __builtin_popcount(unsigned(_mm256_movemask_ps(finite)));
            min = _mm256_min_ps(min, _mm256_blendv_ps(inf, v, finite));
            max = _mm256_max_ps(max, _mm256_blendv_ps(minus_inf, v, finite));
            const __m256 x = _mm256_and_ps(v, finite); // adding +0 leaves an accumulator as it is
            const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
            const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
            sum[2 * half] = _mm256_add_pd(sum[2 * half], low);
            sum[2 * half + 1] = _mm256_add_pd(sum[2 * half + 1], high);
            sum_sq[2 * half] = _mm256_add_pd(sum_sq[2 * half], _mm256_mul_pd(low, low));
            sum_sq[2 * half + 1] = _mm256_add_pd(sum_sq[2 * half + 1], _mm256_mul_pd(high, high));
        }
    }
    Lanes<float> lanes;
    float extremes[8];
    _mm256_storeu_ps(extremes, min);
    for (float e : extremes) lanes.min = std::min(lanes.min, e);
    _mm256_storeu_ps(extremes, max);
    for (float e : extremes) lanes.max = std::max(lanes.max, e);
    for (int k = 0; k < 4; ++k) {
        _mm256_storeu_pd(lanes.sum + 4 * k, sum[k]);
        _mm256_storeu_pd(lanes.sum_sq + 4 * k, sum_sq[k]);
    }
    lanes.count = count;
    lanes.add(values, whole, n);
    if (lanes.count == 0) return lanes.result();

    const double mean = fold(lanes.sum) / double(lanes.count);
    const __m256d means = _mm256_set1_pd(mean);
    const __m256d abs_mask_d = _mm256_castsi256_pd(_mm256_set1_epi64x(0x7fffffffffffffff));
    const __m256d inf_d = _mm256_set1_pd(std::numeric_limits<double>::infinity());
    for (std::size_t i = 0; i < whole; i += kLanes) {
        for (int k = 0; k < 4; ++k) {
            const __m256d x = _mm256_cvtps_pd(_mm_loadu_ps(values + i + 4 * k));
            const __m256d finite = _mm256_cmp_pd(_mm256_and_pd(x, abs_mask_d), inf_d, _CMP_LT_OQ);
            const __m256d d = _mm256_and_pd(_mm256_sub_pd(x, means), finite);
            m2[k] = _mm256_add_pd(m2[k], _mm256_mul_pd(d, d));
        }
    }
    for (int k = 0; k < 4; ++k) _mm256_storeu_pd(lanes.m2 + 4 * k, m2[k]);
    lanes.add_deviations(values, whole, n, mean);
    return lanes.result();
}

CUBELINK_TARGET_AVX512 Reduced reduce_float_avx512(const float* values, std::size_t n) {
    const std::size_t whole = n / kLanes * kLanes;
    const __m512 inf = _mm512_set1_ps(std::numeric_limits<float>::infinity());
    __m512 min = inf, max = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    __m512d sum0 = _mm512_setzero_pd(), sum1 = sum0, sq0 = sum0, sq1 = sum0, m20 = sum0, m21 = sum0;

    std::int64_t count = 0;
    for (std::size_t i = 0; i < whole; i += kLanes) {
        const __m512 v = _mm512_loadu_ps(values + i);
        const __mmask16 finite = _mm512_cmp_ps_mask(_mm512_abs_ps(v), inf, _CMP_LT_OQ);
        count += __builtin_popcount(unsigned(finite));
        min = _mm512_mask_min_ps(min, finite, min, v);
        max = _mm512_mask_max_ps(max, finite, max, v);
        const __m512 x = _mm512_maskz_mov_ps(finite, v);
        const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
        const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
        sum0 = _mm512_add_pd(sum0, low);
        sum1 = _mm512_add_pd(sum1, high);
        sq0 = _mm512_add_pd(sq0, _mm512_mul_pd(low, low));
        sq1 = _mm512_add_pd(sq1, _mm512_mul_pd(high, high));
    }
    Lanes<float> lanes;
    lanes.min = _mm512_reduce_min_ps(min);
    lanes.max = _mm512_reduce_max_ps(max);
    _mm512_storeu_pd(lanes.sum, sum0);
    _mm512_storeu_pd(lanes.sum + 8, sum1);
    _mm512_storeu_pd(lanes.sum_sq, sq0);
    _mm512_storeu_pd(lanes.sum_sq + 8, sq1);
    lanes.count = count;
    lanes.add(values, whole, n);
    if (lanes.count == 0) return lanes.result();

    const double mean = fold(lanes.sum) / double(lanes.count);
    const __m512d means = _mm512_set1_pd(mean);
    for (std::size_t i = 0; i < whole; i += kLanes) {
        const __m512 v = _mm512_loadu_ps(values + i);
        const __mmask16 finite = _mm512_cmp_ps_mask(_mm512_abs_ps(v), inf, _CMP_LT_OQ);
        const __m512d low = _mm512_maskz_sub_pd(__mmask8(finite), _mm512_cvtps_pd(_mm512_castps512_ps256(v)), means);
        const __m512d high = _mm512_maskz_sub_pd(__mmask8(finite >> 8), _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)), means);
        m20 = _mm512_add_pd(m20, _mm512_mul_pd(low, low));
        m21 = _mm512_add_pd(m21, _mm512_mul_pd(high, high));
    }
    _mm512_storeu_pd(lanes.m2, m20);
    _mm512_storeu_pd(lanes.m2 + 8, m21);
    lanes.add_deviations(values, whole, n, mean);
    return lanes.result();
}

CUBELINK_TARGET_AVX512 Reduced reduce_double_avx512(const double* values, std::size_t n) {
    const std::size_t whole = n / kLanes * kLanes;
    const __m512d inf = _mm512_set1_pd(std::numeric_limits<double>::infinity());
    __m512d min = inf, max = _mm512_set1_pd(-std::numeric_limits<double>::infinity());
    __m512d sum[2], sum_sq[2], m2[2];
    for (int k = 0; k < 2; ++k) sum[k] = sum_sq[k] = m2[k] = _mm512_setzero_pd();

    std::int64_t count = 0;
    for (std::size_t i = 0; i < whole; i += kLanes) {
        for (int k = 0; k < 2; ++k) {
            const __m512d v = _mm512_loadu_pd(values + i + 8 * k);
            const __mmask8 finite = _mm512_cmp_pd_mask(_mm512_abs_pd(v), inf, _CMP_LT_OQ);
            count += __builtin_popcount(unsigned(finite));
            min = _mm512_mask_min_pd(min, finite, min, v);
            max = _mm512_mask_max_pd(max, finite, max, v);
            sum[k] = _mm512_mask_add_pd(sum[k], finite, sum[k], v);
            sum_sq[k] = _mm512_mask_add_pd(sum_sq[k], finite, sum_sq[k], _mm512_mul_pd(v, v));
        }
    }
    Lanes<double> lanes;
    lanes.min = _mm512_reduce_min_pd(min);
    lanes.max = _mm512_reduce_max_pd(max);
    for (int k = 0; k < 2; ++k) {
        _mm512_storeu_pd(lanes.sum + 8 * k, sum[k]);
        _mm512_storeu_pd(lanes.sum_sq + 8 * k, sum_sq[k]);
    }
    lanes.count = count;
    lanes.add(values, whole, n);
    if (lanes.count == 0) return lanes.result();

    const double mean = fold(lanes.sum) / double(lanes.count);
    const __m512d means = _mm512_set1_pd(mean);
    for (std::size_t i = 0; i < whole; i += kLanes) {
        for (int k = 0; k < 2; ++k) {
            const __m512d v = _mm512_loadu_pd(values + i + 8 * k);
            const __mmask8 finite = _mm512_cmp_pd_mask(_mm512_abs_pd(v), inf, _CMP_LT_OQ);
            const __m512d d = _mm512_sub_pd(v, means);
            m2[k] = _mm512_mask_add_pd(m2[k], finite, m2[k], _mm512_mul_pd(d, d));
        }
    }
    for (int k = 0; k < 2; ++k) _mm512_storeu_pd(lanes.m2 + 8 * k, m2[k]);
    lanes.add_deviations(values, whole, n, mean);
    return lanes.result();
}

constexpr auto* kFloatAvx2 = &reduce_float_avx2;
constexpr auto* kFloatAvx512 = &reduce_float_avx512;
constexpr auto* kDoubleAvx512 = &reduce_double_avx512;
#else
constexpr Reduced (*kFloatAvx2)(const float*, std::size_t) = nullptr;
constexpr Reduced (*kFloatAvx512)(const float*, std::size_t) = nullptr;
constexpr Reduced (*kDoubleAvx512)(const double*, std::size_t) = nullptr;
#endif

} // namespace

Reduced reduce(const float* values, std::size_t n, SimdLevel level) {
    using Kernel = Reduced (*)(const float*, std::size_t);
    return choose<Kernel>(reduce_plain<float>, kFloatAvx2, kFloatAvx512, level)(values, n);
}

Reduced reduce(const double* values, std::size_t n, SimdLevel level) {
    using Kernel = Reduced (*)(const double*, std::size_t);
    return choose<Kernel>(reduce_plain<double>, nullptr, kDoubleAvx512, level)(values, n);
}

} // namespace cubelink::imaging::kernels
