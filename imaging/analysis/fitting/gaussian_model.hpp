#pragma once
/// The model of a fit: a sum of elliptical Gaussians and a constant. Plain values and pure functions; any thread.

#include "imaging/analysis/fitting/gaussian_kernels.hpp"
#include "imaging/base/geometry.hpp"
#include "imaging/kernels/dispatch.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// amplitude · exp(−4 ln 2 · (a² / fwhm_x² + b² / fwhm_y²)) with a along and b across the direction `pa`. Pixels of the image, 0-based; full widths at half
/// maximum in pixels; pa in degrees from +y towards −x (counter-clockwise).
struct GaussianComponent {
    double x = 0, y = 0;
    double amplitude = 0;
    double fwhm_x = 0, fwhm_y = 0;
    double pa = 0;
    friend bool operator==(const GaussianComponent&, const GaussianComponent&) = default;
};

/// Values of a component in the order of the ICD's fixed_params.
inline constexpr std::size_t gaussian_parameters = 6;
std::array<double, gaussian_parameters> parameters_of(const GaussianComponent& component);
GaussianComponent component_of(std::span<const double> parameters);

/// The same Gaussian with fwhm_x ≥ fwhm_y > 0 and 0 ≤ pa < 180.
GaussianComponent normalised(GaussianComponent component);

/// One Gaussian prepared for rows.
class RowModel {
public:
    explicit RowModel(const GaussianComponent& component);

    /// Pixels x0 ≤ x < x1 of row y where it is more than 1e-30 of its amplitude, cut to the given ones. x0 ≥ x1: none. What is left out is below the
    /// rounding of any sum of it and pixels.
    struct Extent {
        std::int64_t x0 = 0, x1 = 0;
    };
    Extent extent(std::int64_t y, std::int64_t x0, std::int64_t x1) const;

    /// The product with another one in row y: where it is highest, and the pixels of the given ones where it is more than 1e-30.
    struct Product {
        double crest = 0;
        Extent extent;
    };
    Product product(const RowModel& other, std::int64_t y, std::int64_t x0, std::int64_t x1) const;

    /// For kernels::add_gaussian from pixel x0 of row y.
    kernels::RowGaussian row(std::int64_t y, std::int64_t x0) const;
    /// x of its crest in row y.
    double crest(std::int64_t y) const { return component_.x + slope_ * (double(y) - component_.y); }
    double curvature() const { return curvature_; }

    /// Derivatives in row y as polynomials: that by parameter i is gaussian · Σ_k of [i][k] · (x − origin)^k.
    using Derivatives = std::array<std::array<double, 3>, gaussian_parameters>;
    Derivatives derivatives(std::int64_t y, double origin) const;

    bool valid() const { return valid_; }

private:
    GaussianComponent component_;
    double sine_ = 0, cosine_ = 1;
    double curvature_ = 0; // of the exponent along x
    double slope_ = 0;     // of the crest: dx / dy
    double fall_ = 0;      // of the exponent along the crest, by dy²
    bool valid_ = false;
};

/// Adds the model to `out`, the pixels of `rect` row by row. Takes 8 bytes for each pixel of a row.
void add_model(std::span<const GaussianComponent> components, const Rect& rect, std::span<double> out);

} // namespace cubelink::imaging
