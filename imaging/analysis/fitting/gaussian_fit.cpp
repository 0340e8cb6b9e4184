#include "imaging/analysis/fitting/gaussian_fit.hpp"

#include "imaging/analysis/fitting/normal_equations.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

/// The free parameters of the model.
class Problem : public LeastSquaresProblem {
public:
    Problem(const FitPixels& pixels, std::span<const GaussianComponent> start, double offset, const std::vector<bool>& fixed, double weight,
            const ThreadShare& threads, const CancelToken& cancel)
        : sums_(pixels, start.size(), threads), box_(pixels.bounds(), start), weight_(weight), cancel_(cancel), squares_(start.size()), accepted_(start.size()) {
        for (const GaussianComponent& component : start)
            for (const double value : parameters_of(component)) all_.push_back(value);
        all_.push_back(offset);
        for (std::size_t i = 0; i < all_.size(); ++i)
            if (!fixed[i]) free_.push_back(i);
    }

    std::vector<double> start() const {
        std::vector<double> x;
        for (const std::size_t i : free_) x.push_back(all_[i]);
        return x;
    }
    const std::vector<double>& all_values(std::span<const double> x) {
        for (std::size_t i = 0; i < free_.size(); ++i) all_[free_[i]] = x[i];
        return all_;
    }
    const std::vector<std::size_t>& free_parameters() const { return free_; }

    std::size_t parameters() const override { return free_.size(); }
    std::int64_t observations() const override { return count_; }
    double evaluate(std::span<const double> x, std::span<double> gradient, std::span<double> matrix) override {
        all_values(x);
        std::vector<GaussianComponent> components;
        for (std::size_t i = 0; i + 1 < all_.size(); i += gaussian_parameters) components.push_back(component_of(std::span(all_).subspan(i, gaussian_parameters)));
        if (!box_.contains(components)) return std::numeric_limits<double>::quiet_NaN();
        const NormalEquations& sums = sums_.sum(components, all_.back(), cancel_);
        count_ = std::max(count_, sums.count);
        const std::size_t p = all_.size(), n = free_.size();
        for (std::size_t c = 0; c < squares_.size(); ++c) {
            const std::size_t amplitude = gaussian_parameters * c + 2; // the derivative by it is the Gaussian itself
            squares_[c] = sums.matrix[amplitude * p + amplitude];
        }
        for (std::size_t i = 0; i < n; ++i) {
            gradient[i] = weight_ * sums.gradient[free_[i]];
            for (std::size_t k = 0; k <= i; ++k) matrix[i * n + k] = weight_ * sums.matrix[free_[i] * p + free_[k]];
        }
        return weight_ * sums.squares;
    }
    void accept() override { accepted_ = squares_; }
    /// Σ g² of each component, with amplitude 1, at the current point.
    const std::vector<double>& squares() const { return accepted_; }

private:
    NormalSummation sums_;
    const TrustBox box_;
    double weight_;
    const CancelToken& cancel_;
    std::vector<double> all_;
    std::vector<std::size_t> free_;
    std::vector<double> squares_, accepted_;
    std::int64_t count_ = 0;
};

} // namespace

GaussianFit fit_gaussians(const FitPixels& pixels, std::span<const GaussianComponent> start, double offset, const std::vector<bool>& fixed,
                          const GaussianFitOptions& options, const ThreadShare& threads, const CancelToken& cancel) {
    if (start.size() > max_gaussians || fixed.size() != gaussian_parameters * start.size() + 1) throw std::invalid_argument("components and fixed parameters don't agree");
    // The pixels' scale is that of amplitudes and offset; outside of here nobody knows of it.
    const double scale = pixels.scale(), noise = options.noise * scale;
    std::vector<GaussianComponent> scaled_start(start.begin(), start.end());
    for (GaussianComponent& component : scaled_start) component.amplitude *= scale;
    const double weight = noise > 0 && std::isfinite(1 / (noise * noise)) ? 1 / (noise * noise) : 1;
    Problem problem(pixels, scaled_start, offset * scale, fixed, weight, threads, cancel);
    if (problem.parameters() == 0) throw std::invalid_argument("no parameter is free");
    LeastSquaresOptions least_squares;
    least_squares.decomposition = options.decomposition;
    least_squares.tolerance = options.tolerance;
    least_squares.max_iterations = options.max_iterations;
    least_squares.on_iteration = options.on_iteration;
    const auto solution = solve_least_squares(problem, problem.start(), least_squares);

    GaussianFit fit;
    fit.sum = options.noise > 0 ? solution.sum : solution.sum / scale / scale;
    fit.pixels = problem.observations();
    fit.free_parameters = problem.parameters();
    fit.iterations = solution.iterations;
    fit.fallbacks = solution.fallbacks;
    fit.end = solution.end;
    const std::vector<double>& values = problem.all_values(solution.x);
    for (std::size_t c = 0; c < start.size(); ++c) {
        GaussianComponent component = component_of(std::span(values).subspan(gaussian_parameters * c, gaussian_parameters));
        component.fwhm_x = std::abs(component.fwhm_x);
        component.fwhm_y = std::abs(component.fwhm_y);
        component.amplitude = fixed[gaussian_parameters * c + 2] ? start[c].amplitude : component.amplitude / scale;
        const std::size_t shape = gaussian_parameters * c + 3;
        const bool free = !fixed[shape] && !fixed[shape + 1] && !fixed[shape + 2];
        fit.components.push_back(free ? normalised(component) : component);
        FixedParameters flags{};
        for (std::size_t i = 0; i < flags.size(); ++i) flags[i] = fixed[gaussian_parameters * c + i];
        fit.states.push_back(state_of(fit.components.back(), flags, pixels.bounds(), problem.squares()[c]));
    }
    fit.offset = fixed.back() ? offset : values.back() / scale;
    if (!fixed.back() && !solution.variances.empty()) fit.offset_variance = solution.variances.back() * weight;
    return fit;
}

std::size_t memory_of_fit(const FitPixels& pixels, std::size_t components, const ThreadShare& threads) {
    const std::size_t p = gaussian_parameters * components + 1;
    return NormalSummation::bytes_needed(pixels, components, threads) + 8 * p * p * sizeof(double);
}

} // namespace cubelink::imaging
