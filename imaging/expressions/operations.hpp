#pragma once
/// Operators and functions over many pixels at once. Pure functions, any thread.

#include "imaging/expressions/graph.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace cubelink::imaging::expressions {

/// Values of an operand: std::uint8_t of booleans, else float or double; complex numbers are two arrays. Of a scalar there is one value.
struct Operand {
    const void* re = nullptr;
    const void* im = nullptr;
    bool scalar = false;
};
/// The same, to be written: n values.
struct Target {
    void* re = nullptr;
    void* im = nullptr;
};

/// One number in the form that Operand asks for.
class Scalar {
public:
    Scalar() = default;
    Scalar(ValueType type, double re, double im = 0);
    ValueType type() const { return type_; }
    double re() const { return re_; }
    double im() const { return im_; }
    /// Points into this object.
    Operand operand() const;

private:
    ValueType type_ = ValueType::single;
    double re_ = 0, im_ = 0;
    std::array<float, 2> single_{};
    std::array<double, 2> double_{};
    std::uint8_t boolean_ = 0;
};

/// `type`: of the result; `operand_type`: of the operands, of select and condition that of the values. The operation is none of constant,
/// load and reductions. The target overlaps no operand. Results are blank where an operand is, but of is_valid, is_blank, replace, logical
/// ones and select (docs/expressions.md says how).
void apply(Op op, ValueType type, ValueType operand_type, const std::array<Operand, 3>& operands, Target target, std::size_t n);

/// The same of numbers.
Scalar apply(Op op, ValueType type, ValueType operand_type, const std::array<const Scalar*, 3>& operands);

} // namespace cubelink::imaging::expressions
