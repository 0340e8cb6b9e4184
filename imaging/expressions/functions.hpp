#pragma once
/// The functions of the language by their names.

#include "imaging/expressions/graph.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace cubelink::imaging::expressions {

enum class FunctionKind : std::uint8_t {
    constant,          // pi(), e()
    real,              // of real numbers
    numeric,           // of real and complex numbers
    real2,             // of two real numbers
    numeric2,          // of two numbers
    reduction,         // of real numbers
    reduction_numeric, // of numbers
    count,             // of numbers or booleans
    reduction_bool,
    special, // by its name
};

struct Function {
    std::string_view name;
    int least = 1, most = 1; // numbers of arguments
    FunctionKind kind = FunctionKind::special;
    Op op = Op::constant;
};

/// By name in lower case and number of arguments, as min(a) and min(a, b) differ; that of another number if there is none of this one;
/// nullptr for unknown names.
const Function* find_function(std::string_view name, int arguments);

} // namespace cubelink::imaging::expressions
