#include "imaging/expressions/compile.hpp"

#include "imaging/expressions/expression_error.hpp"
#include "imaging/expressions/functions.hpp"
#include "imaging/expressions/graph_builder.hpp"

#include <map>
#include <numbers>
#include <utility>

namespace cubelink::imaging::expressions {

namespace {

class Compiler {
public:
    explicit Compiler(const ImageResolver& resolve) : resolve_(resolve) {}

    Graph compile(const Syntax& syntax) {
        if (syntax.empty()) throw ExpressionError(1, "the expression is empty");
        for (const SyntaxNode& node : syntax) made_.push_back(make(node));
        return builder_.finish(made_.back());
    }

private:
    int operand(const SyntaxNode& node, std::size_t k) const { return made_[static_cast<std::size_t>(node.operands[k])]; }

    int make(const SyntaxNode& node) {
        builder_.at_column(node.column);
        switch (node.kind) {
        case SyntaxKind::number:
            if (node.imaginary) return builder_.number(node.is_double ? ValueType::double_complex : ValueType::complex, 0, node.value);
            return builder_.number(node.is_double ? ValueType::double_ : ValueType::single, node.value);
        case SyntaxKind::boolean: return builder_.number(ValueType::boolean, node.value);
        case SyntaxKind::image: return image(node);
        case SyntaxKind::unary:
            return node.text == "!" ? builder_.boolean(Op::logical_not, operand(node, 0), -1, "!")
                                    : builder_.numeric(Op::negate, operand(node, 0), "-");
        case SyntaxKind::binary: return binary(node);
        case SyntaxKind::condition: return builder_.condition(operand(node, 0), operand(node, 1));
        case SyntaxKind::call: return call(node);
        }
        return -1;
    }

    int binary(const SyntaxNode& node) {
        static const std::map<std::string, Op, std::less<>> operators{
            {"+", Op::add},   {"-", Op::subtract},    {"*", Op::multiply},     {"/", Op::divide},     {"%", Op::modulo},
            {"^", Op::power}, {"==", Op::equal},      {"!=", Op::not_equal},   {">", Op::greater},    {">=", Op::greater_equal},
            {"<", Op::less},  {"<=", Op::less_equal}, {"&&", Op::logical_and}, {"||", Op::logical_or}};
        const Op op = operators.at(node.text);
        const int a = operand(node, 0), b = operand(node, 1);
        switch (op) {
        case Op::logical_and:
        case Op::logical_or: return builder_.boolean(op, a, b, node.text);
        case Op::modulo: return builder_.real2(op, a, b, node.text);
        case Op::equal:
        case Op::not_equal:
        case Op::greater:
        case Op::greater_equal:
        case Op::less:
        case Op::less_equal: return builder_.comparison(op, a, b, node.text);
        default: return builder_.numeric2(op, a, b, node.text);
        }
    }

    int image(const SyntaxNode& node) {
        const auto known = names_.find(node.text);
        if (known != names_.end()) return known->second;
        if (names_.size() >= kMaxExpressionImages)
            throw ExpressionError(node.column, "the expression names more than " + std::to_string(kMaxExpressionImages) + " images");
        OpenedImage opened;
        try {
            opened = resolve_(node.text);
        } catch (const ExpressionError&) {
            throw;
        } catch (const ImageChanged&) {
            throw;
        } catch (const ImageError& error) {
            throw ExpressionError(node.column, error.what());
        }
        return names_[node.text] = builder_.image(std::move(opened));
    }

    int call(const SyntaxNode& node) {
        const int count = static_cast<int>(node.operands.size());
        const Function* function = find_function(node.text, count);
        if (function == nullptr) throw ExpressionError(node.column, "there is no function " + node.text.substr(0, 40) + "()");
        if (count < function->least || count > function->most) throw ExpressionError(node.column, wrong_count(*function, count));
        const int a = count > 0 ? operand(node, 0) : -1, b = count > 1 ? operand(node, 1) : -1;
        const std::string name = node.text + "()";
        switch (function->kind) {
        case FunctionKind::constant: return builder_.number(ValueType::double_, node.text == "pi" ? std::numbers::pi : std::numbers::e);
        case FunctionKind::real: return builder_.real(function->op, a, name);
        case FunctionKind::numeric: return builder_.numeric(function->op, a, name);
        case FunctionKind::real2: return builder_.real2(function->op, a, b, name);
        case FunctionKind::numeric2: return builder_.numeric2(function->op, a, b, name);
        case FunctionKind::reduction: return builder_.reduction(function->op, a, name);
        case FunctionKind::reduction_numeric: return builder_.reduction_of_complex(function->op, a, name);
        case FunctionKind::count: return builder_.count(a);
        case FunctionKind::reduction_bool: return builder_.reduction_of_booleans(function->op, a, name);
        case FunctionKind::special: return special(node, a, b);
        }
        return -1;
    }

    int special(const SyntaxNode& node, int a, int b) {
        const std::string& name = node.text;
        if (name == "iif") return builder_.select(a, b, operand(node, 2));
        if (name == "replace")
            return builder_.replace(a, b >= 0 ? b : builder_.number(builder_.is_boolean(a) ? ValueType::boolean : ValueType::single, 0));
        if (name == "value") return builder_.without_conditions(a);
        if (name == "mask") return builder_.test(Op::is_valid, a);
        if (name == "isnan") return builder_.test(Op::is_blank, a);
        if (name == "norm") {
            const int amplitude = builder_.numeric(Op::absolute, a, "norm()");
            return builder_.numeric2(Op::multiply, amplitude, amplitude, "norm()");
        }
        if (name == "median") return builder_.fractile(a, builder_.number(ValueType::double_, 0.5), "median()");
        if (name == "fractile") return builder_.fractile(a, b, "fractile()");
        if (name == "fractilerange") {
            const int upper = node.operands.size() > 2
                                  ? operand(node, 2)
                                  : builder_.numeric2(Op::subtract, builder_.number(ValueType::single, 1), b, "fractilerange()");
            return builder_.numeric2(Op::subtract, builder_.fractile(a, upper, "fractilerange()"),
                                     builder_.fractile(a, b, "fractilerange()"), "fractilerange()");
        }
        if (name == "ndim") return builder_.dimensions(a);
        if (name == "length") return builder_.length(a, b);
        if (name == "float") return builder_.to_width(a, false);
        if (name == "double") return builder_.to_width(a, true);
        if (name == "complex") return builder_.to_complex(a, false);
        if (name == "dcomplex") return builder_.to_complex(a, true);
        if (name == "bool" || name == "boolean") return builder_.to_boolean(a);
        return builder_.spectral_index(a, b); // the last of them
    }

    static std::string wrong_count(const Function& function, int count) {
        const auto number = [](int n) { return std::to_string(n) + (n == 1 ? " argument" : " arguments"); };
        const std::string takes =
            function.least == function.most ? number(function.least) : std::to_string(function.least) + " or " + number(function.most);
        return "the function " + std::string(function.name) + "() takes " + takes + ", not " + std::to_string(count);
    }

    const ImageResolver& resolve_;
    GraphBuilder builder_;
    std::vector<int> made_; // the node of each syntax node
    std::map<std::string, int> names_;
};

} // namespace

Graph compile(const Syntax& syntax, const ImageResolver& resolve) { return Compiler(resolve).compile(syntax); }

} // namespace cubelink::imaging::expressions
