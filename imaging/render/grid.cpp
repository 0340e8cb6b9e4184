#include "imaging/render/grid.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <numbers>

namespace cubelink::imaging {

namespace {

/// Picture pixels between the points at which coordinates are computed, if these are no more than so many along the longer side.
constexpr double cell_size = 16;
constexpr double most_cells = 256;
constexpr double lines_across = 6, most_lines = 200;
constexpr double line_width = 1;

double turned(double degrees) { return degrees - 360 * std::round(degrees / 360); } // −180 … 180

struct Lattice {
    int columns = 0, rows = 0;
    double x0 = 0, y0 = 0, x1 = 0, y1 = 0, step = 0; // in picture pixels
    std::array<std::vector<double>, 2> values;
    /// The last cells end where the image does.
    PicturePoint point(int column, int row) const { return {std::min(x0 + column * step, x1), std::min(y0 + row * step, y1)}; }
    std::size_t index(int column, int row) const { return static_cast<std::size_t>(row) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(column); }
};

/// Of the part of the image that is in the picture.
Lattice lattice_of(const PictureSize& size, const Framing& framing, const ImageShape& shape) {
    Lattice lattice;
    lattice.step = std::max(cell_size, std::max(size.width, size.height) / most_cells);
    lattice.x0 = std::max(0.0, framing.picture_x(-0.5, size));
    lattice.y0 = std::max(0.0, framing.picture_y(static_cast<double>(shape.height) - 0.5, size));
    lattice.x1 = std::min<double>(size.width, framing.picture_x(static_cast<double>(shape.width) - 0.5, size));
    lattice.y1 = std::min<double>(size.height, framing.picture_y(-0.5, size));
    if (!(lattice.x1 > lattice.x0 && lattice.y1 > lattice.y0)) return lattice;
    lattice.columns = static_cast<int>(std::ceil((lattice.x1 - lattice.x0) / lattice.step)) + 1;
    lattice.rows = static_cast<int>(std::ceil((lattice.y1 - lattice.y0) / lattice.step)) + 1;
    return lattice;
}

void compute_values(Lattice& lattice, const PictureSize& size, const Framing& framing, const Wcs& wcs, double channel, const std::optional<SkySystem>& frame,
                    const CancelToken& cancel) {
    const auto columns = static_cast<std::size_t>(lattice.columns);
    for (auto& values : lattice.values) values.resize(columns * static_cast<std::size_t>(lattice.rows));
    std::vector<PixelPoint> pixels(columns);
    std::vector<SkyPoint> sky(columns);
    for (int row = 0; row < lattice.rows; ++row) {
        cancel.throw_if_cancelled();
        for (int column = 0; column < lattice.columns; ++column) {
            const auto at = lattice.point(column, row);
            pixels[static_cast<std::size_t>(column)] = {framing.image_x(at.x, size), framing.image_y(at.y, size)};
        }
        const auto first = lattice.index(0, row);
        if (wcs.celestial_plane()) {
            if (frame) wcs.pixels_to_sky(pixels, channel, *frame, sky);
            else wcs.pixels_to_sky(pixels, channel, sky);
            for (std::size_t i = 0; i < columns; ++i) lattice.values[0][first + i] = sky[i].lon, lattice.values[1][first + i] = sky[i].lat;
        } else {
            for (std::size_t i = 0; i < columns; ++i) {
                const auto world = wcs.plane_world(pixels[i], channel);
                lattice.values[0][first + i] = world[0], lattice.values[1][first + i] = world[1];
            }
        }
    }
}

struct Extent {
    double least = std::numeric_limits<double>::infinity(), most = -least;
};

/// Longitudes without a jump where they pass 0.
Extent extent_of(const std::vector<double>& values, bool longitude) {
    Extent extent;
    double from = std::numeric_limits<double>::quiet_NaN();
    for (const double value : values) {
        if (!std::isfinite(value)) continue;
        if (std::isnan(from)) from = value;
        const double v = longitude ? from + turned(value - from) : value;
        extent.least = std::min(extent.least, v);
        extent.most = std::max(extent.most, v);
    }
    return extent;
}

/// The line along which the values of an axis are one level. Longitudes are neither continuous nor smooth at the poles: their line is where the distance from
/// the plane of that meridian is zero, on its side of the axis.
class Level {
public:
    Level(const Lattice& lattice, std::size_t axis, double level, bool longitude) : lattice_(lattice), offsets_(lattice.values[axis].size()) {
        const auto& values = lattice.values[axis];
        if (!longitude) {
            for (std::size_t i = 0; i < values.size(); ++i) offsets_[i] = values[i] - level;
            return;
        }
        sides_.resize(values.size());
        constexpr double radian = std::numbers::pi / 180;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const double from_axis = std::cos(lattice.values[1][i] * radian), turn = (values[i] - level) * radian;
            offsets_[i] = from_axis * std::sin(turn);
            sides_[i] = from_axis * std::cos(turn);
        }
    }

    /// Of each cell two triangles, so that no cell is ambiguous.
    void add_to(LineMask& mask) const {
        for (int row = 0; row + 1 < lattice_.rows; ++row) {
            for (int column = 0; column + 1 < lattice_.columns; ++column) {
                add_triangle(mask, {{{column, row}, {column + 1, row}, {column, row + 1}}});
                add_triangle(mask, {{{column + 1, row}, {column + 1, row + 1}, {column, row + 1}}});
            }
        }
    }

    std::vector<GridEnd> ends() const {
        std::vector<GridEnd> found;
        const auto look = [&](GridEnd::Side side, Corner from, Corner to) {
            if (const auto at = crossing(from, to)) found.push_back({side, *at});
        };
        const int right = lattice_.columns - 1, bottom = lattice_.rows - 1;
        for (int column = 0; column < right; ++column) {
            look(GridEnd::Side::top, {column, 0}, {column + 1, 0});
            look(GridEnd::Side::bottom, {column, bottom}, {column + 1, bottom});
        }
        for (int row = 0; row < bottom; ++row) {
            look(GridEnd::Side::left, {0, row}, {0, row + 1});
            look(GridEnd::Side::right, {right, row}, {right, row + 1});
        }
        return found;
    }

private:
    struct Corner {
        int column, row;
    };

    bool has_values(Corner corner) const { return std::isfinite(offsets_[lattice_.index(corner.column, corner.row)]); }

    std::optional<PicturePoint> crossing(Corner from, Corner to) const {
        const auto i = lattice_.index(from.column, from.row), j = lattice_.index(to.column, to.row);
        const double before = offsets_[i], after = offsets_[j];
        if (!std::isfinite(before) || !std::isfinite(after) || (before < 0) == (after < 0)) return {};
        const double t = before / (before - after);
        if (!sides_.empty() && sides_[i] + t * (sides_[j] - sides_[i]) <= 0) return {};
        const auto a = lattice_.point(from.column, from.row), b = lattice_.point(to.column, to.row);
        return PicturePoint{a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)};
    }

    void add_triangle(LineMask& mask, const std::array<Corner, 3>& corners) const {
        PicturePoint ends[3];
        int count = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            if (!has_values(corners[k])) return;
            if (const auto at = crossing(corners[k], corners[(k + 1) % 3])) ends[count++] = *at;
        }
        if (count == 2) mask.add(ends[0], ends[1], line_width);
    }

    const Lattice& lattice_;
    std::vector<double> offsets_, sides_;
};

AxisNotation notation_of(GridNotation asked, bool sky, bool equatorial, bool longitude) {
    if (!sky) return AxisNotation::plain;
    if (asked == GridNotation::degrees || (asked == GridNotation::automatic && !equatorial)) return AxisNotation::decimal_degrees;
    return longitude && equatorial ? AxisNotation::angle_hours : AxisNotation::angle_degrees;
}

double step_of(double least, AxisNotation notation) {
    if (notation == AxisNotation::decimal_degrees && least > 20) return least <= 30 ? 30 : least <= 45 ? 45 : 60;
    return round_step(least, notation == AxisNotation::angle_hours || notation == AxisNotation::angle_degrees, notation == AxisNotation::angle_hours);
}

} // namespace

double round_step(double least, bool sexagesimal, bool hours) {
    const auto decimal = [](double of) {
        const double decade = std::pow(10, std::floor(std::log10(of)));
        for (const double n : {1.0, 2.0, 5.0})
            if (n * decade >= of * (1 - 1e-9)) return n * decade;
        return 10 * decade;
    };
    if (!sexagesimal) return decimal(least);
    const double unit = hours ? 15 : 1, second = unit / 3600;
    if (least <= second / 2) return decimal(least / second) * second;
    for (const double size : {second, unit / 60})
        for (const double n : {1.0, 2.0, 5.0, 10.0, 20.0, 30.0})
            if (n * size >= least) return n * size;
    constexpr double whole_degrees[] = {1, 2, 5, 10, 15, 30, 45}, whole_hours[] = {1, 2, 3, 4, 6};
    if (hours) {
        for (const double n : whole_hours)
            if (n * unit >= least) return n * unit;
        return 6 * unit;
    }
    for (const double n : whole_degrees)
        if (n >= least) return n;
    return 45;
}

GridLines add_grid(LineMask& mask, const PictureSize& size, const Framing& framing, const ImageShape& shape, const Wcs& wcs, double channel, const Grid& grid,
                   const CancelToken& cancel) {
    GridLines result;
    auto lattice = lattice_of(size, framing, shape);
    if (lattice.columns < 2) return result;
    result.bounds = {lattice.x0, lattice.y0, lattice.x1, lattice.y1};
    compute_values(lattice, size, framing, wcs, channel, grid.frame, cancel);
    const bool sky = wcs.celestial_plane();
    const auto system = grid.frame ? grid.frame->frame : wcs.sky_system().frame;
    const bool equatorial = system == SkyFrame::icrs || system == SkyFrame::fk5 || system == SkyFrame::fk4;
    const auto units = wcs.plane_units();
    for (std::size_t axis = 0; axis < 2; ++axis) {
        const bool longitude = sky && axis == 0;
        const auto [least, most] = extent_of(lattice.values[axis], longitude);
        if (!(most > least)) continue;
        const auto notation = notation_of(grid.notation, sky, equatorial, longitude);
        const double step = step_of((most - least) / lines_across, notation);
        const double first = std::ceil(least / step - 1e-9);
        const double last = std::min({std::floor(most / step + 1e-9), first + most_lines, longitude ? first + std::round(360 / step) - 1 : first + most_lines});
        for (double n = first; n <= last; ++n) {
            cancel.throw_if_cancelled();
            const Level level(lattice, axis, n * step, longitude);
            level.add_to(mask);
            result.lines.push_back({axis, grid_label(n * step, step, notation, longitude, units[axis]), level.ends()});
        }
    }
    return result;
}

bool add_beam(LineMask& mask, const PictureSize& size, const Framing& framing, const Beam& beam, const Wcs& wcs) {
    constexpr double margin = 18;
    const auto matrix = wcs.celestial_matrix();
    if (!beam.valid() || !matrix) return false;
    const auto& [lon_x, lon_y, lat_x, lat_y] = *matrix;
    const double determinant = lon_x * lat_y - lon_y * lat_x;
    if (!(std::abs(determinant) > 0)) return false;
    // Half axes in degrees; the position angle from north towards east. East and north in image pixels by the inverse of the matrix.
    const double major = beam.major / 2 / 3600, minor = beam.minor / 2 / 3600, angle = beam.pa * std::numbers::pi / 180;
    constexpr int corners = 128;
    std::vector<PicturePoint> outline(corners + 1);
    PicturePoint least{1e300, 1e300}, most{-1e300, -1e300};
    for (int i = 0; i <= corners; ++i) {
        const double t = 2 * std::numbers::pi * (i % corners) / corners;
        const double along = major * std::cos(t), across = minor * std::sin(t);
        const double east = along * std::sin(angle) + across * std::cos(angle), north = along * std::cos(angle) - across * std::sin(angle);
        const double x = (lat_y * east - lon_y * north) / determinant, y = (lon_x * north - lat_x * east) / determinant;
        auto& point = outline[static_cast<std::size_t>(i)];
        point = {x * framing.scale, -y * framing.scale};
        least = {std::min(least.x, point.x), std::min(least.y, point.y)};
        most = {std::max(most.x, point.x), std::max(most.y, point.y)};
    }
    const double larger = std::max(most.x - least.x, most.y - least.y);
    if (!(larger > 3 && larger < 0.4 * std::min(size.width, size.height))) return false;
    for (auto& point : outline) point = {point.x - least.x + margin, point.y - most.y + size.height - margin};
    mask.add(outline, 1.5);
    return true;
}

} // namespace cubelink::imaging
