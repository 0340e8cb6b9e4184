#include "imaging/expressions/reductions.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "imaging/expressions/evaluator.hpp"
#include "imaging/pixels/order_statistics.hpp"
#include "imaging/source/bands.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <thread>
#include <utility>

namespace cubelink::imaging::expressions {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// The operand of a reduction as an image whose stokes follow each other as channels. Lives as long as its reduction.
class FlatSource final : public ImageSource {
public:
    FlatSource(const Graph& graph, int root, const Scalars& scalars, BudgetCache* budget)
        : evaluator_(graph, root, budget), scalars_(scalars), shape_(evaluator_.shape()) {
        depth_ = static_cast<std::int32_t>(shape_.depth);
        shape_.depth *= shape_.stokes;
        shape_.stokes = 1;
        capabilities_ = evaluator_.capabilities();
    }

    const ImageShape& shape() const override { return shape_; }
    PixelType stored_type() const override { return capabilities_.prefers_double ? PixelType::float64 : PixelType::float32; }
    const Capabilities& capabilities() const override { return capabilities_; }
    const ImageIdentity& identity() const override { return identity_; }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override {
        check_request(shape_, rect, plane, out.size());
        evaluator_.read(scalars_, rect, own(plane), out, threads, cancel);
        count(out.size());
    }
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override {
        check_request(shape_, rect, plane, out.size());
        evaluator_.read(scalars_, rect, own(plane), out, threads, cancel);
        count(out.size());
    }
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                       const CancelToken& cancel) const override {
        check_spectrum_request(shape_, x, y, stokes, from, out.size());
        for (std::size_t i = 0; i < out.size(); ++i)
            read({x, y, x + 1, y + 1}, {from + static_cast<std::int32_t>(i), 0}, out.subspan(i, 1), 1, cancel);
    }
    void check_unchanged() const override {}

    /// tell(how often all pixels have been read), by the calling thread alone.
    void watch(std::function<void(double)> tell) {
        tell_ = std::move(tell);
        watcher_ = std::this_thread::get_id();
    }

private:
    void count(std::size_t pixels) const {
        if (!tell_) return;
        const double read = double(read_.fetch_add(pixels, std::memory_order_relaxed) + pixels);
        if (std::this_thread::get_id() == watcher_) tell_(read / (double(shape_.plane_size()) * double(shape_.depth)));
    }
    PlaneId own(PlaneId plane) const { return {plane.channel % depth_, plane.channel / depth_}; }

    Evaluator evaluator_;
    const Scalars& scalars_;
    ImageShape shape_;
    std::int32_t depth_ = 1;
    Capabilities capabilities_;
    ImageIdentity identity_ = ImageIdentity::of_computed();
    std::function<void(double)> tell_;
    std::thread::id watcher_;
    mutable std::atomic<std::size_t> read_{0};
};

/// Of finite pixels.
struct Moments {
    std::int64_t n = 0;
    double sum = 0, mean = 0, squares = 0; // squares: of deviations from the mean
    double least = std::numeric_limits<double>::infinity(), most = -std::numeric_limits<double>::infinity();

    void join(const Moments& other) {
        if (other.n == 0) return;
        const double total = double(n) + double(other.n), step = other.mean - mean;
        squares += other.squares + step * step * double(n) * double(other.n) / total;
        mean += step * double(other.n) / total;
        sum += other.sum;
        n += other.n;
        least = std::min(least, other.least);
        most = std::max(most, other.most);
    }
};

Moments moments_of(std::span<const double> values) {
    Moments moments;
    for (const double x : values) {
        if (!std::isfinite(x)) continue;
        ++moments.n;
        moments.sum += x;
        moments.least = std::min(moments.least, x);
        moments.most = std::max(moments.most, x);
    }
    if (moments.n == 0) return moments;
    moments.mean = moments.sum / double(moments.n);
    for (const double x : values) {
        const double deviation = x - moments.mean;
        if (std::isfinite(x)) moments.squares += deviation * deviation;
    }
    return moments;
}

struct Work {
    const ThreadShare& threads;
    const CancelToken& cancel;
    const std::function<void(double)>& progress;
    int passes = 1, done = 0; // passes over images: all, and those that have been made
    void tell(double part) const {
        if (progress) progress((done + part) / passes);
    }
    void finish_pass() {
        ++done;
        tell(0);
    }
};

/// of_band(values) for each band, joined in their order by join().
template <class Result, class OfBand, class Join>
Result pass(const FlatSource& source, const Work& work, const OfBand& of_band, const Join& join) {
    constexpr std::int64_t at_once = 1024;
    const Bands bands = Bands::cut({0, 0, source.shape().width, source.shape().height}, 32, band_target(source));
    const std::int64_t all = bands.count * source.shape().depth;
    std::vector<Pixels<double>> buffers(work.threads.slots());
    std::vector<Result> results(static_cast<std::size_t>(std::min(at_once, all)));
    Result whole{};
    for (std::int64_t first = 0; first < all; first += at_once) {
        const std::int64_t count = std::min(at_once, all - first);
        parallel_for(work.threads, count, work.cancel, [&](std::int64_t index, int thread) {
            auto& buffer = buffers[static_cast<std::size_t>(thread)];
            if (!buffer) buffer = make_pixels<double>(bands.largest());
            const std::int64_t band = first + index;
            const Rect rect = bands.band(band % bands.count);
            const std::span<double> values(buffer.get(), static_cast<std::size_t>(rect.size()));
            source.read64(rect, {static_cast<std::int32_t>(band / bands.count), 0}, values, 1, work.cancel);
            results[static_cast<std::size_t>(index)] = of_band(values);
        });
        for (std::int64_t index = 0; index < count; ++index) join(whole, results[static_cast<std::size_t>(index)]);
    }
    return whole;
}

class Reducer {
public:
    Reducer(const Graph& graph, BudgetCache* budget, Work work)
        : graph_(graph), budget_(budget), work_(work), scalars_(graph.nodes.size()) {}

    Scalars compute() {
        find_needed();
        for (std::size_t index = 0; index < needed_.size(); ++index) {
            const Node& node = graph_.nodes[index];
            if (!needed_[index] || !node.scalar) continue;
            if (node.op == Op::constant) scalars_[index] = Scalar(node.type, node.re, node.im);
            else if (is_reduction(node.op))
                scalars_[index] = Scalar(node.type, node_of(node.operands[0]).scalar ? of_number(node) : of_pixels(node));
            else scalars_[index] = computed(node);
        }
        return std::move(scalars_);
    }

private:
    const Node& node_of(int index) const { return graph_.nodes[static_cast<std::size_t>(index)]; }

    void find_needed() {
        needed_.assign(static_cast<std::size_t>(graph_.root) + 1, false);
        needed_.back() = true;
        std::map<std::pair<int, int>, int> passes; // of operands: moments, deviations, fractiles
        for (int index = graph_.root; index >= 0; --index) {
            if (!needed_[static_cast<std::size_t>(index)]) continue;
            const Node& node = node_of(index);
            for (const int operand : node.operands)
                if (operand >= 0) needed_[static_cast<std::size_t>(operand)] = true;
            if (!is_reduction(node.op) || node_of(node.operands[0]).scalar) continue;
            passes[{node.operands[0], node.op == Op::all_fractile ? 2 : 0}] = 1;
            if (node.op == Op::all_absolute_deviation) passes[{node.operands[0], 1}] = 1;
        }
        work_.passes = std::max(1, static_cast<int>(passes.size()));
    }

    Scalar computed(const Node& node) const {
        std::array<const Scalar*, 3> operands{};
        for (std::size_t k = 0; k < operands.size(); ++k)
            if (node.operands[k] >= 0) operands[k] = &scalars_[static_cast<std::size_t>(node.operands[k])];
        return apply(node.op, node.type, node_of(node.operands[node.op == Op::select ? 1 : 0]).type, operands);
    }

    double of_number(const Node& node) const {
        const Scalar& value = scalars_[static_cast<std::size_t>(node.operands[0])];
        const bool boolean = value.type() == ValueType::boolean, blank = boolean ? value.re() == kBlankBool : std::isnan(value.re());
        Moments one;
        if (!blank) one = moments_of(std::span<const double>(std::array<double, 1>{value.re()}));
        if (node.op == Op::all_fractile) return value.re();
        return of_moments(node.op, one, [] { return 0.0; });
    }

    template <class Deviation>
    static double of_moments(Op op, const Moments& m, const Deviation& absolute_deviation) {
        const double n = double(m.n);
        switch (op) {
        case Op::all_minimum: return m.n > 0 ? m.least : kNaN;
        case Op::all_maximum: return m.n > 0 ? m.most : kNaN;
        case Op::all_sum: return m.n > 0 ? m.sum : kNaN;
        case Op::all_mean: return m.n > 0 ? m.mean : kNaN;
        case Op::all_variance: return m.n > 1 ? m.squares / (n - 1) : kNaN;
        case Op::all_deviation: return m.n > 1 ? std::sqrt(m.squares / (n - 1)) : kNaN;
        case Op::all_absolute_deviation: return m.n > 0 ? absolute_deviation() : kNaN;
        case Op::all_count: return n;
        case Op::any_true: return m.n > 0 && m.most > 0;
        case Op::all_true: return m.n == 0 || m.least > 0;
        case Op::count_true: return m.sum;
        case Op::count_false: return n - m.sum;
        default: return kNaN;
        }
    }

    FlatSource source_of(int operand) const { return {graph_, operand, scalars_, budget_}; }

    const Moments& moments(int operand) {
        const auto known = moments_.find(operand);
        if (known != moments_.end()) return known->second;
        auto source = source_of(operand);
        source.watch([this](double read) { work_.tell(std::min(1.0, read)); });
        const auto found = pass<Moments>(source, work_, moments_of, [](Moments& whole, const Moments& part) { whole.join(part); });
        work_.finish_pass();
        return moments_[operand] = found;
    }

    double absolute_deviation(int operand, const Moments& m) {
        auto source = source_of(operand);
        source.watch([this](double read) { work_.tell(std::min(1.0, read)); });
        const double sum = pass<double>(
            source, work_,
            [&m](std::span<const double> values) {
                double deviations = 0;
                for (const double x : values)
                    if (std::isfinite(x)) deviations += std::abs(x - m.mean);
                return deviations;
            },
            [](double& whole, double part) { whole += part; });
        work_.finish_pass();
        return sum / double(m.n);
    }

    double of_pixels(const Node& node) {
        const int operand = node.operands[0];
        if (node.op == Op::all_fractile) return fractile(operand, node.operands[1]);
        const Moments m = moments(operand);
        return of_moments(node.op, m, [&] { return absolute_deviation(operand, m); });
    }

    /// All fractiles of an operand that are known to be wanted, by one call.
    double fractile(int operand, int fraction_node) {
        const double wanted = scalars_[static_cast<std::size_t>(fraction_node)].re();
        if (!(wanted >= 0 && wanted <= 1))
            throw ImageError("the fraction of fractile() is " + std::to_string(wanted) + ", not between 0 and 1");
        const auto known = fractiles_.find({operand, wanted});
        if (known != fractiles_.end()) return known->second;
        std::vector<double> percents{100 * wanted}, fractions{wanted};
        for (std::size_t index = 0; index < needed_.size() && percents.size() < kMaxPercentiles; ++index) {
            const Node& node = graph_.nodes[index];
            if (!needed_[index] || node.op != Op::all_fractile || node.operands[0] != operand) continue;
            const Node& fraction = node_of(node.operands[1]);
            if (fraction.op != Op::constant || fraction.re == wanted || !(fraction.re >= 0 && fraction.re <= 1)) continue;
            fractions.push_back(fraction.re);
            percents.push_back(100 * fraction.re);
        }
        auto source = source_of(operand);
        PixelSelection pixels;
        pixels.channels = {0, static_cast<std::int32_t>(source.shape().depth)};
        Reservation memory;
        if (budget_ != nullptr) memory = budget_->reserve(order_statistics_bytes(source, pixels, work_.threads), work_.cancel);
        source.watch([this](double passes) { work_.tell(std::min(1.0, passes / 2)); });
        const auto found = order_statistics(source, pixels, percents, false, work_.threads, work_.cancel);
        work_.finish_pass();
        for (std::size_t k = 0; k < fractions.size(); ++k) fractiles_[{operand, fractions[k]}] = found.percentiles[k];
        return fractiles_.at({operand, wanted});
    }

    const Graph& graph_;
    BudgetCache* budget_;
    Work work_;
    Scalars scalars_;
    std::vector<bool> needed_;
    std::map<int, Moments> moments_; // of operands
    std::map<std::pair<int, double>, double> fractiles_;
};

} // namespace

Scalars compute_scalars(const Graph& graph, BudgetCache* budget, const ThreadShare& threads, const CancelToken& cancel,
                        const std::function<void(double)>& progress) {
    return Reducer(graph, budget, Work{threads, cancel, progress}).compute();
}

} // namespace cubelink::imaging::expressions
