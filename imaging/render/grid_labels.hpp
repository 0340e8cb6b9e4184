#pragma once
/// Labels of a grid's lines: their texts, and where they stand in the picture. Any thread.

#include "imaging/render/picture.hpp"
#include "imaging/render/lines.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace cubelink::imaging {

/// How the values of an axis are written. angle_hours: of a right ascension in degrees, as hours, minutes and seconds; angle_degrees: as degrees, minutes and
/// seconds; decimal_degrees; plain: what is no angle, a number with its unit.
enum class AxisNotation { angle_hours, angle_degrees, decimal_degrees, plain };

/// The text of a line of that value, with no more digits than the step between lines needs. `step` > 0; longitudes are written from 0 to 360 degrees.
std::string grid_label(double value, double step, AxisNotation notation, bool longitude, const std::string& unit);

/// Where a line meets an edge of the part of the picture that the image covers.
struct GridEnd {
    enum class Side { bottom, left, top, right } side{};
    PicturePoint at;
};

struct GridLine {
    std::size_t axis = 0;
    std::string label;
    std::vector<GridEnd> ends;
};

struct PictureBox {
    double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};

struct PlacedLabel {
    std::string text;
    double left = 0, baseline = 0, height = 0; // as add_text() takes them
    PictureBox box;                            // what it covers, a margin included
};

/// One label for each line that has room for one, at one of its ends: those of the first axis rather below, of the second rather on the left. They lie within
/// `bounds`, and none reaches into another. Their height follows the picture's size.
std::vector<PlacedLabel> place_labels(const PictureSize& size, const PictureBox& bounds, std::span<const GridLine> lines);

} // namespace cubelink::imaging
