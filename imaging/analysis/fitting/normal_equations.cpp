#include "imaging/analysis/fitting/normal_equations.hpp"

#include "imaging/analysis/fitting/gaussian_fit.hpp"
#include "imaging/base/parallel.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace cubelink::imaging {

namespace {

/// Columns that are worked on at once: what a row needs stays in the caches.
constexpr std::int64_t segment = 1024;
/// Pixels that are read at once if they are not in memory.
constexpr std::int64_t read_at_once = std::int64_t(1) << 17;

std::size_t chunk_count(const FitPixels& pixels, std::size_t components) {
    return std::size_t(std::clamp<std::int64_t>(components <= 10 ? 64 : 16, 1, pixels.bounds().height()));
}

/// left · H · rightᵀ with H[k][l] = moments[k + l], added to the block of `matrix` at (row, column).
void add_block(const RowModel::Derivatives& left, const RowModel::Derivatives& right, const double* moments, double* matrix, std::size_t stride) {
    for (std::size_t i = 0; i < gaussian_parameters; ++i) {
        double with[3];
        for (std::size_t l = 0; l < 3; ++l) with[l] = left[i][0] * moments[l] + left[i][1] * moments[l + 1] + left[i][2] * moments[l + 2];
        for (std::size_t k = 0; k < gaussian_parameters; ++k)
            matrix[i * stride + k] += with[0] * right[k][0] + with[1] * right[k][1] + with[2] * right[k][2];
    }
}

} // namespace

void NormalEquations::clear() {
    squares = 0;
    count = 0;
    std::fill(gradient.begin(), gradient.end(), 0.0);
    std::fill(matrix.begin(), matrix.end(), 0.0);
}

void NormalEquations::add(const NormalEquations& other) {
    squares += other.squares;
    count += other.count;
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] += other.gradient[i];
    for (std::size_t i = 0; i < matrix.size(); ++i) matrix[i] += other.matrix[i];
}

NormalSummation::NormalSummation(const FitPixels& pixels, std::size_t components, const ThreadShare& threads)
    : pixels_(pixels), threads_(threads), chunks_(chunk_count(pixels, components), NormalEquations(gaussian_parameters * components + 1)),
      total_(gaussian_parameters * components + 1), workspaces_(threads.slots()) {}

std::size_t NormalSummation::bytes_needed(const FitPixels& pixels, std::size_t components, const ThreadShare& threads) {
    const std::size_t p = gaussian_parameters * components + 1;
    const std::size_t read = pixels.in_memory() ? 0 : std::size_t(std::max(read_at_once, pixels.bounds().width())) * sizeof(double);
    return (chunk_count(pixels, components) + 1) * (p * p + p) * sizeof(double) +
           threads.slots() * ((components + 2) * std::size_t(segment) * sizeof(double) + read);
}

const NormalEquations& NormalSummation::sum(std::span<const GaussianComponent> components, double offset, const CancelToken& cancel) {
    total_.clear();
    std::vector<RowModel> models;
    bool valid = std::isfinite(offset);
    for (const GaussianComponent& component : components) {
        models.emplace_back(component);
        valid &= models.back().valid();
    }
    if (!valid) {
        total_.squares = std::numeric_limits<double>::quiet_NaN();
        return total_;
    }
    parallel_for(threads_, std::int64_t(chunks_.size()), cancel, [&](std::int64_t chunk, int thread) {
        sum_chunk(std::size_t(chunk), models, offset, workspaces_[std::size_t(thread)], cancel);
    });
    for (const NormalEquations& chunk : chunks_) total_.add(chunk);
    return total_;
}

void NormalSummation::sum_chunk(std::size_t chunk, std::span<const RowModel> models, double offset, Workspace& work, const CancelToken& cancel) {
    NormalEquations& out = chunks_[chunk];
    out.clear();
    work.residuals.resize(std::size_t(segment));
    work.finite.resize(std::size_t(segment));
    work.gaussians.resize(std::size_t(segment) * models.size());
    const Rect& bounds = pixels_.bounds();
    const auto begin = [&](std::size_t index) { return bounds.y0 + bounds.height() * std::int64_t(index) / std::int64_t(chunks_.size()); };
    const std::int64_t step = std::max<std::int64_t>(1, read_at_once / bounds.width()), end = begin(chunk + 1);
    for (std::int64_t from = begin(chunk); from < end; from += step) {
        const std::int64_t to = std::min(end, from + step);
        if (pixels_.wide()) sum_rows(from, to, models, offset, work.doubles, work, out, cancel);
        else sum_rows(from, to, models, offset, work.floats, work, out, cancel);
    }
}

template <class T>
void NormalSummation::sum_rows(std::int64_t from, std::int64_t to, std::span<const RowModel> models, double offset, std::vector<T>& buffer, Workspace& work,
                               NormalEquations& out, const CancelToken& cancel) const {
    const std::span<const T> rows = pixels_.rows<T>(from, to, buffer, cancel);
    const Rect& bounds = pixels_.bounds();
    for (std::int64_t y = from; y < to; ++y) {
        cancel.throw_if_cancelled();
        const T* const row = rows.data() + (y - from) * bounds.width();
        for (std::int64_t x = bounds.x0; x < bounds.x1; x += segment)
            sum_segment(row + (x - bounds.x0), y, x, std::size_t(std::min(segment, bounds.x1 - x)), models, offset, work, out);
    }
}

template <class T>
void NormalSummation::sum_segment(const T* data, std::int64_t y, std::int64_t x0, std::size_t n, std::span<const RowModel> models, double offset,
                                  Workspace& work, NormalEquations& out) const {
    double* const residuals = work.residuals.data();
    double* const finite = work.finite.data();
    const std::size_t count = kernels::begin_residuals(data, n, offset, residuals, finite);
    if (count == 0) return;
    struct Active {
        std::size_t component;
        std::int64_t x0, x1;
        double* gaussian; // of pixel x0
    };
    std::array<Active, max_gaussians> active;
    std::size_t actives = 0;
    for (std::size_t c = 0; c < models.size(); ++c) {
        const auto extent = models[c].extent(y, x0, x0 + std::int64_t(n));
        if (extent.x0 >= extent.x1) continue;
        double* const gaussian = work.gaussians.data() + std::size_t(segment) * actives;
        kernels::add_gaussian(models[c].row(y, extent.x0), count < n ? finite + (extent.x0 - x0) : nullptr, std::size_t(extent.x1 - extent.x0), gaussian,
                              residuals + (extent.x0 - x0));
        active[actives++] = {c, extent.x0, extent.x1, gaussian};
    }
    const std::size_t p = out.gradient.size(), last = p - 1;
    const auto sums = kernels::residual_sums(residuals, n);
    out.count += std::int64_t(count);
    out.squares += sums.squares;
    out.gradient[last] += sums.sum;
    out.matrix[last * p + last] += double(count);
    for (std::size_t a = 0; a < actives; ++a) {
        const Active& one = active[a];
        const RowModel& model = models[one.component];
        const double crest = model.crest(y);
        const auto moments = kernels::gaussian_sums(one.gaussian, residuals + (one.x0 - x0), double(one.x0) - crest, std::size_t(one.x1 - one.x0));
        const auto derivatives = model.derivatives(y, crest);
        const std::size_t at = gaussian_parameters * one.component;
        for (std::size_t i = 0; i < gaussian_parameters; ++i) {
            const auto& d = derivatives[i];
            out.gradient[at + i] += d[0] * moments.gr[0] + d[1] * moments.gr[1] + d[2] * moments.gr[2];
            out.matrix[last * p + at + i] += d[0] * moments.g[0] + d[1] * moments.g[1] + d[2] * moments.g[2];
        }
        add_block(derivatives, derivatives, moments.gg, out.matrix.data() + at * p + at, p);
        for (std::size_t b = 0; b < a; ++b) {
            const Active& other = active[b];
            // About the crest of the product of both, as far as it counts.
            const RowModel& with = models[other.component];
            const auto product = model.product(with, y, std::max(one.x0, other.x0), std::min(one.x1, other.x1));
            const auto [from, to] = product.extent;
            if (from >= to) continue;
            const double origin = product.crest;
            const auto products = kernels::pair_sums(one.gaussian + (from - one.x0), other.gaussian + (from - other.x0), double(from) - origin,
                                                     std::size_t(to - from));
            add_block(model.derivatives(y, origin), with.derivatives(y, origin), products.gh,
                      out.matrix.data() + at * p + gaussian_parameters * other.component, p);
        }
    }
}

} // namespace cubelink::imaging
