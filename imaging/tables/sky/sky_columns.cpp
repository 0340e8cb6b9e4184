#include "imaging/tables/sky/sky_columns.hpp"

#include "imaging/tables/sky/table_frame.hpp"
#include "imaging/tables/views/table_view.hpp"
#include "imaging/world/number_text.hpp"
#include "platform/text.hpp"

#include <cmath>
#include <limits>
#include <numbers>
#include <string_view>
#include <utility>

namespace cubelink::imaging {

namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

/// Degrees in one of that unit; texts of it are sexagesimal in hours or degrees.
std::optional<double> degrees_in(std::string_view unit) {
    static constexpr double radian = 180 / std::numbers::pi;
    static constexpr std::pair<std::string_view, double> units[] = {
        {"", 1}, {"deg", 1}, {"degree", 1}, {"degrees", 1}, {"degs", 1}, {"d", 1}, {"d:m:s", 1}, {"dms", 1}, {"deg:arcmin:arcsec", 1}, {"deg:min:sec", 1}, {"\u00b0", 1},
        {"h", 15}, {"hr", 15}, {"hrs", 15}, {"hour", 15}, {"hours", 15}, {"hourangle", 15}, {"h:m:s", 15}, {"hms", 15}, {"hour:min:sec", 15}, {"hr:min:sec", 15}, {"hh:mm:ss", 15},
        {"rad", radian}, {"radian", radian}, {"radians", radian}, {"mrad", radian / 1e3}, {"urad", radian / 1e6},
        {"arcmin", 1.0 / 60}, {"arcmins", 1.0 / 60}, {"arcminute", 1.0 / 60}, {"arcminutes", 1.0 / 60}, {"'", 1.0 / 60},
        {"arcsec", 1.0 / 3600}, {"arcsecs", 1.0 / 3600}, {"arcsecond", 1.0 / 3600}, {"arcseconds", 1.0 / 3600}, {"\"", 1.0 / 3600},
        {"mas", 1e-3 / 3600}, {"marcsec", 1e-3 / 3600}, {"uas", 1e-6 / 3600}, {"uarcsec", 1e-6 / 3600}, {"mdeg", 1e-3},
    };
    const auto wanted = platform::trimmed(unit);
    for (const auto& [name, degrees] : units)
        if (platform::equal_ignoring_case(wanted, name)) return degrees;
    // VizieR's "h:m:s" has its quotation marks in the unit.
    if (wanted.size() > 2 && wanted.front() == '"' && wanted.back() == '"') return degrees_in(wanted.substr(1, wanted.size() - 2));
    return std::nullopt;
}

AngleColumn angle_column(const TableInfo& table, std::size_t column, bool hours, SkyColumnsError::Part part) {
    const auto& info = table.columns[column];
    const auto scale = degrees_in(info.unit);
    if (!scale) throw SkyColumnsError(part, "the unit of \"" + info.name + "\", \"" + info.unit + "\", is no angle");
    if (info.type == ColumnType::boolean) throw SkyColumnsError(part, "\"" + info.name + "\" has truth values, no angles");
    const bool is_text = info.type == ColumnType::string;
    return {column, *scale, platform::trimmed(info.unit).empty() && hours ? 15 : *scale, is_text};
}

double angle_of(std::string_view text, const AngleColumn& angle) {
    const auto degrees = [](std::optional<double> value, double scale) { return value ? *value * scale : nothing; };
    text = platform::trimmed(text);
    if (text.size() > 64) return nothing;
    if (text.find(':') != std::string_view::npos) return degrees(sexagesimal(text, "::"), angle.sexagesimal_scale);
    if (const auto plain = number_of(text)) return *plain * angle.scale;
    if (text.find_first_of("hH") != std::string_view::npos) {
        auto letters = platform::lower_case(text);
        std::erase(letters, ' ');
        return degrees(sexagesimal(letters, "hms"), 15);
    }
    if (text.find_first_of("dD") != std::string_view::npos) {
        auto letters = platform::lower_case(text);
        std::erase(letters, ' ');
        return degrees(sexagesimal(letters, "dms"), 1);
    }
    // Between blanks, of which there may be several.
    std::string fields;
    for (const char c : text)
        if (c != ' ' && c != '\t') fields += c;
        else if (!fields.empty() && fields.back() != ' ' && fields != "-" && fields != "+") fields += ' ';
    return degrees(sexagesimal(fields, "  "), angle.sexagesimal_scale);
}

/// A column of names is no position: of its first texts one at least has to be an angle.
void check_texts(const Table& table, const AngleColumn& angle, SkyColumnsError::Part part) {
    constexpr std::size_t looked_at = 200;
    if (!angle.is_text || table.rows == 0) return;
    const auto& column = *table.columns[angle.column];
    const auto texts = column.texts(0);
    std::size_t seen = 0;
    for (std::size_t row = 0; row < texts.size() && seen < looked_at; ++row) {
        if (platform::trimmed(texts[row]).empty()) continue;
        ++seen;
        if (!std::isnan(angle_of(texts[row], angle))) return;
    }
    column.check();
    if (seen > 0) throw SkyColumnsError(part, "the texts of \"" + column.info.name + "\" are no angles");
}

/// Each chunk's values are taken once for the rows that follow each other in it.
template <class Put>
void angles(const Column& column, const AngleColumn& angle, std::span<const std::uint32_t> rows, const Put& put) {
    for (std::size_t at = 0; at < rows.size();) {
        const auto chunk = rows[at] / column.chunk_rows();
        auto end = at;
        while (end < rows.size() && rows[end] / column.chunk_rows() == chunk) ++end;
        const auto each = [&](const auto& degrees) {
            for (; at < end; ++at) put(at, column.is_null(rows[at]) ? nothing : degrees(rows[at] % column.chunk_rows()));
        };
        if (angle.is_text) {
            const auto texts = column.texts(chunk);
            each([&](std::size_t row) { return angle_of(texts[row], angle); });
        } else {
            with_numbers(column, chunk, [&](const auto& values) { each([&](std::size_t row) { return static_cast<double>(values[row]) * angle.scale; }); });
        }
    }
}

} // namespace

bool SkyColumns::plain() const { return !longitude.is_text && !latitude.is_text && longitude.scale == 1 && latitude.scale == 1; }

std::string SkyColumns::key() const {
    std::string key;
    for (const auto* angle : {&longitude, &latitude}) key += std::to_string(angle->column) + (angle->is_text && angle->sexagesimal_scale == 15 ? "h," : ",");
    return key + std::string(name_of(system.frame)) + "," + std::to_string(system.equinox);
}

SkyColumns sky_columns(const Table& whole, std::size_t longitude, std::size_t latitude, const std::optional<SkySystem>& frame) {
    const auto& table = whole.info;
    SkyColumns columns;
    if (frame) {
        columns.system = *frame;
    } else {
        const auto one = frame_of_column(table, longitude), other = frame_of_column(table, latitude);
        if (!one.system) throw SkyColumnsError(SkyColumnsError::Part::frame, "\"" + table.columns[longitude].name + "\": " + one.problem + "; say which it is");
        if (other.system && *other.system != *one.system)
            throw SkyColumnsError(SkyColumnsError::Part::frame, "\"" + table.columns[longitude].name + "\" and \"" + table.columns[latitude].name + "\" are of different frames; say which it is");
        columns.system = *one.system;
    }
    const bool equatorial = columns.system.frame != SkyFrame::galactic && columns.system.frame != SkyFrame::ecliptic;
    columns.longitude = angle_column(table, longitude, equatorial, SkyColumnsError::Part::longitude);
    columns.latitude = angle_column(table, latitude, false, SkyColumnsError::Part::latitude);
    check_texts(whole, columns.longitude, SkyColumnsError::Part::longitude);
    check_texts(whole, columns.latitude, SkyColumnsError::Part::latitude);
    return columns;
}

void sky_positions(const Table& table, const SkyColumns& columns, std::span<const std::uint32_t> rows, std::span<SkyPoint> out) {
    if (rows.size() != out.size()) throw std::out_of_range("as many positions out as rows");
    const auto &longitude = *table.columns[columns.longitude.column], &latitude = *table.columns[columns.latitude.column];
    angles(longitude, columns.longitude, rows, [&](std::size_t i, double degrees) { out[i].lon = degrees; });
    angles(latitude, columns.latitude, rows, [&](std::size_t i, double degrees) { out[i].lat = std::abs(degrees) <= 90 ? degrees : nothing; });
    longitude.check();
    latitude.check();
}

} // namespace cubelink::imaging
