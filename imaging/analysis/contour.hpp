#pragma once
/// Contours of a plane, in chunks, in bounded memory.
///
/// The (smoothed) plane is cut into bands of rows, which are read once each and traced for all levels by several threads; lines that cross
/// from band to band are joined (contour_stitching.hpp), so that the lines are the same however many threads there are. Those of the part of the
/// image that is to come first are given out first. Memory goes with a band for each thread and with a fixed allowance for what has not
/// been given out; beyond that, chunks get smaller and, in the end, lines that reach over several bands are given out in parts.

#include "imaging/analysis/contour_stitching.hpp"
#include "imaging/analysis/contour_tracing.hpp"
#include "imaging/analysis/smoothing.hpp"
#include "imaging/base/budget_cache.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/source/pixel_mask.hpp"
#include "platform/mutex.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace cubelink::imaging {

/// Upper bound on the vertices of a chunk, but for its last line's; longer lines are given out in parts of so many.
inline constexpr std::size_t max_chunk_vertices = std::size_t(1) << 20;

struct ContourSpec {
    std::vector<double> levels; // none is NaN
    Smoothing smoothing = Smoothing::none;
    int factor = 1; // see SmoothedPlane
    /// A chunk is given out when it has more vertices; 0, or more than max_chunk_vertices: that many.
    std::size_t chunk_vertices = 0;
    /// Pixels of the image whose lines come first, together with others of the same rows. Nothing: no preference.
    std::optional<Rect> first{};
    /// Only cells whose corners are all within are traced (with smoothing: values of the smoothed grid whose centres are); null: all.
    std::shared_ptr<const PixelMask> within{};
    std::size_t band_pixels = std::size_t(1) << 19; // roughly; fewer where there is little memory
    std::size_t sink_bytes = 0; // that the sink takes for itself, taken from the budget together with what advance() takes
};

/// Lines of one level. Coordinates are pixels + 0.5: the centre of pixel (0, 0) is (0.5, 0.5). Walking along a line, the side that is not
/// below the level is on the right (y grows upwards). Open lines end at the border of the grid, or of what is within; closed lines repeat their
/// first vertex. In a chunk lines stand in the order of ContourKey.
struct ContourChunk {
    std::size_t level = 0;            // its index
    std::vector<float> vertices{};    // x, y, x, y, …
    std::vector<std::int32_t> starts{}; // of each line, an index of `vertices`
    /// The part of the plane that has been traced for this level: above 0, at most 0.99; 1: its last chunk, which may be empty.
    double progress = 1;
};

/// The contours of one plane: advance() until it returns true. One thread at a time.
class Contouring {
public:
    /// `source` and `budget` outlive it. Throws std::invalid_argument for a factor that is too large.
    Contouring(const ImageSource& source, PlaneId plane, ContourSpec spec, BudgetCache& budget);
    ~Contouring();
    Contouring(const Contouring&) = delete;
    Contouring& operator=(const Contouring&) = delete;

    /// Takes a chunk; called by several threads at once, but the last chunk of a level after the calls with its others have returned. Returns
    /// false if advance() should stop soon.
    using Sink = std::function<bool(ContourChunk&&)>;

    /// Goes on. True: all has been given out. False: stopped by the sink; to be called again. Memory is taken from the budget in one go; what has been
    /// traced and not given out keeps its part of it from one call to the next. `pyramid`, of that plane, may be null: pixels are read from it that it holds.
    /// Throws as ImageSource::read, OverBudget, Cancelled, and what the sink throws; it must not be called again then.
    bool advance(const ThreadShare& threads, const CancelToken& cancel, const Sink& sink, const PlanePyramid* pyramid = nullptr);

    /// Whether all has been traced: advance() reads no pixels any more.
    bool has_traced_all() const { return tasks_.empty(); }

private:
    struct Level;
    struct Task { // a band, from one of the levels on
        std::int64_t band = 0;
        std::size_t level = 0;
    };
    struct Scratch;

    void plan();
    void trace(const ThreadShare& threads, const CancelToken& cancel, const Sink& sink, const PlanePyramid* pyramid);
    bool finish(const ThreadShare& threads, const CancelToken& cancel, const Sink& sink);
    void keep_what_is_held();
    std::size_t band_bytes() const;
    void run(const Task& task, const SmoothedPlane& plane, Scratch& scratch, const CancelToken& cancel, const Sink& sink);
    void deliver(const Task& task, std::size_t index, const TracedLines& lines, const Sink& sink);
    void give_out(Level& level, std::size_t index, double progress, std::vector<ContourChunk>& out);
    PixelBits within(std::int64_t y0, std::int64_t y1) const;

    const ImageSource& source_;
    const PlaneId plane_id_;
    BudgetCache& budget_;
    const ContourSpec spec_;
    const SmoothedPlane plane_; // without a pyramid
    const ContourGrid grid_;
    const double extent_;
    const std::size_t allowance_, chunk_vertices_;
    std::int64_t band_rows_ = 1;    // of cells
    std::int64_t first_from_ = 0, first_to_ = 0; // bands that come first; none: no preference
    std::vector<std::unique_ptr<Level>> levels_;
    std::vector<Task> tasks_; // that are left, in order
    platform::Mutex mutex_;
    std::vector<Task> left_over_ CUBELINK_GUARDED_BY(mutex_);
    std::atomic<std::size_t> held_{0}; // bytes that have not been given out
    std::vector<Reservation> kept_;    // for those, between calls
    std::atomic<bool> stop_{false};
};

} // namespace cubelink::imaging
