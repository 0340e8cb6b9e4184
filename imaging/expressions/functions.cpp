#include "imaging/expressions/functions.hpp"

namespace cubelink::imaging::expressions {

namespace {

using Kind = FunctionKind;

constexpr Function kFunctions[] = {
    {"pi", 0, 0, Kind::constant},
    {"e", 0, 0, Kind::constant},
    {"sin", 1, 1, Kind::numeric, Op::sine},
    {"cos", 1, 1, Kind::numeric, Op::cosine},
    {"tan", 1, 1, Kind::real, Op::tangent},
    {"asin", 1, 1, Kind::real, Op::arc_sine},
    {"acos", 1, 1, Kind::real, Op::arc_cosine},
    {"atan", 1, 1, Kind::real, Op::arc_tangent},
    {"sinh", 1, 1, Kind::numeric, Op::sine_h},
    {"cosh", 1, 1, Kind::numeric, Op::cosine_h},
    {"tanh", 1, 1, Kind::real, Op::tangent_h},
    {"exp", 1, 1, Kind::numeric, Op::exponential},
    {"log", 1, 1, Kind::numeric, Op::logarithm},
    {"log10", 1, 1, Kind::numeric, Op::logarithm10},
    {"sqrt", 1, 1, Kind::numeric, Op::square_root},
    {"abs", 1, 1, Kind::numeric, Op::absolute},
    {"amplitude", 1, 1, Kind::numeric, Op::absolute},
    {"amp", 1, 1, Kind::numeric, Op::absolute},
    {"ceil", 1, 1, Kind::real, Op::ceiling},
    {"floor", 1, 1, Kind::real, Op::floor},
    {"round", 1, 1, Kind::real, Op::round},
    {"sign", 1, 1, Kind::real, Op::sign},
    {"real", 1, 1, Kind::numeric, Op::real_part},
    {"imag", 1, 1, Kind::numeric, Op::imaginary_part},
    {"conj", 1, 1, Kind::numeric, Op::conjugate},
    {"arg", 1, 1, Kind::numeric, Op::argument},
    {"phase", 1, 1, Kind::numeric, Op::argument},
    {"norm", 1, 1},
    {"atan2", 2, 2, Kind::real2, Op::arc_tangent2},
    {"pow", 2, 2, Kind::numeric2, Op::power},
    {"fmod", 2, 2, Kind::real2, Op::modulo},
    {"min", 2, 2, Kind::real2, Op::minimum},
    {"max", 2, 2, Kind::real2, Op::maximum},
    {"amp", 2, 2, Kind::real2, Op::amplitude},
    {"pa", 2, 2, Kind::real2, Op::position_angle},
    {"complex", 2, 2, Kind::real2, Op::make_complex},
    {"spectralindex", 2, 2},
    {"min", 1, 1, Kind::reduction, Op::all_minimum},
    {"max", 1, 1, Kind::reduction, Op::all_maximum},
    {"sum", 1, 1, Kind::reduction_numeric, Op::all_sum},
    {"mean", 1, 1, Kind::reduction_numeric, Op::all_mean},
    {"variance", 1, 1, Kind::reduction, Op::all_variance},
    {"stddev", 1, 1, Kind::reduction, Op::all_deviation},
    {"avdev", 1, 1, Kind::reduction, Op::all_absolute_deviation},
    {"median", 1, 1},
    {"fractile", 2, 2},
    {"fractilerange", 2, 3},
    {"nelements", 1, 1, Kind::count, Op::all_count},
    {"count", 1, 1, Kind::count, Op::all_count},
    {"any", 1, 1, Kind::reduction_bool, Op::any_true},
    {"all", 1, 1, Kind::reduction_bool, Op::all_true},
    {"ntrue", 1, 1, Kind::reduction_bool, Op::count_true},
    {"nfalse", 1, 1, Kind::reduction_bool, Op::count_false},
    {"iif", 3, 3},
    {"replace", 1, 2},
    {"value", 1, 1},
    {"mask", 1, 1},
    {"isnan", 1, 1},
    {"ndim", 1, 1},
    {"length", 2, 2},
    {"float", 1, 1},
    {"double", 1, 1},
    {"complex", 1, 1},
    {"dcomplex", 1, 1},
    {"bool", 1, 1},
    {"boolean", 1, 1},
};

} // namespace

const Function* find_function(std::string_view name, int arguments) {
    const Function* other = nullptr;
    for (const Function& function : kFunctions) {
        if (function.name != name) continue;
        if (arguments >= function.least && arguments <= function.most) return &function;
        other = &function;
    }
    return other;
}

} // namespace cubelink::imaging::expressions
