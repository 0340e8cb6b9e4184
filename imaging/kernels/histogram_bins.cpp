#include "imaging/kernels/histogram_bins.hpp"

#include "imaging/kernels/x86.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace cubelink::imaging::kernels {

namespace {

template <class T>
void count_plain(const T* values, std::size_t n, const Binning& b, std::uint32_t* counts) {
    const double min = b.min * b.scale;
    for (std::size_t i = 0; i < n; ++i) {
        const double v = values[i];
        if (!(v >= b.min && v <= b.max)) continue;
        const double position = std::floor((v * b.scale - min) / b.width);
        const auto bin = std::int32_t(std::min(position, double(b.bins - 1)));
        ++counts[(i & 1) * std::size_t(b.bins) + std::size_t(bin)];
    }
}

#if CUBELINK_X86

/// The lowest float that is not below a finite number.
float at_least(double number) {
    const auto nearest = float(number);
    return double(nearest) < number ? std::nextafter(nearest, HUGE_VALF) : nearest;
}

CUBELINK_TARGET_AVX2 inline __m256d load4(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
CUBELINK_TARGET_AVX2 inline __m256d load4(const double* p) { return _mm256_loadu_pd(p); }

template <class T>
CUBELINK_TARGET_AVX2 void count_avx2(const T* values, std::size_t n, const Binning& b, std::uint32_t* counts) {
    const __m256d lowest = _mm256_set1_pd(b.min), highest = _mm256_set1_pd(b.max), scale = _mm256_set1_pd(b.scale);
    const __m256d min = _mm256_set1_pd(b.min * b.scale), width = _mm256_set1_pd(b.width);
    const __m256d last = _mm256_set1_pd(double(b.bins - 1));
    const __m128i offsets = _mm_set_epi32(b.bins, 0, b.bins, 0), outside = _mm_set_epi32(2 * b.bins + 1, 2 * b.bins, 2 * b.bins + 1, 2 * b.bins);
    std::size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const __m256d v = load4(values + i);
        const __m256d inside = _mm256_and_pd(_mm256_cmp_pd(v, lowest, _CMP_GE_OQ), _mm256_cmp_pd(v, highest, _CMP_LE_OQ));
        if (_mm256_movemask_pd(inside) == 0) continue;
        const __m256d position = _mm256_div_pd(_mm256_sub_pd(_mm256_mul_pd(v, scale), min), width);
        alignas(16) std::uint32_t bin[4];
        const __m128i narrow = _mm_castps_si128(_mm_shuffle_ps(_mm_castpd_ps(_mm256_castpd256_pd128(inside)),
                                                               _mm_castpd_ps(_mm256_extractf128_pd(inside, 1)), _MM_SHUFFLE(2, 0, 2, 0)));
        const __m128i bins = _mm_add_epi32(_mm256_cvttpd_epi32(_mm256_min_pd(position, last)), offsets);
        _mm_store_si128(reinterpret_cast<__m128i*>(bin), _mm_blendv_epi8(outside, bins, narrow));
        for (std::uint32_t k : bin) ++counts[k];
    }
    count_plain(values + i, n - i, b, counts);
}

CUBELINK_TARGET_AVX512 inline __m512d load8(const float* p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
CUBELINK_TARGET_AVX512 inline __m512d load8(const double* p) { return _mm512_loadu_pd(p); }

/// Counts eight values at a time.
struct DoubleBinner {
    __m512d lowest, highest, scale, min, width, last, reciprocal, close;
    __m256i offsets, outside;

    CUBELINK_TARGET_AVX512 explicit DoubleBinner(const Binning& b)
        : lowest(_mm512_set1_pd(b.min)), highest(_mm512_set1_pd(b.max)), scale(_mm512_set1_pd(b.scale)), min(_mm512_set1_pd(b.min * b.scale)),
          width(_mm512_set1_pd(b.width)), last(_mm512_set1_pd(double(b.bins - 1))),
          reciprocal(_mm512_set1_pd(b.width < 0x1p1000 ? 1 / b.width : NAN)), close(_mm512_set1_pd(0x1p-50 * double(b.bins))),
          offsets(_mm256_set_epi32(b.bins, 0, b.bins, 0, b.bins, 0, b.bins, 0)), outside(_mm256_set1_epi64x((std::int64_t(2 * b.bins + 1) << 32) + 2 * b.bins)) {}

    CUBELINK_TARGET_AVX512 void count(__m512d v, std::uint32_t* counts) const {
        const __mmask8 inside = _mm512_mask_cmp_pd_mask(_mm512_cmp_pd_mask(v, lowest, _CMP_GE_OQ), v, highest, _CMP_LE_OQ);
        if (inside == 0) return;
        const __m512d offset = _mm512_sub_pd(_mm512_mul_pd(v, scale), min);
        // A product with the reciprocal differs from the quotient by two units in the last place or so: their floors can differ only
        // close to a whole number, and then, rarely, it is divided after all.
        __m512d position = _mm512_mul_pd(offset, reciprocal);
        const __m512d beyond = _mm512_sub_pd(position, _mm512_roundscale_pd(position, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
        if (_mm512_cmp_pd_mask(_mm512_abs_pd(beyond), close, _CMP_NGT_UQ) != 0) position = _mm512_div_pd(offset, width);
        alignas(32) std::uint32_t bin[8];
        _mm256_store_si256(reinterpret_cast<__m256i*>(bin),
                           _mm256_mask_add_epi32(outside, inside, _mm512_cvttpd_epi32(_mm512_min_pd(position, last)), offsets));
        for (std::uint32_t k : bin) ++counts[k];
    }
};

template <class T>
CUBELINK_TARGET_AVX512 void count_avx512(const T* values, std::size_t n, const Binning& b, std::uint32_t* counts) {
    const DoubleBinner by_doubles(b);
    std::size_t i = 0;
    if constexpr (std::is_same_v<T, float>) {
        // In single precision a position is wrong by at most this; only close to a whole number its floor may be wrong, too.
        const double error = (4.0 * b.bins + 2 * std::abs(b.min) / b.width) * 0x1p-24;
        if (b.scale == 1 && b.width > 1e-30 && b.width < 1e30 && error < 0x1p-5) {
            const __m512 lowest = _mm512_set1_ps(at_least(b.min)), highest = _mm512_set1_ps(-at_least(-b.max));
            const __m512 min = _mm512_set1_ps(float(b.min)), reciprocal = _mm512_set1_ps(float(1 / b.width));
            const __m512 last = _mm512_set1_ps(float(b.bins - 1)), close = _mm512_set1_ps(float(error));
            const __m512i offsets = _mm512_broadcast_i64x4(by_doubles.offsets), outside = _mm512_broadcast_i64x4(by_doubles.outside);
            for (; i + 16 <= n; i += 16) {
                const __m512 v = _mm512_loadu_ps(values + i);
                const __mmask16 inside = _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(v, lowest, _CMP_GE_OQ), v, highest, _CMP_LE_OQ);
                if (inside == 0) continue;
                const __m512 position = _mm512_mul_ps(_mm512_sub_ps(v, min), reciprocal);
                const __m512 beyond = _mm512_sub_ps(position, _mm512_roundscale_ps(position, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
                if (_mm512_mask_cmp_ps_mask(inside, _mm512_abs_ps(beyond), close, _CMP_LE_OQ) != 0) {
                    by_doubles.count(load8(values + i), counts);
                    by_doubles.count(load8(values + i + 8), counts);
                    continue;
                }
                alignas(64) std::uint32_t bin[16];
                _mm512_store_si512(bin, _mm512_mask_add_epi32(outside, inside, _mm512_cvttps_epi32(_mm512_min_ps(position, last)), offsets));
                for (std::uint32_t k : bin) ++counts[k];
            }
        }
    }
    for (; i + 8 <= n; i += 8) by_doubles.count(load8(values + i), counts);
    count_plain(values + i, n - i, b, counts);
}

template <class T>
auto pick(SimdLevel level) {
    using Kernel = void (*)(const T*, std::size_t, const Binning&, std::uint32_t*);
    return choose<Kernel>(count_plain<T>, count_avx2<T>, count_avx512<T>, level);
}
#else
template <class T>
auto pick(SimdLevel) {
    return &count_plain<T>;
}
#endif

} // namespace

void count_into_bins(const float* values, std::size_t n, const Binning& binning, std::uint32_t* counts, SimdLevel level) {
    pick<float>(level)(values, n, binning, counts);
}

void count_into_bins(const double* values, std::size_t n, const Binning& binning, std::uint32_t* counts, SimdLevel level) {
    pick<double>(level)(values, n, binning, counts);
}

} // namespace cubelink::imaging::kernels
