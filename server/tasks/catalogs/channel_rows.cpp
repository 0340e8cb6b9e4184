#include "server/tasks/catalogs/channel_rows.hpp"

#include "imaging/world/spectral_unit.hpp"
#include "imaging/world/wcs.hpp"
#include "rpc/error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cubelink::server {

imaging::RowTestPtr rows_near_channel(const imaging::Table& table, const Image& image, const ChannelRows& rows, const rpc::Path& path) {
    const auto wrong = [&path](const char* field, const std::string& what) { return rpc::BadArguments(rpc::Path(path, field).text() + ": " + what); };
    const auto axis = image.wcs ? image.wcs->spectral_axis() : nullptr;
    if (!axis || axis->length() == 0) throw wrong("file_id", image.info.name + " has no spectral axis");
    if (!(rows.channels >= 0)) throw wrong("channels", "must not be negative");

    const auto& info = table.info.columns[rows.column];
    const auto& text = rows.unit.empty() ? info.unit : rows.unit;
    const auto unit = imaging::spectral_unit_of(text);
    if (!unit && rows.unit.empty() && text.empty()) throw wrong("column", "\"" + info.name + "\" has no unit: say it as `unit`");
    if (!unit) throw wrong(rows.unit.empty() ? "column" : "unit", "\"" + text + "\" is no unit of frequencies, wavelengths or velocities");

    auto kind = unit->kind;
    if (is_velocity(kind) && is_velocity(axis->kind())) kind = axis->kind();
    else if (is_velocity(kind) && axis->kind() != imaging::SpectralKind::frequency) kind = imaging::SpectralKind::velocity_optical;
    if (!rows.kind.empty()) {
        const auto said = imaging::spectral_kind_of(rows.kind);
        if (!said || !is_velocity(*said)) throw wrong("kind", "\"" + rows.kind + "\" is none of radio, optical, relativistic");
        if (!is_velocity(kind)) throw wrong("kind", "\"" + info.name + "\" has no velocities");
        kind = *said;
    }
    if (rows.rest_frequency && !(*rows.rest_frequency > 0)) throw wrong("rest_frequency", "must be above 0");
    const auto header = axis->rest_frequency().value_or(0), rest = rows.rest_frequency.value_or(header);

    const auto edge = [&](double channel) {
        const auto native = axis->native_at(channel);
        if (kind == axis->kind() && rest == header) return native / unit->si;
        const auto frequency = imaging::to_frequency(native, axis->kind(), header);
        return frequency > 0 ? imaging::from_frequency(frequency, kind, rest) / unit->si : std::numeric_limits<double>::quiet_NaN();
    };
    const auto shown = static_cast<double>(image.plane.channel), reach = rows.channels + 0.5;
    const auto [low, high] = std::minmax({edge(shown - reach), edge(shown + reach)});
    if (!std::isfinite(low) || !std::isfinite(high)) {
        if (!(rest > 0) && (is_velocity(kind) || is_velocity(axis->kind()))) throw wrong("rest_frequency", image.info.name + " has no rest frequency: say it");
        throw wrong("channels", "the axis of " + image.info.name + " has no values so far out");
    }
    return imaging::compare_numbers(table, rows.column, imaging::Comparison::range_closed, low, high);
}

} // namespace cubelink::server
