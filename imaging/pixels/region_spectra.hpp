#pragma once
/// Spectra of regions: the pixels of masks summarised channel by channel, for one mask or for many in one pass, and the ICD's statistics of them.
///
/// One channel is read after the other, in each one mask after the other by their rows, so that each page of the file is touched once. Where few
/// pixels can't be read for less than their plane, planes are read band by band for all masks together.

#include "imaging/base/thread_share.hpp"
#include "imaging/pixels/polarization.hpp"
#include "imaging/pixels/statistics.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace cubelink::imaging {

struct RegionSpectraOptions {
    std::int32_t first_slice = 10;          // channels
    std::chrono::milliseconds slice_time{50}; // target for later slices
    /// Of a computed polarization: whether its own pixels are summarised, and those of the stokes that it is computed from.
    bool pixels = true, inputs = true;
};

/// The summaries grow slice by slice, under the caller's control, who may stop at any time. Used by one thread at a time; advance() uses more.
/// Values don't depend on the number of threads, and where few pixels are read by themselves not on which masks are taken together.
class RegionSpectra {
public:
    /// Takes what doubles hold of each value, where floats don't (Capabilities::prefers_double). `stokes`: an index on the stokes axis or a computed
    /// polarization. Throws std::out_of_range if the image has no such stokes or a mask reaches beyond the image.
    RegionSpectra(std::shared_ptr<const PolarizationSource> source, std::vector<std::shared_ptr<const PixelMask>> masks, std::int32_t stokes,
                  const RegionSpectraOptions& options = {});

    std::int32_t depth() const { return depth_; }
    /// Channels [0, done()) are there.
    std::int32_t done() const { return done_; }
    bool finished() const { return done_ == depth_ || live_ == 0; }

    /// The next channels, some 50 ms. Throws Cancelled soon after `cancel` says so, and as ImageSource::read; it may be called again after that.
    /// `poll`, if given, is called every 10 ms or so by the calling thread; what it throws ends this too.
    void advance(const ThreadShare& threads, const CancelToken& cancel, const std::function<void()>& poll = {});

    /// The mask is no longer of interest: the rest of its channels is not read.
    void drop(std::size_t mask);

    /// Of each channel: the pixels of the stokes, or of the computed polarization.
    std::span<const PlaneSummary> pixels(std::size_t mask) const { return part(mask, pixels_part); }
    /// The stokes that a computed polarization is made of: I, Q, U, V; −1 for those it doesn't need, and for all if the stokes is none.
    const std::array<std::int32_t, 4>& input_stokes() const { return inputs_; }
    /// The pixels of input k of a computed polarization, all finite ones.
    std::span<const PlaneSummary> input(std::size_t mask, std::size_t k) const { return part(mask, k); }
    std::int32_t stokes() const { return stokes_; }

    /// Bytes that such an object takes for each of its masks, and while advance() runs on so many threads.
    static std::size_t memory_of(const PixelMask& mask, const ImageSource& source, std::int32_t stokes);
    static std::size_t working_memory(const ImageSource& source, std::int32_t stokes, int threads);

private:
    static constexpr std::size_t pixels_part = 4;
    struct Piece { // of a mask within a chunk
        std::size_t mask = 0, pixels = 0;
        std::size_t split = 0; // of a mask that several chunks hold: which of all such pieces, from 1
    };
    struct Chunk { // pixels that are read together
        std::vector<PixelRun> runs;
        std::vector<Piece> pieces;
        std::size_t pixels = 0;
    };

    std::span<const PlaneSummary> part(std::size_t mask, std::size_t which) const;
    PlaneSummary& summary(std::size_t mask, std::size_t which, std::int32_t channel);
    void cut();
    void call_poll(int thread);
    template <class T>
    void read_slice(ChannelRange channels, const ThreadShare& threads, const CancelToken& cancel);
    template <class T>
    void read_planes(ChannelRange channels, const ThreadShare& threads, const CancelToken& cancel);
    template <class Read, class Use, class T>
    void with_parts(std::vector<T>& buffer, std::size_t values, const Read& read, const Use& use) const;

    const std::shared_ptr<const PolarizationSource> source_;
    const std::vector<std::shared_ptr<const PixelMask>> masks_;
    const std::int32_t stokes_;
    const RegionSpectraOptions options_;
    const std::int32_t depth_;
    std::array<std::int32_t, 4> inputs_{-1, -1, -1, -1};
    std::array<int, 5> place_{-1, -1, -1, -1, -1}; // of inputs and pixels among the summaries of a mask; −1: not wanted
    int parts_ = 0;
    std::vector<char> dropped_;
    std::size_t live_ = 0;
    std::int32_t done_ = 0;
    double slice_ = 1;
    bool cut_ = false;
    std::vector<Chunk> chunks_;
    std::size_t splits_ = 0, pixels_of_channel_ = 0;
    std::vector<PlaneSummary> summaries_; // mask · parts · depth
    const std::function<void()>* poll_ = nullptr;
    std::chrono::steady_clock::time_point polled_{};
};

/// One value for each channel of the image; NaN where it is not known yet or undefined.
///
/// Of computed polarizations, mean, sum and flux density are combined from those of the stokes (√(⟨Q⟩² + ⟨U⟩²) for the mean of Plinear), all others
/// are those of the computed pixels.
std::vector<double> region_spectrum(const RegionSpectra& spectra, std::size_t mask, StatsType type, const FluxTermsOf& flux_terms);

/// Which of RegionSpectraOptions::pixels and inputs this statistic of a computed polarization needs.
bool is_combined(StatsType type);

} // namespace cubelink::imaging
