// Compiled without errno and traps of mathematical functions (see CMakeLists.txt), so that compilers vectorise these loops by themselves.

#include "imaging/kernels/polarization.hpp"

#include "imaging/kernels/x86.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

namespace cubelink::imaging::kernels {

namespace {

/// 0, or NaN for what is not finite: added to a result it makes a blank of it, without a branch.
[[gnu::always_inline]] inline double blank_unless_finite(double value) { return value - value; }
constexpr double blank = std::numeric_limits<double>::quiet_NaN();

/// atan2 of finite arguments, without branches, to some 2 units in the last place. The smaller of |y| and |x| by the larger, brought into
/// ±tan(π/8) by atan(t) = π/4 + atan((t − 1) / (t + 1)); there atan(t) = t + t³ P(t²) with P interpolated at Chebyshev's points (relative error 2e-19).
[[gnu::always_inline]] inline double arc_tangent(double y, double x) {
    const double a = std::abs(x), b = std::abs(y);
    const bool steep = b > a;
    const double high = steep ? b : a, low = steep ? a : b;
    const double t = low / (high > 0 ? high : 1.0);
    const bool far = t > 0.41421356237309503;
    const double r = far ? (t - 1.0) / (t + 1.0) : t;
    const double z = r * r;
    double p = 0.0162857568552210283;
    p = p * z - 0.0345705619814277469;
    p = p * z + 0.0455159322062654917;
    p = p * z - 0.0523045427065024452;
    p = p * z + 0.0587892899783477513;
    p = p * z - 0.0666642488573825533;
    p = p * z + 0.076922963750321424;
    p = p * z - 0.0909090875350087684;
    p = p * z + 0.111111111051554466;
    p = p * z - 0.142857142856598276;
    p = p * z + 0.199999999999998045;
    p = p * z - 0.333333333333333332;
    double angle = r + r * z * p;
    angle = far ? angle + std::numbers::pi / 4 : angle;
    angle = steep ? std::numbers::pi / 2 - angle : angle;
    const bool left = std::bit_cast<std::int64_t>(x) < 0; // −0 too
    angle = left ? std::numbers::pi - angle : angle;
    return std::copysign(angle, y);
}

[[gnu::always_inline]] inline double degrees(double u, double q) { return 0.5 * arc_tangent(u, q) * (180.0 / std::numbers::pi); }

template <Polarization type, class T>
[[gnu::always_inline]] inline void polarization_body(const StokesValues<T>& in, std::size_t n, T* out) {
    constexpr bool needs_v = type == Polarization::ptotal || type == Polarization::pftotal;
    constexpr bool needs_i = type == Polarization::pftotal || type == Polarization::pflinear;
    const T *const in_i = in.i, *const in_q = in.q, *const in_u = in.u, *const in_v = in.v;
    for (std::size_t k = 0; k < n; ++k) {
        const double q = double(in_q[k]), u = double(in_u[k]);
        double blanks = blank_unless_finite(q) + blank_unless_finite(u);
        double value;
        if constexpr (type == Polarization::pangle) {
            value = degrees(u, q);
        } else {
            value = q * q + u * u;
            if constexpr (needs_v) {
                const double v = double(in_v[k]);
                blanks += blank_unless_finite(v);
                value += v * v;
            }
            value = std::sqrt(value);
            if constexpr (needs_i) {
                const double i = double(in_i[k]);
                blanks += blank_unless_finite(i);
                value = 100.0 * value / i;
            }
        }
        out[k] = T(value + blanks);
    }
}

template <Polarization type, class T>
void polarization_plain(const StokesValues<T>& in, std::size_t n, T* out) {
    polarization_body<type>(in, n, out);
}
template <Polarization type, class T>
CUBELINK_TARGET_AVX2 void polarization_avx2(const StokesValues<T>& in, std::size_t n, T* out) {
    polarization_body<type>(in, n, out);
}
template <Polarization type, class T>
CUBELINK_TARGET_AVX512 void polarization_avx512(const StokesValues<T>& in, std::size_t n, T* out) {
    polarization_body<type>(in, n, out);
}

template <class T>
void any_polarization(Polarization type, const StokesValues<T>& in, std::size_t n, T* out, SimdLevel level) {
    using Kernel = void (*)(const StokesValues<T>&, std::size_t, T*);
    const auto run = [&]<Polarization one>() {
        choose<Kernel>(polarization_plain<one, T>, polarization_avx2<one, T>, polarization_avx512<one, T>, level)(in, n, out);
    };
    switch (type) {
    case Polarization::ptotal: return run.template operator()<Polarization::ptotal>();
    case Polarization::plinear: return run.template operator()<Polarization::plinear>();
    case Polarization::pftotal: return run.template operator()<Polarization::pftotal>();
    case Polarization::pflinear: return run.template operator()<Polarization::pflinear>();
    case Polarization::pangle: return run.template operator()<Polarization::pangle>();
    }
}

[[gnu::always_inline]] inline float finite_float(double value) {
    const float narrow = float(std::abs(value) <= double(std::numeric_limits<float>::max()) ? value : 0.0);
    return std::abs(value) <= double(std::numeric_limits<float>::max()) ? narrow : std::numeric_limits<float>::quiet_NaN();
}

/// `compared`: what must reach the threshold; `i` is Q, if no term needs it.
[[gnu::always_inline]] inline void vectors_body(const VectorTerms& terms, const double* i, const double* q, const double* u, std::size_t n, float* length,
                                                float* angle) {
    const double debias = terms.debias, threshold = terms.threshold;
    const bool on_i = terms.threshold_on_i, fractional = terms.fractional, any_threshold = terms.threshold_on_i || terms.threshold_on_pi;
    if (length != nullptr) {
        for (std::size_t k = 0; k < n; ++k) {
            const double pi = std::sqrt(q[k] * q[k] + u[k] * u[k] - debias);
            const double value = fractional ? 100.0 * pi / i[k] : pi;
            const double compared = on_i ? i[k] : pi;
            const bool keep = !any_threshold || compared >= threshold;
            length[k] = finite_float(keep ? value : blank);
        }
    }
    if (angle != nullptr) {
        for (std::size_t k = 0; k < n; ++k) {
            const double compared = on_i ? i[k] : std::sqrt(q[k] * q[k] + u[k] * u[k] - debias);
            const bool keep = !any_threshold || compared >= threshold;
            angle[k] = finite_float(keep ? degrees(u[k], q[k]) + blank_unless_finite(q[k]) + blank_unless_finite(u[k]) : blank);
        }
    }
}

void vectors_plain(const VectorTerms& terms, const double* i, const double* q, const double* u, std::size_t n, float* length, float* angle) {
    vectors_body(terms, i, q, u, n, length, angle);
}
CUBELINK_TARGET_AVX2 void vectors_avx2(const VectorTerms& terms, const double* i, const double* q, const double* u, std::size_t n, float* length, float* angle) {
    vectors_body(terms, i, q, u, n, length, angle);
}
CUBELINK_TARGET_AVX512 void vectors_avx512(const VectorTerms& terms, const double* i, const double* q, const double* u, std::size_t n, float* length,
                                           float* angle) {
    vectors_body(terms, i, q, u, n, length, angle);
}

} // namespace

void polarization(Polarization type, const StokesValues<float>& in, std::size_t n, float* out, SimdLevel level) { any_polarization(type, in, n, out, level); }
void polarization(Polarization type, const StokesValues<double>& in, std::size_t n, double* out, SimdLevel level) { any_polarization(type, in, n, out, level); }

void polarization_vectors(const VectorTerms& terms, const double* i, const double* q, const double* u, std::size_t n, float* length, float* angle,
                          SimdLevel level) {
    choose(&vectors_plain, &vectors_avx2, &vectors_avx512, level)(terms, i == nullptr ? q : i, q, u, n, length, angle);
}

} // namespace cubelink::imaging::kernels
