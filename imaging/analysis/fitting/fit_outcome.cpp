#include "imaging/analysis/fitting/fit_outcome.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace cubelink::imaging {

namespace {

/// Of Σ g²: what is nothing, and that of a thousandth of the amplitude in one pixel.
constexpr double nothing = 1e-24, too_little = 1e-6;
constexpr double widest = 5;
constexpr double trusted_distance = 10, trusted_width = 100;

double longer_side(const Rect& rect) { return double(std::max(rect.width(), rect.height())); }

/// Of a place from pixels [from, to), whose edges are half a pixel further out.
double distance(double at, std::int64_t from, std::int64_t to) { return std::max({0.0, double(from) - 0.5 - at, at - (double(to) - 0.5)}); }

/// "Component 2 has", "Components 2, 3 and 7 have"; empty if there are none.
std::string those_that_are(std::span<const ComponentState> states, ComponentState state, const std::string& one, const std::string& many) {
    std::vector<std::string> numbers;
    for (std::size_t k = 0; k < states.size(); ++k)
        if (states[k] == state) numbers.push_back(std::to_string(k + 1));
    if (numbers.empty()) return "";
    if (numbers.size() == 1) return "Component " + numbers.front() + " " + one;
    std::string text = "Components " + numbers.front();
    for (std::size_t i = 1; i < numbers.size(); ++i) text += (i + 1 < numbers.size() ? ", " : " and ") + numbers[i];
    return text + " " + many;
}

} // namespace

ComponentState state_of(const GaussianComponent& c, const FixedParameters& fixed, const Rect& bounds, double squares) {
    if (std::all_of(fixed.begin(), fixed.end(), [](bool flag) { return flag; })) return ComponentState::determined;
    if (!(squares >= nothing) || c.amplitude == 0) return ComponentState::no_influence;
    const double out = std::hypot(distance(c.x, bounds.x0, bounds.x1), distance(c.y, bounds.y0, bounds.y1));
    if (!(fixed[0] && fixed[1]) && out > std::max(c.fwhm_x, c.fwhm_y)) return ComponentState::outside;
    const double limit = widest * longer_side(bounds);
    if ((!fixed[3] && c.fwhm_x > limit) || (!fixed[4] && c.fwhm_y > limit)) return ComponentState::too_wide;
    return squares < too_little ? ComponentState::no_influence : ComponentState::determined;
}

std::string sentences_of(std::span<const ComponentState> states) {
    std::string text;
    const auto add = [&](ComponentState state, const std::string& one, const std::string& many, const std::string& what) {
        const auto begin = those_that_are(states, state, one, many);
        if (!begin.empty()) text += (text.empty() ? "" : " ") + begin + what;
    };
    add(ComponentState::no_influence, "has", "have", " no influence on the fitted pixels, or less than a thousandth of the amplitude: not determined.");
    add(ComponentState::outside, "has", "have", " left the fitted pixels: the centre is further from them than the width. Not determined.");
    add(ComponentState::too_wide, "is", "are", " more than five times as wide as what was fitted: not determined.");
    return text;
}

TrustBox::TrustBox(const Rect& bounds, std::span<const GaussianComponent> start)
    : middle_x_(double(bounds.x0) + double(bounds.width() - 1) / 2), middle_y_(double(bounds.y0) + double(bounds.height() - 1) / 2) {
    for (const GaussianComponent& c : start)
        limits_.push_back({std::max(trusted_distance * double(bounds.width()), std::abs(c.x - middle_x_)),
                           std::max(trusted_distance * double(bounds.height()), std::abs(c.y - middle_y_)),
                           std::max({trusted_width * longer_side(bounds), std::abs(c.fwhm_x), std::abs(c.fwhm_y)})});
}

bool TrustBox::contains(std::span<const GaussianComponent> components) const {
    for (std::size_t k = 0; k < limits_.size(); ++k) {
        const GaussianComponent& c = components[k];
        const Limits& limits = limits_[k];
        if (!(std::abs(c.x - middle_x_) <= limits.x) || !(std::abs(c.y - middle_y_) <= limits.y)) return false;
        if (!(std::abs(c.fwhm_x) <= limits.width) || !(std::abs(c.fwhm_y) <= limits.width)) return false;
    }
    return true;
}

} // namespace cubelink::imaging
