#include "server/tasks/catalogs/catalog_positions.hpp"

#include "imaging/tables/sky/sky_test.hpp"
#include "rpc/error.hpp"
#include "server/tasks/catalogs/catalog_rows.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

namespace cubelink::server {

namespace {

/// Asks `passes` for the pixel of each position.
template <class Passes>
imaging::RowTestPtr pixel_test(const imaging::SkyColumns& columns, std::shared_ptr<const imaging::Wcs> wcs, double channel, std::string key, Passes passes) {
    return imaging::at_positions(columns, std::move(key),
                                 [system = columns.system, wcs = std::move(wcs), channel, passes = std::move(passes)](std::span<const imaging::SkyPoint> positions, std::span<bool> out) {
                                     std::vector<imaging::PixelPoint> pixels(positions.size());
                                     wcs->sky_to_pixels(positions, channel, system, pixels);
                                     for (std::size_t i = 0; i < pixels.size(); ++i) out[i] = passes(pixels[i]);
                                 });
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

imaging::SkySystem sky_system(const std::string& frame, const std::string& field) {
    const auto system = imaging::sky_system_of(frame);
    if (!system) throw rpc::BadArguments(field + ": \"" + frame + "\" is none of ICRS, FK5, FK4, GALACTIC, ECLIPTIC");
    return *system;
}

imaging::SkyColumns position_columns(const imaging::Table& table, const std::string& longitude, const std::string& latitude, const std::string& frame, const std::string& field) {
    std::optional<imaging::SkySystem> system;
    if (!frame.empty()) system = sky_system(frame, field + "frame");
    const auto lon = readable_column(table, longitude, field + "lon"), lat = readable_column(table, latitude, field + "lat");
    try {
        return imaging::sky_columns(table, lon, lat, system);
    } catch (const imaging::SkyColumnsError& error) {
        static constexpr const char* parts[] = {"lon", "lat", "frame"}; // in the order of Part
        throw rpc::BadArguments(field + parts[static_cast<int>(error.part)] + ": " + error.what());
    }
}

void catalog_pixels(const imaging::Table& table, const imaging::SkyColumns& columns, const imaging::Wcs& wcs, double channel, std::span<const std::uint32_t> rows,
                    std::span<imaging::PixelPoint> out) {
    std::vector<imaging::SkyPoint> sky(rows.size());
    imaging::sky_positions(table, columns, rows, sky);
    wcs.sky_to_pixels(sky, channel, columns.system, out);
}

imaging::RowTestPtr on_mask(const imaging::SkyColumns& columns, std::shared_ptr<const imaging::Wcs> wcs, double channel, std::shared_ptr<const imaging::PixelMask> mask, std::string key) {
    return pixel_test(columns, std::move(wcs), channel, "m" + key, [mask = std::move(mask)](imaging::PixelPoint pixel) {
        constexpr double most = 1e9;
        if (!(std::abs(pixel.x) < most && std::abs(pixel.y) < most)) return false;
        return is_selected(*mask, static_cast<std::int64_t>(std::floor(pixel.x + 0.5)), static_cast<std::int64_t>(std::floor(pixel.y + 0.5)));
    });
}

imaging::RowTestPtr on_pixels(const imaging::SkyColumns& columns, std::shared_ptr<const imaging::Wcs> wcs, double channel, double x_min, double x_max, double y_min, double y_max, std::string key) {
    for (const auto bound : {x_min, x_max, y_min, y_max}) key.append(reinterpret_cast<const char*>(&bound), sizeof bound);
    return pixel_test(columns, std::move(wcs), channel, "b" + key, [=](imaging::PixelPoint pixel) {
        return pixel.x >= x_min && pixel.x <= x_max && pixel.y >= y_min && pixel.y <= y_max;
    });
}

} // namespace cubelink::server
