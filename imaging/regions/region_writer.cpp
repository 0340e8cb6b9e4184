#include "imaging/regions/region_reading.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

constexpr double told_part = 1e-5; // of a pixel

int decimals_for(double step, int least, int most) {
    const double wanted = std::ceil(-std::log10(step));
    return std::isfinite(wanted) ? static_cast<int>(std::clamp<double>(wanted, least, most)) : least;
}

WrittenFrame world_frame(const RegionFileImage& image) {
    if (!image.wcs || !image.wcs->celestial_plane()) throw std::invalid_argument("this image has no celestial coordinates");
    WrittenFrame frame;
    frame.sky = true;
    frame.system = image.wcs->sky_system();
    switch (frame.system.frame) {
    case SkyFrame::unknown: throw std::invalid_argument("the frame of this image's celestial coordinates is not known");
    case SkyFrame::fk4: frame.system.equinox = 1950; break;
    default: frame.system.equinox = 2000;
    }
    if (const auto area = image.wcs->pixel_area(); area && *area > 0) {
        const double pixel = std::sqrt(*area);
        frame.decimals = decimals_for(pixel * told_part, frame.decimals, 14);
        frame.size_decimals = decimals_for(pixel * 3600 * told_part, frame.size_decimals, 12);
    }
    return frame;
}

FileShape in_pixels(const Shape& from) {
    FileShape to;
    to.type = from.type;
    const auto geometry = geometry_of(from.type);
    const bool sized = geometry == RegionType::rectangle || geometry == RegionType::ellipse || from.type == RegionType::ann_compass;
    to.positions.assign(from.points.begin(), sized ? from.points.begin() + 1 : from.points.end());
    if (!sized) return to;
    to.angle = from.rotation;
    const auto& size = from.points[1];
    to.lengths = {{size.x, FrameKind::pixel}};
    if (from.type == RegionType::ann_compass) return to;
    if (geometry != RegionType::ellipse || size.x != size.y) to.lengths.push_back({size.y, FrameKind::pixel});
    return to;
}

/// Of what has an angle: it is told for others, but means nothing.
bool turns(RegionType type) {
    const auto geometry = geometry_of(type);
    return geometry == RegionType::rectangle || geometry == RegionType::ellipse;
}

} // namespace

ShapeLayout written_layout(const FileShape& shape, bool level_boxes) {
    switch (geometry_of(shape.type)) {
    case RegionType::rectangle: {
        const bool empty = shape.type == RegionType::ann_text && shape.lengths[0].value == 0 && shape.lengths[1].value == 0 && shape.angle == 0;
        if (empty) return ShapeLayout::point;
        return level_boxes && shape.angle == 0 && shape.type != RegionType::ann_text ? ShapeLayout::level_box : ShapeLayout::box;
    }
    case RegionType::ellipse: return shape.lengths.size() == 1 ? ShapeLayout::circle : ShapeLayout::ellipse;
    case RegionType::polygon:
    case RegionType::polyline: return ShapeLayout::vertices;
    case RegionType::line: return ShapeLayout::ends;
    default: return shape.type == RegionType::ann_compass ? ShapeLayout::compass : ShapeLayout::point;
    }
}

WrittenRegions write_regions(std::span<const FileRegion> regions, RegionFormat format, RegionCoordinates coordinates, const RegionFileImage& image,
                             std::string_view program, const CancelToken& cancel, std::span<const std::int32_t> ids) {
    const bool world = coordinates == RegionCoordinates::world;
    WrittenFrame frame;
    if (world) frame = world_frame(image);
    // CASA wants to know the frame of pixels too.
    else if (image.wcs && image.wcs->celestial_plane()) frame.system = image.wcs->sky_system();
    const auto formatter = format == RegionFormat::ds9 ? ds9_formatter(frame, program) : crtf_formatter(frame);
    RegionPlacement placement(image);
    WrittenRegions result;
    result.lines = formatter->header();
    FileShape shape;
    for (std::size_t i = 0; i < regions.size(); ++i) {
        if (i % 256 == 0) cancel.throw_if_cancelled();
        FileRegion region{regions[i].shape, relevant_style(regions[i].shape.type, regions[i].style)};
        std::string why = why_invalid(region.shape);
        if (why.empty() && world) placement.describe(region.shape, frame.system, shape, why);
        else if (why.empty()) shape = in_pixels(region.shape);
        if (!why.empty()) {
            const auto number = ids.empty() ? std::to_string(i + 1) : std::to_string(ids[i]);
            result.problems.add("region " + number + " (" + std::string(name_of(region.shape.type)) + "): " + why);
            continue;
        }
        const auto properties = formatter->properties(region);
        auto read = formatter->as_read(shape, region, properties);
        const bool same_turn = static_cast<float>(read.shape.rotation) == static_cast<float>(region.shape.rotation);
        if (world || !turns(region.shape.type) || same_turn) read.shape.rotation = region.shape.rotation;
        if (auto extras = extras_line(region, read); !extras.empty()) result.lines.push_back(std::move(extras));
        result.lines.push_back(formatter->line(shape, region, properties));
        ++result.written;
    }
    if (result.written == 0) result.lines.clear();
    return result;
}

} // namespace cubelink::imaging
