// Compiled without errno and traps of mathematical functions (see CMakeLists.txt), so that compilers vectorise these loops by themselves.

#include "imaging/analysis/fitting/gaussian_kernels.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>

namespace cubelink::imaging::kernels {

namespace {

/// Sums are made in eight lanes, pixel i in lane i mod 8, whatever the width of the registers.
constexpr std::size_t lanes = 8;
using Lanes = double __attribute__((vector_size(8 * lanes)));

/// exp(x) = 2^n · exp(r) with n the integer nearest to x / ln 2 and |r| ≤ ln 2 / 2, where Taylor's polynomial of degree 13 is good to 4e-18.
/// ln 2 in two parts, of which n times the first one is exact. `x` in −708 … 709.
[[gnu::always_inline]] inline double exponential(double x) {
    constexpr double round = 6755399441055744.0; // 1.5 · 2^52: added, it leaves the integer in the lowest bits
    const double shifted = x * 1.4426950408889634 + round;
    const double n = shifted - round;
    const double r = (x - n * 0.69314718036912382) - n * 1.9082149292705877e-10;
    double p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * (r * r) + r + 1.0;
    const std::int64_t power = std::bit_cast<std::int64_t>(shifted) << 52; // n into the exponent
    return std::bit_cast<double>(std::bit_cast<std::int64_t>(p) + power);
}

[[gnu::always_inline]] inline void exponentials_body(const double* values, std::size_t n, double* out) {
    constexpr double least = -708.0, most = 709.0;
    for (std::size_t i = 0; i < n; ++i) {
        const double x = values[i];
        const double low = x < least ? least : x;
        const double inside = low > most ? most : low;
        double result = exponential(inside);
        result = x > most ? std::numeric_limits<double>::infinity() : result;
        result = x < least ? 0.0 : result;
        out[i] = x == x ? result : x;
    }
}

template <class T>
[[gnu::always_inline]] inline std::size_t begin_body(const T* data, std::size_t n, double offset, double* residuals, double* finite) {
    std::int64_t count = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double value = double(data[i]);
        const bool good = value - value == 0.0;
        residuals[i] = good ? offset - value : 0.0;
        finite[i] = good ? 1.0 : 0.0;
        count += good ? 1 : 0;
    }
    return static_cast<std::size_t>(count);
}

[[gnu::always_inline]] inline void gaussian_body(const RowGaussian& row, const double* finite, std::size_t n, double* gaussian, double* model) {
    const double top = row.top, curvature = row.curvature, start = row.start, amplitude = row.amplitude;
    if (finite == nullptr) {
        for (std::size_t i = 0; i < n; ++i) {
            const double d = start + double(static_cast<std::int32_t>(i));
            const double exponent = top - curvature * (d * d);
            const double g = exponential(exponent < -708.0 ? -708.0 : exponent);
            gaussian[i] = g;
            model[i] += amplitude * g;
        }
    } else {
        for (std::size_t i = 0; i < n; ++i) {
            const double d = start + double(static_cast<std::int32_t>(i));
            const double exponent = top - curvature * (d * d);
            const double g = exponential(exponent < -708.0 ? -708.0 : exponent) * finite[i];
            gaussian[i] = g;
            model[i] += amplitude * g;
        }
    }
}

#define CUBELINK_LOAD(lane_values, pointer) std::memcpy(&(lane_values), (pointer), sizeof(Lanes))

/// Calls `add(values…)` for each group of lanes, the last one filled up with zeros.
template <class Add>
[[gnu::always_inline]] inline void for_lanes(std::size_t n, Add&& add) {
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes) add(i, lanes);
    if (i < n) add(i, n - i);
}

[[gnu::always_inline]] inline double fold(const double* sum) { return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7])); }

[[gnu::always_inline]] inline void residual_body(const double* r, std::size_t n, ResidualSums& out) {
    Lanes sum = {}, squares = {};
    for_lanes(n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        Lanes value = {};
        if (count == lanes) CUBELINK_LOAD(value, r + i);
        else std::memcpy(&value, r + i, count * sizeof(double));
        sum += value;
        squares += value * value;
    });
    double folded[lanes];
    std::memcpy(folded, &sum, sizeof sum);
    out.sum = fold(folded);
    std::memcpy(folded, &squares, sizeof squares);
    out.squares = fold(folded);
}

constexpr Lanes first_distances = {0, 1, 2, 3, 4, 5, 6, 7};

[[gnu::always_inline]] inline void gaussian_sums_body(const double* g, const double* r, double start, std::size_t n, GaussianSums& out) {
    Lanes g0 = {}, g1 = {}, g2 = {}, r0 = {}, r1 = {}, r2 = {}, q0 = {}, q1 = {}, q2 = {}, q3 = {}, q4 = {};
    for_lanes(n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        Lanes a = {}, b = {};
        if (count == lanes) {
            CUBELINK_LOAD(a, g + i);
            CUBELINK_LOAD(b, r + i);
        } else {
            std::memcpy(&a, g + i, count * sizeof(double));
            std::memcpy(&b, r + i, count * sizeof(double));
        }
        const Lanes d = first_distances + (start + double(static_cast<std::int32_t>(i)));
        const Lanes ad = a * d, add = ad * d;
        g0 += a;
        g1 += ad;
        g2 += add;
        r0 += a * b;
        r1 += ad * b;
        r2 += add * b;
        q0 += a * a;
        q1 += a * ad;
        q2 += ad * ad;
        q3 += ad * add;
        q4 += add * add;
    });
    const Lanes* const all[] = {&g0, &g1, &g2, &r0, &r1, &r2, &q0, &q1, &q2, &q3, &q4};
    double* const to[] = {out.g, out.g + 1, out.g + 2, out.gr, out.gr + 1, out.gr + 2, out.gg, out.gg + 1, out.gg + 2, out.gg + 3, out.gg + 4};
    for (int k = 0; k < 11; ++k) {
        double folded[lanes];
        std::memcpy(folded, all[k], sizeof folded);
        *to[k] = fold(folded);
    }
}

[[gnu::always_inline]] inline void pair_body(const double* g, const double* h, double start, std::size_t n, PairSums& out) {
    Lanes s0 = {}, s1 = {}, s2 = {}, s3 = {}, s4 = {};
    for_lanes(n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        Lanes a = {}, b = {};
        if (count == lanes) {
            CUBELINK_LOAD(a, g + i);
            CUBELINK_LOAD(b, h + i);
        } else {
            std::memcpy(&a, g + i, count * sizeof(double));
            std::memcpy(&b, h + i, count * sizeof(double));
        }
        const Lanes d = first_distances + (start + double(static_cast<std::int32_t>(i)));
        const Lanes ad = a * d, bd = b * d, add = ad * d, bdd = bd * d;
        s0 += a * b;
        s1 += ad * b;
        s2 += ad * bd;
        s3 += add * bd;
        s4 += add * bdd;
    });
    const Lanes* const all[] = {&s0, &s1, &s2, &s3, &s4};
    for (int k = 0; k < 5; ++k) {
        double folded[lanes];
        std::memcpy(folded, all[k], sizeof folded);
        out.gh[k] = fold(folded);
    }
}

#undef CUBELINK_LOAD

// Each kernel for each instruction set.
#define CUBELINK_VERSIONS(name, body, arguments, names)                                                                                                        \
    void name##_plain arguments { body names; }                                                                                                                \
    CUBELINK_TARGET_AVX2 void name##_avx2 arguments { body names; }                                                                                            \
    CUBELINK_TARGET_AVX512 void name##_avx512 arguments { body names; }

CUBELINK_VERSIONS(exponentials, exponentials_body, (const double* values, std::size_t n, double* out), (values, n, out))
CUBELINK_VERSIONS(gaussian, gaussian_body, (const RowGaussian& row, const double* finite, std::size_t n, double* gaussian, double* model),
                  (row, finite, n, gaussian, model))
CUBELINK_VERSIONS(residual, residual_body, (const double* r, std::size_t n, ResidualSums& out), (r, n, out))
CUBELINK_VERSIONS(sums, gaussian_sums_body, (const double* g, const double* r, double start, std::size_t n, GaussianSums& out), (g, r, start, n, out))
CUBELINK_VERSIONS(pair, pair_body, (const double* g, const double* h, double start, std::size_t n, PairSums& out), (g, h, start, n, out))

#undef CUBELINK_VERSIONS

template <class T>
std::size_t begin_plain(const T* data, std::size_t n, double offset, double* residuals, double* finite) {
    return begin_body(data, n, offset, residuals, finite);
}
template <class T>
CUBELINK_TARGET_AVX2 std::size_t begin_avx2(const T* data, std::size_t n, double offset, double* residuals, double* finite) {
    return begin_body(data, n, offset, residuals, finite);
}
template <class T>
CUBELINK_TARGET_AVX512 std::size_t begin_avx512(const T* data, std::size_t n, double offset, double* residuals, double* finite) {
    return begin_body(data, n, offset, residuals, finite);
}
template <class T>
std::size_t begin_any(const T* data, std::size_t n, double offset, double* residuals, double* finite, SimdLevel level) {
    using Kernel = std::size_t (*)(const T*, std::size_t, double, double*, double*);
    return choose<Kernel>(begin_plain<T>, begin_avx2<T>, begin_avx512<T>, level)(data, n, offset, residuals, finite);
}

} // namespace

void exponentials(const double* values, std::size_t n, double* out, SimdLevel level) {
    choose(&exponentials_plain, &exponentials_avx2, &exponentials_avx512, level)(values, n, out);
}
std::size_t begin_residuals(const float* data, std::size_t n, double offset, double* residuals, double* finite, SimdLevel level) {
    return begin_any(data, n, offset, residuals, finite, level);
}
std::size_t begin_residuals(const double* data, std::size_t n, double offset, double* residuals, double* finite, SimdLevel level) {
    return begin_any(data, n, offset, residuals, finite, level);
}
void add_gaussian(const RowGaussian& row, const double* finite, std::size_t n, double* gaussian, double* model, SimdLevel level) {
    choose(&gaussian_plain, &gaussian_avx2, &gaussian_avx512, level)(row, finite, n, gaussian, model);
}
ResidualSums residual_sums(const double* residuals, std::size_t n, SimdLevel level) {
    ResidualSums out;
    choose(&residual_plain, &residual_avx2, &residual_avx512, level)(residuals, n, out);
    return out;
}
GaussianSums gaussian_sums(const double* gaussian, const double* residuals, double start, std::size_t n, SimdLevel level) {
    GaussianSums out;
    choose(&sums_plain, &sums_avx2, &sums_avx512, level)(gaussian, residuals, start, n, out);
    return out;
}
PairSums pair_sums(const double* g, const double* h, double start, std::size_t n, SimdLevel level) {
    PairSums out;
    choose(&pair_plain, &pair_avx2, &pair_avx512, level)(g, h, start, n, out);
    return out;
}

} // namespace cubelink::imaging::kernels
