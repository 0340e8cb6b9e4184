#include "imaging/pixels/plane_summary.hpp"

#include "imaging/source/bands.hpp"
#include "imaging/kernels/reduce.hpp"
#include "imaging/base/parallel.hpp"
#include "imaging/base/pixel_memory.hpp"

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

template <class T, class Read>
PlaneSummary summarise_bands(const Bands& bands, const ThreadShare& threads, const CancelToken& cancel, const Read& read) {
    std::vector<PlaneSummary> parts(std::size_t(bands.count));
    std::vector<Pixels<T>> buffers(threads.slots());
    parallel_for(threads, bands.count, cancel, [&](std::int64_t index, int thread) {
        auto& buffer = buffers[std::size_t(thread)];
        if (!buffer) buffer = make_pixels<T>(bands.largest());
        const Rect band = bands.band(index);
        const std::span<T> pixels(buffer.get(), std::size_t(band.size()));
        read(band, pixels);
        parts[std::size_t(index)] = summarise_parts<T>(pixels);
    });
    PlaneSummary summary;
    for (const PlaneSummary& part : parts) summary.merge(part);
    return summary;
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
    sum += other.sum;
    sum_sq += other.sum_sq;
    min = std::min(min, other.min);
    max = std::max(max, other.max);
}

PlaneSummary summarise(std::span<const float> values) { return summarise_parts(values); }
PlaneSummary summarise(std::span<const double> values) { return summarise_parts(values); }

PlaneSummary summarise(const ImageSource& source, const Rect& rect, PlaneId plane, const ThreadShare& threads, const CancelToken& cancel) {
    const Bands bands = Bands::cut(rect, 32, band_target(source));
    if (source.capabilities().prefers_double) {
        return summarise_bands<double>(bands, threads, cancel,
                                       [&](const Rect& band, std::span<double> out) { source.read64(band, plane, out, 1, cancel); });
    }
    return summarise_bands<float>(bands, threads, cancel,
                                  [&](const Rect& band, std::span<float> out) { source.read(band, plane, out, 1, cancel); });
}

} // namespace cubelink::imaging
