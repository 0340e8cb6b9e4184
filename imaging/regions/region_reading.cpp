#include "imaging/regions/region_reading.hpp"

#include "platform/text.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

using Type = RegionType;
using Layout = ShapeLayout;

// The first word of a type and layout is the one that is written.
constexpr ShapeName ds9_words[] = {
    {"point", Type::point, Type::ann_point, Layout::point},
    {"circle", Type::ellipse, Type::ann_ellipse, Layout::circle},
    {"ellipse", Type::ellipse, Type::ann_ellipse, Layout::ellipse},
    {"box", Type::rectangle, Type::ann_rectangle, Layout::box},
    {"polygon", Type::polygon, Type::ann_polygon, Layout::vertices},
    {"line", Type::line, Type::ann_line, Layout::ends},
    {"polyline", Type::polyline, Type::ann_polyline, Layout::vertices},
    {"segment", Type::polyline, Type::polyline, Layout::vertices}, // DS9's word, always behind a '#'
    {"vector", Type::ann_vector, Type::ann_vector, Layout::vector},
    {"ruler", Type::ann_ruler, Type::ann_ruler, Layout::ends},
    {"text", Type::ann_text, Type::ann_text, Layout::point},
    {"textbox", Type::ann_text, Type::ann_text, Layout::box},
    {"compass", Type::ann_compass, Type::ann_compass, Layout::compass},
};

constexpr ShapeName crtf_words[] = {
    {"symbol", Type::point, Type::ann_point, Layout::point},
    {"circle", Type::ellipse, Type::ann_ellipse, Layout::circle},
    {"ellipse", Type::ellipse, Type::ann_ellipse, Layout::ellipse},
    {"rotbox", Type::rectangle, Type::ann_rectangle, Layout::box},
    {"centerbox", Type::rectangle, Type::ann_rectangle, Layout::level_box},
    {"box", Type::rectangle, Type::ann_rectangle, Layout::corners},
    {"poly", Type::polygon, Type::ann_polygon, Layout::vertices},
    {"line", Type::line, Type::ann_line, Layout::ends},
    {"polyline", Type::polyline, Type::ann_polyline, Layout::vertices},
    {"vector", Type::ann_vector, Type::ann_vector, Layout::ends},
    {"ruler", Type::ann_ruler, Type::ann_ruler, Layout::ends},
    {"text", Type::ann_text, Type::ann_text, Layout::point},
    {"textbox", Type::ann_text, Type::ann_text, Layout::box},
    {"compass", Type::ann_compass, Type::ann_compass, Layout::compass},
};

constexpr std::string_view unsupported[] = {"annulus", "panda", "cpanda", "epanda", "bpanda", "projection", "composite", "pie", "fieldpoint"};

constexpr std::size_t shown_length = 40;
constexpr std::size_t steps_between_looks = 256;
constexpr std::size_t shown_problems = 100;

} // namespace

const std::span<const ShapeName> ds9_shapes = ds9_words, crtf_shapes = crtf_words;

const ShapeName* find_shape(std::span<const ShapeName> names, std::string_view name) {
    const auto found = std::find_if(names.begin(), names.end(), [&](const ShapeName& n) { return platform::equal_ignoring_case(n.name, name); });
    return found == names.end() ? nullptr : &*found;
}

const ShapeName& shape_word(std::span<const ShapeName> names, RegionType type, ShapeLayout layout) {
    return *std::find_if(names.begin(), names.end(),
                         [&](const ShapeName& n) { return (n.region == type || n.annotation == type) && n.layout == layout; });
}

bool is_unsupported_shape(std::string_view name) {
    return std::any_of(std::begin(unsupported), std::end(unsupported), [&](std::string_view u) { return platform::equal_ignoring_case(u, name); });
}

std::string quoted(std::string_view text) {
    std::string shown = "\"";
    for (const char c : text.substr(0, shown_length)) shown += c >= ' ' && c <= '~' ? c : '?';
    return shown + (text.size() > shown_length ? "…\"" : "\"");
}

void RegionProblems::add(std::string text) {
    if (count_++ < shown_problems) texts_.push_back(std::move(text));
}

std::string RegionProblems::text() const {
    std::string all;
    for (const auto& text : texts_) all += (all.empty() ? "" : "\n") + text;
    if (count_ > texts_.size()) all += "\nand " + std::to_string(count_ - texts_.size()) + " more";
    return all;
}

bool RegionList::go_on() {
    if (++steps_ % steps_between_looks == 0) cancel_.throw_if_cancelled();
    return !stopped_;
}

void RegionList::add(std::size_t line, std::string_view name, const FileShape& shape, RegionStyle style) {
    if (stopped_) return;
    if (result_.regions.size() == max_file_regions) {
        warning(line, "there are more than " + std::to_string(max_file_regions) + " regions: the rest is left out");
        stopped_ = true;
        return;
    }
    FileRegion region;
    std::string why;
    if (!placement_.place(shape, region.shape, why)) return problem(line, std::string(name) + ": " + why);
    region.style = std::move(style);
    if (!extras_.empty() && extras_line_ + 1 == line) {
        apply_extras(extras_, region);
        // A rotation could be anything.
        if (why = why_invalid(region.shape); !why.empty()) return problem(line, std::string(name) + ": " + why);
    }
    extras_ = {};
    result_.regions.push_back(std::move(region));
}

void RegionList::problem(std::size_t line, const std::string& text) {
    if (stopped_) return;
    warning(line, text);
    if (++problems_ < max_region_problems) return;
    warning(line, "too many lines can't be read: the rest is left out");
    stopped_ = true;
}

void RegionList::warn_of_exclusion(std::size_t line, std::string_view name) {
    warning(line, std::string(name) + ": exclusion is not supported, it is an ordinary region now");
}

void RegionList::extras(std::size_t line, std::string_view text) {
    extras_line_ = line;
    extras_ = text;
}

ReadRegions read_regions(std::string_view text, RegionFormat format, const RegionFileImage& image, const CancelToken& cancel) {
    if (text.size() > max_region_text)
        throw std::invalid_argument("a region file of " + std::to_string(text.size()) + " bytes, the limit is " + std::to_string(max_region_text));
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    return format == RegionFormat::ds9 ? read_ds9(text, image, cancel) : read_crtf(text, image, cancel);
}

RegionFileImage region_file_image(const ImageInfo& info, const Wcs* wcs) {
    RegionFileImage image;
    image.wcs = wcs;
    RegionFileImage::Physical physical;
    const auto read = [&info](const std::string& keyword, double& value) {
        for (const auto& entry : info.header)
            if (entry.name == keyword && entry.type != EntryType::string) value = entry.numeric_value;
    };
    for (std::size_t i = 0; i < 2; ++i) {
        const auto axis = std::to_string(info.rendered_axes[i]);
        read("LTV" + axis, physical.offset[i]);
        for (std::size_t j = 0; j < 2; ++j) read("LTM" + axis + "_" + std::to_string(info.rendered_axes[j]), physical.scale[i][j]);
    }
    const auto& scale = physical.scale;
    const double det = scale[0][0] * scale[1][1] - scale[0][1] * scale[1][0];
    if (std::isnormal(det) && std::isfinite(physical.offset[0]) && std::isfinite(physical.offset[1])) image.physical = physical;
    return image;
}

} // namespace cubelink::imaging
