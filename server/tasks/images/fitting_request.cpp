#include "server/tasks/images/fitting_request.hpp"

#include "server/files/jail.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace cubelink::server {

namespace {

constexpr const char* names[] = {"center.x", "center.y", "amp", "fwhm.x", "fwhm.y", "pa"};

imaging::GaussianComponent component_of(const icd::GaussianComponent& c) {
    return {c.center().x(), c.center().y(), c.amp(), c.fwhm().x(), c.fwhm().y(), c.pa()};
}

bool nothing_given(const imaging::GaussianComponent& component) {
    const auto values = imaging::parameters_of(component);
    return std::all_of(values.begin(), values.end(), [](double value) { return std::isnan(value); });
}

void check(const imaging::GaussianComponent& component, std::size_t index) {
    const auto values = imaging::parameters_of(component);
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto field = "initial_values[" + std::to_string(index) + "]." + names[i];
        if (!std::isfinite(values[i])) throw PathError(field + ": a finite number is needed. (NaN everywhere, and nothing fixed: the server finds initial values.)");
        const bool is_width = i == 3 || i == 4;
        if (is_width && !(values[i] > 0)) throw PathError(field + ": a width must be greater than 0.");
    }
}

} // namespace

FittingPlan fitting_plan(const icd::FittingRequest& request) {
    FittingPlan plan;
    plan.components = static_cast<std::size_t>(request.initial_values_size());
    if (plan.components < 1 || plan.components > imaging::max_gaussians)
        throw PathError("initial_values: expected 1 to " + std::to_string(imaging::max_gaussians) + " components, got " + std::to_string(plan.components) + ".");
    const auto flags = imaging::gaussian_parameters * plan.components + 1;
    if (static_cast<std::size_t>(request.fixed_params_size()) != flags)
        throw PathError("fixed_params: expected " + std::to_string(flags) + " flags (six for each component, and one for the offset), got " +
                        std::to_string(request.fixed_params_size()) + ".");
    plan.fixed.assign(request.fixed_params().begin(), request.fixed_params().end());
    if (std::all_of(plan.fixed.begin(), plan.fixed.end(), [](bool fixed) { return fixed; })) throw PathError("fixed_params: nothing is free, so that there is nothing to fit.");
    const auto solver = static_cast<int>(request.solver());
    if (solver < 0 || solver > 3) throw PathError("solver: expected Qr, Cholesky, Mcholesky or Svd, got " + std::to_string(solver) + ".");
    plan.solver = static_cast<imaging::Decomposition>(solver);
    plan.offset = request.offset();
    if (!std::isfinite(plan.offset)) throw PathError("offset: a finite number is needed.");
    for (const auto& component : request.initial_values()) plan.initial.push_back(component_of(component));
    if (std::all_of(plan.initial.begin(), plan.initial.end(), nothing_given) && std::none_of(plan.fixed.begin(), plan.fixed.end() - 1, [](bool fixed) { return fixed; }))
        plan.initial.clear();
    for (std::size_t i = 0; i < plan.initial.size(); ++i) check(plan.initial[i], i);
    return plan;
}

} // namespace cubelink::server
