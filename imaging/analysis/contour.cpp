#include "imaging/analysis/contour.hpp"

#include "imaging/base/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

namespace cubelink::imaging {

using platform::MutexLock;

/// What of a level has been traced and not been given out.
struct Contouring::Level {
    explicit Level(std::int64_t grid_width) : stitcher(grid_width) {}

    struct Line {
        ContourKey key = 0;
        std::size_t first = 0, count = 0; // floats
    };
    platform::Mutex mutex;
    ContourStitcher stitcher CUBELINK_GUARDED_BY(mutex);
    std::vector<float> vertices CUBELINK_GUARDED_BY(mutex);
    std::vector<Line> lines CUBELINK_GUARDED_BY(mutex);
    std::size_t counted CUBELINK_GUARDED_BY(mutex) = 0; // of held_
    std::int64_t bands_traced CUBELINK_GUARDED_BY(mutex) = 0, bands_first CUBELINK_GUARDED_BY(mutex) = 0; // bands_first: left of those that come first
    bool finished = false;

    std::size_t bytes() const CUBELINK_REQUIRES(mutex) {
        return vertices.capacity() * sizeof(float) + lines.capacity() * sizeof(Line) + stitcher.bytes();
    }
    /// Changes of bytes() since it was called last, modulo 2⁶⁴.
    std::size_t count() CUBELINK_REQUIRES(mutex) {
        const auto before = std::exchange(counted, bytes());
        return counted - before;
    }
    void add(ContourKey key, std::span<const float> line) CUBELINK_REQUIRES(mutex) {
        while (line.size() > 2 * max_chunk_vertices) {
            put(key, line.first(2 * max_chunk_vertices));
            line = line.subspan(2 * max_chunk_vertices - 2);
        }
        put(key, line);
    }

private:
    void put(ContourKey key, std::span<const float> line) CUBELINK_REQUIRES(mutex) {
        lines.push_back({key, vertices.size(), line.size()});
        vertices.insert(vertices.end(), line.begin(), line.end());
    }
};

/// Of one thread.
struct Contouring::Scratch {
    explicit Scratch(const ContourGrid& grid) : tracer(grid) {}
    Pixels<float> values;
    std::size_t size = 0;
    ContourTracer tracer;
    TracedLines lines;
};

Contouring::Contouring(const ImageSource& source, PlaneId plane, ContourSpec spec, BudgetCache& budget)
    : source_(source), plane_id_(plane), budget_(budget), spec_(std::move(spec)), plane_(source, plane, spec_.smoothing, spec_.factor),
      grid_{plane_.width(), plane_.height(), plane_.scale(), plane_.offset()},
      extent_(double(std::max(source.shape().width, source.shape().height)) + 2 * plane_.scale()),
      allowance_(std::clamp<std::size_t>(budget.limit() / 16, std::size_t(1) << 20, std::size_t(128) << 20)),
      chunk_vertices_(std::min({spec_.chunk_vertices == 0 ? max_chunk_vertices : spec_.chunk_vertices, max_chunk_vertices, budget.limit() / 512})) {
    for (std::size_t i = 0; i < spec_.levels.size(); ++i) levels_.push_back(std::make_unique<Level>(std::max<std::int64_t>(1, grid_.width)));
    plan();
}

Contouring::~Contouring() = default;

/// Divides the rows of cells into bands, and puts them in order: those with the part that comes first, those above it, those below it. So
/// few rows of the grid have a traced band on one side only.
void Contouring::plan() {
    const auto cell_rows = grid_.width < 2 ? 0 : grid_.height - 1;
    if (cell_rows < 1) return;
    // A small image is still divided for some threads.
    const auto by_size = std::int64_t(std::min(spec_.band_pixels, budget_.limit() / 512)) / grid_.width, by_count = std::max<std::int64_t>(16, (cell_rows + 15) / 16);
    band_rows_ = std::clamp<std::int64_t>(std::min(by_size, by_count), 1, cell_rows);
    const auto bands = (cell_rows + band_rows_ - 1) / band_rows_;

    std::int64_t from = 0, to = bands;
    if (spec_.first) {
        const auto row = [&](std::int64_t y) { return std::clamp((double(y) - grid_.offset) / grid_.scale, 0.0, double(cell_rows - 1)); };
        from = std::int64_t(row(spec_.first->y0)) / band_rows_;
        to = std::int64_t(row(std::max(spec_.first->y0, spec_.first->y1 - 1))) / band_rows_ + 1;
    }
    for (auto band = from; band < bands; ++band) tasks_.push_back({band, 0});
    for (auto band = from; band-- > 0;) tasks_.push_back({band, 0});
    if (to - from == bands) return;
    first_from_ = from;
    first_to_ = to;
    for (const auto& level : levels_) {
        const MutexLock lock(level->mutex);
        level->bands_first = to - from;
    }
}

std::size_t Contouring::band_bytes() const {
    const auto values = std::size_t(band_rows_ + 1) * std::size_t(grid_.width);
    // Of vertices: one for each of two edges a value at the very most, and what closed lines repeat.
    return values * (sizeof(float) + 5 * 2 * sizeof(float) / 2) + plane_.scratch_bytes(band_rows_ + 1) +
           ContourTracer::scratch_bytes(grid_.width, band_rows_ + 1);
}

bool Contouring::advance(const ThreadShare& threads, const CancelToken& cancel, const Sink& sink, const PlanePyramid* pyramid) {
    stop_ = false;
    // All at once: computations that each hold a part and wait for more would wait for each other.
    const auto band = tasks_.empty() ? 1 : band_bytes();
    const auto slots = std::min({threads.slots(), tasks_.size(), std::max<std::size_t>(1, budget_.limit() / 2 / band)});
    std::size_t kept = 0;
    for (const auto& one : kept_) kept += one.bytes();
    const auto needed = allowance_ + spec_.sink_bytes + slots * band;
    if (needed > kept) kept_.push_back(budget_.reserve(needed - kept, cancel));

    if (slots > 0) trace(ThreadShare(int(slots), [threads] { return threads.now(); }), cancel, sink, pyramid);
    const bool done = tasks_.empty() && finish(threads, cancel, sink);
    keep_what_is_held();
    return done;
}

/// Does the tasks, until the sink stops it.
void Contouring::trace(const ThreadShare& threads, const CancelToken& cancel, const Sink& sink, const PlanePyramid* pyramid) {
    const SmoothedPlane plane(source_, plane_id_, spec_.smoothing, spec_.factor, pyramid);
    std::vector<std::unique_ptr<Scratch>> scratch(threads.slots());
    const auto body = [&](std::int64_t index, int thread) {
        const auto& task = tasks_[std::size_t(index)];
        if (stop_) {
            const MutexLock lock(mutex_);
            left_over_.push_back(task);
            return;
        }
        auto& own = scratch[std::size_t(thread)];
        if (!own) own = std::make_unique<Scratch>(grid_);
        run(task, plane, *own, cancel, sink);
    };
    parallel_for(threads, std::int64_t(tasks_.size()), cancel, body);
    const MutexLock lock(mutex_);
    // Those that had begun come before those that had not: the order of the tasks.
    std::unordered_map<std::int64_t, std::size_t> place; // by band
    for (std::size_t i = 0; i < tasks_.size(); ++i) place.emplace(tasks_[i].band, i);
    std::sort(left_over_.begin(), left_over_.end(), [&](const Task& a, const Task& b) { return place.at(a.band) < place.at(b.band); });
    tasks_.swap(left_over_);
    left_over_.clear();
}

/// Gives out the rest of each level, which is its last chunk. True if all levels are finished.
bool Contouring::finish(const ThreadShare& threads, const CancelToken& cancel, const Sink& sink) {
    const auto body = [&](std::int64_t index, int) {
        auto& level = *levels_[std::size_t(index)];
        if (level.finished || stop_) return;
        std::vector<ContourChunk> chunks;
        {
            const MutexLock lock(level.mutex);
            give_out(level, std::size_t(index), 1, chunks);
            level.finished = true;
        }
        for (auto& chunk : chunks)
            if (!sink(std::move(chunk))) stop_ = true;
    };
    parallel_for(threads, std::int64_t(levels_.size()), cancel, body);
    return std::all_of(levels_.begin(), levels_.end(), [](const auto& level) { return level->finished; });
}

/// Until the next call, whenever that may be.
void Contouring::keep_what_is_held() {
    for (const auto& level : levels_) {
        const MutexLock lock(level->mutex);
        level->vertices.shrink_to_fit();
        level->lines.shrink_to_fit();
        held_ += level->count();
    }
    auto left = held_.load();
    for (auto& one : kept_) {
        one.shrink(left);
        left -= one.bytes();
    }
    std::erase_if(kept_, [](const Reservation& one) { return one.bytes() == 0; });
}

void Contouring::run(const Task& task, const SmoothedPlane& plane, Scratch& scratch, const CancelToken& cancel, const Sink& sink) {
    const auto y0 = task.band * band_rows_, y1 = std::min(grid_.height - 1, y0 + band_rows_);
    const auto size = std::size_t((y1 - y0 + 1) * grid_.width);
    if (scratch.size < size) {
        scratch.values = make_pixels<float>(size);
        scratch.size = size;
    }
    plane.read(y0, y1 + 1, scratch.values.get(), cancel);
    std::optional<PixelBits> restricted;
    if (spec_.within) restricted = within(y0, y1);

    const std::span<const double> levels(spec_.levels);
    for (auto from = task.level; from < levels.size(); from += ContourTracer::max_levels) {
        const auto count = std::min(ContourTracer::max_levels, levels.size() - from);
        scratch.tracer.load(y0, y1, scratch.values.get(), levels.subspan(from, count), restricted ? &*restricted : nullptr);
        for (std::size_t k = 0; k < count; ++k) {
            cancel.throw_if_cancelled();
            if (stop_) {
                const MutexLock lock(mutex_);
                left_over_.push_back({task.band, from + k});
                return;
            }
            scratch.tracer.trace(k, scratch.lines);
            deliver(task, from + k, scratch.lines, sink);
        }
    }
}

void Contouring::deliver(const Task& task, std::size_t index, const TracedLines& lines, const Sink& sink) {
    auto& level = *levels_[index];
    std::vector<ContourChunk> chunks;
    {
        const MutexLock lock(level.mutex);
        ++level.bands_traced;
        const auto bands = (grid_.height - 1 + band_rows_ - 1) / band_rows_;
        const double progress = std::clamp(double(level.bands_traced) / double(bands), 1e-9, 0.99);
        const auto add = [&](ContourKey key, std::span<const float> line) CUBELINK_NO_THREAD_SAFETY_ANALYSIS {
            level.add(key, line);
            if (level.vertices.size() > 2 * chunk_vertices_) give_out(level, index, progress, chunks);
        };
        for (const auto& line : lines.lines) {
            if (line.whole()) add(line.key, lines.of(line));
            else level.stitcher.add(line, lines.of(line), add);
        }
        const bool first_done = task.band >= first_from_ && task.band < first_to_ && --level.bands_first == 0;
        if (first_done && !level.lines.empty()) give_out(level, index, progress, chunks);

        const auto count = [&]() CUBELINK_NO_THREAD_SAFETY_ANALYSIS {
            held_ += level.count();
            return held_.load();
        };
        const auto release = [&]() CUBELINK_NO_THREAD_SAFETY_ANALYSIS {
            if (!level.lines.empty()) give_out(level, index, progress, chunks);
            level.vertices = {};
            level.lines = {};
            return count();
        };
        if (count() > allowance_ && release() > allowance_) {
            level.stitcher.cut(add);
            release();
        }
    }
    for (auto& chunk : chunks)
        if (!sink(std::move(chunk))) stop_ = true;
}

void Contouring::give_out(Level& level, std::size_t index, double progress, std::vector<ContourChunk>& out) CUBELINK_NO_THREAD_SAFETY_ANALYSIS {
    std::stable_sort(level.lines.begin(), level.lines.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    ContourChunk chunk;
    chunk.level = index;
    chunk.progress = progress;
    chunk.vertices.reserve(level.vertices.size());
    chunk.starts.reserve(level.lines.size());
    for (const auto& line : level.lines) {
        chunk.starts.push_back(static_cast<std::int32_t>(chunk.vertices.size()));
        const auto first = level.vertices.begin() + std::ptrdiff_t(line.first);
        chunk.vertices.insert(chunk.vertices.end(), first, first + std::ptrdiff_t(line.count));
    }
    level.vertices.clear();
    level.lines.clear();
    out.push_back(std::move(chunk));
}

/// Of the rows [y0 - 1, y1 + 1] of the grid: which of its values lie within.
PixelBits Contouring::within(std::int64_t y0, std::int64_t y1) const {
    PixelBits bits;
    bits.words = (grid_.width + 63) / 64;
    bits.bits.assign(std::size_t((y1 - y0 + 3) * bits.words), 0);
    const auto runs = spec_.within->runs();
    for (auto y = y0 - 1; y <= y1 + 1; ++y) {
        if (y < 0 || y >= grid_.height) continue;
        // The pixel under the centre of a value: that of an even block lies between pixels, and the upper one is taken. The centre of the last block,
        // which the image's edge cuts, may lie beyond it.
        const auto pixel = [&](std::int64_t i, std::int64_t length) {
            return std::min(std::int64_t(std::floor(grid_.scale * (double(i) + 0.5) + grid_.offset)), length - 1);
        };
        auto* row = bits.bits.data() + (y - y0 + 1) * bits.words;
        const auto at = pixel(y, source_.shape().height);
        for (auto run = std::lower_bound(runs.begin(), runs.end(), at, [](const PixelRun& one, std::int64_t value) { return one.y < value; });
             run != runs.end() && run->y == at; ++run) {
            const auto first = std::clamp<std::int64_t>(std::int64_t((double(run->x0) - grid_.offset) / grid_.scale) - 1, 0, grid_.width);
            for (auto x = first; x < grid_.width; ++x) {
                const auto place = pixel(x, source_.shape().width);
                if (place >= run->x1) break;
                if (place >= run->x0) row[x >> 6] |= std::uint64_t(1) << (x & 63);
            }
        }
    }
    return bits;
}

} // namespace cubelink::imaging
