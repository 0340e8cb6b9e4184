#pragma once
/// Region files: CASA's region text format (CRTF) and DS9's. Pure functions, any thread; time and memory are linear in the text.
///
/// What is written here is read back unchanged: of pixel files every float of the ICD, of world files within 1e-4 pixels. What a format can't say
/// about the style of a region stands in a comment line before it ("# cubelink …"), which other programs skip.
///
/// Sizes and angles in world coordinates are those of the tangent plane at the region's centre: angles are measured against the north of the file's frame,
/// through east, and become angles on the image.

#include "imaging/base/cancel.hpp"
#include "imaging/regions/region_style.hpp"
#include "imaging/source/image_info.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

enum class RegionFormat { crtf = 1, ds9 = 2 }; // numbers as in ICD FileType
enum class RegionCoordinates { pixel = 0, world = 1 };

struct FileRegion {
    Shape shape; // of the image
    RegionStyle style;
    friend bool operator==(const FileRegion&, const FileRegion&) = default;
};

/// The image to which the regions belong.
struct RegionFileImage {
    /// Celestial positions; null: there are none. Outlives the call.
    const Wcs* wcs = nullptr;
    /// 1-based pixel = scale · physical coordinates + offset (IRAF's LTM and LTV): rows of `scale` are x and y.
    struct Physical {
        double scale[2][2] = {{1, 0}, {0, 1}};
        double offset[2] = {0, 0};
    } physical;
};
/// With the physical coordinates that the header declares. The Wcs outlives the result.
RegionFileImage region_file_image(const ImageInfo& info, const Wcs* wcs);

/// What could not be read or written: "line 7: annulus is not supported". The first hundred in words, the others counted.
class RegionProblems {
public:
    void add(std::string text);
    void add(std::size_t line, const std::string& text) { add("line " + std::to_string(line) + ": " + text); }
    std::size_t count() const { return count_; }
    /// One a line; empty if there are none.
    std::string text() const;

private:
    std::vector<std::string> texts_;
    std::size_t count_ = 0;
};

inline constexpr std::size_t max_region_text = std::size_t{32} << 20; // bytes
inline constexpr std::size_t max_file_regions = 100'000;
inline constexpr std::size_t max_region_problems = 10'000; // then a text is not read any further

struct ReadRegions {
    std::vector<FileRegion> regions; // all of them valid (why_invalid)
    RegionProblems problems;         // warnings too: excluded regions become ordinary ones
};
/// Never throws for what the text says; std::invalid_argument if it is longer than max_region_text, Cancelled.
ReadRegions read_regions(std::string_view text, RegionFormat format, const RegionFileImage& image, const CancelToken& cancel = {});

struct WrittenRegions {
    std::vector<std::string> lines; // each with its newline; empty if there is no region that could be written
    RegionProblems problems;        // "region 3 (rectangle): …", by number
    std::size_t written = 0;        // regions
};
/// Regions that are not valid are left out, and named. `ids`: their numbers for messages, if they are not 1, 2, …. World coordinates are those of the image's own
/// frame (FK5 of J2000 for any FK5, FK4 of B1950 for any FK4). `program`: "Name 1.0", for the header of DS9. Throws std::invalid_argument for world
/// coordinates of an image that has none, or an unknown frame; Cancelled.
WrittenRegions write_regions(std::span<const FileRegion> regions, RegionFormat format, RegionCoordinates coordinates, const RegionFileImage& image,
                             std::string_view program, const CancelToken& cancel = {}, std::span<const std::int32_t> ids = {});

} // namespace cubelink::imaging
