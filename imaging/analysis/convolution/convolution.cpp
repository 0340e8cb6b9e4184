#include "imaging/analysis/convolution/convolution.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "imaging/kernels/dispatch.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

constexpr float blank = std::numeric_limits<float>::quiet_NaN();

[[gnu::always_inline]] inline void add_scaled_body(const float* from, std::size_t n, float factor, float* to) {
    for (std::size_t i = 0; i < n; ++i) to[i] += factor * from[i];
}
void add_scaled_plain(const float* from, std::size_t n, float factor, float* to) { add_scaled_body(from, n, factor, to); }
CUBELINK_TARGET_AVX2 void add_scaled_avx2(const float* from, std::size_t n, float factor, float* to) { add_scaled_body(from, n, factor, to); }
CUBELINK_TARGET_AVX512 void add_scaled_avx512(const float* from, std::size_t n, float factor, float* to) { add_scaled_body(from, n, factor, to); }

using AddScaled = void (*)(const float*, std::size_t, float, float*);

Rect grown(const Rect& rect, const EllipticalKernel& kernel, const ImageShape& shape) {
    return {std::max<std::int64_t>(rect.x0 - kernel.radius_x(), 0), std::max<std::int64_t>(rect.y0 - kernel.radius_y(), 0),
            std::min<std::int64_t>(rect.x1 + kernel.radius_x(), shape.width), std::min<std::int64_t>(rect.y1 + kernel.radius_y(), shape.height)};
}

/// Sums over the kernel of `in`, the pixels of `around`, for the pixels of `rect`. Kernels are symmetric about their centre.
void sum_products(const float* in, const Rect& around, const Rect& rect, const EllipticalKernel& kernel, float* along_x, float* out, const CancelToken& cancel) {
    static const auto add_scaled = choose<AddScaled>(add_scaled_plain, add_scaled_avx2, add_scaled_avx512);
    const std::int64_t width = rect.width(), height = rect.height(), in_width = around.width(), in_height = around.height();
    const std::int64_t left = rect.x0 - around.x0, below = rect.y0 - around.y0;
    std::fill_n(out, width * height, 0.0F);
    for (std::size_t term = 0; term < kernel.terms(); ++term) {
        const auto &of_x = kernel.along_x(term), &of_y = kernel.along_y(term);
        for (std::int64_t y = 0; y < in_height; ++y) {
            float* const row = along_x + y * width;
            std::fill_n(row, width, 0.0F);
            for (std::int64_t shift = -kernel.radius_x(); shift <= kernel.radius_x(); ++shift) {
                // Pixels x of the result whose neighbour x + shift exists.
                const std::int64_t from = std::max<std::int64_t>(0, -shift - left), to = std::min(width, in_width - shift - left);
                if (from < to)
                    add_scaled(in + y * in_width + left + from + shift, static_cast<std::size_t>(to - from),
                               of_x[static_cast<std::size_t>(shift + kernel.radius_x())], row + from);
            }
            if (y % 64 == 0) cancel.throw_if_cancelled();
        }
        for (std::int64_t y = 0; y < height; ++y) {
            for (std::int64_t shift = -kernel.radius_y(); shift <= kernel.radius_y(); ++shift) {
                const std::int64_t other = y + below + shift;
                if (other >= 0 && other < in_height)
                    add_scaled(along_x + other * width, static_cast<std::size_t>(width), of_y[static_cast<std::size_t>(shift + kernel.radius_y())], out + y * width);
            }
            if (y % 64 == 0) cancel.throw_if_cancelled();
        }
    }
}

/// Sums of a term's factors over the neighbours that exist, for each of the pixels [from, to) of `length`.
std::vector<double> sums_inside(const std::vector<float>& factors, std::int64_t from, std::int64_t to, std::int64_t length) {
    const auto radius = static_cast<std::int64_t>(factors.size() / 2);
    std::vector<double> running(factors.size() + 1);
    for (std::size_t i = 0; i < factors.size(); ++i) running[i + 1] = running[i] + double(factors[i]);
    std::vector<double> sums(static_cast<std::size_t>(to - from));
    for (std::int64_t at = from; at < to; ++at) {
        const std::int64_t first = std::max<std::int64_t>(-radius, -at), last = std::min(radius, length - 1 - at);
        sums[static_cast<std::size_t>(at - from)] = running[static_cast<std::size_t>(last + radius + 1)] - running[static_cast<std::size_t>(first + radius)];
    }
    return sums;
}

/// Weights of whole neighbourhoods within the image.
void sum_weights(const Rect& rect, const ImageShape& shape, const EllipticalKernel& kernel, float* out) {
    std::fill_n(out, rect.size(), 0.0F);
    for (std::size_t term = 0; term < kernel.terms(); ++term) {
        const auto of_x = sums_inside(kernel.along_x(term), rect.x0, rect.x1, shape.width), of_y = sums_inside(kernel.along_y(term), rect.y0, rect.y1, shape.height);
        for (std::size_t y = 0; y < of_y.size(); ++y)
            for (std::size_t x = 0; x < of_x.size(); ++x) out[y * of_x.size() + x] += static_cast<float>(of_x[x] * of_y[y]);
    }
}

} // namespace

std::size_t convolution_bytes(const ImageShape& shape, const Rect& rect, const EllipticalKernel& kernel) {
    if (kernel.identity()) return 0;
    const Rect around = grown(rect, kernel, shape);
    return static_cast<std::size_t>(around.size() + rect.width() * around.height() + rect.size()) * sizeof(float);
}

void convolve_plane(const ImageSource& source, const Rect& rect, PlaneId plane, const EllipticalKernel& kernel, double scale, std::span<float> out,
                    const CancelToken& cancel) {
    if (kernel.identity()) {
        source.read(rect, plane, out, 1, cancel);
        for (float& value : out) value = static_cast<float>(value * scale);
        return;
    }
    const Rect around = grown(rect, kernel, source.shape());
    const auto n = static_cast<std::size_t>(around.size());
    const auto in = make_pixels<float>(n), along_x = make_pixels<float>(static_cast<std::size_t>(rect.width() * around.height()));
    const auto weights = make_pixels<float>(out.size());
    source.read(around, plane, {in.get(), n}, 1, cancel);
    bool blanks = false;
    for (std::size_t i = 0; i < n; ++i) blanks |= !std::isfinite(in[i]);
    if (blanks) {
        const auto present = make_pixels<float>(n);
        for (std::size_t i = 0; i < n; ++i) present[i] = std::isfinite(in[i]) ? 1.0F : 0.0F;
        for (std::size_t i = 0; i < n; ++i) in[i] = std::isfinite(in[i]) ? in[i] : 0.0F;
        sum_products(present.get(), around, rect, kernel, along_x.get(), weights.get(), cancel);
        for (std::int64_t y = rect.y0; y < rect.y1; ++y) {
            const float* row = present.get() + (y - around.y0) * around.width() + (rect.x0 - around.x0);
            float* to = weights.get() + (y - rect.y0) * rect.width();
            for (std::int64_t x = 0; x < rect.width(); ++x) to[x] = row[x] > 0 ? to[x] : blank;
        }
    } else {
        sum_weights(rect, source.shape(), kernel, weights.get());
    }
    sum_products(in.get(), around, rect, kernel, along_x.get(), out.data(), cancel);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(scale * double(out[i]) / double(weights[i]));
}

bool beams_differ(std::span<const Beam> beams, ChannelRange channels, std::int32_t stokes) {
    const std::vector<Beam> all(beams.begin(), beams.end());
    const Beam* first = find_beam(all, channels.from, stokes);
    for (std::int32_t channel = channels.from + 1; channel < channels.to; ++channel) {
        const Beam* beam = find_beam(all, channel, stokes);
        if ((beam == nullptr) != (first == nullptr)) return true;
        if (beam == nullptr) continue;
        // Not by ==: beams that are missing are not numbers.
        const bool same = (beam->major == first->major && beam->minor == first->minor && beam->pa == first->pa) || (!beam->valid() && !first->valid());
        if (!same) return true;
    }
    return false;
}

BeamPlan plan_common_beam(std::span<const Beam> beams, ChannelRange channels, std::int32_t stokes, const std::optional<std::array<double, 4>>& matrix,
                          const ImageShape& shape, std::string_view bunit) {
    BeamPlan plan;
    const auto refuse = [&](std::string problem) {
        plan = {};
        plan.problem = std::move(problem);
        return plan;
    };
    if (!matrix) return refuse("the image's pixels have no size on the sky");
    const std::vector<Beam> all(beams.begin(), beams.end());
    std::vector<Beam> used;
    for (std::int32_t channel = channels.from; channel < channels.to; ++channel) {
        const Beam* beam = find_beam(all, channel, stokes);
        if (beam == nullptr || !beam->valid()) return refuse("channel " + std::to_string(channel) + " has no valid beam");
        used.push_back(*beam);
    }
    const auto common = common_beam(used);
    if (!common) return refuse("there is no beam that all can be convolved to");
    plan.beam = *common;
    const EllipseMatrix target = matrix_of(*common);
    const bool per_beam = bunit.find("/beam") != std::string_view::npos;
    for (std::size_t i = 0; i < used.size(); ++i) {
        const EllipseMatrix own = matrix_of(used[i]);
        const auto kernel = in_pixels({target.xx - own.xx, target.xy - own.xy, target.yy - own.yy}, *matrix);
        if (!kernel) return refuse("the image's pixels have no size on the sky");
        const double radius = EllipticalKernel::radius_of(*kernel);
        if (!(radius <= EllipticalKernel::most_radius) || radius > static_cast<double>(std::max(shape.width, shape.height)))
            return refuse("the beam of channel " + std::to_string(channels.from + static_cast<std::int32_t>(i)) + " is too small against the common one, in pixels");
        plan.kernels.push_back(*kernel);
        plan.scales.push_back(per_beam ? std::sqrt(target.determinant() / own.determinant()) : 1.0);
    }
    return plan;
}

void convolve_channels(const ImageSource& source, const Rect& rect, ChannelRange channels, std::int32_t stokes, const BeamPlan& plan, MemoryImage& out,
                       BudgetCache* budget, const ThreadShare& threads, const CancelToken& cancel, const std::function<void(double)>& progress) {
    const std::int64_t n = channels.count();
    if (out.shape() != ImageShape{rect.width(), rect.height(), n, 1} || plan.kernels.size() != static_cast<std::size_t>(n))
        throw std::invalid_argument("the convolved image has not the shape of the channels");
    const ImageShape& shape = source.shape();
    // Upper bound: with the largest radius of all channels, and blanks.
    double most = 0;
    for (const EllipseMatrix& kernel : plan.kernels) most = std::max(most, EllipticalKernel::radius_of(kernel));
    const auto margin = static_cast<std::int64_t>(2 * std::ceil(most));
    const std::int64_t around_width = std::min(rect.width() + margin, shape.width), around_height = std::min(rect.height() + margin, shape.height);
    const auto bytes = static_cast<std::size_t>(2 * around_width * around_height + rect.width() * around_height + rect.size()) * sizeof(float);
    Reservation reservation;
    int at_once = threads.most();
    if (budget != nullptr) {
        while (at_once > 1 && bytes * static_cast<std::size_t>(at_once) > budget->limit() / 4) --at_once;
        reservation = budget->reserve(bytes * static_cast<std::size_t>(at_once), cancel);
    }
    std::atomic<std::int64_t> done{0};
    parallel_for(ThreadShare(at_once, [threads] { return threads.now(); }), n, cancel, [&](std::int64_t index, int thread) {
        const auto channel = static_cast<std::int32_t>(index);
        const EllipticalKernel kernel(plan.kernels[static_cast<std::size_t>(index)]);
        convolve_plane(source, rect, {channels.from + channel, stokes}, kernel, plan.scales[static_cast<std::size_t>(index)], out.plane({channel, 0}), cancel);
        const auto so_far = done.fetch_add(1, std::memory_order_relaxed) + 1;
        if (thread == 0 && progress) progress(double(so_far) / double(n));
    });
}

} // namespace cubelink::imaging
