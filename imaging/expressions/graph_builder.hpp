#pragma once
/// Makes the nodes of a Graph: checks and promotes types, joins shapes, computes what is constant, finds equal nodes. For compile.cpp.

#include "imaging/expressions/graph.hpp"

#include <array>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace cubelink::imaging::expressions {

/// Members return the index of a node; they throw ExpressionError with the column that at_column() was told. `name`: of the operator or
/// function, for messages.
class GraphBuilder {
public:
    void at_column(int column) { column_ = column; }

    int number(ValueType type, double re, double im = 0);
    int image(OpenedImage&& opened);

    int real(Op op, int a, const std::string& name);
    int numeric(Op op, int a, const std::string& name);
    int real2(Op op, int a, int b, const std::string& name);
    int numeric2(Op op, int a, int b, const std::string& name);
    int comparison(Op op, int a, int b, const std::string& name);
    /// b < 0: of one operand.
    int boolean(Op op, int a, int b, const std::string& name);
    int condition(int a, int test);
    int select(int test, int a, int b);
    int replace(int a, int b);
    /// is_valid or is_blank.
    int test(Op op, int a);
    /// The values that `a` has where a condition hides them. NaN of the images themselves stay.
    int without_conditions(int a);

    int reduction(Op op, int a, const std::string& name);
    int reduction_of_complex(Op op, int a, const std::string& name);
    int reduction_of_booleans(Op op, int a, const std::string& name);
    int count(int a);
    int fractile(int a, int fraction, const std::string& name);
    int dimensions(int a);
    int length(int a, int axis);
    /// log(a / b) / log(f / g) with the frequencies f and g of their images, which have one channel each.
    int spectral_index(int a, int b);

    int to_width(int a, bool wide);
    int to_complex(int a, bool wide);
    int to_boolean(int a);
    bool is_boolean(int a) const { return type(a) == ValueType::boolean; }

    /// Makes the root a real number for each pixel.
    Graph finish(int root);

private:
    using Key = std::tuple<Op, ValueType, std::array<int, 3>, std::uint64_t, std::uint64_t, int>;

    const Node& node(int index) const { return graph_.nodes[static_cast<std::size_t>(index)]; }
    ValueType type(int index) const { return node(index).type; }
    int load(std::shared_ptr<const ImageSource> source, int image);
    int add(Node node);
    int make(Op op, ValueType type, std::array<int, 3> operands);
    int as(int a, ValueType type);
    void need_real(int a, const std::string& name) const;
    void need_number(int a, const std::string& name) const;
    void need_boolean(int a, const std::string& name) const;
    void join_shapes(Node& node) const;
    std::string described(int image) const;
    double frequency(int a) const;
    std::array<int, 2> promoted(int a, int b, const std::string& name);

    Graph graph_;
    std::map<Key, int> known_;
    std::map<int, int> complex_images_; // of the node of a complex image: its number
    int column_ = 1;
};

/// The unit of what an operation makes of operands with these units; see Node::unit.
std::optional<std::string> unit_of(Op op, const std::vector<const Node*>& operands);

} // namespace cubelink::imaging::expressions
