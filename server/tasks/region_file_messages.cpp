#include "server/tasks/region_file_messages.hpp"

namespace cubelink::server {

imaging::RegionStyle style_of(imaging::RegionType type, const icd::RegionStyle& style) {
    imaging::RegionStyle out = imaging::default_style(type);
    out.name = style.name();
    if (!style.color().empty()) out.color = style.color();
    if (style.line_width() > 0) out.line_width = style.line_width();
    out.dashes.assign(style.dash_list().begin(), style.dash_list().end());
    if (!style.has_annotation_style()) return out;
    const auto& from = style.annotation_style();
    auto& to = out.annotation;
    to.point_shape = static_cast<imaging::PointShape>(from.point_shape());
    if (from.point_width() > 0) to.point_width = from.point_width();
    to.labels = {from.text_label0(), from.text_label1()};
    if (!from.coordinate_system().empty()) to.coordinate_system = from.coordinate_system();
    to.arrows = {from.is_north_arrow(), from.is_east_arrow()};
    to.text_position = static_cast<imaging::TextPosition>(from.text_position());
    if (!from.font_style().empty()) to.font_style = from.font_style();
    if (!from.font().empty()) to.font = from.font();
    if (from.font_size() > 0) to.font_size = from.font_size();
    return out;
}

icd::RegionStyle message_of(imaging::RegionType type, const imaging::RegionStyle& style) {
    icd::RegionStyle out;
    out.set_name(style.name);
    out.set_color(style.color);
    out.set_line_width(style.line_width);
    for (const auto dash : style.dashes) out.add_dash_list(dash);
    if (!imaging::is_annotation(type)) return out;
    const auto& from = style.annotation;
    auto& to = *out.mutable_annotation_style();
    to.set_point_shape(static_cast<icd::PointAnnotationShape>(from.point_shape));
    to.set_point_width(from.point_width);
    to.set_text_label0(from.labels[0]);
    to.set_text_label1(from.labels[1]);
    to.set_coordinate_system(from.coordinate_system);
    to.set_is_north_arrow(from.arrows[0]);
    to.set_is_east_arrow(from.arrows[1]);
    to.set_text_position(static_cast<icd::TextAnnotationPosition>(from.text_position));
    to.set_font_style(from.font_style);
    to.set_font(from.font);
    to.set_font_size(from.font_size);
    return out;
}

} // namespace cubelink::server
