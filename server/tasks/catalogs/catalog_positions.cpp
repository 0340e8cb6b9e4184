#include "server/tasks/catalogs/catalog_positions.hpp"

#include "imaging/tables/views/table_view.hpp"
#include "rpc/error.hpp"
#include "server/tasks/catalogs/catalog_rows.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace cubelink::server {

namespace {

double degrees_of(const std::string& unit) {
    if (unit == "h" || unit == "hr" || unit == "hour" || unit == "hourangle") return 15;
    if (unit == "rad" || unit == "radian") return 180 / std::numbers::pi;
    if (unit == "arcmin") return 1.0 / 60;
    if (unit == "arcsec") return 1.0 / 3600;
    return 1;
}

/// "eq_FK5" of VOTable is FK5, "ecl_FK5" is ecliptic.
std::string frame_name(std::string system) {
    if (system.starts_with("ecl")) return "ECLIPTIC";
    if (system.starts_with("eq_")) system.erase(0, 3);
    return system;
}

std::string frame_of_table(const imaging::Table& table, std::size_t column) {
    const auto& named = table.info.columns[column].system;
    for (const auto& system : table.info.systems)
        if (named.empty() || system.id == named) return frame_name(system.system);
    return {};
}

double number_at(const imaging::Column& column, std::uint32_t row) {
    if (column.is_null(row)) return std::numeric_limits<double>::quiet_NaN();
    const auto within = row % column.chunk_rows();
    return imaging::with_numbers(column, row / column.chunk_rows(), [within](const auto& values) { return static_cast<double>(values[within]); });
}

/// Asks `passes` for the pixel of each row whose bit is set, many at once.
template <class Passes>
class PixelTest final : public imaging::RowTest {
public:
    PixelTest(std::string key, PositionColumns columns, std::shared_ptr<const imaging::Wcs> wcs, double channel, Passes passes)
        : key_(std::move(key)), columns_(columns), wcs_(std::move(wcs)), channel_(channel), passes_(std::move(passes)) {}
    std::string key() const override { return key_; }
    void apply(const imaging::Table& table, std::size_t chunk, std::span<std::uint64_t> bits) const override {
        std::vector<std::uint32_t> rows;
        const auto first = static_cast<std::uint32_t>(chunk * table.chunk_rows);
        const auto count = std::min(table.chunk_rows, table.rows - first);
        for (std::size_t word = 0; word * 64 < count; ++word)
            for (auto left = bits[word]; left != 0; left &= left - 1)
                if (const auto row = word * 64 + static_cast<std::size_t>(std::countr_zero(left)); row < count) rows.push_back(first + static_cast<std::uint32_t>(row));
        std::vector<imaging::PixelPoint> pixels(rows.size());
        catalog_pixels(table, columns_, *wcs_, channel_, rows, pixels);
        for (std::size_t i = 0; i < rows.size(); ++i)
            if (!passes_(pixels[i])) bits[(rows[i] - first) / 64] &= ~(std::uint64_t{1} << ((rows[i] - first) % 64));
    }

private:
    const std::string key_;
    const PositionColumns columns_;
    const std::shared_ptr<const imaging::Wcs> wcs_;
    const double channel_;
    const Passes passes_;
};

template <class Passes>
imaging::RowTestPtr pixel_test(std::string key, PositionColumns columns, std::shared_ptr<const imaging::Wcs> wcs, double channel, Passes passes) {
    key = "p" + std::to_string(columns.longitude) + "," + std::to_string(columns.latitude) + "," + std::string(imaging::name_of(columns.system.frame)) + "," +
          std::to_string(columns.system.equinox) + ":" + key;
    return std::make_shared<PixelTest<Passes>>(std::move(key), columns, std::move(wcs), channel, std::move(passes));
}

bool is_selected(const imaging::PixelMask& mask, std::int64_t x, std::int64_t y) {
    const auto runs = mask.runs();
    // The first run that begins behind the pixel; it lies in the one before, if in any.
    const auto behind = std::upper_bound(runs.begin(), runs.end(), std::pair(y, x), [](const auto& at, const imaging::PixelRun& run) {
        return at < std::pair<std::int64_t, std::int64_t>(run.y, run.x0);
    });
    if (behind == runs.begin()) return false;
    const auto& run = *(behind - 1);
    return run.y == y && x >= run.x0 && x < run.x1;
}

} // namespace

PositionColumns position_columns(const imaging::Table& table, const std::string& longitude, const std::string& latitude, const std::string& frame, const std::string& field) {
    PositionColumns columns;
    columns.longitude = number_column(table, longitude, field + "lon");
    columns.latitude = number_column(table, latitude, field + "lat");
    columns.longitude_scale = degrees_of(table.info.columns[columns.longitude].unit);
    columns.latitude_scale = degrees_of(table.info.columns[columns.latitude].unit);
    auto name = frame.empty() ? frame_of_table(table, columns.longitude) : frame;
    auto system = imaging::sky_system_of(name);
    if (!system && !frame.empty()) throw rpc::BadArguments(field + "frame: \"" + frame + "\" is none of ICRS, FK5, FK4, GALACTIC, ECLIPTIC");
    columns.system = system.value_or(imaging::SkySystem{imaging::SkyFrame::icrs});
    return columns;
}

void catalog_pixels(const imaging::Table& table, const PositionColumns& columns, const imaging::Wcs& wcs, double channel, std::span<const std::uint32_t> rows,
                    std::span<imaging::PixelPoint> out) {
    std::vector<imaging::SkyPoint> sky(rows.size());
    const auto &longitude = *table.columns[columns.longitude], &latitude = *table.columns[columns.latitude];
    for (std::size_t i = 0; i < rows.size(); ++i)
        sky[i] = {number_at(longitude, rows[i]) * columns.longitude_scale, number_at(latitude, rows[i]) * columns.latitude_scale};
    longitude.check();
    latitude.check();
    wcs.sky_to_pixels(sky, channel, columns.system, out);
}

imaging::RowTestPtr on_mask(PositionColumns columns, std::shared_ptr<const imaging::Wcs> wcs, double channel, std::shared_ptr<const imaging::PixelMask> mask, std::string key) {
    return pixel_test("m" + key, columns, std::move(wcs), channel, [mask = std::move(mask)](imaging::PixelPoint pixel) {
        constexpr double most = 1e9;
        if (!(std::abs(pixel.x) < most && std::abs(pixel.y) < most)) return false;
        return is_selected(*mask, static_cast<std::int64_t>(std::floor(pixel.x + 0.5)), static_cast<std::int64_t>(std::floor(pixel.y + 0.5)));
    });
}

imaging::RowTestPtr on_pixels(PositionColumns columns, std::shared_ptr<const imaging::Wcs> wcs, double channel, double x_min, double x_max, double y_min, double y_max, std::string key) {
    for (const auto bound : {x_min, x_max, y_min, y_max}) key.append(reinterpret_cast<const char*>(&bound), sizeof bound);
    return pixel_test("b" + key, columns, std::move(wcs), channel, [=](imaging::PixelPoint pixel) {
        return pixel.x >= x_min && pixel.x <= x_max && pixel.y >= y_min && pixel.y <= y_max;
    });
}

} // namespace cubelink::server
