#pragma once
/// What the readers and writers of region files share: the words for shapes, and the list that is read. Internal to imaging/regions.

#include "imaging/regions/region_extras.hpp"
#include "imaging/regions/region_numbers.hpp"
#include "imaging/regions/region_placement.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

/// What follows a shape's name.
enum class ShapeLayout {
    point,    // a position
    circle,   // position, radius
    ellipse,  // position, two semi-axes, angle
    box,      // position, width and height, angle
    level_box, // position, width and height
    corners,  // two positions
    vertices, // positions
    ends,     // two positions
    vector,   // position, length, angle
    compass   // position, length
};

struct ShapeName {
    std::string_view name;
    RegionType region, annotation; // without and with the mark of an annotation; equal if the mark changes nothing
    ShapeLayout layout;
};

/// Any case. nullptr: unknown.
const ShapeName* find_shape(std::span<const ShapeName> names, std::string_view name);
/// The word with which shapes of that type and layout are written. They exist.
const ShapeName& shape_word(std::span<const ShapeName> names, RegionType type, ShapeLayout layout);

extern const std::span<const ShapeName> ds9_shapes, crtf_shapes;
/// Words of both formats for shapes that there are no regions for.
bool is_unsupported_shape(std::string_view name);

/// Of a file's text, for messages: short, without control characters, in quotes.
std::string quoted(std::string_view text);

class RegionList {
public:
    RegionList(const RegionFileImage& image, const CancelToken& cancel) : placement_(image), cancel_(cancel) {}

    /// False when reading should stop: there is too much, or it makes too little sense. Throws Cancelled.
    bool go_on();
    /// `name`: of the shape, for what is wrong with it.
    void add(std::size_t line, std::string_view name, const FileShape& shape, RegionStyle style);
    /// Something that could not be read.
    void problem(std::size_t line, const std::string& text);
    /// Something that was read although it means more than a region can say.
    void warning(std::size_t line, const std::string& text) { result_.problems.add(line, text); }
    /// "ellipse: it is excluded …"
    void warn_of_exclusion(std::size_t line, std::string_view name);
    /// Of the comment line before a region.
    void extras(std::size_t line, std::string_view text);

    ReadRegions take() { return std::move(result_); }

private:
    RegionPlacement placement_;
    const CancelToken& cancel_;
    ReadRegions result_;
    std::size_t steps_ = 0, problems_ = 0;
    std::size_t extras_line_ = 0;
    std::string_view extras_;
    bool stopped_ = false;
};

// The formats.
ReadRegions read_ds9(std::string_view text, const RegionFileImage& image, const CancelToken& cancel);
ReadRegions read_crtf(std::string_view text, const RegionFileImage& image, const CancelToken& cancel);

/// How a format writes.
class RegionFormatter {
public:
    virtual ~RegionFormatter() = default;
    /// The lines before all regions, each with its newline.
    virtual std::vector<std::string> header() const = 0;
    /// The style of a region, as far as it can be said.
    virtual std::string properties(const FileRegion& region) const = 0;
    /// The line of a region, with its newline. `shape` is in pixels or on the sky.
    virtual std::string line(const FileShape& shape, const FileRegion& region, const std::string& properties) const = 0;
    /// What a reader makes of it: style and, of shapes in pixels, rotation.
    virtual FileRegion as_read(const FileShape& shape, const FileRegion& region, const std::string& properties) const = 0;
};

struct WrittenFrame {
    bool sky = false;
    SkySystem system{};
    int decimals = 9, size_decimals = 4; // of degrees and of arcseconds: they tell a hundred thousandth of a pixel
};
std::unique_ptr<RegionFormatter> ds9_formatter(const WrittenFrame& frame, std::string_view program);
std::unique_ptr<RegionFormatter> crtf_formatter(const WrittenFrame& frame);

/// The layout in which a shape is written; `level_boxes`: the format has a word for boxes that are not turned.
ShapeLayout written_layout(const FileShape& shape, bool level_boxes);

} // namespace cubelink::imaging
