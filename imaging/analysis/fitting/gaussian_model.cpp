#include "imaging/analysis/fitting/gaussian_model.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cubelink::imaging {

namespace {

constexpr double four_ln2 = 4 * std::numbers::ln2;
constexpr double degree = std::numbers::pi / 180;
/// −ln of what counts of a Gaussian.
constexpr double largest_exponent = 69.0;

} // namespace

std::array<double, gaussian_parameters> parameters_of(const GaussianComponent& c) { return {c.x, c.y, c.amplitude, c.fwhm_x, c.fwhm_y, c.pa}; }

GaussianComponent component_of(std::span<const double> p) { return {p[0], p[1], p[2], p[3], p[4], p[5]}; }

GaussianComponent normalised(GaussianComponent c) {
    c.fwhm_x = std::abs(c.fwhm_x);
    c.fwhm_y = std::abs(c.fwhm_y);
    if (c.fwhm_x < c.fwhm_y) {
        std::swap(c.fwhm_x, c.fwhm_y);
        c.pa += 90;
    }
    c.pa = std::fmod(c.pa, 180.0);
    if (c.pa < 0) c.pa += 180;
    if (c.pa >= 180) c.pa = 0;
    return c;
}

RowModel::RowModel(const GaussianComponent& component) : component_(component) {
    sine_ = std::sin(component.pa * degree);
    cosine_ = std::cos(component.pa * degree);
    const double along = 1 / (component.fwhm_x * component.fwhm_x), across = 1 / (component.fwhm_y * component.fwhm_y);
    // Exponent: curvature · dx² + 2 mixed · dx · dy + …, which is curvature · (dx − slope · dy)² + fall · dy².
    curvature_ = four_ln2 * (sine_ * sine_ * along + cosine_ * cosine_ * across);
    const double mixed = four_ln2 * sine_ * cosine_ * (across - along);
    slope_ = -mixed / curvature_;
    fall_ = four_ln2 * four_ln2 * along * across / curvature_;
    valid_ = std::isfinite(component.x) && std::isfinite(component.y) && std::isfinite(component.amplitude) && std::isfinite(slope_) &&
             std::isfinite(fall_) && std::isfinite(curvature_) && curvature_ > 0;
}

namespace {

/// Pixels of [x0, x1) where curvature · (x − middle)² is less than `left`.
RowModel::Extent reached(double left, double curvature, double middle, std::int64_t x0, std::int64_t x1) {
    if (!(left > 0) || x0 >= x1 || !std::isfinite(middle)) return {x0, x0};
    const double reach = std::sqrt(left / curvature);
    const double from = std::clamp(std::ceil(middle - reach), double(x0), double(x1));
    const double to = std::clamp(std::floor(middle + reach) + 1, double(x0), double(x1));
    return {std::int64_t(from), std::int64_t(to)};
}

} // namespace

RowModel::Extent RowModel::extent(std::int64_t y, std::int64_t x0, std::int64_t x1) const {
    const double dy = double(y) - component_.y;
    return reached(largest_exponent - fall_ * dy * dy, curvature_, crest(y), x0, x1);
}

RowModel::Product RowModel::product(const RowModel& other, std::int64_t y, std::int64_t x0, std::int64_t x1) const {
    const double a = curvature_, b = other.curvature_, here = crest(y), there = other.crest(y);
    const double dy = double(y) - component_.y, other_dy = double(y) - other.component_.y;
    const double lost = fall_ * dy * dy + other.fall_ * other_dy * other_dy + a * b / (a + b) * (here - there) * (here - there);
    Product product;
    product.crest = (a * here + b * there) / (a + b);
    product.extent = reached(largest_exponent - lost, a + b, product.crest, x0, x1);
    return product;
}

kernels::RowGaussian RowModel::row(std::int64_t y, std::int64_t x0) const {
    const double dy = double(y) - component_.y;
    return {-fall_ * dy * dy, curvature_, double(x0) - crest(y), component_.amplitude};
}

RowModel::Derivatives RowModel::derivatives(std::int64_t y, double origin) const {
    const double s = sine_, c = cosine_, fx = component_.fwhm_x, fy = component_.fwhm_y;
    const double dx = origin - component_.x, dy = double(y) - component_.y;
    // Along the major axis a = a0 − s · d, along the minor axis b = b0 + c · d.
    const double a0 = c * dy - s * dx, b0 = s * dy + c * dx;
    const double scale = 2 * four_ln2 * component_.amplitude;
    const double along = 1 / (fx * fx), across = 1 / (fy * fy);
    Derivatives t{};
    t[0] = {scale * (c * b0 * across - s * a0 * along), scale * (s * s * along + c * c * across), 0};
    t[1] = {scale * (c * a0 * along + s * b0 * across), scale * s * c * (across - along), 0};
    t[2] = {1, 0, 0};
    const double by_x = scale * along / fx, by_y = scale * across / fy, turn = scale * (along - across) * degree;
    t[3] = {by_x * a0 * a0, -2 * by_x * a0 * s, by_x * s * s};
    t[4] = {by_y * b0 * b0, 2 * by_y * b0 * c, by_y * c * c};
    t[5] = {turn * a0 * b0, turn * (a0 * c - s * b0), -turn * s * c};
    return t;
}

void add_model(std::span<const GaussianComponent> components, const Rect& rect, std::span<double> out) {
    std::vector<double> gaussian(static_cast<std::size_t>(std::max<std::int64_t>(0, rect.width())));
    for (const GaussianComponent& component : components) {
        const RowModel model(component);
        if (!model.valid()) continue;
        for (std::int64_t y = rect.y0; y < rect.y1; ++y) {
            const auto extent = model.extent(y, rect.x0, rect.x1);
            if (extent.x0 >= extent.x1) continue;
            double* const row = out.data() + (y - rect.y0) * rect.width() + (extent.x0 - rect.x0);
            kernels::add_gaussian(model.row(y, extent.x0), nullptr, std::size_t(extent.x1 - extent.x0), gaussian.data(), row);
        }
    }
}

} // namespace cubelink::imaging
