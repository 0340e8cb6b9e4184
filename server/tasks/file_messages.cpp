#include "server/tasks/file_messages.hpp"

#include <algorithm>
#include <limits>

namespace cubelink::server {

namespace {

std::int32_t clipped(std::int64_t n) {
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(n, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()));
}

void fill(icd::HeaderEntry& to, const imaging::HeaderEntry& from) {
    to.set_name(from.name);
    to.set_value(from.value);
    to.set_entry_type(static_cast<icd::EntryType>(from.type));
    to.set_numeric_value(from.numeric_value);
    to.set_comment(from.comment);
}

} // namespace

void fill(icd::FileInfoExtended& to, const imaging::ImageInfo& from) {
    to.set_dimensions(from.dimensions);
    to.set_width(clipped(from.shape.width));
    to.set_height(clipped(from.shape.height));
    to.set_depth(clipped(from.shape.depth));
    to.set_stokes(clipped(from.shape.stokes));
    for (const auto& entry : from.header) fill(*to.add_header_entries(), entry);
    for (const auto& entry : from.computed) fill(*to.add_computed_entries(), entry);
    auto& axes = *to.mutable_axes_numbers();
    axes.set_spatial_x(from.axes.spatial_x);
    axes.set_spatial_y(from.axes.spatial_y);
    axes.set_spectral(from.axes.spectral);
    axes.set_stokes(from.axes.stokes);
    axes.set_depth(from.axes.depth);
}

void fill_beams(icd::OpenFileAck& to, const imaging::ImageInfo& from) {
    for (const auto& beam : from.beams) {
        auto& out = *to.add_beam_table();
        out.set_channel(beam.channel);
        out.set_stokes(beam.stokes);
        out.set_major_axis(static_cast<float>(beam.major));
        out.set_minor_axis(static_cast<float>(beam.minor));
        out.set_pa(static_cast<float>(beam.pa));
    }
}

icd::FileInfo file_info_of(const JailedPath& path, const std::string& name, FileKind kind) {
    icd::FileInfo info;
    info.set_name(name);
    info.set_type(static_cast<icd::FileType>(kind));
    info.set_size(listed_size(path));
    info.set_date(path.status.st_mtime);
    return info;
}

} // namespace cubelink::server
