#include "imaging/analysis/position_velocity/position_velocity.hpp"

#include "imaging/analysis/position_velocity/block_reads.hpp"
#include "imaging/base/parallel.hpp"
#include "imaging/regions/box_pixels.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>
#include <vector>

namespace cubelink::imaging {

namespace {

/// Pixels that are read at once from images that give single pixels: work for some 50 µs, between looks at the cancel token.
constexpr std::size_t step_pixels = std::size_t{1} << 14;
/// Pixels of the boxes that are read together, counted for each box by itself; fewer where the channels of a pixel are neighbours, of which many are read at once.
constexpr std::size_t piece_pixels = std::size_t{1} << 16, deep_piece_pixels = std::size_t{1} << 12;
/// Channels that are read at once: at most, and at least where they are neighbours in the file.
constexpr std::int64_t most_channels = 64, deep_channels = 1024;
/// What keeping the pixels of a row of a box takes, roughly; and of all boxes of a pass at most, beside an eighth of the budget.
constexpr std::size_t bytes_per_row = 40, most_tables = std::size_t{256} << 20;

/// Boxes whose pixels are known at the same time: of long lines that are wide, some.
struct Pass {
    std::size_t first = 0, count = 0, bytes = 0;
};
std::vector<Pass> passes_of(std::span<const LineBox> boxes, const ImageShape& image, const BudgetCache& budget) {
    const std::size_t most = std::min(most_tables, budget.limit() / 8);
    std::vector<Pass> passes;
    for (std::size_t i = 0; i < boxes.size(); ++i) {
        const double rows = std::min(2 * (std::abs(boxes[i].along.y) + std::abs(boxes[i].across.y)) + 2, static_cast<double>(image.height));
        const auto bytes = static_cast<std::size_t>(rows) * bytes_per_row;
        if (passes.empty() || passes.back().bytes + bytes > most) passes.push_back({i, 0, 0});
        ++passes.back().count;
        passes.back().bytes += bytes;
    }
    return passes;
}

/// Of one thread.
struct Scratch {
    std::vector<float> pixels, means, block;
};

class Computation {
public:
    Computation(const ImageSource& source, const PositionVelocity& what, const Pass& pass, std::span<float> out, BudgetCache& budget,
                const ThreadShare& threads, const CancelToken& cancel)
        : source_(source), what_(what), pass_(pass), out_(out), threads_(threads), cancel_(cancel) {
        const auto& capabilities = source.capabilities();
        direct_ = capabilities.random_access;
        const bool deep = direct_ && capabilities.depth_contiguous;
        tables_ = budget.reserve(pass.bytes, cancel);
        for (std::size_t taken = 0; taken < pass.count; taken += pieces_.back().size())
            pieces_.emplace_back(what.boxes.subspan(pass.first + taken, pass.count - taken), source.shape(), deep ? deep_piece_pixels : piece_pixels, cancel);
        std::size_t pixels = 0, boxes = 0, block = 0;
        for (const auto& piece : pieces_) {
            pixels = std::max(pixels, piece.mask().count());
            boxes = std::max(boxes, piece.size());
            if (direct_) continue;
            reads_.emplace_back(piece.mask(), capabilities);
            block = std::max(block, reads_.back().largest());
        }
        if (deep) at_once_ = deep_channels;
        else if (direct_) at_once_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(step_pixels / std::max<std::size_t>(pixels, 1)), 1, most_channels);
        if (at_once_ > 4) at_once_ -= at_once_ % 4; // BoxPixels::means takes four planes together
        at_once_ = std::min<std::int64_t>(at_once_, what.channels.count());
        const auto of_thread = (static_cast<std::size_t>(at_once_) * (pixels + boxes) + block) * sizeof(float);
        // Whole planes of a large image in each thread may be too much.
        const auto fitting = static_cast<int>(std::clamp<std::size_t>(budget.limit() / 4 / std::max<std::size_t>(of_thread, 1), 1, threads.slots()));
        if (fitting < threads.most()) threads_ = ThreadShare(fitting, [threads] { return threads.now(); });
        working_ = budget.reserve(of_thread * threads_.slots(), cancel);
    }

    void run(const std::function<void(double)>& progress) {
        const std::int64_t channels = what_.channels.count(), steps = (channels + at_once_ - 1) / at_once_;
        std::vector<std::size_t> first_box; // of each piece
        std::size_t box = pass_.first;
        for (const auto& piece : pieces_) {
            first_box.push_back(box);
            box += piece.size();
        }
        std::vector<Scratch> scratch(threads_.slots());
        std::atomic<std::int64_t> done{0};
        const auto of_step = static_cast<std::int64_t>(pieces_.size()), all = steps * of_step;
        parallel_for(threads_, all, cancel_, [&](std::int64_t index, int thread) {
            const auto piece = static_cast<std::size_t>(index % of_step);
            const std::int64_t from = index / of_step * at_once_, to = std::min(from + at_once_, channels);
            compute(piece, first_box[piece], from, to, scratch[static_cast<std::size_t>(thread)]);
            const auto now = done.fetch_add(1) + 1;
            if (thread == 0 && progress) progress(static_cast<double>(now) / static_cast<double>(all));
        });
    }

private:
    void compute(std::size_t index, std::size_t first_box, std::int64_t from, std::int64_t to, Scratch& scratch) {
        const auto& piece = pieces_[index];
        const auto count = piece.mask().count(), channels = static_cast<std::size_t>(to - from);
        scratch.pixels.resize(count * channels);
        scratch.means.resize(piece.size() * channels);
        const auto first = what_.channels.from + static_cast<std::int32_t>(from);
        if (count > 0) {
            if (direct_) {
                source_.read_pixels(piece.mask().runs(), {first, what_.channels.from + static_cast<std::int32_t>(to)}, what_.stokes, scratch.pixels, cancel_);
            } else {
                scratch.block.resize(reads_[index].largest());
                for (std::size_t i = 0; i < channels; ++i)
                    reads_[index].read(source_, {first + static_cast<std::int32_t>(i), what_.stokes}, scratch.block,
                                       std::span(scratch.pixels).subspan(i * count, count), cancel_);
            }
        }
        piece.means(scratch.pixels, scratch.means);
        const auto width = static_cast<std::size_t>(what_.width());
        for (std::size_t i = 0; i < channels; ++i) {
            const float* values = scratch.means.data() + i * piece.size();
            const auto channel = static_cast<std::size_t>(from) + i;
            if (!what_.reverse) {
                std::copy_n(values, piece.size(), out_.data() + channel * width + first_box);
                continue;
            }
            for (std::size_t k = 0; k < piece.size(); ++k) out_[(first_box + k) * width + channel] = values[k];
        }
    }

    const ImageSource& source_;
    const PositionVelocity& what_;
    const Pass pass_;
    const std::span<float> out_;
    ThreadShare threads_;
    const CancelToken cancel_;
    bool direct_ = false;
    std::int64_t at_once_ = 1;
    std::vector<BoxPixels> pieces_;
    std::vector<BlockReads> reads_;
    Reservation tables_, working_;
};

} // namespace

void position_velocity(const ImageSource& source, const PositionVelocity& what, std::span<float> out, BudgetCache& budget, const ThreadShare& threads,
                       const CancelToken& cancel, const std::function<void(double)>& progress) {
    if (what.boxes.empty() || what.channels.count() < 1) throw std::invalid_argument("a position-velocity image has at least one position and one channel");
    if (static_cast<std::int64_t>(out.size()) != what.width() * what.height()) throw std::invalid_argument("the buffer has not the size of the position-velocity image");
    for (const auto& pass : passes_of(what.boxes, source.shape(), budget)) {
        const auto tell = [&](double done) {
            const auto boxes = static_cast<double>(pass.first) + done * static_cast<double>(pass.count);
            if (progress) progress(boxes / static_cast<double>(what.boxes.size()));
        };
        Computation(source, what, pass, out, budget, threads, cancel).run(tell);
    }
}

} // namespace cubelink::imaging
