#include "imaging/expressions/graph_builder.hpp"

#include "imaging/expressions/expression_error.hpp"
#include "imaging/expressions/operations.hpp"
#include "imaging/expressions/parser.hpp"
#include "imaging/world/wcs.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace cubelink::imaging::expressions {

namespace {

/// More than parsing allows, as functions are made of several nodes.
constexpr std::size_t kMaxNodes = 4 * kMaxExpressionNodes;

const char* type_name(ValueType type) {
    switch (type) {
    case ValueType::boolean: return "a condition (true or false)";
    case ValueType::single:
    case ValueType::double_: return "a real number";
    case ValueType::complex:
    case ValueType::double_complex: return "a complex number";
    }
    return "";
}

ValueType with(bool wide, bool complex) {
    if (complex) return wide ? ValueType::double_complex : ValueType::complex;
    return wide ? ValueType::double_ : ValueType::single;
}

/// The type of the parts.
ValueType real_of(ValueType type) { return type == ValueType::boolean ? type : with(is_wide(type), false); }

} // namespace

int GraphBuilder::add(Node node) {
    const Key key{node.op,   node.type, node.operands, std::bit_cast<std::uint64_t>(node.re), std::bit_cast<std::uint64_t>(node.im),
                  node.input};
    const auto known = known_.find(key);
    if (known != known_.end()) return known->second;
    if (graph_.nodes.size() >= kMaxNodes) throw ExpressionError(column_, "the expression is too large");
    graph_.nodes.push_back(std::move(node));
    return known_[key] = static_cast<int>(graph_.nodes.size()) - 1;
}

int GraphBuilder::number(ValueType type, double re, double im) {
    Node node;
    node.type = type;
    // The value that the type can hold.
    node.re = is_wide(type) || type == ValueType::boolean ? re : double(float(re));
    node.im = is_complex(type) ? (is_wide(type) ? im : double(float(im))) : 0;
    node.unit = std::string();
    return add(std::move(node));
}

int GraphBuilder::load(std::shared_ptr<const ImageSource> source, int image) {
    Node node;
    node.op = Op::load;
    node.type = source->capabilities().prefers_double ? ValueType::double_ : ValueType::single;
    node.scalar = false;
    node.shape = source->shape();
    node.image = image;
    node.unit = graph_.images[static_cast<std::size_t>(image)].info.bunit;
    if (node.unit->empty()) node.unit.reset();
    node.input = static_cast<int>(graph_.inputs.size());
    for (std::size_t k = 0; k < graph_.inputs.size(); ++k)
        if (graph_.inputs[k].source == source) node.input = static_cast<int>(k);
    if (node.input == static_cast<int>(graph_.inputs.size())) graph_.inputs.push_back({std::move(source), image});
    return add(std::move(node));
}

int GraphBuilder::image(OpenedImage&& opened) {
    graph_.images.push_back(std::move(opened));
    const int image = static_cast<int>(graph_.images.size()) - 1;
    const auto complex = graph_.images.back().complex;
    if (!complex) return load(graph_.images.back().source, image);
    const int re = load(complex->real, image);
    const int made = real2(Op::make_complex, re, load(complex->imaginary, image), "the image");
    complex_images_.emplace(made, image);
    return made;
}

std::string GraphBuilder::described(int image) const {
    const auto& opened = graph_.images[static_cast<std::size_t>(image)];
    return '"' + opened.info.name + '"';
}

void GraphBuilder::join_shapes(Node& node) const {
    node.scalar = true;
    for (const int index : node.operands) {
        if (index < 0 || this->node(index).scalar) continue;
        const Node& operand = this->node(index);
        if (node.scalar) {
            node.scalar = false;
            node.shape = operand.shape;
            node.image = operand.image;
            continue;
        }
        const auto sizes = [](const ImageShape& shape) { return std::to_string(shape.width) + " × " + std::to_string(shape.height); };
        const auto mismatch = [&](const std::string& first, const std::string& second) {
            throw ExpressionError(column_, "images of different sizes: " + described(node.image) + " has " + first + ", " +
                                               described(operand.image) + " " + second);
        };
        if (operand.shape.width != node.shape.width || operand.shape.height != node.shape.height)
            mismatch(sizes(node.shape) + " pixels", sizes(operand.shape));
        if (operand.shape.depth != node.shape.depth && operand.shape.depth != 1 && node.shape.depth != 1)
            mismatch(std::to_string(node.shape.depth) + " channels", std::to_string(operand.shape.depth));
        if (operand.shape.stokes != node.shape.stokes && operand.shape.stokes != 1 && node.shape.stokes != 1)
            mismatch(std::to_string(node.shape.stokes) + " stokes", std::to_string(operand.shape.stokes));
        const ImageShape joined{node.shape.width, node.shape.height, std::max(node.shape.depth, operand.shape.depth),
                                std::max(node.shape.stokes, operand.shape.stokes)};
        if (node.shape != joined && operand.shape == joined) node.image = operand.image;
        node.shape = joined;
    }
}

int GraphBuilder::make(Op op, ValueType type, std::array<int, 3> operands) {
    Node node;
    node.op = op;
    node.type = type;
    node.operands = operands;
    std::vector<const Node*> given;
    bool constant = true;
    for (const int index : operands) {
        if (index < 0) continue;
        given.push_back(&this->node(index));
        constant = constant && given.back()->op == Op::constant;
    }
    if (!is_reduction(op)) join_shapes(node);
    node.unit = unit_of(op, given);
    if (constant && !is_reduction(op)) {
        std::array<Scalar, 3> values;
        std::array<const Scalar*, 3> pointers{};
        for (std::size_t k = 0; k < given.size(); ++k) {
            values[k] = Scalar(given[k]->type, given[k]->re, given[k]->im);
            pointers[k] = &values[k];
        }
        const ValueType operand_type = op == Op::select ? given[1]->type : given[0]->type;
        const Scalar value = apply(op, type, operand_type, pointers);
        return number(type, value.re(), value.im());
    }
    graph_.has_reductions = graph_.has_reductions || is_reduction(op);
    return add(std::move(node));
}

int GraphBuilder::as(int a, ValueType wanted) { return type(a) == wanted ? a : make(Op::convert, wanted, {a, -1, -1}); }

void GraphBuilder::need_number(int a, const std::string& name) const {
    if (is_boolean(a)) throw ExpressionError(column_, name + " takes numbers, not " + type_name(type(a)));
}

void GraphBuilder::need_real(int a, const std::string& name) const {
    if (is_boolean(a) || is_complex(type(a))) throw ExpressionError(column_, name + " takes real numbers, not " + type_name(type(a)));
}

void GraphBuilder::need_boolean(int a, const std::string& name) const {
    if (!is_boolean(a)) throw ExpressionError(column_, name + " takes conditions (true or false), not " + type_name(type(a)));
}

std::array<int, 2> GraphBuilder::promoted(int a, int b, const std::string& name) {
    if (is_boolean(a) != is_boolean(b)) throw ExpressionError(column_, name + " can't join a condition (true or false) and a number");
    if (is_boolean(a)) return {a, b};
    const ValueType joined = with(is_wide(type(a)) || is_wide(type(b)), is_complex(type(a)) || is_complex(type(b)));
    const int first = as(a, joined);
    return {first, as(b, joined)};
}

int GraphBuilder::real(Op op, int a, const std::string& name) {
    need_real(a, name);
    return make(op, type(a), {a, -1, -1});
}

int GraphBuilder::numeric(Op op, int a, const std::string& name) {
    need_number(a, name);
    if (const auto shown = complex_images_.find(a); op == Op::absolute && shown != complex_images_.end())
        return load(graph_.images[static_cast<std::size_t>(shown->second)].source, shown->second);
    const bool real = op == Op::absolute || op == Op::argument || op == Op::real_part || op == Op::imaginary_part;
    return make(op, real ? real_of(type(a)) : type(a), {a, -1, -1});
}

int GraphBuilder::real2(Op op, int a, int b, const std::string& name) {
    need_real(a, name);
    need_real(b, name);
    const auto [x, y] = promoted(a, b, name);
    return make(op, op == Op::make_complex ? with(is_wide(type(x)), true) : type(x), {x, y, -1});
}

int GraphBuilder::numeric2(Op op, int a, int b, const std::string& name) {
    need_number(a, name);
    need_number(b, name);
    const auto [x, y] = promoted(a, b, name);
    return make(op, type(x), {x, y, -1});
}

int GraphBuilder::comparison(Op op, int a, int b, const std::string& name) {
    const auto [x, y] = promoted(a, b, name);
    const bool ordered = op != Op::equal && op != Op::not_equal;
    if (ordered && is_boolean(x)) need_number(x, name);
    if (ordered && is_complex(type(x))) throw ExpressionError(column_, "complex numbers have no order; compare their abs()");
    return make(op, ValueType::boolean, {x, y, -1});
}

int GraphBuilder::boolean(Op op, int a, int b, const std::string& name) {
    need_boolean(a, name);
    if (b >= 0) need_boolean(b, name);
    return make(op, ValueType::boolean, {a, b, -1});
}

int GraphBuilder::condition(int a, int test) {
    if (!is_boolean(test))
        throw ExpressionError(column_, std::string("[ ] takes a condition such as image > 2, not ") + type_name(type(test)) +
                                           "; regions are not supported");
    if (node(a).scalar && !node(test).scalar) throw ExpressionError(column_, "[ ] stands after an image, not after a number");
    return make(Op::condition, type(a), {a, test, -1});
}

int GraphBuilder::select(int test, int a, int b) {
    need_boolean(test, "the first argument of iif()");
    const auto [x, y] = promoted(a, b, "iif()");
    return make(Op::select, type(x), {test, x, y});
}

int GraphBuilder::replace(int a, int b) {
    const auto [x, y] = promoted(a, b, "replace()");
    return make(Op::replace, type(x), {x, y, -1});
}

int GraphBuilder::test(Op op, int a) { return make(op, ValueType::boolean, {a, -1, -1}); }

int GraphBuilder::without_conditions(int a) {
    std::vector<int> plain(static_cast<std::size_t>(a) + 1);
    for (int index = 0; index <= a; ++index) {
        const Node node = this->node(index);
        int& result = plain[static_cast<std::size_t>(index)];
        result = index;
        if (node.scalar || node.op == Op::load || node.op == Op::is_valid || node.op == Op::is_blank) continue;
        if (node.op == Op::condition) {
            result = plain[static_cast<std::size_t>(node.operands[0])];
            // The shape is still that of both.
            if (this->node(result).shape != node.shape) result = index;
            continue;
        }
        auto operands = node.operands;
        for (std::size_t k = node.op == Op::replace ? 1 : 0; k < operands.size(); ++k)
            if (operands[k] >= 0) operands[k] = plain[static_cast<std::size_t>(operands[k])];
        if (operands != node.operands) result = make(node.op, node.type, operands);
    }
    return plain.back();
}

int GraphBuilder::reduction(Op op, int a, const std::string& name) {
    need_real(a, name);
    return make(op, type(a), {a, -1, -1});
}

int GraphBuilder::reduction_of_complex(Op op, int a, const std::string& name) {
    need_number(a, name);
    if (!is_complex(type(a))) return reduction(op, a, name);
    const int re = reduction(op, numeric(Op::real_part, a, name), name);
    return real2(Op::make_complex, re, reduction(op, numeric(Op::imaginary_part, a, name), name), name);
}

int GraphBuilder::reduction_of_booleans(Op op, int a, const std::string& name) {
    need_boolean(a, name);
    return make(op, op == Op::any_true || op == Op::all_true ? ValueType::boolean : ValueType::double_, {a, -1, -1});
}

int GraphBuilder::count(int a) {
    return make(Op::all_count, ValueType::double_, {is_complex(type(a)) ? numeric(Op::absolute, a, "nelements()") : a, -1, -1});
}

int GraphBuilder::fractile(int a, int fraction, const std::string& name) {
    need_real(a, name);
    need_real(fraction, name);
    if (!node(fraction).scalar) throw ExpressionError(column_, "the fraction of " + name + " is a number, not an image");
    const Node& given = node(fraction);
    if (given.op == Op::constant && !(given.re >= 0 && given.re <= 1))
        throw ExpressionError(column_, "the fraction of " + name + " lies between 0 and 1");
    return make(Op::all_fractile, type(a), {a, as(fraction, ValueType::double_), -1});
}

int GraphBuilder::dimensions(int a) {
    const int image = node(a).image;
    return number(ValueType::single, node(a).scalar ? 0 : graph_.images[static_cast<std::size_t>(image)].info.dimensions);
}

int GraphBuilder::length(int a, int axis) {
    const Node& given = node(axis);
    if (given.op != Op::constant || is_boolean(axis) || is_complex(type(axis)) || !(given.re >= 0) || given.re != std::floor(given.re))
        throw ExpressionError(column_, "the axis of length() is a whole number from 0 on");
    if (node(a).scalar) return number(ValueType::single, 1);
    const auto& lengths = graph_.images[static_cast<std::size_t>(node(a).image)].info.axis_lengths;
    return number(ValueType::single, given.re < double(lengths.size()) ? double(lengths[static_cast<std::size_t>(given.re)]) : 1);
}

double GraphBuilder::frequency(int a) const {
    if (node(a).scalar) throw ExpressionError(column_, "spectralindex() takes images, not a number");
    const auto& opened = graph_.images[static_cast<std::size_t>(node(a).image)];
    const auto axis = opened.wcs ? opened.wcs->spectral_axis() : nullptr;
    if (!axis || axis->length() != 1 || node(a).shape.depth != 1)
        throw ExpressionError(column_, "spectralindex() takes images of one channel; " + described(node(a).image) +
                                           (axis ? " has " + std::to_string(axis->length()) : std::string(" has no frequency")));
    const double value = axis->values(SpectralKind::frequency)[0];
    if (!(value > 0)) throw ExpressionError(column_, "the frequency of " + described(node(a).image) + " is not known");
    return value;
}

int GraphBuilder::spectral_index(int a, int b) {
    const std::string name = "spectralindex()";
    need_real(a, name);
    need_real(b, name);
    const double ratio = std::log(frequency(a) / frequency(b));
    if (ratio == 0) throw ExpressionError(column_, "both images of spectralindex() have the same frequency");
    const int logarithm = real(Op::logarithm, real2(Op::divide, a, b, name), name);
    return real2(Op::divide, logarithm, number(type(logarithm), ratio), name);
}

int GraphBuilder::to_width(int a, bool wide) { return as(a, with(wide, is_complex(type(a)))); }

int GraphBuilder::to_complex(int a, bool wide) {
    need_number(a, wide ? "dcomplex()" : "complex()");
    return as(a, with(wide, true));
}

int GraphBuilder::to_boolean(int a) {
    if (is_complex(type(a))) need_real(a, "bool()");
    return as(a, ValueType::boolean);
}

Graph GraphBuilder::finish(int root) {
    column_ = 1;
    if (node(root).scalar) throw ExpressionError(1, "the expression is a single number, not an image");
    if (is_complex(type(root))) root = numeric(Op::absolute, root, "the expression");
    if (is_boolean(root)) root = as(root, ValueType::single);
    graph_.root = root;
    return std::move(graph_);
}

} // namespace cubelink::imaging::expressions
