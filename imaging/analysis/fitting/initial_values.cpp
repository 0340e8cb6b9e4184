#include "imaging/analysis/fitting/initial_values.hpp"

#include "imaging/analysis/fitting/gaussian_fit.hpp"
#include "imaging/analysis/fitting/working_image.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

constexpr std::int64_t most_pixels = std::int64_t(1) << 20;
/// What a peak's score has to be at least, which is about its ratio to the noise.
constexpr double least_score = 5;

struct Peak {
    double score = 0; // 0: there is none
    GaussianComponent guess; // in pixels of the working image
    std::size_t level = 0;
};

struct Smoothed {
    double value = 0;
    double noise = 1; // relative to that of a pixel with all of its neighbours
};
/// Weighted with (1 2 1) both ways over what is finite: the middle must be.
Smoothed smoothed(const Grid& grid, std::int64_t x, std::int64_t y) {
    if (!std::isfinite(grid.at(x, y))) return {};
    double sum = 0, weights = 0, squares = 0;
    for (std::int64_t v = std::max<std::int64_t>(0, y - 1); v <= std::min(grid.height - 1, y + 1); ++v)
        for (std::int64_t u = std::max<std::int64_t>(0, x - 1); u <= std::min(grid.width - 1, x + 1); ++u) {
            const auto i = std::size_t(v * grid.width + u);
            if (!std::isfinite(grid.values[i])) continue;
            const double filled = grid.filled.empty() ? 1 : double(grid.filled[i]), weight = (u == x ? 2 : 1) * (v == y ? 2 : 1) * filled;
            sum += weight * double(grid.values[i]);
            weights += weight;
            squares += weight * weight / filled;
        }
    return {sum / weights, std::sqrt(squares) / weights / 0.375};
}

class Search {
public:
    Search(const FitPixels& pixels, std::optional<double> offset, double beam, const ThreadShare& threads, const CancelToken& cancel)
        : threads_(threads), cancel_(cancel) {
        if (offset) fixed_offset_ = *offset * pixels.scale();
        const Rect& bounds = pixels.bounds();
        factor_ = std::max<std::int64_t>(1, std::int64_t(std::ceil(std::sqrt(double(bounds.size()) / double(most_pixels)))));
        image_ = pyramid_of(block_means(pixels, factor_, threads, cancel));
        beam_ = beam / double(factor_);
        const Spread background = background_of(image_.front().values);
        if (!std::isfinite(background.median)) throw std::invalid_argument("No pixel is finite: there is nothing to fit.");
        scale_ = pixels.scale();
        offset_ = fixed_offset_.value_or(background.median);
    }

    void run(std::size_t count, const std::function<void(double)>& on_progress) {
        double floor = 0; // of the noise, where the image has none
        while (found_.size() < count) {
            const Peak peak = highest_peak(found_, offset_, floor);
            if (peak.score == 0 || (!found_.empty() && peak.score < least_score)) break;
            if (found_.empty()) floor = 1e-6 * std::abs(peak.guess.amplitude);
            add(peak);
            const double part = double(found_.size()) / double(count);
            on_progress(0.8 * part * part); // with each component the next one takes longer
        }
        // The least one may have been put where no source is.
        for (std::size_t round = 0; round < 2 * count && found_.size() > 1; ++round) {
            const Peak left = highest_peak(found_, offset_, floor);
            if (left.score < 2 * least_score || !improve(left)) break;
            on_progress(0.8 + 0.2 * double(round + 1) / double(2 * count));
        }
        std::stable_sort(found_.begin(), found_.end(), [](const auto& a, const auto& b) { return std::abs(a.amplitude) > std::abs(b.amplitude); });
    }

    InitialValues result(const Rect& bounds) const {
        InitialValues values;
        values.offset = offset_ / scale_;
        for (const GaussianComponent& component : found_) {
            GaussianComponent c = scaled(component, 1.0 / double(factor_));
            c.amplitude /= scale_;
            c.x += double(bounds.x0);
            c.y += double(bounds.y0);
            values.components.push_back(c);
        }
        return values;
    }

private:
    Grid residuals(std::span<const GaussianComponent> components, double offset) const { return residuals_of(image_.front(), components, offset, threads_, cancel_); }

    /// What is narrower than the blocks leaves residuals, as the model is not averaged over them.
    static void hide_unresolved(Grid& grid, std::span<const GaussianComponent> components) {
        for (const GaussianComponent& c : components) {
            if (c.fwhm_y > 4) continue;
            const double reach = c.fwhm_x + 2;
            for (auto y = std::max<std::int64_t>(0, std::int64_t(c.y - reach)); y < std::min(grid.height, std::int64_t(c.y + reach) + 1); ++y)
                for (auto x = std::max<std::int64_t>(0, std::int64_t(c.x - reach)); x < std::min(grid.width, std::int64_t(c.x + reach) + 1); ++x)
                    grid.values[std::size_t(y * grid.width + x)] = std::nanf("");
        }
    }

    Peak highest_peak(std::span<const GaussianComponent> components, double offset, double floor) {
        Grid left = residuals(components, offset);
        if (factor_ > 1) hide_unresolved(left, components);
        left_ = pyramid_of(std::move(left));
        const double noise = std::max({spread_of(left_.front().values).deviation, floor, 1e-300});
        Peak best;
        for (std::size_t level = 0; level < left_.size(); ++level) {
            cancel_.throw_if_cancelled();
            const Grid& grid = left_[level];
            // Noise goes down with the number of beams that a mean is over.
            const double size = std::ldexp(1.0, int(level)), weight = std::max(1.0, 1.7 * size / std::max(1.0, beam_)) / noise;
            for (std::int64_t y = 0; y < grid.height; ++y)
                for (std::int64_t x = 0; x < grid.width; ++x) {
                    if (!(std::abs(double(grid.at(x, y))) * weight * 4 > best.score)) continue; // smoothed, it is hardly more
                    const auto [value, noise_here] = smoothed(grid, x, y);
                    const double score = std::abs(value) * weight / noise_here;
                    if (!(score > best.score)) continue;
                    best.score = score;
                    best.level = level;
                    const double width = std::max(2.5 * size, beam_);
                    best.guess = {(double(x) + 0.5) * size - 0.5, (double(y) + 0.5) * size - 0.5, 1.3 * value, 1.1 * width, width / 1.1, 45};
                }
        }
        return best;
    }

    /// A Gaussian fitted to what is left around a peak, in pixels of a quarter of the peak's scale.
    GaussianComponent fitted(const Peak& peak) const {
        const std::size_t level = peak.level < 2 ? 0 : peak.level - 2;
        const double size = std::ldexp(1.0, int(level));
        const Grid& grid = left_[level];
        const GaussianComponent guess = scaled(peak.guess, size);
        const double reach = 2.0 * guess.fwhm_x + 3;
        Rect cut{std::int64_t(guess.x - reach), std::int64_t(guess.y - reach), std::int64_t(guess.x + reach) + 1, std::int64_t(guess.y + reach) + 1};
        cut = {std::max<std::int64_t>(0, cut.x0), std::max<std::int64_t>(0, cut.y0), std::min(grid.width, cut.x1), std::min(grid.height, cut.y1)};
        std::vector<float> values;
        for (std::int64_t y = cut.y0; y < cut.y1; ++y)
            values.insert(values.end(), grid.values.begin() + (y * grid.width + cut.x0), grid.values.begin() + (y * grid.width + cut.x1));
        GaussianFitOptions options;
        options.max_iterations = 30;
        options.tolerance = 1e-3;
        std::vector<bool> fixed(gaussian_parameters + 1, false);
        fixed.back() = true;
        const auto fit = fit_gaussians(FitPixels(values, cut), std::span(&guess, 1), 0, fixed, options, threads_, cancel_);
        const GaussianComponent& c = fit.components.front();
        const bool sound = fit.end != LeastSquaresEnd::no_value && c.x > double(cut.x0) - 1 && c.x < double(cut.x1) && c.y > double(cut.y0) - 1 &&
                           c.y < double(cut.y1) && c.fwhm_y > 0.5 && c.fwhm_x < 6 * reach && c.amplitude * guess.amplitude > 0 &&
                           std::abs(c.amplitude) < 20 * std::abs(guess.amplitude);
        return sound ? scaled(c, 1 / size) : peak.guess;
    }

    struct Joint {
        std::vector<GaussianComponent> components;
        double offset = 0, sum = 0;
    };

    /// Of the largest pixels in which all of them are resolved.
    std::size_t level_of(std::span<const GaussianComponent> components) const {
        double smallest = HUGE_VAL;
        for (const auto& c : components) smallest = std::min(smallest, c.fwhm_y);
        std::size_t level = 0;
        while (level + 1 < image_.size() && smallest >= 4 * std::ldexp(1.0, int(level) + 1)) ++level;
        return level;
    }

    /// Fitted together on a level. Components that went astray are put back.
    Joint refined(std::vector<GaussianComponent> components, std::size_t level) const {
        const double size = std::ldexp(1.0, int(level));
        const Grid& grid = image_[level];
        std::vector<GaussianComponent> start;
        for (const auto& c : components) start.push_back(scaled(c, size));
        GaussianFitOptions options;
        options.decomposition = Decomposition::cholesky; // the quickest
        options.max_iterations = 25;
        options.tolerance = 1e-4;
        std::vector<bool> fixed(gaussian_parameters * components.size() + 1, false);
        fixed.back() = fixed_offset_.has_value();
        const auto fit = fit_gaussians(FitPixels(grid.values, grid.rect()), start, offset_, fixed, options, threads_, cancel_);
        Joint joint{std::move(components), offset_, fit.sum};
        if (fit.end == LeastSquaresEnd::no_value) {
            joint.sum = HUGE_VAL;
            return joint;
        }
        const double largest = 2 * double(grid.width + grid.height);
        for (std::size_t k = 0; k < start.size(); ++k) {
            const GaussianComponent& c = fit.components[k];
            const bool good = c.x > -0.5 * double(grid.width) && c.x < 1.5 * double(grid.width) && c.y > -0.5 * double(grid.height) &&
                              c.y < 1.5 * double(grid.height) && c.fwhm_x < largest && c.fwhm_y > 0.3;
            if (good) joint.components[k] = scaled(c, 1 / size);
            else joint.sum = HUGE_VAL;
        }
        joint.offset = fit.offset;
        return joint;
    }

    void take(const Joint& joint) {
        found_ = joint.components;
        offset_ = joint.offset;
    }

    /// One more at the peak. If that lies on a component, it may also be that this one covers two sources: then the better one of both ways is taken.
    void add(const Peak& peak) {
        auto with_peak = found_;
        with_peak.push_back(fitted(peak));
        const auto split = with_one_split(found_, peak);
        const std::size_t level = std::min(level_of(with_peak), split ? level_of(*split) : 100);
        const Joint one = refined(std::move(with_peak), level);
        if (!split) return take(one);
        const Joint other = refined(*split, level);
        take(other.sum < one.sum ? other : one);
    }

    /// The components with the one that the peak lies on in two halves, along its major axis.
    std::optional<std::vector<GaussianComponent>> with_one_split(std::span<const GaussianComponent> all, const Peak& peak) const {
        const GaussianComponent* nearest = nullptr;
        double least = 1.2;
        for (const GaussianComponent& c : all) {
            const double distance = std::hypot(c.x - peak.guess.x, c.y - peak.guess.y) / c.fwhm_x;
            if (distance >= least) continue;
            least = distance;
            nearest = &c;
        }
        if (nearest == nullptr) return std::nullopt;
        std::vector<GaussianComponent> components;
        for (const GaussianComponent& c : all) {
            if (&c != nearest) components.push_back(c);
        }
        constexpr double degree = 0.017453292519943295;
        for (const double side : {-1.0, 1.0}) {
            GaussianComponent half = *nearest;
            half.x -= side * 0.35 * half.fwhm_x * std::sin(half.pa * degree);
            half.y += side * 0.35 * half.fwhm_x * std::cos(half.pa * degree);
            half.fwhm_x = std::max(0.6 * half.fwhm_x, half.fwhm_y);
            half.amplitude *= 0.8;
            components.push_back(half);
        }
        return components;
    }

    /// Without one of those that matter least, but with one at the peak, or with the one that the peak lies on in halves: if that is better, it stays.
    bool improve(const Peak& peak) {
        constexpr std::size_t most_tries = 3;
        const auto matters = [](const GaussianComponent& c) { return c.amplitude * c.amplitude * c.fwhm_x * c.fwhm_y; };
        auto sorted = found_;
        std::stable_sort(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) { return matters(a) < matters(b); });
        std::vector<std::vector<GaussianComponent>> tries;
        const GaussianComponent at_peak = fitted(peak);
        for (std::size_t k = 0; k < std::min(most_tries, sorted.size()); ++k) {
            auto others = sorted;
            others.erase(others.begin() + std::ptrdiff_t(k));
            if (auto split = with_one_split(others, peak)) tries.push_back(std::move(*split));
            others.push_back(at_peak);
            tries.push_back(std::move(others));
        }
        std::size_t level = level_of(found_);
        for (const auto& one : tries) level = std::min(level, level_of(one));
        const double before = refined(found_, level).sum;
        std::optional<Joint> best;
        for (auto& one : tries) {
            auto joint = refined(std::move(one), level);
            if (!best || joint.sum < best->sum) best = std::move(joint);
        }
        if (!best || !(best->sum < 0.999 * before)) return false;
        take(*best);
        return true;
    }

    const ThreadShare& threads_;
    const CancelToken& cancel_;
    std::optional<double> fixed_offset_; // scaled, as all values in here
    double scale_ = 1;
    std::int64_t factor_ = 1;
    double beam_ = 0;
    std::vector<Grid> image_, left_;
    std::vector<GaussianComponent> found_; // in pixels of the working image
    double offset_ = 0;
};

} // namespace

InitialValues find_initial_values(const FitPixels& pixels, std::size_t count, std::optional<double> offset, double beam, BudgetCache& budget,
                                  const ThreadShare& threads, const CancelToken& cancel, const std::function<void(double)>& on_progress) {
    if (count < 1 || count > max_gaussians) throw std::invalid_argument("the number of components is out of range");
    const auto size = std::size_t(std::min(most_pixels, pixels.bounds().size()));
    const Reservation memory = budget.reserve(size * 8 * sizeof(float) + memory_of_fit(pixels, count, threads), cancel);
    Search search(pixels, offset, std::isfinite(beam) ? beam : 0, threads, cancel);
    search.run(count, on_progress ? on_progress : [](double) {});
    auto values = search.result(pixels.bounds());
    if (values.components.empty()) throw std::invalid_argument("All pixels have the same value: there is nothing to fit.");
    return values;
}

} // namespace cubelink::imaging
