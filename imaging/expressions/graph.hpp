#pragma once
/// An expression with types: what is computed from what. Equal subexpressions are one node. Made by compile.hpp; immutable afterwards, any thread.

#include "imaging/base/geometry.hpp"
#include "imaging/source/format.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::imaging::expressions {

/// Values are numbers, of which NaN is a blank, or booleans, of which kBlankBool is one. A blank complex number has two NaNs.
enum class ValueType : std::uint8_t { boolean, single, double_, complex, double_complex };
inline constexpr std::uint8_t kBlankBool = 2;

inline bool is_complex(ValueType type) { return type == ValueType::complex || type == ValueType::double_complex; }
/// Whether its parts are doubles.
inline bool is_wide(ValueType type) { return type == ValueType::double_ || type == ValueType::double_complex; }

enum class Op : std::uint8_t {
    constant, // value
    load,     // input: pixels of an image
    // From one value of any type to another one.
    convert,
    // One operand, pixel by pixel.
    negate, sine, cosine, tangent, arc_sine, arc_cosine, arc_tangent, sine_h, cosine_h, tangent_h, exponential, logarithm, logarithm10, square_root,
    absolute, ceiling, floor, round, sign, logical_not, is_valid, is_blank, real_part, imaginary_part, conjugate, argument,
    // Two operands, pixel by pixel.
    add, subtract, multiply, divide, modulo, power, arc_tangent2, minimum, maximum, amplitude, position_angle, make_complex,
    equal, not_equal, greater, greater_equal, less, less_equal, logical_and, logical_or,
    replace,   // the first, or the second where it is blank
    condition, // the first, blank where the second is not true
    // Three.
    select, // condition, value if true, value if false
    // A number from all pixels of the operand: of numbers or, as their last ones say, of booleans.
    all_minimum, all_maximum, all_sum, all_mean, all_variance, all_deviation, all_absolute_deviation, all_count, all_fractile,
    any_true, all_true, count_true, count_false,
};

inline bool is_reduction(Op op) { return op >= Op::all_minimum; }

struct Node {
    Op op = Op::constant;
    ValueType type = ValueType::single;
    bool scalar = true;      // a number; else one for each pixel of `shape`
    std::array<int, 3> operands{-1, -1, -1};
    double re = 0, im = 0;   // of constants; booleans are 0, 1 and kBlankBool in `re`
    int input = -1;          // of load
    ImageShape shape;
    int image = -1;          // the image that describes the axes of this node: the first one of its shape; −1 for scalars
    std::optional<std::string> unit; // "": a pure number; nothing: unknown
};

/// Pixels that are read: an image's, or one part of a complex image's.
struct Input {
    std::shared_ptr<const ImageSource> source;
    int image = 0;
};

struct Graph {
    std::vector<Node> nodes; // operands stand before what is made of them
    int root = -1;           // of type single or double_, not scalar
    std::vector<Input> inputs;
    std::vector<OpenedImage> images; // each name's, while the graph is made
    bool has_reductions = false;
};

} // namespace cubelink::imaging::expressions
