#include "imaging/pixels/plane_summary.hpp"

#include "imaging/kernels/reduce.hpp"
#include "imaging/pixels/mask_windows.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace cubelink::imaging {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kPart = 4096; // pixels; stays in the first-level cache for the kernel's second pass

template <class T>
PlaneSummary summarise_parts(std::span<const T> values) {
    PlaneSummary summary;
    for (std::size_t i = 0; i < values.size(); i += kPart) {
        const std::size_t n = std::min(kPart, values.size() - i);
        const kernels::Reduced part = kernels::reduce(values.data() + i, n);
        PlaneSummary s;
        s.total = std::int64_t(n);
        s.count = part.count;
        if (part.count > 0) {
            s.min = part.min;
            s.max = part.max;
            s.sum = part.sum;
            s.sum_sq = part.sum_sq;
            s.m2 = part.m2;
        }
        summary.merge(s);
    }
    return summary;
}

/// Adds `term` and `term_rest` to sum + rest, and leaves in `sum` the double that is nearest to both together (Knuth's two-sum).
void add_exactly(double& sum, double& rest, double term, double term_rest) {
    const double total = sum + term;
    if (!std::isfinite(total)) {
        sum = total;
        rest = 0;
        return;
    }
    const double of_term = total - sum;
    const double low = (sum - (total - of_term)) + (term - of_term) + rest + term_rest;
    sum = total + low;
    rest = low - (sum - total);
}

} // namespace

double PlaneSummary::mean() const { return count > 0 ? sum / double(count) : kNaN; }
double PlaneSummary::rms() const { return count > 0 ? std::sqrt(sum_sq / double(count)) : kNaN; }
double PlaneSummary::std_dev() const { return count > 1 ? std::sqrt(m2 / double(count - 1)) : kNaN; }

void PlaneSummary::merge(const PlaneSummary& other) {
    total += other.total;
    if (other.count == 0) return;
    if (count == 0) {
        const std::int64_t seen = total;
        *this = other;
        total = seen;
        return;
    }
    const double na = double(count), nb = double(other.count);
    const double delta = other.sum / nb - sum / na;
    m2 += other.m2 + delta * delta * (na * nb / (na + nb));
    count += other.count;
    add_exactly(sum, sum_rest, other.sum, other.sum_rest);
    add_exactly(sum_sq, sum_sq_rest, other.sum_sq, other.sum_sq_rest);
    min = std::min(min, other.min);
    max = std::max(max, other.max);
}

PlaneSummary summarise(std::span<const float> values) { return summarise_parts(values); }
PlaneSummary summarise(std::span<const double> values) { return summarise_parts(values); }

PlaneSummary summarise(const ImageSource& source, const Rect& rect, PlaneId plane, const ThreadShare& threads, const CancelToken& cancel) {
    return summarise(source, rect, {plane.channel, plane.channel + 1}, plane.stokes, threads, cancel);
}

PlaneSummary summarise(const ImageSource& source, const Rect& rect, ChannelRange channels, std::int32_t stokes, const ThreadShare& threads,
                       const CancelToken& cancel) {
    PlaneSummary summary;
    for (const ChannelRange some : channels_at_once(source, rect, channels)) {
        const PixelBands bands(source, rect, some, stokes);
        std::vector<PlaneSummary> parts(static_cast<std::size_t>(bands.count()));
        with_pixel_type(source, [&](auto type) {
            using T = decltype(type);
            visit_bands<T>(source, bands, threads, cancel,
                           [&](std::int64_t index, std::span<const T> pixels, int) { parts[static_cast<std::size_t>(index)] = summarise_parts(pixels); });
        });
        for (const PlaneSummary& part : parts) summary.merge(part);
    }
    return summary;
}

std::vector<PlaneSummary> summarise(const ImageSource& source, MaskList masks, PlaneId plane, const ThreadShare& threads, const CancelToken& cancel,
                                    std::span<const float> in_memory) {
    const MaskWindows windows(source, masks);
    std::vector<PlaneSummary> parts(windows.parts().size());
    with_pixel_type(source, [&](auto type) {
        using T = decltype(type);
        visit_masks<T>(source, windows, plane, in_memory, threads, cancel,
                       [&](std::size_t part, std::span<const T> pixels, int) { parts[part].merge(summarise_parts(pixels)); });
    });
    std::vector<PlaneSummary> summaries(masks.size());
    for (std::size_t i = 0; i < parts.size(); ++i) summaries[windows.parts()[i].mask].merge(parts[i]);
    return summaries;
}

std::size_t mask_pass_bytes(const ImageSource& source, MaskList masks, const ThreadShare& threads) {
    return MaskWindows::bytes_needed(source, masks, threads.slots(), sizeof(PlaneSummary));
}

} // namespace cubelink::imaging
