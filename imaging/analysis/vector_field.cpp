#include "imaging/analysis/vector_field.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "imaging/kernels/block_sums.hpp"
#include "imaging/kernels/polarization.hpp"
#include "imaging/pixels/angle_parts.hpp"
#include "imaging/pixels/tile.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>

namespace cubelink::imaging {

namespace {

constexpr double blank = std::numeric_limits<double>::quiet_NaN();

/// How many tiles are computed together, at most: long rows of pixels are read faster than short ones, and stored blocks needn't be decoded twice.
std::size_t strip_tiles(const ImageSource& source, std::int64_t mip) {
    constexpr std::int64_t long_row = 1 << 14, most = 64;
    const std::int64_t pixels = std::max(long_row, source.capabilities().stored_block.width);
    return static_cast<std::size_t>(std::clamp<std::int64_t>(pixels / kTileSize / mip, 1, most));
}

/// Columns that are summed at once: what a thread keeps of them stays in its first-level cache.
constexpr std::size_t columns_at_once = 1024;

/// The planes that are averaged, in the order of their sums. Those not needed are −1.
struct Inputs {
    std::vector<PlaneId> planes;
    int i = -1, q = -1, u = -1;         // of computed components
    int plane = -1;                     // of the plane that is taken as it is
    int part_u = -1, part_q = -1;       // or of its parts, of which only pixels that have both count

    Inputs(const ImageSource& source, const VectorFieldSpec& spec) {
        const auto add = [&](PlaneId one) {
            planes.push_back(one);
            return static_cast<int>(planes.size()) - 1;
        };
        if (spec.computes()) {
            q = add(spec.q);
            u = add(spec.u);
            if (spec.needs_i()) i = add(spec.i);
        }
        if (!spec.takes_plane()) return;
        if (const auto parts = source.angle_parts(spec.plane)) {
            part_u = add(parts->u);
            part_q = add(parts->q);
        } else {
            plane = add(spec.plane);
        }
    }
    std::size_t count() const { return planes.size(); }
};

/// How much a thread reads at once, of each input, in pixels: at best, and at most (but one row of up to `widest` in any case).
struct ReadSizes {
    std::int64_t target, most, rows;
    explicit ReadSizes(const ImageSource& source) {
        const bool direct = source.capabilities().random_access;
        target = direct ? std::int64_t{1} << 16 : std::int64_t{1} << 20;
        most = direct ? std::int64_t{1} << 18 : std::int64_t{1} << 21;
        rows = direct ? 1 : 2 * source.capabilities().stored_block.height; // blocks that are stored together aren't decoded too often
    }
};

class Strip {
public:
    Strip(const ImageSource& source, const VectorFieldSpec& spec, const Inputs& inputs, std::span<const VectorTilePlace> tiles)
        : source_(source), spec_(spec), inputs_(inputs), tiles_(tiles), sizes_(source), block_rows_(tiles.front().height) {
        const auto& shape = source.shape();
        const auto edge = [&](std::int64_t block, std::int64_t length) { return block > length / spec_.mip ? length : std::min(length, block * spec_.mip); };
        const std::int64_t first = tiles.front().x * kTileSize, row = tiles.front().y * kTileSize;
        for (const auto& tile : tiles) blocks_ += tile.width;
        rect_ = {edge(first, shape.width), edge(row, shape.height), edge(first + blocks_, shape.width), edge(row + block_rows_, shape.height)};
        const auto size = static_cast<std::size_t>(blocks_ * block_rows_);
        if (spec.intensity != VectorComponent::none) intensity_ = make_pixels<float>(size);
        if (spec.angle != VectorComponent::none) angle_ = make_pixels<float>(size);
    }

    void compute(const ThreadShare& threads, const CancelToken& cancel) {
        workers_.resize(threads.slots());
        if (block_height() <= std::max<std::int64_t>(1, sizes_.most / rect_.width()) && rect_.width() <= sizes_.most) whole_blocks(threads, cancel);
        else parts_of_blocks(threads, cancel);
    }

    std::vector<VectorTile> cut() const {
        std::vector<VectorTile> tiles;
        std::int64_t x = 0;
        for (const auto& place : tiles_) {
            tiles.push_back({place, cut(intensity_.get(), x, place), cut(angle_.get(), x, place)});
            x += place.width;
        }
        return tiles;
    }

private:
    /// What a thread needs, made when it gets its first piece.
    struct Worker {
        std::vector<Pixels<float>> pixels; // of each input
        std::size_t room = 0;
        std::vector<double> sums;
        std::vector<float> lengths, angles;
        std::array<double, columns_at_once> column_sum;
        std::array<std::uint32_t, columns_at_once> column_count;
    };

    /// Rows of pixels in a block.
    std::int64_t block_height() const { return std::min(spec_.mip, rect_.height()); }
    /// Sums of a row of blocks: of each input first its sums, then its counts.
    std::size_t sums_size() const { return inputs_.count() * 2 * static_cast<std::size_t>(blocks_); }
    double* sum_of(double* sums, int input) const { return sums + static_cast<std::size_t>(input) * 2 * static_cast<std::size_t>(blocks_); }

    Worker& worker(int thread, std::size_t pixels) {
        auto& slot = workers_[static_cast<std::size_t>(thread)];
        if (!slot) slot = std::make_unique<Worker>();
        if (slot->room < pixels) {
            slot->pixels.clear();
            for (std::size_t k = 0; k < inputs_.count(); ++k) slot->pixels.push_back(make_pixels<float>(pixels));
            slot->room = pixels;
        }
        return *slot;
    }

    /// All rows of some rows of blocks are read at once.
    void whole_blocks(const ThreadShare& threads, const CancelToken& cancel) {
        const std::int64_t of_block = block_height() * rect_.width();
        const std::int64_t rows = std::clamp<std::int64_t>(std::max(sizes_.target / of_block, std::min(sizes_.rows / block_height(), sizes_.most / of_block)), 1, block_rows_);
        parallel_for(threads, (block_rows_ + rows - 1) / rows, cancel, [&](std::int64_t index, int thread) {
            const std::int64_t from = index * rows, to = std::min(block_rows_, from + rows);
            const Rect band{rect_.x0, row_edge(from), rect_.x1, row_edge(to)};
            auto& own = worker(thread, static_cast<std::size_t>(rows * of_block));
            read(band, own, cancel);
            own.sums.resize(sums_size());
            for (std::int64_t row = from; row < to; ++row) {
                std::fill(own.sums.begin(), own.sums.end(), 0.0);
                add({rect_.x0, row_edge(row), rect_.x1, row_edge(row + 1)}, band, own, own.sums.data());
                finish(row, own.sums.data(), own);
            }
        });
    }

    /// Blocks are too large for that: the sums of their parts are added in order, so that they don't depend on the threads.
    void parts_of_blocks(const ThreadShare& threads, const CancelToken& cancel) {
        constexpr std::int64_t part_pixels = std::int64_t{1} << 22, at_once = 256;
        const std::int64_t rows = std::clamp<std::int64_t>(part_pixels / rect_.width(), 1, block_height());
        const std::int64_t parts = (block_height() + rows - 1) / rows, group = std::max<std::int64_t>(1, at_once / parts);
        std::vector<double> sums;
        for (std::int64_t first = 0; first < block_rows_; first += group) {
            const std::int64_t last = std::min(block_rows_, first + group);
            for (std::int64_t part = 0; part < parts; part += at_once) {
                const std::int64_t now = std::min(at_once, parts - part);
                // One more than parts for each row of blocks: what earlier parts of it have given.
                if (part == 0) sums.assign(static_cast<std::size_t>((last - first) * (now + 1)) * sums_size(), 0.0);
                const std::int64_t stride = std::min(at_once, parts) + 1;
                const auto slot = [&](std::int64_t row, std::int64_t k) { return sums.data() + static_cast<std::size_t>((row - first) * stride + k) * sums_size(); };
                parallel_for(threads, (last - first) * now, cancel, [&](std::int64_t index, int thread) {
                    const std::int64_t row = first + index / now, k = index % now;
                    double* own = slot(row, k + 1);
                    std::fill_n(own, sums_size(), 0.0);
                    const std::int64_t y0 = row_edge(row) + (part + k) * rows;
                    add_part({rect_.x0, y0, rect_.x1, std::min(row_edge(row + 1), y0 + rows)}, thread, own, cancel);
                });
                for (std::int64_t row = first; row < last; ++row) {
                    for (std::int64_t k = 1; k <= now; ++k) {
                        for (std::size_t n = 0; n < sums_size(); ++n) slot(row, 0)[n] += slot(row, k)[n];
                    }
                    if (part + now == parts) finish(row, slot(row, 0), worker(0, 0));
                }
            }
        }
    }

    void add_part(const Rect& part, int thread, double* sums, const CancelToken& cancel) {
        const std::int64_t columns = std::min(part.width(), sizes_.most), rows = std::max<std::int64_t>(1, sizes_.most / columns);
        auto& own = worker(thread, static_cast<std::size_t>(columns * rows));
        for (std::int64_t y = part.y0; y < part.y1; y += rows) {
            for (std::int64_t x = part.x0; x < part.x1; x += columns) {
                const Rect piece{x, y, std::min(part.x1, x + columns), std::min(part.y1, y + rows)};
                read(piece, own, cancel);
                add(piece, piece, own, sums);
            }
        }
    }

    void read(const Rect& rect, Worker& own, const CancelToken& cancel) const {
        const auto pixels = [&](int input) { return std::span<float>(own.pixels[static_cast<std::size_t>(input)].get(), static_cast<std::size_t>(rect.size())); };
        for (std::size_t k = 0; k < inputs_.count(); ++k) source_.read(rect, inputs_.planes[k], pixels(static_cast<int>(k)), 1, cancel);
        if (inputs_.part_u >= 0) keep_pairs(pixels(inputs_.part_u), pixels(inputs_.part_q));
    }

    /// Adds the pixels of `rect`, which lie in one row of blocks, to its sums. `band`: what has been read.
    void add(const Rect& rect, const Rect& band, Worker& own, double* sums) const {
        for (std::size_t k = 0; k < inputs_.count(); ++k) {
            double* const sum = sum_of(sums, static_cast<int>(k));
            const float* const pixels = own.pixels[k].get() + (rect.y0 - band.y0) * band.width() + (rect.x0 - band.x0);
            for (std::int64_t x = 0; x < rect.width(); x += std::int64_t{columns_at_once}) {
                const auto n = static_cast<std::size_t>(std::min(std::int64_t{columns_at_once}, rect.width() - x));
                kernels::sum_columns(pixels + x, band.width(), static_cast<std::size_t>(rect.height()), n, own.column_sum.data(), own.column_count.data());
                kernels::add_to_blocks(own.column_sum.data(), own.column_count.data(), rect.x0 - rect_.x0 + x, n, spec_.mip, sum, sum + blocks_);
            }
        }
    }

    /// Vectors of a row of blocks from its sums, which become means.
    void finish(std::int64_t row, double* sums, Worker& own) {
        const auto n = static_cast<std::size_t>(blocks_);
        const auto means = [&](int input) -> double* {
            if (input < 0) return nullptr;
            double* const sum = sum_of(sums, input);
            const double* const count = sum + n;
            for (std::size_t b = 0; b < n; ++b) sum[b] = count[b] > 0 ? sum[b] / count[b] : blank;
            return sum;
        };
        const auto at = [&](const Pixels<float>& of_strip) { return of_strip.get() + static_cast<std::size_t>(row) * n; };
        if (spec_.computes()) {
            kernels::VectorTerms terms;
            if (spec_.debiasing) terms.debias = (spec_.q_error * spec_.q_error + spec_.u_error * spec_.u_error) / 2;
            terms.fractional = spec_.fractional;
            terms.threshold_on_i = spec_.threshold && !spec_.threshold_on_pi;
            terms.threshold_on_pi = spec_.threshold && spec_.threshold_on_pi;
            terms.threshold = spec_.threshold.value_or(0);
            const double *i = means(inputs_.i), *q = means(inputs_.q), *u = means(inputs_.u);
            kernels::polarization_vectors(terms, i, q, u, n, spec_.intensity == VectorComponent::computed ? at(intensity_) : nullptr,
                                          spec_.angle == VectorComponent::computed ? at(angle_) : nullptr);
        }
        if (!spec_.takes_plane()) return;
        own.lengths.resize(n);
        if (inputs_.plane >= 0) {
            const double* const mean = means(inputs_.plane);
            std::transform(mean, mean + n, own.lengths.begin(), [&](double value) { return above_threshold(value); });
        } else {
            double* const u = means(inputs_.part_u);
            const double* const q = means(inputs_.part_q);
            angles_of_parts<double>({u, n}, {q, n}, {u, n});
            std::transform(u, u + n, own.lengths.begin(), [&](double value) { return above_threshold(value); });
        }
        if (spec_.intensity == VectorComponent::plane) std::copy(own.lengths.begin(), own.lengths.end(), at(intensity_));
        if (spec_.angle == VectorComponent::plane) std::copy(own.lengths.begin(), own.lengths.end(), at(angle_));
    }

    float above_threshold(double value) const {
        const bool keep = std::abs(value) <= double(std::numeric_limits<float>::max()) && !(spec_.threshold && !(value >= *spec_.threshold));
        return keep ? float(value) : std::numeric_limits<float>::quiet_NaN();
    }

    std::vector<float> cut(const float* of_strip, std::int64_t x, const VectorTilePlace& place) const {
        if (of_strip == nullptr) return {};
        std::vector<float> tile;
        tile.reserve(static_cast<std::size_t>(place.width) * static_cast<std::size_t>(place.height));
        for (std::int64_t y = 0; y < place.height; ++y) tile.insert(tile.end(), of_strip + y * blocks_ + x, of_strip + y * blocks_ + x + place.width);
        return tile;
    }

    /// The first row of pixels of a row of blocks.
    std::int64_t row_edge(std::int64_t row) const { return row >= block_rows_ ? rect_.y1 : rect_.y0 + row * spec_.mip; }

    const ImageSource& source_;
    const VectorFieldSpec& spec_;
    const Inputs& inputs_;
    const std::span<const VectorTilePlace> tiles_;
    const ReadSizes sizes_;
    Rect rect_;                // in pixels
    std::int64_t blocks_ = 0, block_rows_ = 0;
    Pixels<float> intensity_, angle_;
    std::vector<std::unique_ptr<Worker>> workers_;
};

/// How many of the first tiles stand side by side.
std::size_t length_of_strip(std::span<const VectorTilePlace> tiles, std::size_t most) {
    std::size_t n = 1;
    while (n < tiles.size() && n < most && tiles[n].y == tiles[0].y && tiles[n].x == tiles[n - 1].x + 1) ++n;
    return n;
}

} // namespace

std::vector<VectorTile> compute_vector_tiles(const ImageSource& source, const VectorFieldSpec& spec, std::span<const VectorTilePlace> tiles,
                                             const ThreadShare& threads, const CancelToken& cancel) {
    if (spec.mip < 1) throw std::invalid_argument("pixels can't be averaged over blocks of " + std::to_string(spec.mip));
    if (tiles.empty()) return {};
    const Inputs inputs(source, spec);
    Strip strip(source, spec, inputs, tiles.first(length_of_strip(tiles, strip_tiles(source, spec.mip))));
    if (inputs.count() > 0) strip.compute(threads, cancel);
    cancel.throw_if_cancelled();
    return strip.cut();
}

std::size_t vector_field_bytes(const ImageSource& source, const VectorFieldSpec& spec, const ThreadShare& threads) {
    const Inputs inputs(source, spec);
    const ImageShape& shape = source.shape();
    const auto of_tile = static_cast<std::size_t>(kTileSize * kTileSize) * sizeof(float);
    const std::int64_t in_a_row = (shape.width + kTileSize * spec.mip - 1) / (kTileSize * spec.mip);
    const std::size_t tiles = std::min(strip_tiles(source, spec.mip), static_cast<std::size_t>(in_a_row));
    const std::size_t sums = inputs.count() * 2 * tiles * static_cast<std::size_t>(kTileSize) * sizeof(double);
    const auto pixels = static_cast<std::size_t>(std::min(ReadSizes(source).most, shape.plane_size())) * sizeof(float);
    const std::size_t of_thread = inputs.count() * pixels + sums + sizeof(double) * 2 * columns_at_once;
    const std::size_t of_parts = spec.mip * std::min(shape.width, kTileSize * spec.mip) > ReadSizes(source).most ? 512 * sums : 0;
    return tiles * 4 * of_tile + threads.slots() * of_thread + of_parts;
}

} // namespace cubelink::imaging
