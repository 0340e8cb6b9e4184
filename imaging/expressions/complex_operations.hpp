#pragma once
/// Operations on complex numbers, for operations.cpp.

#include "imaging/expressions/operations.hpp"

#include <array>
#include <cstddef>

namespace cubelink::imaging::expressions {

/// T: float or double, the type of the parts. As apply().
template <class T>
void apply_complex(Op op, const std::array<Operand, 3>& operands, Target target, std::size_t n);

extern template void apply_complex<float>(Op, const std::array<Operand, 3>&, Target, std::size_t);
extern template void apply_complex<double>(Op, const std::array<Operand, 3>&, Target, std::size_t);

} // namespace cubelink::imaging::expressions
