#include "imaging/expressions/graph_builder.hpp"

namespace cubelink::imaging::expressions {

namespace {

using Unit = std::optional<std::string>;

bool is_pure(const Unit& unit) { return unit && unit->empty(); }

/// Of values that are added, compared or chosen from: a pure number takes the unit of the other.
Unit common(const Unit& a, const Unit& b) {
    if (!a || !b) return std::nullopt;
    if (a == b || b->empty()) return a;
    return a->empty() ? b : std::nullopt;
}

} // namespace

Unit unit_of(Op op, const std::vector<const Node*>& operands) {
    const auto unit = [&](std::size_t k) -> Unit { return k < operands.size() ? operands[k]->unit : Unit(std::string()); };
    switch (op) {
    case Op::convert:
    case Op::negate:
    case Op::absolute:
    case Op::ceiling:
    case Op::floor:
    case Op::round:
    case Op::real_part:
    case Op::imaginary_part:
    case Op::conjugate:
    case Op::condition:
    case Op::all_minimum:
    case Op::all_maximum:
    case Op::all_sum:
    case Op::all_mean:
    case Op::all_deviation:
    case Op::all_absolute_deviation:
    case Op::all_fractile: return unit(0);
    case Op::add:
    case Op::subtract:
    case Op::modulo:
    case Op::minimum:
    case Op::maximum:
    case Op::amplitude:
    case Op::make_complex:
    case Op::replace: return common(unit(0), unit(1));
    case Op::select: return common(unit(1), unit(2));
    case Op::multiply:
        if (is_pure(unit(1))) return unit(0);
        return is_pure(unit(0)) ? unit(1) : std::nullopt;
    case Op::divide:
        if (is_pure(unit(1))) return unit(0);
        return unit(0) && unit(0) == unit(1) ? Unit(std::string()) : std::nullopt;
    case Op::position_angle: return "deg";
    case Op::argument:
    case Op::arc_sine:
    case Op::arc_cosine:
    case Op::arc_tangent:
    case Op::arc_tangent2: return "rad";
    default: {
        // Booleans, counts and signs are pure numbers. Of others, what is made of pure numbers.
        const bool counts = op == Op::sign || (op >= Op::logical_not && op <= Op::is_blank) || (op >= Op::equal && op <= Op::logical_or) ||
                            op == Op::all_count || op >= Op::any_true;
        if (counts) return std::string();
        for (const Node* operand : operands)
            if (!is_pure(operand->unit)) return std::nullopt;
        return std::string();
    }
    }
}

} // namespace cubelink::imaging::expressions
