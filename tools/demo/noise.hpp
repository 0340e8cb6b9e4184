#pragma once
/// Numbers that come out the same on every machine: a counter-based generator, and an exponential that uses nothing but
/// additions and multiplications (libm's may differ in the last bit between processors).

#include <bit>
#include <cmath>
#include <cstdint>

namespace cubelink::demo {

/// 64 well-mixed bits of (seed, index): the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
inline std::uint64_t mix(std::uint64_t seed, std::uint64_t index) {
    std::uint64_t z = seed * 0x9e3779b97f4a7c15u + (index + 1) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/// Uniform in [0, 1).
inline double uniform(std::uint64_t seed, std::uint64_t index) { return static_cast<double>(mix(seed, index) >> 11) * 0x1p-53; }

/// Mean 0, variance 1, nearly normal: the sum of four 16-bit uniforms.
inline double noise(std::uint64_t seed, std::uint64_t index) {
    const std::uint64_t bits = mix(seed, index);
    const auto sum = static_cast<double>((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48));
    return (sum * 0x1p-16 - 2.0) * 1.7320508075688772; // sqrt(12 / 4)
}

/// e^-x for x ≥ 0, to about 1e-12; 0 beyond 60.
inline double exp_minus(double x) {
    if (!(x < 60.0)) return 0.0;
    const double y = x * 1.4426950408889634; // log2(e)
    const double whole = std::floor(y);
    const double f = (whole - y) * 0.6931471805599453; // in (-ln 2, 0]
    double term = 1.0, sum = 1.0;
    for (int i = 1; i < 16; ++i) {
        term *= f / i;
        sum += term;
    }
    return sum * std::bit_cast<double>((1023 - static_cast<std::uint64_t>(whole)) << 52);
}

} // namespace cubelink::demo
