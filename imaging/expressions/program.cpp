#include "imaging/expressions/program.hpp"

#include <algorithm>
#include <map>
#include <type_traits>

namespace cubelink::imaging::expressions {

namespace {

std::size_t part_bytes(ValueType type) { return type == ValueType::boolean ? 1 : is_wide(type) ? sizeof(double) : sizeof(float); }

/// Scratch memory of all steps together.
constexpr std::size_t kScratchBytes = std::size_t(1) << 19;
constexpr std::size_t kMostPixels = std::size_t(1) << 14, kLeastPixels = std::size_t(1) << 9;

} // namespace

/// Gives places for values, and takes them back.
class Program::Memory {
public:
    std::size_t take(std::size_t bytes) {
        auto& free = free_[bytes];
        if (free.empty()) {
            const std::size_t at = total_;
            total_ += bytes;
            return at;
        }
        const std::size_t at = free.back();
        free.pop_back();
        return at;
    }
    void give(std::size_t bytes, std::size_t at) { free_[bytes].push_back(at); }
    std::size_t total() const { return total_; }

private:
    std::map<std::size_t, std::vector<std::size_t>> free_;
    std::size_t total_ = 0;
};

Program::Program(const Graph& graph, int root) {
    const auto node = [&](int index) -> const Node& { return graph.nodes[static_cast<std::size_t>(index)]; };
    // What is needed, and which step is the last that needs it.
    std::vector<int> last_use(static_cast<std::size_t>(root) + 1, -1);
    last_use[static_cast<std::size_t>(root)] = root + 1;
    for (int index = root; index >= 0; --index) {
        if (last_use[static_cast<std::size_t>(index)] < 0 || node(index).scalar) continue;
        for (const int operand : node(index).operands)
            if (operand >= 0) last_use[static_cast<std::size_t>(operand)] = std::max(last_use[static_cast<std::size_t>(operand)], index);
    }
    std::vector<Place> places(last_use.size());
    Memory memory;
    for (int index = 0; index <= root; ++index) {
        if (last_use[static_cast<std::size_t>(index)] < 0) continue;
        const Node& made = node(index);
        Place& place = places[static_cast<std::size_t>(index)];
        if (made.scalar) {
            place = {Place::Kind::scalar, index, 0, 0};
            continue;
        }
        if (made.op == Op::load) {
            place = {Place::Kind::leaf, static_cast<int>(leaves_.size()), 0, 0};
            leaves_.push_back({made.input, is_wide(made.type)});
            continue;
        }
        place.kind = Place::Kind::scratch;
        place.re = memory.take(part_bytes(made.type));
        if (is_complex(made.type)) place.im = memory.take(part_bytes(made.type));
        Step step;
        step.op = made.op;
        step.type = made.type;
        step.operand_type = node(made.operands[made.op == Op::select ? 1 : 0]).type;
        step.result = place;
        for (std::size_t k = 0; k < made.operands.size(); ++k)
            if (made.operands[k] >= 0) step.operands[k] = places[static_cast<std::size_t>(made.operands[k])];
        steps_.push_back(step);
        for (std::size_t k = 0; k < made.operands.size(); ++k) {
            const int operand = made.operands[k];
            if (operand < 0 || last_use[static_cast<std::size_t>(operand)] != index) continue;
            const bool again = std::find(made.operands.begin(), made.operands.begin() + static_cast<std::ptrdiff_t>(k), operand) !=
                               made.operands.begin() + static_cast<std::ptrdiff_t>(k);
            const Place& used = places[static_cast<std::size_t>(operand)];
            if (again || used.kind != Place::Kind::scratch) continue;
            memory.give(part_bytes(node(operand).type), used.re);
            if (is_complex(node(operand).type)) memory.give(part_bytes(node(operand).type), used.im);
        }
    }
    type_ = node(root).type;
    wide_ = is_wide(type_);
    bytes_per_pixel_ = std::max<std::size_t>(1, memory.total());
    // A multiple of 64, so that all places are aligned.
    pixels_at_once_ = std::clamp(kScratchBytes / bytes_per_pixel_ / 64 * 64, kLeastPixels, kMostPixels);
}

Operand Program::operand(const Place& place, const std::vector<const void*>& leaves, const Scalars& scalars, std::byte* scratch) const {
    switch (place.kind) {
    case Place::Kind::none: return {};
    case Place::Kind::leaf: return {leaves[static_cast<std::size_t>(place.index)], nullptr, false};
    case Place::Kind::scalar: return scalars[static_cast<std::size_t>(place.index)].operand();
    case Place::Kind::scratch: return {scratch + place.re * pixels_at_once_, scratch + place.im * pixels_at_once_, false};
    }
    return {};
}

template <class T>
void Program::run(std::size_t n, const std::vector<const void*>& leaves, const Scalars& scalars, std::byte* scratch, T* out) const {
    const ValueType wanted = std::is_same_v<T, double> ? ValueType::double_ : ValueType::single;
    Operand result;
    if (steps_.empty()) result = {leaves[0], nullptr, false};
    for (const Step& step : steps_) {
        const std::array<Operand, 3> operands{operand(step.operands[0], leaves, scalars, scratch),
                                              operand(step.operands[1], leaves, scalars, scratch),
                                              operand(step.operands[2], leaves, scalars, scratch)};
        result = operand(step.result, leaves, scalars, scratch);
        const bool straight = &step == &steps_.back() && type_ == wanted;
        const Target target = straight ? Target{out, nullptr} : Target{const_cast<void*>(result.re), const_cast<void*>(result.im)};
        apply(step.op, step.type, step.operand_type, operands, target, n);
        if (straight) return;
    }
    apply(Op::convert, wanted, type_, {result, Operand{}, Operand{}}, Target{out, nullptr}, n);
}

template void Program::run(std::size_t, const std::vector<const void*>&, const Scalars&, std::byte*, float*) const;
template void Program::run(std::size_t, const std::vector<const void*>&, const Scalars&, std::byte*, double*) const;

} // namespace cubelink::imaging::expressions
