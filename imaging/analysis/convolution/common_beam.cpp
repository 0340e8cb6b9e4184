#include "imaging/analysis/convolution/common_beam.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace cubelink::imaging {

namespace {

struct Point {
    double x = 0, y = 0;
};

/// Eigenvalues, the larger one first, and the direction of that.
struct Eigen {
    double large = 0, small = 0;
    Point axis{1, 0};
};
Eigen eigen(const EllipseMatrix& m) {
    const double mean = (m.xx + m.yy) / 2, half = (m.xx - m.yy) / 2, radius = std::hypot(half, m.xy);
    Eigen e{mean + radius, mean - radius, {1, 0}};
    // Of a thin ellipse the difference above has few digits.
    if (e.large > 0 && e.small < 1e-3 * e.large) e.small = m.determinant() / e.large;
    if (radius > 0) {
        const double angle = std::atan2(m.xy, half) / 2;
        e.axis = {std::cos(angle), std::sin(angle)};
    }
    return e;
}

EllipseMatrix inverse(const EllipseMatrix& m) {
    const double d = m.determinant();
    return {m.yy / d, -m.xy / d, m.xx / d};
}

double value_at(const EllipseMatrix& m, const Point& p) { return m.xx * p.x * p.x + 2 * m.xy * p.x * p.y + m.yy * p.y * p.y; }

/// The point of the ellipse `inner` (pᵀ inner⁻¹ p = 1) that lies farthest outside of the one whose inverse is `outer`, by pᵀ outer p.
Point farthest(const EllipseMatrix& inner, const EllipseMatrix& outer, double& value) {
    // inner = L Lᵀ; the eigenvector z of Lᵀ outer L with the larger eigenvalue; p = L z.
    const double a = std::sqrt(inner.xx), b = inner.xy / a, d = std::sqrt(std::max(inner.yy - b * b, 0.0));
    const EllipseMatrix turned{a * a * outer.xx + 2 * a * b * outer.xy + b * b * outer.yy, d * (a * outer.xy + b * outer.yy), d * d * outer.yy};
    const Eigen e = eigen(turned);
    value = e.large;
    return {a * e.axis.x, b * e.axis.x + d * e.axis.y};
}

/// The smallest centred ellipse through two points (its inverse is returned); none if they lie on a line with the centre.
std::optional<EllipseMatrix> around(const Point& p, const Point& q) {
    const EllipseMatrix m{p.x * p.x + q.x * q.x, p.x * p.y + q.x * q.y, p.y * p.y + q.y * q.y};
    if (!(m.determinant() > 1e-24 * m.xx * m.yy)) return std::nullopt;
    return inverse(m);
}
/// The centred ellipse through three points.
std::optional<EllipseMatrix> around(const Point& p, const Point& q, const Point& r) {
    const std::array<Point, 3> points{p, q, r};
    std::array<std::array<double, 4>, 3> rows{};
    for (std::size_t i = 0; i < 3; ++i) rows[i] = {points[i].x * points[i].x, 2 * points[i].x * points[i].y, points[i].y * points[i].y, 1};
    for (std::size_t k = 0; k < 3; ++k) {
        std::size_t pivot = k;
        for (std::size_t i = k + 1; i < 3; ++i)
            if (std::abs(rows[i][k]) > std::abs(rows[pivot][k])) pivot = i;
        std::swap(rows[k], rows[pivot]);
        if (rows[k][k] == 0) return std::nullopt;
        for (std::size_t i = 0; i < 3; ++i) {
            if (i == k) continue;
            const double factor = rows[i][k] / rows[k][k];
            for (std::size_t j = k; j < 4; ++j) rows[i][j] -= factor * rows[k][j];
        }
    }
    const EllipseMatrix m{rows[0][3] / rows[0][0], rows[1][3] / rows[1][1], rows[2][3] / rows[2][2]};
    if (!std::isfinite(m.determinant()) || !(m.xx > 0) || !(m.determinant() > 0)) return std::nullopt;
    return m;
}

/// The smallest ellipse around the points of `basis` and a new one that lies outside of theirs; `basis` becomes those that it touches.
std::optional<EllipseMatrix> exchange(std::vector<Point>& basis, const Point& added) {
    std::optional<EllipseMatrix> best;
    std::vector<Point> best_basis;
    const auto consider = [&](const std::optional<EllipseMatrix>& candidate, std::vector<Point> touched) {
        if (!candidate) return;
        for (const Point& p : basis)
            if (value_at(*candidate, p) > 1 + 1e-10) return;
        if (best && candidate->determinant() <= best->determinant()) return; // of the inverse: the larger, the smaller the ellipse
        best = candidate;
        best_basis = std::move(touched);
    };
    for (std::size_t i = 0; i < basis.size(); ++i) {
        consider(around(added, basis[i]), {added, basis[i]});
        for (std::size_t j = 0; j < i; ++j) consider(around(added, basis[i], basis[j]), {added, basis[i], basis[j]});
    }
    if (best) basis = best_basis;
    return best;
}

EllipseMatrix scaled(const EllipseMatrix& m, double factor) { return {m.xx * factor, m.xy * factor, m.yy * factor}; }

} // namespace

EllipseMatrix matrix_of(const Beam& beam) {
    const double angle = beam.pa * std::numbers::pi / 180, c = std::cos(angle), s = std::sin(angle);
    const double major = beam.major * beam.major, minor = beam.minor * beam.minor;
    return {major * c * c + minor * s * s, (major - minor) * s * c, major * s * s + minor * c * c};
}

Beam beam_of(const EllipseMatrix& matrix) {
    const Eigen e = eigen(matrix);
    Beam beam;
    beam.major = std::sqrt(std::max(e.large, 0.0));
    beam.minor = std::sqrt(std::max(e.small, 0.0));
    if (e.large > e.small) beam.pa = std::atan2(e.axis.y, e.axis.x) * 180 / std::numbers::pi;
    if (beam.pa <= -90) beam.pa += 180;
    if (beam.pa > 90) beam.pa -= 180;
    return beam;
}

double least_width(const EllipseMatrix& from, const EllipseMatrix& to) {
    const double xx = to.xx - from.xx, xy = to.xy - from.xy, yy = to.yy - from.yy;
    return (xx + yy) / 2 - std::hypot((xx - yy) / 2, xy);
}

std::optional<Beam> common_beam(std::span<const Beam> beams) {
    constexpr int most_rounds = 1000;
    constexpr double tolerance = 1e-12;
    if (beams.empty()) return std::nullopt;
    std::vector<EllipseMatrix> ellipses;
    double unit = 0; // widths are divided by the largest
    for (const Beam& beam : beams) {
        if (!beam.valid()) return std::nullopt;
        unit = std::max({unit, beam.major, beam.minor});
    }
    std::size_t largest = 0;
    for (const Beam& beam : beams) {
        ellipses.push_back(scaled(matrix_of(beam), 1 / (unit * unit)));
        if (ellipses.back().determinant() > ellipses[largest].determinant()) largest = ellipses.size() - 1;
    }
    if (!(ellipses[largest].determinant() > 0)) return std::nullopt;
    const Eigen start = eigen(ellipses[largest]);
    const double major = std::sqrt(start.large), minor = std::sqrt(start.small);
    std::vector<Point> basis{{major * start.axis.x, major * start.axis.y}, {-minor * start.axis.y, minor * start.axis.x}};
    EllipseMatrix outer = inverse(ellipses[largest]);
    // Each round's ellipse, made larger by its excess, holds all of them: the smallest of these is the answer. Near the end rounding errors lead the exchange in
    // circles.
    constexpr int patience = 30;
    EllipseMatrix best = outer;
    double best_excess = 1, best_determinant = 0; // of the inverse: the larger, the smaller the ellipse
    int in_vain = 0;
    for (int round = 0; round < most_rounds && in_vain < patience; ++round) {
        Point worst;
        double excess = 1;
        for (const EllipseMatrix& ellipse : ellipses) {
            double value = 0;
            const Point point = farthest(ellipse, outer, value);
            if (value > excess) excess = value, worst = point;
        }
        const double determinant = outer.determinant() / (excess * excess);
        ++in_vain;
        if (determinant > best_determinant) {
            if (determinant > best_determinant * (1 + tolerance)) in_vain = 0;
            best = outer, best_excess = excess, best_determinant = determinant;
        }
        if (excess <= 1 + tolerance) break;
        const auto next = exchange(basis, worst);
        if (!next) break;
        outer = *next;
    }
    return beam_of(scaled(inverse(best), unit * unit * (best_excess == 1 ? 1 : best_excess * (1 + 1e-9))));
}

std::optional<EllipseMatrix> in_pixels(const EllipseMatrix& sky, const std::array<double, 4>& matrix) {
    // (east, north) = J (x, y); widths in pixels are J⁻¹ K J⁻ᵀ.
    const double arcsec = 3600, a = matrix[0] * arcsec, b = matrix[1] * arcsec, c = matrix[2] * arcsec, d = matrix[3] * arcsec, det = a * d - b * c;
    if (!(std::abs(det) > 0) || !std::isfinite(det)) return std::nullopt;
    const double i00 = d / det, i01 = -b / det, i10 = -c / det, i11 = a / det; // columns: east, north
    const double ee = sky.yy, en = sky.xy, nn = sky.xx;
    return EllipseMatrix{i00 * i00 * ee + 2 * i00 * i01 * en + i01 * i01 * nn,
                         i00 * i10 * ee + (i00 * i11 + i01 * i10) * en + i01 * i11 * nn,
                         i10 * i10 * ee + 2 * i10 * i11 * en + i11 * i11 * nn};
}

} // namespace cubelink::imaging
