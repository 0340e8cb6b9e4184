#include "imaging/expressions/complex_operations.hpp"

#include "imaging/expressions/operation_loops.hpp"

#include <cmath>
#include <complex>
#include <limits>
#include <stdexcept>

namespace cubelink::imaging::expressions {

namespace {

/// One operand's values, whether it is a scalar or not.
template <class T>
struct Values {
    const T *re, *im;
    std::size_t step;
    explicit Values(const Operand& operand)
        : re(static_cast<const T*>(operand.re)), im(static_cast<const T*>(operand.im)), step(operand.scalar ? 0 : 1) {}
    std::complex<T> operator[](std::size_t i) const { return {re[i * step], im[i * step]}; }
};

template <class T>
bool is_blank_complex(const std::complex<T>& x) {
    return is_blank(x.real()) || is_blank(x.imag());
}

template <class T>
void put(Target target, std::size_t i, const std::complex<T>& value) {
    const bool blank = is_blank_complex(value);
    static_cast<T*>(target.re)[i] = blank ? std::numeric_limits<T>::quiet_NaN() : value.real();
    static_cast<T*>(target.im)[i] = blank ? std::numeric_limits<T>::quiet_NaN() : value.imag();
}

template <class T, class Fn>
void each(const Operand& a, Target target, std::size_t n, const Fn& fn) {
    const Values<T> x(a);
    for (std::size_t i = 0; i < n; ++i) put<T>(target, i, is_blank_complex(x[i]) ? x[i] : fn(x[i]));
}

template <class T, class Fn>
void each(const Operand& a, const Operand& b, Target target, std::size_t n, const Fn& fn) {
    const Values<T> x(a), y(b);
    for (std::size_t i = 0; i < n; ++i) put<T>(target, i, is_blank_complex(x[i]) ? x[i] : is_blank_complex(y[i]) ? y[i] : fn(x[i], y[i]));
}

/// A real number or a truth of each.
template <class T, class Out, class Fn>
void each_to(const Operand& a, Out* out, std::size_t n, const Fn& fn) {
    const Values<T> x(a);
    for (std::size_t i = 0; i < n; ++i) out[i] = fn(x[i]);
}

} // namespace

template <class T>
void apply_complex(Op op, const std::array<Operand, 3>& operands, Target target, std::size_t n) {
    using C = std::complex<T>;
    constexpr T blank = std::numeric_limits<T>::quiet_NaN();
    const Operand &a = operands[0], &b = operands[1];
    T* real = static_cast<T*>(target.re);
    auto* truth = static_cast<std::uint8_t*>(target.re);
    const auto equal = [&](bool wanted) {
        const Values<T> x(a), y(b);
        for (std::size_t i = 0; i < n; ++i)
            truth[i] = is_blank_complex(x[i]) || is_blank_complex(y[i]) ? kBlankBool : static_cast<std::uint8_t>((x[i] == y[i]) == wanted);
    };
    switch (op) {
    case Op::negate: return each<T>(a, target, n, [](C x) { return -x; });
    case Op::sine: return each<T>(a, target, n, [](C x) { return std::sin(x); });
    case Op::cosine: return each<T>(a, target, n, [](C x) { return std::cos(x); });
    case Op::sine_h: return each<T>(a, target, n, [](C x) { return std::sinh(x); });
    case Op::cosine_h: return each<T>(a, target, n, [](C x) { return std::cosh(x); });
    case Op::exponential: return each<T>(a, target, n, [](C x) { return std::exp(x); });
    case Op::logarithm: return each<T>(a, target, n, [](C x) { return std::log(x); });
    case Op::logarithm10: return each<T>(a, target, n, [](C x) { return std::log10(x); });
    case Op::square_root: return each<T>(a, target, n, [](C x) { return std::sqrt(x); });
    case Op::conjugate: return each<T>(a, target, n, [](C x) { return std::conj(x); });
    case Op::absolute: return each_to<T>(a, real, n, [](C x) { return is_blank_complex(x) ? blank : std::abs(x); });
    case Op::argument: return each_to<T>(a, real, n, [](C x) { return is_blank_complex(x) ? blank : std::arg(x); });
    case Op::real_part: return each_to<T>(a, real, n, [](C x) { return is_blank_complex(x) ? blank : x.real(); });
    case Op::imaginary_part: return each_to<T>(a, real, n, [](C x) { return is_blank_complex(x) ? blank : x.imag(); });
    case Op::is_valid: return each_to<T>(a, truth, n, [](C x) { return static_cast<std::uint8_t>(!is_blank_complex(x)); });
    case Op::is_blank: return each_to<T>(a, truth, n, [](C x) { return static_cast<std::uint8_t>(is_blank_complex(x)); });
    case Op::add: return each<T>(a, b, target, n, [](C x, C y) { return x + y; });
    case Op::subtract: return each<T>(a, b, target, n, [](C x, C y) { return x - y; });
    case Op::multiply: return each<T>(a, b, target, n, [](C x, C y) { return x * y; });
    case Op::divide: return each<T>(a, b, target, n, [](C x, C y) { return x / y; });
    case Op::power: return each<T>(a, b, target, n, [](C x, C y) { return y == C(2) ? x * x : std::pow(x, y); });
    case Op::equal: return equal(true);
    case Op::not_equal: return equal(false);
    case Op::replace: {
        const Values<T> x(a), y(b);
        for (std::size_t i = 0; i < n; ++i) put<T>(target, i, is_blank_complex(x[i]) ? y[i] : x[i]);
        return;
    }
    default: throw std::logic_error("not an operation of complex numbers");
    }
}

template void apply_complex<float>(Op, const std::array<Operand, 3>&, Target, std::size_t);
template void apply_complex<double>(Op, const std::array<Operand, 3>&, Target, std::size_t);

} // namespace cubelink::imaging::expressions
