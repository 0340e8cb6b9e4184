#include "imaging/analysis/moments/moment_maps.hpp"

#include "imaging/pixels/order_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cubelink::imaging {

namespace {

constexpr double noise_of_deviation = 1.4826; // of a Gaussian's median absolute deviation
constexpr float blank = std::numeric_limits<float>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// Parts of the work, each with its share of the progress.
class Stages {
public:
    Stages(int count, const std::function<void(double)>& progress) : count_(count), progress_(progress) {}
    void next() { ++done_; }
    std::function<void(double)> current() const {
        if (!progress_) return {};
        return [progress = progress_, done = done_, count = count_](double part) { progress((done + part) / count); };
    }

private:
    int count_, done_ = 0;
    const std::function<void(double)>& progress_;
};

std::vector<ValueRange> limits_of(const MomentInput& input, double threshold, BudgetCache& budget, const ThreadShare& threads, const CancelToken& cancel,
                                  const std::function<void(double)>& progress) {
    std::vector<ValueRange> limits;
    PixelSelection plane;
    plane.stokes = input.stokes;
    const auto reservation = budget.reserve(order_statistics_bytes(*input.source, plane, threads), cancel);
    for (std::int32_t channel = input.channels.from; channel < input.channels.to; ++channel) {
        plane.channels = {channel, channel + 1};
        const double limit = threshold * noise_of_deviation * order_statistics(*input.source, plane, {}, true, threads, cancel).mad;
        // Of a channel without pixels: nothing to leave out.
        if (std::isnan(limit)) limits.push_back({-infinity, infinity});
        else limits.push_back(threshold > 0 ? ValueRange{limit, infinity} : ValueRange{-infinity, limit});
        if (progress) progress(double(channel + 1 - input.channels.from) / double(input.channels.count()));
    }
    return limits;
}

/// NaN if there is no finite value. Of an even number the upper one in the middle is taken.
double middle_of(std::vector<float>& values) {
    if (values.empty()) return std::nan("");
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return double(*middle);
}

double noise_of(std::span<const float> plane) {
    std::vector<float> values;
    values.reserve(plane.size());
    for (const float value : plane)
        if (std::isfinite(value)) values.push_back(value);
    const double median = middle_of(values);
    for (float& value : values) value = static_cast<float>(std::abs(double(value) - median));
    return noise_of_deviation * middle_of(values);
}

} // namespace

void compute_moment_maps(const MomentMapsInput& input, std::span<const Moment> moments, std::span<const std::span<float>> planes, const MomentResources& resources,
                         const ThreadShare& threads, const CancelToken& cancel, const std::function<void(double)>& progress) {
    MomentInput base;
    base.source = input.source.get();
    base.stokes = input.stokes;
    base.channels = input.channels;
    base.rect = input.rect;
    base.mask = input.mask.get();
    base.coordinates = input.coordinates;
    base.widths = input.widths;
    base.include = input.include;
    base.exclude = input.exclude;
    MomentOptions options;
    options.memory = resources.budget.limit() / 4;
    options.budget = &resources.budget;

    const bool by_noise = input.noise_threshold != 0;
    Stages stages(1 + int(input.beams.has_value()) + int(by_noise), progress);
    std::shared_ptr<MemoryImage> convolved;
    PixelMask moved;
    if (input.beams) {
        // The noise is that of whole planes.
        const ImageShape& shape = base.source->shape();
        const Rect rect = by_noise ? Rect{0, 0, shape.width, shape.height} : input.rect;
        convolved = std::make_shared<MemoryImage>(ImageShape{rect.width(), rect.height(), input.channels.count(), 1}, resources.budget, cancel, resources.scratch);
        if (resources.leftovers != nullptr) resources.leftovers->push_back(convolved);
        convolve_channels(*base.source, rect, input.channels, input.stokes, *input.beams, *convolved, &resources.budget, threads, cancel, stages.current());
        convolved->check_unchanged();
        base.source = convolved.get();
        base.stokes = 0;
        base.channels = {0, input.channels.count()};
        base.rect = {input.rect.x0 - rect.x0, input.rect.y0 - rect.y0, input.rect.x1 - rect.x0, input.rect.y1 - rect.y0};
        if (base.mask != nullptr) {
            std::vector<PixelRun> runs(base.mask->runs().begin(), base.mask->runs().end());
            for (PixelRun& run : runs) run = {run.y - rect.y0, run.x0 - rect.x0, run.x1 - rect.x0};
            moved = PixelMask(std::move(runs));
            base.mask = &moved;
        }
        stages.next();
    }
    if (by_noise) {
        base.limits = limits_of(base, input.noise_threshold, resources.budget, threads, cancel, stages.current());
        stages.next();
    }
    options.progress = stages.current();

    const bool coordinates = std::any_of(moments.begin(), moments.end(), is_coordinate);
    if (input.moment0_threshold == 0 || !coordinates) return compute_moments(base, moments, planes, threads, cancel, options);
    // Moment 0 is made in any case, and a copy of it to find the median.
    const auto pixels = static_cast<std::size_t>(input.rect.size());
    const auto reservation = resources.budget.reserve(2 * pixels * sizeof(float), cancel);
    std::vector<float> integrated(pixels);
    std::vector<Moment> with(moments.begin(), moments.end());
    std::vector<std::span<float>> all(planes.begin(), planes.end());
    with.push_back(Moment::integrated);
    all.push_back(integrated);
    compute_moments(base, with, all, threads, cancel, options);
    const double least = input.moment0_threshold * noise_of(integrated);
    for (std::size_t k = 0; k < moments.size(); ++k) {
        if (!is_coordinate(moments[k])) continue;
        for (std::size_t i = 0; i < pixels; ++i)
            if (!(double(integrated[i]) > least)) planes[k][i] = blank;
    }
}

} // namespace cubelink::imaging
