#include "server/session/snapshot.hpp"

#include "rpc/values/convert.hpp"
#include "rpc/json/json_reader.hpp"
#include "rpc/json/json_writer.hpp"
#include "server/session/session.hpp"

#include <algorithm>
#include <cmath>

namespace cubelink::server {

namespace {

constexpr std::int64_t version = 1;

using rpc::Array;
using rpc::Map;
using rpc::Path;
using rpc::Value;

/// The fields of a map, taken out one by one.
class Fields {
public:
    Fields(Value&& value, const Path& path) : map_(rpc::from_value<Map>(std::move(value), path)), path_(path) {}
    template <class T>
    T take(std::string_view name) {
        auto* found = map_.find(name);
        return rpc::from_value<T>(found ? std::move(*found) : Value(), Path(path_, name));
    }
    /// Each element of a list, made by `read(Value&&, Path)`.
    template <class T, class Read>
    std::vector<T> list(std::string_view name, Read read) {
        const Path path(path_, name);
        auto values = take<Array>(name);
        std::vector<T> out;
        for (std::size_t i = 0; i < values.size(); ++i) out.push_back(read(std::move(values[i]), Path(path, i)));
        return out;
    }

private:
    Map map_;
    const Path& path_;
};

Array numbers(const std::vector<int>& list) { return Array(list.begin(), list.end()); }

Value value_of(const SpatialRequirement& r) { return Map{{"coordinate", r.coordinate}, {"start", r.start}, {"end", r.end}, {"mip", r.mip}}; }
Value value_of(const SpectralRequirement& r) { return Map{{"coordinate", r.coordinate}, {"stats_types", numbers(r.stats_types)}}; }
Value value_of(const StatsRequirement& r) { return Map{{"coordinate", r.coordinate}, {"stats_types", numbers(r.stats_types)}}; }
Value value_of(const HistogramRequirement& r) {
    return Map{{"coordinate", r.coordinate}, {"channel", r.channel},           {"fixed_num_bins", r.fixed_num_bins}, {"num_bins", r.num_bins},
               {"fixed_bounds", r.fixed_bounds}, {"min", r.min}, {"max", r.max}};
}
template <class T>
Value list_of(const std::vector<T>& requirements) {
    Array list;
    for (const auto& one : requirements) list.push_back(value_of(one));
    return list;
}

template <class T>
T coordinate_and_types(Value&& value, const Path& path) {
    Fields fields(std::move(value), path);
    return {fields.take<std::string>("coordinate"), fields.take<std::vector<int>>("stats_types")};
}

SpatialRequirement spatial(Value&& value, const Path& path) {
    Fields fields(std::move(value), path);
    return {fields.take<std::string>("coordinate"), fields.take<std::int32_t>("start"), fields.take<std::int32_t>("end"), fields.take<std::int32_t>("mip")};
}

HistogramRequirement histogram(Value&& value, const Path& path) {
    Fields fields(std::move(value), path);
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

SavedImage image(Value&& value, const Path& path) {
    Fields fields(std::move(value), path);
    SavedImage saved;
    saved.file_id = fields.take<std::int32_t>("file_id");
    saved.directory = fields.take<std::string>("directory");
    saved.file = fields.take<std::string>("file");
    saved.hdu = fields.take<std::string>("hdu");
    saved.support_aips_beam = fields.take<bool>("support_aips_beam");
    saved.plane.channel = fields.take<std::int32_t>("channel");
    saved.plane.stokes = fields.take<std::int32_t>("stokes");
    if (const auto cursor = fields.take<std::optional<std::vector<float>>>("cursor"); cursor && cursor->size() == 2)
        saved.cursor = CursorPosition{(*cursor)[0], (*cursor)[1]};
    saved.cursor_spatial = fields.list<SpatialRequirement>("cursor_spatial", spatial);
    saved.cursor_spectral = fields.list<SpectralRequirement>("cursor_spectral", coordinate_and_types<SpectralRequirement>);
    saved.histograms = fields.list<HistogramRequirement>("histograms", histogram);
    saved.statistics = fields.list<StatsRequirement>("statistics", coordinate_and_types<StatsRequirement>);
    return saved;
}

} // namespace

SavedSession snapshot_of(const Session& session) {
    SavedSession saved;
    saved.next_file_id = session.next_file_id();
    saved.cursor_file = session.last_cursor_file;
    for (const auto& [id, open] : session.images()) {
        if (open->closed.cancelled()) continue;
        SavedImage one;
        one.file_id = id;
        one.directory = open->directory;
        one.file = open->file;
        one.hdu = open->info.hdu;
        one.support_aips_beam = open->support_aips_beam;
        one.plane = open->plane;
        one.cursor = open->cursor;
        saved.images.push_back(std::move(one));
    }
    for (auto& [key, list] : session.requirements().saved()) {
        const auto image = std::find_if(saved.images.begin(), saved.images.end(), [&](const auto& one) { return one.file_id == key.file_id; });
        if (image == saved.images.end()) continue;
        const auto take = [](auto& into, Requirements& from) {
            for (auto& one : std::get<std::remove_reference_t<decltype(into)>>(from))
                if (std::find(into.begin(), into.end(), one) == into.end()) into.push_back(std::move(one));
        };
        if (key.kind == RequirementKind::spatial) take(image->cursor_spatial, list);
        else if (key.kind == RequirementKind::spectral) take(image->cursor_spectral, list);
        else if (key.kind == RequirementKind::histogram && key.region_id == image_region) take(image->histograms, list);
        else if (key.kind == RequirementKind::statistics) take(image->statistics, list);
    }
    return saved;
}

std::string to_text(const SavedSession& saved) {
    Array images;
    for (const auto& one : saved.images) {
        images.push_back(Map{{"file_id", one.file_id},
                             {"directory", one.directory},
                             {"file", one.file},
                             {"hdu", one.hdu},
                             {"support_aips_beam", one.support_aips_beam},
                             {"channel", one.plane.channel},
                             {"stokes", one.plane.stokes},
                             {"cursor", one.cursor ? Value(Array{one.cursor->x, one.cursor->y}) : Value()},
                             {"cursor_spatial", list_of(one.cursor_spatial)},
                             {"cursor_spectral", list_of(one.cursor_spectral)},
                             {"histograms", list_of(one.histograms)},
                             {"statistics", list_of(one.statistics)}});
    }
    rpc::JsonWriter writer;
    writer.value(Map{{"version", version},
                     {"images", std::move(images)},
                     {"next_file_id", saved.next_file_id},
                     {"cursor_file", saved.cursor_file ? Value(*saved.cursor_file) : Value()}});
    return writer.take_text();
}

SavedSession saved_session_of(std::string_view text) {
    auto decoded = rpc::read_json(text, 64);
    if (!decoded.good()) throw rpc::BadArguments("snapshot: " + decoded.problem);
    const Path path("snapshot");
    Fields fields(std::move(decoded.message), path);
    if (const auto found = fields.take<std::int64_t>("version"); found != version)
        throw rpc::BadArguments("snapshot.version: " + std::to_string(found) + " is not known here");
    SavedSession saved;
    saved.images = fields.list<SavedImage>("images", image);
    saved.next_file_id = fields.take<std::int32_t>("next_file_id");
    saved.cursor_file = fields.take<std::optional<std::int32_t>>("cursor_file");
    return saved;
}

void apply(const SavedImage& saved, Image& image) {
    if (image.has_channel(saved.plane.channel)) image.plane.channel = saved.plane.channel;
    if (image.has_stokes(saved.plane.stokes)) image.plane.stokes = saved.plane.stokes;
    if (saved.cursor && std::isfinite(saved.cursor->x) && std::isfinite(saved.cursor->y)) image.cursor = saved.cursor;
}

void restore_requirements(const SavedImage& saved, const Image& image, RequirementTable& table) {
    const auto restore = [&](std::int32_t region, RequirementKind kind, const auto& list, const auto& exists) {
        std::remove_cvref_t<decltype(list)> kept;
        std::copy_if(list.begin(), list.end(), std::back_inserter(kept),
                     [&](const auto& one) { return parse_coordinate(one.coordinate, image).has_value() && exists(one); });
        table.restore({image.file_id, region, kind, 0}, std::move(kept));
    };
    const auto always = [](const auto&) { return true; };
    restore(cursor_region, RequirementKind::spatial, saved.cursor_spatial, always);
    restore(cursor_region, RequirementKind::spectral, saved.cursor_spectral, [&](const auto&) { return image.info.dimensions >= 3; });
    restore(image_region, RequirementKind::histogram, saved.histograms, [&](const auto& one) { return one.channel == -1 || image.has_channel(one.channel); });
    restore(image_region, RequirementKind::statistics, saved.statistics, always);
}

} // namespace cubelink::server
