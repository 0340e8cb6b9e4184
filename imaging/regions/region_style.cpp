#include "imaging/regions/region_style.hpp"

#include <utility>

namespace cubelink::imaging {

namespace {

bool has_font(RegionType type) { return type == RegionType::ann_text || type == RegionType::ann_compass || type == RegionType::ann_ruler; }

} // namespace

RegionStyle default_style(RegionType type) {
    RegionStyle style;
    auto& annotation = style.annotation;
    if (has_font(type)) {
        annotation.font = "Helvetica";
        annotation.font_style = font_style_of(false, false);
        annotation.font_size = 20;
    }
    if (type == RegionType::ann_compass) {
        annotation.labels = {"N", "E"};
        annotation.arrows = {true, true};
    }
    if (type == RegionType::ann_compass || type == RegionType::ann_ruler) annotation.coordinate_system = "PIXEL";
    return style;
}

RegionStyle relevant_style(RegionType type, RegionStyle style) {
    AnnotationStyle kept = default_style(type).annotation;
    auto& given = style.annotation;
    if (type == RegionType::ann_point) {
        kept.point_shape = given.point_shape;
        kept.point_width = given.point_width;
    }
    if (has_font(type)) {
        kept.font = std::move(given.font);
        kept.font_style = std::move(given.font_style);
        kept.font_size = given.font_size;
    }
    if (type == RegionType::ann_text) {
        kept.labels[0] = std::move(given.labels[0]);
        kept.text_position = given.text_position;
    }
    if (type == RegionType::ann_compass) {
        kept.labels = std::move(given.labels);
        kept.arrows = given.arrows;
    }
    if (type == RegionType::ann_compass || type == RegionType::ann_ruler) kept.coordinate_system = std::move(given.coordinate_system);
    given = std::move(kept);
    return style;
}

std::string font_style_of(bool bold, bool italic) {
    if (bold) return italic ? "Italic Bold" : "Bold";
    return italic ? "Italic" : "Normal";
}

} // namespace cubelink::imaging
