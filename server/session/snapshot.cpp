#include "server/session/snapshot.hpp"

#include "rpc/json/json_reader.hpp"
#include "rpc/json/json_writer.hpp"
#include "server/session/saved_fields.hpp"
#include "server/session/session.hpp"

#include <algorithm>
#include <type_traits>

namespace cubelink::server {

namespace {

using rpc::Array;
using rpc::Map;
using rpc::Path;
using rpc::Value;

// ---- Requirements

Array numbers(const std::vector<int>& list) { return Array(list.begin(), list.end()); }

Value value_of(const SpatialRequirement& r) {
    return Map{{"coordinate", r.coordinate}, {"start", r.start}, {"end", r.end}, {"mip", r.mip}, {"width", r.width}};
}
Value value_of(const SpectralRequirement& r) { return Map{{"coordinate", r.coordinate}, {"stats_types", numbers(r.stats_types)}}; }
Value value_of(const StatsRequirement& r) { return Map{{"coordinate", r.coordinate}, {"stats_types", numbers(r.stats_types)}}; }
Value value_of(const HistogramRequirement& r) {
    return Map{{"coordinate", r.coordinate}, {"channel", r.channel},           {"fixed_num_bins", r.fixed_num_bins}, {"num_bins", r.num_bins},
               {"fixed_bounds", r.fixed_bounds}, {"min", r.min}, {"max", r.max}};
}

Value value_of(const PixelBounds& b) { return Array{b.x_min, b.x_max, b.y_min, b.y_max}; }
Value value_of(const ContourRequirement& r) {
    return Map{{"reference_file_id", r.reference_file_id}, {"bounds", value_of(r.bounds)},           {"levels", Array(r.levels.begin(), r.levels.end())},
               {"smoothing_mode", r.smoothing_mode},       {"smoothing_factor", r.smoothing_factor}, {"decimation_factor", r.decimation_factor},
               {"compression_level", r.compression_level}, {"chunk_size", r.chunk_size}};
}
Value value_of(const VectorRequirement& r) {
    return Map{{"bounds", value_of(r.bounds)}, {"smoothing_factor", r.smoothing_factor}, {"fractional", r.fractional}, {"debiasing", r.debiasing},
               {"threshold", r.threshold ? Value(*r.threshold) : Value()}, {"threshold_option", r.threshold_option}, {"q_error", r.q_error},
               {"u_error", r.u_error}, {"stokes_intensity", r.stokes_intensity}, {"stokes_angle", r.stokes_angle},
               {"compression_type", r.compression_type}, {"compression_quality", r.compression_quality}};
}

/// They are not saved: see RequirementTable::saved().
Value value_of(const PvPreviewRequirement&) { return {}; }
Value value_of(const ViewportRequirement&) { return {}; }

Value list_of(const Requirements& requirements) {
    Array values;
    std::visit(
        [&](const auto& list) {
            for (const auto& one : list) values.push_back(value_of(one));
        },
        requirements);
    return values;
}

SpatialRequirement spatial(Value&& value, const Path& path) {
    SavedFields fields(std::move(value), path);
    return {fields.take<std::string>("coordinate"), fields.take<std::int32_t>("start"), fields.take<std::int32_t>("end"),
            fields.take<std::int32_t>("mip"), fields.take_or<std::int32_t>("width", 0)};
}

template <class T>
T coordinate_and_types(Value&& value, const Path& path) {
    SavedFields fields(std::move(value), path);
    return {fields.take<std::string>("coordinate"), fields.take<std::vector<int>>("stats_types")};
}

HistogramRequirement histogram(Value&& value, const Path& path) {
    SavedFields fields(std::move(value), path);
    HistogramRequirement r;
    r.coordinate = fields.take<std::string>("coordinate");
    r.channel = fields.take<std::int32_t>("channel");
    r.fixed_num_bins = fields.take<bool>("fixed_num_bins");
    r.num_bins = fields.take<std::int32_t>("num_bins");
    r.fixed_bounds = fields.take<bool>("fixed_bounds");
    r.min = fields.take<double>("min");
    r.max = fields.take<double>("max");
    return r;
}

PixelBounds bounds_of(const std::vector<std::int32_t>& list, const Path& path) {
    if (list.size() != 4) throw rpc::BadArguments(path.text() + ".bounds: expected four integers");
    return {list[0], list[1], list[2], list[3]};
}

ContourRequirement contours(Value&& value, const Path& path) {
    SavedFields fields(std::move(value), path);
    ContourRequirement r;
    r.reference_file_id = fields.take<std::int32_t>("reference_file_id");
    r.bounds = bounds_of(fields.take<std::vector<std::int32_t>>("bounds"), path);
    r.levels = fields.take<std::vector<double>>("levels");
    r.smoothing_mode = fields.take<int>("smoothing_mode");
    r.smoothing_factor = fields.take<std::int32_t>("smoothing_factor");
    r.decimation_factor = fields.take<std::int32_t>("decimation_factor");
    r.compression_level = fields.take<std::int32_t>("compression_level");
    r.chunk_size = fields.take<std::int32_t>("chunk_size");
    return r;
}

VectorRequirement vector_overlay(Value&& value, const Path& path) {
    SavedFields fields(std::move(value), path);
    VectorRequirement r;
    r.bounds = bounds_of(fields.take<std::vector<std::int32_t>>("bounds"), path);
    r.smoothing_factor = fields.take<std::int32_t>("smoothing_factor");
    r.fractional = fields.take<bool>("fractional");
    r.debiasing = fields.take<bool>("debiasing");
    r.threshold = fields.take<std::optional<double>>("threshold");
    r.threshold_option = fields.take<int>("threshold_option");
    r.q_error = fields.take<double>("q_error");
    r.u_error = fields.take<double>("u_error");
    r.stokes_intensity = fields.take<std::int32_t>("stokes_intensity");
    r.stokes_angle = fields.take<std::int32_t>("stokes_angle");
    r.compression_type = fields.take<int>("compression_type");
    r.compression_quality = fields.take<float>("compression_quality");
    return r;
}

/// Nothing for a kind that is not known here.
std::optional<std::pair<RequirementKey, Requirements>> requirements_of(Value&& value, const Path& path) {
    SavedFields fields(std::move(value), path);
    RequirementKey key;
    key.file_id = fields.take<std::int32_t>("file_id");
    key.region_id = fields.take<std::int32_t>("region_id");
    const auto kind = fields.take<std::string>("kind");
    Requirements list;
    if (kind == name_of(RequirementKind::spatial)) list = fields.list("list", spatial);
    else if (kind == name_of(RequirementKind::spectral)) list = fields.list("list", coordinate_and_types<SpectralRequirement>);
    else if (kind == name_of(RequirementKind::histogram)) list = fields.list("list", histogram);
    else if (kind == name_of(RequirementKind::statistics)) list = fields.list("list", coordinate_and_types<StatsRequirement>);
    else if (kind == name_of(RequirementKind::contours)) list = fields.list("list", contours);
    else if (kind == name_of(RequirementKind::vector_overlay)) list = fields.list("list", vector_overlay);
    else return std::nullopt;
    key.kind = static_cast<RequirementKind>(list.index());
    return std::pair(key, std::move(list));
}

// ---- Older versions

/// A function for SavedFields::list(): what `take` makes of an element, or nothing, and what is wrong with it in `wrong`.
template <class Take>
auto unless_wrong(Take take, std::vector<std::string>& wrong) {
    return [take, &wrong](Value&& value, const Path& path) -> std::optional<std::invoke_result_t<Take, Value&&, const Path&>> {
        try {
            return take(std::move(value), path);
        } catch (const rpc::CallError& e) {
            wrong.emplace_back(e.what());
            return std::nullopt;
        }
    };
}

/// A snapshot of version 1 as one of version 2.
Value from_version_1(Value&& old, std::vector<std::string>& left_out) {
    const Path path("snapshot");
    SavedFields fields(std::move(old), path);
    Array objects, requirements;
    const auto image = [&](Value&& value, const Path& where) {
        auto one = rpc::from_value<Map>(std::move(value), where);
        const auto file_id = rpc::from_value<std::int32_t>(one.find("file_id") ? Value(*one.find("file_id")) : Value(), Path(where, "file_id"));
        Map object{{"kind", "image"}, {"id", file_id}};
        struct Place {
            const char* name;
            std::int32_t region;
            RequirementKind kind;
        };
        constexpr Place places[] = {{"cursor_spatial", cursor_region, RequirementKind::spatial},
                                    {"cursor_spectral", cursor_region, RequirementKind::spectral},
                                    {"histograms", image_region, RequirementKind::histogram},
                                    {"statistics", image_region, RequirementKind::statistics}};
        for (auto& [key, value] : one) {
            const auto name = rpc::from_value<std::string>(Value(key), where);
            const auto* place = std::find_if(std::begin(places), std::end(places), [&](const Place& p) { return name == p.name; });
            if (place == std::end(places)) object[name] = std::move(value);
            else requirements.push_back(Map{{"file_id", file_id}, {"region_id", place->region}, {"kind", std::string(name_of(place->kind))}, {"list", std::move(value)}});
        }
        objects.push_back(std::move(object));
        return true;
    };
    fields.list("images", unless_wrong(image, left_out));
    return Map{{"version", 2},
               {"objects", std::move(objects)},
               {"requirements", std::move(requirements)},
               {"next_ids", Map{{"image", fields.take<std::int32_t>("next_file_id")}}},
               {"cursor_file", fields.take<Value>("cursor_file")}};
}

/// Has "kind" and "id".
Map object_of(Value&& value, const Path& path) {
    auto map = rpc::from_value<Map>(std::move(value), path);
    const auto copy_of = [&](const char* name) { return map.find(name) ? Value(*map.find(name)) : Value(); };
    rpc::from_value<std::string>(copy_of("kind"), Path(path, "kind"));
    rpc::from_value<std::int32_t>(copy_of("id"), Path(path, "id"));
    return map;
}

} // namespace

SavedSession snapshot_of(const Session& session) {
    SavedSession saved;
    saved.objects = session.objects().saved();
    saved.requirements = session.requirements().saved();
    for (const auto kind : {ObjectKind::image, ObjectKind::region, ObjectKind::catalog})
        saved.next_ids[std::string(name_of(kind))] = session.objects().next_id(kind);
    saved.cursor_file = session.last_cursor_file;
    return saved;
}

std::string to_text(const SavedSession& saved) {
    Array objects, requirements;
    for (const auto& one : saved.objects) objects.push_back(one);
    for (const auto& [key, list] : saved.requirements)
        requirements.push_back(
            Map{{"file_id", key.file_id}, {"region_id", key.region_id}, {"kind", std::string(name_of(key.kind))}, {"list", list_of(list)}});
    Map next_ids;
    for (const auto& [kind, id] : saved.next_ids) next_ids[kind] = id;
    rpc::JsonWriter writer;
    writer.value(Map{{"version", snapshot_version},
                     {"objects", std::move(objects)},
                     {"requirements", std::move(requirements)},
                     {"next_ids", std::move(next_ids)},
                     {"cursor_file", saved.cursor_file ? Value(*saved.cursor_file) : Value()}});
    return writer.take_text();
}

SavedSession saved_session_of(std::string_view text) {
    auto decoded = rpc::read_json(text, 64);
    if (!decoded.good()) throw rpc::BadArguments("snapshot: " + decoded.problem);
    const Path path("snapshot");
    auto map = rpc::from_value<Map>(std::move(decoded.message), path);
    SavedSession saved;
    saved.version = rpc::from_value<std::int64_t>(map.find("version") ? Value(*map.find("version")) : Value(), Path(path, "version"));
    if (saved.version < 1) throw rpc::BadArguments("snapshot.version: " + std::to_string(saved.version) + " does not exist");
    Value newest = std::move(map);
    if (saved.version == 1) newest = from_version_1(std::move(newest), saved.left_out);

    SavedFields fields(std::move(newest), path);
    for (auto& one : fields.list("objects", unless_wrong(object_of, saved.left_out)))
        if (one) saved.objects.push_back(std::move(*one));
    for (auto& one : fields.list("requirements", unless_wrong(requirements_of, saved.left_out)))
        if (one && *one) saved.requirements.push_back(std::move(**one));
    saved.next_ids = fields.take<std::map<std::string, std::int32_t>>("next_ids");
    saved.cursor_file = fields.take<std::optional<std::int32_t>>("cursor_file");
    return saved;
}

} // namespace cubelink::server
