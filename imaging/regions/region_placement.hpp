#pragma once
/// Between the shapes that a region file tells of (any frame, sizes with units) and those of an image. Used by the readers and writers of region files.

#include "imaging/regions/region_file.hpp"

#include <array>
#include <string>
#include <vector>

namespace cubelink::imaging {

enum class FrameKind { pixel, physical, sky };

struct FileFrame {
    FrameKind kind = FrameKind::pixel;
    SkySystem sky{}; // of kind sky
};

/// A size, with its unit.
struct FileLength {
    double value = 0;
    FrameKind unit = FrameKind::pixel; // sky: degrees
};

/// A shape in the words of a file. What it consists of follows from its type:
///
///     points, lines, polylines, polygons    positions
///     rectangles, texts                     a position and {width, height}, or {} for texts; rectangles also two opposite corners
///     ellipses                              a position and the semi-axes {along y, along x}, or {radius}
///     vectors                               two positions, or one and {length} with the direction as angle
///     compasses                             a position and {length}
///
/// `angle`: degrees, counter-clockwise from the x axis (from the y axis for ellipses) of the frame; of a sky x runs west and y north.
struct FileShape {
    RegionType type = RegionType::point;
    FileFrame frame;
    std::vector<PixelPoint> positions; // pixel: 0-based; sky: longitude and latitude in degrees
    std::vector<FileLength> lengths;
    double angle = 0;
};

/// For one thread.
class RegionPlacement {
public:
    explicit RegionPlacement(const RegionFileImage& image);

    /// False, and why in `problem`, if the shape has no place on the image.
    bool place(const FileShape& from, Shape& to, std::string& problem);
    /// The shape on the sky, vectors as two positions. Sizes in degrees. False and why if it has no place there.
    bool describe(const Shape& from, const SkySystem& frame, FileShape& to, std::string& problem);

private:
    /// Columns are what a step of one pixel along x and along y means in some unit: its components along the unit's x and y axes.
    struct Steps {
        double m[2][2] = {{1, 0}, {0, 1}};
        PixelPoint of_pixels(PixelPoint d) const { return {m[0][0] * d.x + m[0][1] * d.y, m[1][0] * d.x + m[1][1] * d.y}; }
        PixelPoint to_pixels(PixelPoint d) const; // the inverse
        double determinant() const { return m[0][0] * m[1][1] - m[0][1] * m[1][0]; }
    };

    const RegionFileImage& image_;
    Steps physical_;
    bool sky_ = false;
    double step_ = 1; // pixels by which the sky is probed
    std::vector<SkyPoint> sky_points_;
    std::vector<PixelPoint> pixels_;

    bool to_pixel_positions(const FileShape& from, std::string& problem);
    bool sky_steps(PixelPoint pixel, const SkySystem& frame, Steps& steps);
    bool steps_of(FrameKind kind, PixelPoint centre, const SkySystem& frame, Steps& steps, std::string& problem);
    bool place_box(const FileShape& from, Shape& to, std::string& problem);
    bool place_ellipse(const FileShape& from, Shape& to, std::string& problem);
    bool place_vector(const FileShape& from, Shape& to, std::string& problem);
    bool place_corners(const FileShape& from, Shape& to, std::string& problem);
};

/// Great circles: where one leads from `from`, and where one leads to. Position angles from north through east, degrees.
SkyPoint sky_point_at(SkyPoint from, double distance, double position_angle);
double position_angle(SkyPoint from, SkyPoint to);

} // namespace cubelink::imaging
