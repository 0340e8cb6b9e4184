#include "imaging/expressions/evaluator.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/base/pixel_memory.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace cubelink::imaging::expressions {

namespace {

/// Pixels that one thread reads at once of images with random access.
constexpr std::int64_t kPiece = std::int64_t(1) << 15;
/// Pixels that are read at once of others, of all images together.
constexpr std::int64_t kChunk = std::int64_t(1) << 22;
/// What takes more is counted against the budget.
constexpr std::size_t kUncounted = std::size_t(1) << 21;

Capabilities joined_capabilities(const Graph& graph, const Program& program) {
    Capabilities joined;
    joined.random_access = joined.depth_contiguous = true;
    for (const auto& leaf : program.leaves()) {
        const Capabilities& one = graph.inputs[static_cast<std::size_t>(leaf.input)].source->capabilities();
        joined.random_access = joined.random_access && one.random_access;
        joined.depth_contiguous = joined.depth_contiguous && one.depth_contiguous;
        joined.whole_planes_only = joined.whole_planes_only || one.whole_planes_only;
        joined.prefers_double = joined.prefers_double || (program.wide() && one.prefers_double);
        const StoredBlock& block = one.stored_block;
        if (block.width * block.height > joined.stored_block.width * joined.stored_block.height) joined.stored_block = block;
    }
    return joined;
}

/// The first channel's values stand for all.
template <class V>
void repeat(std::span<V> values, std::size_t of_channel) {
    for (std::size_t at = of_channel; at < values.size(); at += of_channel) std::copy_n(values.data(), of_channel, values.data() + at);
}

template <class V>
void read_runs(const ImageSource& source, std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<V> values,
               const CancelToken& cancel) {
    if constexpr (std::is_same_v<V, double>) source.read_pixels64(runs, channels, stokes, values, cancel);
    else source.read_pixels(runs, channels, stokes, values, cancel);
}

} // namespace

struct Evaluator::Workspace {
    Pixels<double> leaves, scratch; // of the thread that fills and computes
    std::size_t leaves_bytes = 0;
    Reservation reservation;
};

Evaluator::Evaluator(const Graph& graph, int root, BudgetCache* budget)
    : graph_(graph), budget_(budget), program_(graph, root), shape_(graph.nodes[static_cast<std::size_t>(root)].shape),
      capabilities_(joined_capabilities(graph, program_)) {}

PlaneId Evaluator::plane_of(const Leaf& leaf, PlaneId plane) const {
    const ImageShape& own = source(leaf).shape();
    return {own.depth == 1 ? 0 : plane.channel, own.stokes == 1 ? 0 : plane.stokes};
}

template <class T, class Fill>
void Evaluator::compute(const Scalars& scalars, std::span<T> out, Workspace& workspace, int threads, const CancelToken& cancel,
                        const Fill& fill) const {
    const auto& leaves = program_.leaves();
    const auto n = out.size();
    if (n == 0) return;
    if (program_.is_load() && leaves[0].wide == std::is_same_v<T, double>) return fill(leaves[0], out);
    const std::size_t padded = (n + 63) / 64 * 64;
    std::size_t bytes = 0;
    for (const Leaf& leaf : leaves) bytes += padded * leaf.bytes();
    if (bytes > workspace.leaves_bytes) {
        if (budget_ != nullptr && bytes > kUncounted) {
            workspace.reservation = {};
            workspace.reservation = budget_->reserve(bytes, cancel);
        }
        workspace.leaves.reset();
        workspace.leaves = make_pixels<double>(bytes / sizeof(double) + 1);
        workspace.leaves_bytes = bytes;
    }
    std::vector<const void*> values;
    std::byte* at = reinterpret_cast<std::byte*>(workspace.leaves.get());
    for (const Leaf& leaf : leaves) {
        values.push_back(at);
        if (leaf.wide) fill(leaf, std::span<double>(reinterpret_cast<double*>(at), n));
        else fill(leaf, std::span<float>(reinterpret_cast<float*>(at), n));
        at += padded * leaf.bytes();
    }
    const std::size_t step = program_.pixels_at_once();
    const auto piece = [&](std::size_t from, Pixels<double>& scratch) {
        if (!scratch) scratch = make_pixels<double>(program_.scratch_bytes() / sizeof(double) + 1);
        std::vector<const void*> shifted(values.size());
        for (std::size_t k = 0; k < values.size(); ++k) shifted[k] = static_cast<const std::byte*>(values[k]) + from * leaves[k].bytes();
        program_.run(std::min(step, n - from), shifted, scalars, reinterpret_cast<std::byte*>(scratch.get()), out.data() + from);
    };
    const auto pieces = static_cast<std::int64_t>((n + step - 1) / step);
    if (threads <= 1 || pieces < 4) {
        for (std::int64_t index = 0; index < pieces; ++index) {
            cancel.throw_if_cancelled();
            piece(static_cast<std::size_t>(index) * step, workspace.scratch);
        }
        return;
    }
    std::vector<Pixels<double>> scratch(static_cast<std::size_t>(threads));
    parallel_for(threads, pieces, cancel, [&](std::int64_t index, int thread) {
        piece(static_cast<std::size_t>(index) * step, scratch[static_cast<std::size_t>(thread)]);
    });
}

template <class T>
void Evaluator::read_part(const Scalars& scalars, const Rect& part, PlaneId plane, std::span<T> out, Workspace& workspace, int threads,
                          const CancelToken& cancel) const {
    compute(scalars, out, workspace, threads, cancel, [&](const Leaf& leaf, auto values) {
        if constexpr (std::is_same_v<typename decltype(values)::element_type, double>)
            source(leaf).read64(part, plane_of(leaf, plane), values, threads, cancel);
        else source(leaf).read(part, plane_of(leaf, plane), values, threads, cancel);
    });
}

template <class T>
void Evaluator::read(const Scalars& scalars, const Rect& rect, PlaneId plane, std::span<T> out, int threads,
                     const CancelToken& cancel) const {
    if (out.empty()) return;
    const auto leaves = static_cast<std::int64_t>(std::max<std::size_t>(1, program_.leaves().size()));
    Workspace single;
    if (program_.is_load()) return read_part(scalars, rect, plane, out, single, threads, cancel);
    if (!capabilities_.random_access) {
        const std::int64_t block = capabilities_.stored_block.height;
        std::int64_t rows = std::max<std::int64_t>(1, kChunk / leaves / rect.width());
        if (block > 1) rows = (rows + block - 1) / block * block;
        if (capabilities_.whole_planes_only) rows = rect.height();
        for (std::int64_t y = rect.y0; y < rect.y1;) {
            cancel.throw_if_cancelled();
            // Up to the end of a row of blocks.
            const std::int64_t next = std::min(rect.y1, capabilities_.whole_planes_only ? rect.y1 : (y / block) * block + rows);
            const Rect part{rect.x0, y, rect.x1, next};
            read_part(scalars, part, plane,
                      out.subspan(static_cast<std::size_t>((y - rect.y0) * rect.width()), static_cast<std::size_t>(part.size())), single,
                      threads, cancel);
            y = next;
        }
        return;
    }
    const std::int64_t columns = std::min(rect.width(), 2 * kPiece),
                       rows = columns < rect.width() ? 1 : std::max<std::int64_t>(1, kPiece / columns);
    const std::int64_t across = (rect.width() + columns - 1) / columns, count = across * ((rect.height() + rows - 1) / rows);
    const auto piece = [&](std::int64_t index, Workspace& workspace) {
        const std::int64_t x = rect.x0 + index % across * columns, y = rect.y0 + index / across * rows;
        const Rect part{x, y, std::min(rect.x1, x + columns), std::min(rect.y1, y + rows)};
        const auto at = static_cast<std::size_t>((y - rect.y0) * rect.width() + (x - rect.x0));
        read_part(scalars, part, plane, out.subspan(at, static_cast<std::size_t>(part.size())), workspace, 1, cancel);
    };
    if (count == 1) return piece(0, single);
    std::vector<Workspace> workspaces(static_cast<std::size_t>(std::max(1, threads)));
    parallel_for(threads, count, cancel,
                 [&](std::int64_t index, int thread) { piece(index, workspaces[static_cast<std::size_t>(thread)]); });
}

void Evaluator::read_spectrum(const Scalars& scalars, std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from,
                              std::span<float> out, const CancelToken& cancel) const {
    Workspace workspace;
    compute(scalars, out, workspace, 1, cancel, [&](const Leaf& leaf, auto values) {
        using V = typename decltype(values)::element_type;
        const PlaneId plane = plane_of(leaf, {0, stokes});
        const bool one = source(leaf).shape().depth == 1;
        const auto some = one ? values.first(1) : values;
        const ChannelRange channels{one ? 0 : from, one ? 1 : from + static_cast<std::int32_t>(values.size())};
        if constexpr (std::is_same_v<V, float>) {
            source(leaf).read_spectrum(x, y, plane.stokes, channels.from, some, cancel);
        } else {
            const PixelRun run{y, x, x + 1};
            source(leaf).read_pixels64({&run, 1}, channels, plane.stokes, some, cancel);
        }
        if (one) repeat(values, 1);
    });
}

void Evaluator::read_box(const Scalars& scalars, const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                         int threads, const CancelToken& cancel) const {
    if (out.empty()) return;
    const auto plane_size = static_cast<std::size_t>(rect.size());
    const auto leaves = static_cast<std::int64_t>(std::max<std::size_t>(1, program_.leaves().size()));
    const auto step = static_cast<std::int32_t>(std::clamp<std::int64_t>(kChunk / 4 / leaves / rect.size(), 1, channels.count()));
    Workspace workspace;
    for (std::int32_t channel = channels.from; channel < channels.to; channel += step) {
        const ChannelRange some{channel, std::min(channels.to, channel + step)};
        const auto target = out.subspan(static_cast<std::size_t>(channel - channels.from) * plane_size,
                                        static_cast<std::size_t>(some.count()) * plane_size);
        if (some.count() == 1) {
            read(scalars, rect, {channel, stokes}, target, threads, cancel);
            continue;
        }
        compute(scalars, target, workspace, threads, cancel, [&](const Leaf& leaf, auto values) {
            using V = typename decltype(values)::element_type;
            const PlaneId plane = plane_of(leaf, {0, stokes});
            const bool one = source(leaf).shape().depth == 1;
            const ChannelRange own = one ? ChannelRange{0, 1} : some;
            if constexpr (std::is_same_v<V, float>) {
                source(leaf).read_box(rect, own, plane.stokes, one ? values.first(plane_size) : values, threads, cancel);
            } else {
                for (std::int32_t c = own.from; c < own.to; ++c)
                    source(leaf).read64(rect, {c, plane.stokes},
                                        values.subspan(static_cast<std::size_t>(c - own.from) * plane_size, plane_size), threads, cancel);
            }
            if (one) repeat(values, plane_size);
        });
    }
}

template <class T, class Each>
void Evaluator::in_groups(std::span<const PixelRun> runs, ChannelRange channels, std::span<T> out, std::size_t at_once,
                          const Each& each) const {
    std::size_t of_channel = 0;
    for (const PixelRun& run : runs) of_channel += static_cast<std::size_t>(run.length());
    if (of_channel == 0) return;
    if (of_channel <= at_once) {
        const auto step =
            static_cast<std::int32_t>(std::clamp<std::size_t>(at_once / of_channel, 1, static_cast<std::size_t>(channels.count())));
        for (std::int32_t channel = channels.from; channel < channels.to; channel += step) {
            const ChannelRange some{channel, std::min(channels.to, channel + step)};
            const auto n = of_channel * static_cast<std::size_t>(some.count());
            each(runs, some, out.first(n));
            out = out.subspan(n);
        }
        return;
    }
    // Of each channel some runs at a time, long ones cut.
    std::vector<PixelRun> group;
    for (std::int32_t channel = channels.from; channel < channels.to; ++channel) {
        std::size_t gathered = 0;
        const auto flush = [&] {
            if (gathered == 0) return;
            each(std::span<const PixelRun>(group), ChannelRange{channel, channel + 1}, out.first(gathered));
            out = out.subspan(gathered);
            group.clear();
            gathered = 0;
        };
        for (const PixelRun& run : runs) {
            for (std::int64_t x = run.x0; x < run.x1;) {
                const std::int64_t end = std::min(run.x1, x + static_cast<std::int64_t>(at_once - gathered));
                group.push_back({run.y, x, end});
                gathered += static_cast<std::size_t>(end - x);
                x = end;
                if (gathered == at_once) flush();
            }
        }
        flush();
    }
}

void Evaluator::read_masked(const Scalars& scalars, const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                            int threads, const CancelToken& cancel) const {
    if (out.empty()) return;
    const auto leaves = std::max<std::size_t>(1, program_.leaves().size());
    Workspace workspace;
    in_groups(mask.runs(), channels, out, static_cast<std::size_t>(kChunk) / 4 / leaves,
              [&](std::span<const PixelRun> runs, ChannelRange some, std::span<float> target) {
                  cancel.throw_if_cancelled();
                  const bool whole = runs.data() == mask.runs().data();
                  const PixelMask part = whole ? PixelMask() : PixelMask(std::vector<PixelRun>(runs.begin(), runs.end()));
                  const PixelMask& selected = whole ? mask : part;
                  compute(scalars, target, workspace, threads, cancel, [&](const Leaf& leaf, auto values) {
                      using V = typename decltype(values)::element_type;
                      const PlaneId plane = plane_of(leaf, {0, stokes});
                      const bool one = source(leaf).shape().depth == 1;
                      const ChannelRange own = one ? ChannelRange{0, 1} : some;
                      const auto to = one ? values.first(selected.count()) : values;
                      if constexpr (std::is_same_v<V, float>) {
                          source(leaf).read_masked(selected, own, plane.stokes, to, threads, cancel);
                      } else if (source(leaf).capabilities().random_access) {
                          source(leaf).read_pixels64(runs, own, plane.stokes, to, cancel);
                      } else {
                          // read_pixels64() would decompress whole tiles for each run; these values have the precision of floats.
                          const auto floats = make_pixels<float>(to.size());
                          source(leaf).read_masked(selected, own, plane.stokes, {floats.get(), to.size()}, threads, cancel);
                          std::copy_n(floats.get(), to.size(), to.data());
                      }
                      if (one) repeat(values, selected.count());
                  });
              });
}

template <class T>
void Evaluator::read_pixels(const Scalars& scalars, std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes,
                            std::span<T> out, const CancelToken& cancel) const {
    if (out.empty()) return;
    Workspace workspace;
    in_groups(runs, channels, out, static_cast<std::size_t>(2 * kPiece),
              [&](std::span<const PixelRun> some_runs, ChannelRange some, std::span<T> target) {
                  cancel.throw_if_cancelled();
                  const std::size_t of_channel = target.size() / static_cast<std::size_t>(some.count());
                  compute(scalars, target, workspace, 1, cancel, [&](const Leaf& leaf, auto values) {
                      const PlaneId plane = plane_of(leaf, {0, stokes});
                      const bool one = source(leaf).shape().depth == 1;
                      read_runs(source(leaf), some_runs, one ? ChannelRange{0, 1} : some, plane.stokes,
                                one ? values.first(of_channel) : values, cancel);
                      if (one) repeat(values, of_channel);
                  });
              });
}

template void Evaluator::read(const Scalars&, const Rect&, PlaneId, std::span<float>, int, const CancelToken&) const;
template void Evaluator::read(const Scalars&, const Rect&, PlaneId, std::span<double>, int, const CancelToken&) const;
template void Evaluator::read_pixels(const Scalars&, std::span<const PixelRun>, ChannelRange, std::int32_t, std::span<float>,
                                     const CancelToken&) const;
template void Evaluator::read_pixels(const Scalars&, std::span<const PixelRun>, ChannelRange, std::int32_t, std::span<double>,
                                     const CancelToken&) const;

} // namespace cubelink::imaging::expressions
