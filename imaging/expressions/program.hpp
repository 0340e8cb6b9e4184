#pragma once
/// What is done with each pixel to compute one node of a Graph: steps in their order, each over many pixels, in scratch memory that is used
/// again. Immutable, any thread.

#include "imaging/expressions/graph.hpp"
#include "imaging/expressions/operations.hpp"

#include <array>
#include <cstddef>
#include <vector>

namespace cubelink::imaging::expressions {

/// The numbers of a graph by the indices of its nodes; those that are no scalars, or not needed, hold anything.
using Scalars = std::vector<Scalar>;

class Program {
public:
    /// `root`: not a scalar.
    Program(const Graph& graph, int root);

    /// Pixels that are read: floats, or doubles.
    struct Leaf {
        int input = 0; // of Graph::inputs
        bool wide = false;
        std::size_t bytes() const { return wide ? sizeof(double) : sizeof(float); }
    };
    /// Each input once, however often it occurs.
    const std::vector<Leaf>& leaves() const { return leaves_; }
    /// Whether the result is computed in double precision.
    bool wide() const { return wide_; }
    /// The pixels of an image as they are: leaves()[0].
    bool is_load() const { return steps_.empty(); }

    /// Pixels at once that keep scratch memory within a processor's cache.
    std::size_t pixels_at_once() const { return pixels_at_once_; }
    std::size_t scratch_bytes() const { return bytes_per_pixel_ * pixels_at_once_; }

    /// n ≤ pixels_at_once(). `leaves`: n values of each leaf. `scratch`: scratch_bytes(), aligned to 64. `out`: n values; a boolean result
    /// is 0, 1 or NaN.
    template <class T>
    void run(std::size_t n, const std::vector<const void*>& leaves, const Scalars& scalars, std::byte* scratch, T* out) const;

private:
    struct Place { // where a value lies
        enum class Kind { none, leaf, scalar, scratch } kind = Kind::none;
        int index = -1;             // of the leaf, or of the scalar's node
        std::size_t re = 0, im = 0; // offset in bytes for each of pixels_at_once()
    };
    struct Step {
        Op op = Op::constant;
        ValueType type = ValueType::single, operand_type = ValueType::single;
        std::array<Place, 3> operands;
        Place result;
    };
    class Memory;

    Operand operand(const Place& place, const std::vector<const void*>& leaves, const Scalars& scalars, std::byte* scratch) const;

    std::vector<Leaf> leaves_;
    std::vector<Step> steps_;
    ValueType type_ = ValueType::single;
    bool wide_ = false;
    std::size_t bytes_per_pixel_ = 0, pixels_at_once_ = 1;
};

} // namespace cubelink::imaging::expressions
