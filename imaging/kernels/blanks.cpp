#include "imaging/kernels/blanks.hpp"

#include <bit>
#include <cstdint>

namespace cubelink::imaging::kernels {

namespace {

// Bits rather than std::isfinite: compilers vectorise this loop by themselves, at whatever width the function around it is compiled for.
[[gnu::always_inline]] inline bool is_blank(float value) { return (std::bit_cast<std::uint32_t>(value) & 0x7f800000u) == 0x7f800000u; }

[[gnu::always_inline]] inline bool all_finite_body(const float* values, std::size_t n) {
    constexpr std::size_t kStep = 4096; // leave early, but not so often that it hinders vectorising
    for (std::size_t i = 0; i < n; i += kStep) {
        const std::size_t end = n - i < kStep ? n : i + kStep;
        std::uint32_t blanks = 0;
        for (std::size_t k = i; k < end; ++k) blanks |= is_blank(values[k]) ? 1u : 0u;
        if (blanks != 0) return false;
    }
    return true;
}

[[gnu::always_inline]] inline void fill_body(const float* values, std::size_t n, float fill, float* out) {
    for (std::size_t i = 0; i < n; ++i) {
        const float value = values[i];
        out[i] = is_blank(value) ? fill : value;
    }
}

bool all_finite_plain(const float* values, std::size_t n) { return all_finite_body(values, n); }
CUBELINK_TARGET_AVX2 bool all_finite_avx2(const float* values, std::size_t n) { return all_finite_body(values, n); }
CUBELINK_TARGET_AVX512 bool all_finite_avx512(const float* values, std::size_t n) { return all_finite_body(values, n); }
void fill_plain(const float* values, std::size_t n, float fill, float* out) { fill_body(values, n, fill, out); }
CUBELINK_TARGET_AVX2 void fill_avx2(const float* values, std::size_t n, float fill, float* out) { fill_body(values, n, fill, out); }
CUBELINK_TARGET_AVX512 void fill_avx512(const float* values, std::size_t n, float fill, float* out) { fill_body(values, n, fill, out); }

} // namespace

bool all_finite(const float* values, std::size_t n, SimdLevel level) {
    return choose(&all_finite_plain, &all_finite_avx2, &all_finite_avx512, level)(values, n);
}

void fill_blanks(const float* values, std::size_t n, float fill, float* out, SimdLevel level) {
    choose(&fill_plain, &fill_avx2, &fill_avx512, level)(values, n, fill, out);
}

} // namespace cubelink::imaging::kernels
