#include "imaging/expressions/operations.hpp"

#include "imaging/expressions/complex_operations.hpp"
#include "imaging/expressions/operation_loops.hpp"

#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <type_traits>

namespace cubelink::imaging::expressions {

namespace {

template <class T>
constexpr T kBlank = std::numeric_limits<T>::quiet_NaN();

template <class T>
T remainder_of(T a, T b) {
    return std::fmod(a, b);
}

/// std::pow() makes numbers of some blanks.
template <class T>
void power(const Operand& a, const Operand& b, T* out, std::size_t n) {
    const T exponent = b.scalar ? *static_cast<const T*>(b.re) : kBlank<T>;
    if (exponent == T(2)) return one<T>(a, out, n, [](T x) { return x * x; });
    if (exponent == T(1)) return one<T>(a, out, n, [](T x) { return x; });
    two<T>(a, b, out, n, [](T x, T y) { return is_blank(x) || is_blank(y) ? kBlank<T> : std::pow(x, y); });
}

template <class T>
bool real_unary(Op op, const Operand& a, T* out, std::size_t n) {
    switch (op) {
    case Op::negate: one<T>(a, out, n, [](T x) { return -x; }); return true;
    case Op::sine: one<T>(a, out, n, [](T x) { return std::sin(x); }); return true;
    case Op::cosine: one<T>(a, out, n, [](T x) { return std::cos(x); }); return true;
    case Op::tangent: one<T>(a, out, n, [](T x) { return std::tan(x); }); return true;
    case Op::arc_sine: one<T>(a, out, n, [](T x) { return std::asin(x); }); return true;
    case Op::arc_cosine: one<T>(a, out, n, [](T x) { return std::acos(x); }); return true;
    case Op::arc_tangent: one<T>(a, out, n, [](T x) { return std::atan(x); }); return true;
    case Op::sine_h: one<T>(a, out, n, [](T x) { return std::sinh(x); }); return true;
    case Op::cosine_h: one<T>(a, out, n, [](T x) { return std::cosh(x); }); return true;
    case Op::tangent_h: one<T>(a, out, n, [](T x) { return std::tanh(x); }); return true;
    case Op::exponential: one<T>(a, out, n, [](T x) { return std::exp(x); }); return true;
    case Op::logarithm: one<T>(a, out, n, [](T x) { return std::log(x); }); return true;
    case Op::logarithm10: one<T>(a, out, n, [](T x) { return std::log10(x); }); return true;
    case Op::square_root: one<T>(a, out, n, [](T x) { return std::sqrt(x); }); return true;
    case Op::absolute: one<T>(a, out, n, [](T x) { return std::abs(x); }); return true;
    case Op::ceiling: one<T>(a, out, n, [](T x) { return std::ceil(x); }); return true;
    case Op::floor: one<T>(a, out, n, [](T x) { return std::floor(x); }); return true;
    case Op::round: one<T>(a, out, n, [](T x) { return std::round(x); }); return true;
    case Op::sign: one<T>(a, out, n, [](T x) { return x > 0 ? T(1) : x < 0 ? T(-1) : x; }); return true;
    case Op::real_part:
    case Op::conjugate: one<T>(a, out, n, [](T x) { return x; }); return true;
    case Op::imaginary_part: one<T>(a, out, n, [](T x) { return is_blank(x) ? x : T(0); }); return true;
    case Op::argument: one<T>(a, out, n, [](T x) { return is_blank(x) ? x : x < 0 ? std::numbers::pi_v<T> : T(0); }); return true;
    default: return false;
    }
}

template <class T>
bool real_binary(Op op, const Operand& a, const Operand& b, T* out, std::size_t n) {
    switch (op) {
    case Op::add: two<T>(a, b, out, n, [](T x, T y) { return x + y; }); return true;
    case Op::subtract: two<T>(a, b, out, n, [](T x, T y) { return x - y; }); return true;
    case Op::multiply: two<T>(a, b, out, n, [](T x, T y) { return x * y; }); return true;
    case Op::divide: two<T>(a, b, out, n, [](T x, T y) { return x / y; }); return true;
    case Op::modulo: two<T>(a, b, out, n, [](T x, T y) { return remainder_of(x, y); }); return true;
    case Op::power: power<T>(a, b, out, n); return true;
    case Op::arc_tangent2: two<T>(a, b, out, n, [](T x, T y) { return std::atan2(x, y); }); return true;
    case Op::minimum: two<T>(a, b, out, n, [](T x, T y) { return is_blank(y) || y < x ? y : x; }); return true;
    case Op::maximum: two<T>(a, b, out, n, [](T x, T y) { return is_blank(y) || y > x ? y : x; }); return true;
    case Op::amplitude:
        two<T>(a, b, out, n, [](T x, T y) { return T(std::sqrt(double(x) * double(x) + double(y) * double(y))); });
        return true;
    case Op::position_angle: two<T>(a, b, out, n, [](T x, T y) { return T(90 / std::numbers::pi) * std::atan2(x, y); }); return true;
    case Op::replace: two<T>(a, b, out, n, [](T x, T y) { return is_blank(x) ? y : x; }); return true;
    default: return false;
    }
}

template <class T>
void compare(Op op, const Operand& a, const Operand& b, std::uint8_t* out, std::size_t n) {
    static_assert(kBlankBool == 2);
    const auto loop = [&](auto test) {
        two<T>(a, b, out, n, [test](T x, T y) {
            const int blank = int(is_blank(x)) | int(is_blank(y)), truth = int(test(x, y));
            return static_cast<std::uint8_t>((truth & ~blank) | (blank << 1)); // without branches
        });
    };
    switch (op) {
    case Op::equal: return loop([](T x, T y) { return x == y; });
    case Op::not_equal: return loop([](T x, T y) { return x != y; });
    case Op::greater: return loop([](T x, T y) { return x > y; });
    case Op::greater_equal: return loop([](T x, T y) { return x >= y; });
    case Op::less: return loop([](T x, T y) { return x < y; });
    case Op::less_equal: return loop([](T x, T y) { return x <= y; });
    default: throw std::logic_error("not a comparison");
    }
}

using Byte = std::uint8_t;

/// What makes booleans of booleans.
void logical(Op op, const Operand& a, const Operand& b, Byte* out, std::size_t n) {
    switch (op) {
    case Op::logical_not: return one<Byte>(a, out, n, [](Byte x) { return x == kBlankBool ? x : Byte(1 - x); });
    case Op::is_valid: return one<Byte>(a, out, n, [](Byte x) { return Byte(x != kBlankBool); });
    case Op::is_blank: return one<Byte>(a, out, n, [](Byte x) { return Byte(x == kBlankBool); });
    case Op::logical_and: // false with a blank is false
        return two<Byte>(a, b, out, n, [](Byte x, Byte y) { return x == 0 || y == 0 ? Byte(0) : x == 1 && y == 1 ? Byte(1) : kBlankBool; });
    case Op::logical_or: // true with a blank is true
        return two<Byte>(a, b, out, n, [](Byte x, Byte y) { return x == 1 || y == 1 ? Byte(1) : x == 0 && y == 0 ? Byte(0) : kBlankBool; });
    case Op::equal:
        return two<Byte>(a, b, out, n, [](Byte x, Byte y) { return x == kBlankBool || y == kBlankBool ? kBlankBool : Byte(x == y); });
    case Op::not_equal:
        return two<Byte>(a, b, out, n, [](Byte x, Byte y) { return x == kBlankBool || y == kBlankBool ? kBlankBool : Byte(x != y); });
    case Op::replace: return two<Byte>(a, b, out, n, [](Byte x, Byte y) { return x == kBlankBool ? y : x; });
    default: throw std::logic_error("not an operation of booleans");
    }
}

/// fn(0) for scalars, fn(1) for others, as types: compilers know them.
template <class Fn>
void with_step(const Operand& operand, const Fn& fn) {
    if (operand.scalar) fn(std::integral_constant<std::size_t, 0>());
    else fn(std::integral_constant<std::size_t, 1>());
}

/// Chooses among values of one array of each operand (re or im): the choice depends on booleans only.
template <class T>
void choose_values(Op op, const Operand& boolean, const Operand& a, const Operand& b, T* out, std::size_t n, T blank) {
    const auto* test = static_cast<const Byte*>(boolean.re);
    const auto *x = static_cast<const T*>(a.re), *y = static_cast<const T*>(b.re);
    if (op == Op::condition) {
        if (boolean.scalar) return one<T>(a, out, n, [truth = *test, blank](T value) { return truth == 1 ? value : blank; });
        return with_step(a, [&](auto x_step) {
            for (std::size_t i = 0; i < n; ++i) {
                const T value = x[i * x_step];
                out[i] = test[i] == 1 ? value : blank;
            }
        });
    }
    if (boolean.scalar)
        return one<T>(*test == 1 ? a : b, out, n, [truth = *test, blank](T value) { return truth == kBlankBool ? blank : value; });
    with_step(a, [&](auto x_step) {
        with_step(b, [&](auto y_step) {
            for (std::size_t i = 0; i < n; ++i) {
                const T first = x[i * x_step], second = y[i * y_step], chosen = test[i] == 1 ? first : second;
                out[i] = test[i] == kBlankBool ? blank : chosen;
            }
        });
    });
}

Operand imaginary(const Operand& operand) { return {operand.im, nullptr, operand.scalar}; }

template <class T>
void choose_of(Op op, bool complex, const std::array<Operand, 3>& operands, Target target, std::size_t n, T blank) {
    const Operand& test = op == Op::condition ? operands[1] : operands[0];
    const Operand& a = op == Op::condition ? operands[0] : operands[1];
    const Operand& b = op == Op::condition ? operands[0] : operands[2];
    choose_values<T>(op, test, a, b, static_cast<T*>(target.re), n, blank);
    if (complex) choose_values<T>(op, test, imaginary(a), imaginary(b), static_cast<T*>(target.im), n, blank);
}

template <class From, class To>
void convert_real(const Operand& a, To* out, std::size_t n) {
    one<From>(a, out, n, [](From x) -> To {
        if constexpr (std::is_same_v<To, Byte>) return is_blank(x) ? kBlankBool : Byte(x != 0);
        else if constexpr (std::is_same_v<From, Byte>) return x == kBlankBool ? kBlank<To> : To(x);
        else return To(x);
    });
}

template <class To>
void convert_to(ValueType from, const Operand& a, To* out, std::size_t n) {
    if (from == ValueType::boolean) return convert_real<Byte, To>(a, out, n);
    if (is_wide(from)) return convert_real<double, To>(a, out, n);
    convert_real<float, To>(a, out, n);
}

template <class T>
void convert(ValueType from, ValueType to, const Operand& a, Target target, std::size_t n) {
    convert_to<T>(from, a, static_cast<T*>(target.re), n);
    if (!is_complex(to)) return;
    if (is_complex(from)) return convert_to<T>(from, imaginary(a), static_cast<T*>(target.im), n);
    const T* re = static_cast<const T*>(target.re);
    T* im = static_cast<T*>(target.im);
    for (std::size_t i = 0; i < n; ++i) im[i] = is_blank(re[i]) ? re[i] : T(0);
}

template <class T>
void apply_real(Op op, const std::array<Operand, 3>& operands, Target target, std::size_t n) {
    T* out = static_cast<T*>(target.re);
    Byte* truth = static_cast<Byte*>(target.re);
    const Operand &a = operands[0], &b = operands[1];
    switch (op) {
    case Op::is_valid: return one<T>(a, truth, n, [](T x) { return Byte(!is_blank(x)); });
    case Op::is_blank: return one<T>(a, truth, n, [](T x) { return Byte(is_blank(x)); });
    case Op::equal:
    case Op::not_equal:
    case Op::greater:
    case Op::greater_equal:
    case Op::less:
    case Op::less_equal: return compare<T>(op, a, b, truth, n);
    case Op::make_complex: {
        T* im = static_cast<T*>(target.im);
        two<T>(a, b, out, n, [](T x, T y) { return is_blank(y) ? y : x; });
        return two<T>(a, b, im, n, [](T x, T y) { return is_blank(x) ? x : y; });
    }
    default:
        if (real_unary<T>(op, a, out, n) || real_binary<T>(op, a, b, out, n)) return;
        throw std::logic_error("not an operation of real numbers");
    }
}

} // namespace

Scalar::Scalar(ValueType type, double re, double im)
    : type_(type), re_(re), im_(im), single_{float(re), float(im)}, double_{re, im},
      boolean_(type == ValueType::boolean ? std::uint8_t(re) : Byte(0)) {}

Operand Scalar::operand() const {
    if (type_ == ValueType::boolean) return {&boolean_, nullptr, true};
    if (is_wide(type_)) return {&double_[0], &double_[1], true};
    return {&single_[0], &single_[1], true};
}

void apply(Op op, ValueType type, ValueType operand_type, const std::array<Operand, 3>& operands, Target target, std::size_t n) {
    if (op == Op::select || op == Op::condition) {
        if (type == ValueType::boolean) return choose_of<Byte>(op, false, operands, target, n, kBlankBool);
        if (is_wide(type)) return choose_of<double>(op, is_complex(type), operands, target, n, kBlank<double>);
        return choose_of<float>(op, is_complex(type), operands, target, n, kBlank<float>);
    }
    if (op == Op::convert) {
        if (type == ValueType::boolean) return convert_to<Byte>(operand_type, operands[0], static_cast<Byte*>(target.re), n);
        return is_wide(type) ? convert<double>(operand_type, type, operands[0], target, n)
                             : convert<float>(operand_type, type, operands[0], target, n);
    }
    switch (operand_type) {
    case ValueType::boolean: return logical(op, operands[0], operands[1], static_cast<Byte*>(target.re), n);
    case ValueType::single: return apply_real<float>(op, operands, target, n);
    case ValueType::double_: return apply_real<double>(op, operands, target, n);
    case ValueType::complex: return apply_complex<float>(op, operands, target, n);
    case ValueType::double_complex: return apply_complex<double>(op, operands, target, n);
    }
}

Scalar apply(Op op, ValueType type, ValueType operand_type, const std::array<const Scalar*, 3>& operands) {
    std::array<Operand, 3> given;
    for (std::size_t k = 0; k < 3; ++k)
        if (operands[k] != nullptr) given[k] = operands[k]->operand();
    if (type == ValueType::boolean) {
        Byte result = 0;
        apply(op, type, operand_type, given, {&result, nullptr}, 1);
        return {type, double(result)};
    }
    if (is_wide(type)) {
        std::array<double, 2> result{};
        apply(op, type, operand_type, given, {&result[0], &result[1]}, 1);
        return {type, result[0], result[1]};
    }
    std::array<float, 2> result{};
    apply(op, type, operand_type, given, {&result[0], &result[1]}, 1);
    return {type, result[0], result[1]};
}

} // namespace cubelink::imaging::expressions
