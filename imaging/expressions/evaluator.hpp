#pragma once
/// Computes one node of a Graph for any pixels, from just these pixels of its images. Immutable, any thread.
///
/// An image with one channel (or stokes) stands for all channels (or stokes) of the others.

#include "imaging/base/budget_cache.hpp"
#include "imaging/expressions/program.hpp"

#include <span>
#include <vector>

namespace cubelink::imaging::expressions {

class Evaluator {
public:
    /// `graph` and `budget` (which may be null) outlive it. `root`: not a scalar.
    Evaluator(const Graph& graph, int root, BudgetCache* budget);

    const ImageShape& shape() const { return shape_; }
    /// Those of all its images together.
    const Capabilities& capabilities() const { return capabilities_; }

    // As in ImageSource; requests are checked by the caller. T: float or double.
    template <class T>
    void read(const Scalars& scalars, const Rect& rect, PlaneId plane, std::span<T> out, int threads, const CancelToken& cancel) const;
    void read_spectrum(const Scalars& scalars, std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                       const CancelToken& cancel) const;
    void read_box(const Scalars& scalars, const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                  const CancelToken& cancel) const;
    void read_masked(const Scalars& scalars, const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                     int threads, const CancelToken& cancel) const;
    template <class T>
    void read_pixels(const Scalars& scalars, std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<T> out,
                     const CancelToken& cancel) const;

private:
    using Leaf = Program::Leaf;
    /// Memory of one thread.
    struct Workspace;

    const ImageSource& source(const Leaf& leaf) const { return *graph_.inputs[static_cast<std::size_t>(leaf.input)].source; }
    /// The plane of an image that stands for one of the result.
    PlaneId plane_of(const Leaf& leaf, PlaneId plane) const;

    /// Fills all leaves by fill(leaf, span of float or double), then computes `out`.
    template <class T, class Fill>
    void compute(const Scalars& scalars, std::span<T> out, Workspace& workspace, int threads, const CancelToken& cancel,
                 const Fill& fill) const;
    template <class T>
    void read_part(const Scalars& scalars, const Rect& part, PlaneId plane, std::span<T> out, Workspace& workspace, int threads,
                   const CancelToken& cancel) const;
    /// Runs in groups of channels and of runs that take bounded memory. each(runs, channels, out)
    template <class T, class Each>
    void in_groups(std::span<const PixelRun> runs, ChannelRange channels, std::span<T> out, std::size_t at_once, const Each& each) const;

    const Graph& graph_;
    BudgetCache* budget_;
    Program program_;
    ImageShape shape_;
    Capabilities capabilities_;
};

} // namespace cubelink::imaging::expressions
