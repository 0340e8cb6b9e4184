#pragma once
/// Where the sources of a catalog are on an image.

#include "imaging/tables/sky/sky_columns.hpp"
#include "imaging/tables/views/row_test.hpp"
#include "imaging/world/wcs.hpp"
#include "server/session/image.hpp"
#include "server/session/region.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace cubelink::server {

/// Two columns as positions. `frame`: "": as the table says of these columns. Throws BadArguments, `field` names the arguments lon, lat and frame.
imaging::SkyColumns position_columns(const imaging::Table& table, const std::string& longitude, const std::string& latitude, const std::string& frame, const std::string& field);
/// Of an argument. Throws BadArguments.
imaging::SkySystem sky_system(const std::string& frame, const std::string& field);

/// Pixels of an image for these rows; NaN where there is none. REQUIRES: the image has a celestial plane.
void catalog_pixels(const imaging::Table& table, const imaging::SkyColumns& columns, const imaging::Wcs& wcs, double channel, std::span<const std::uint32_t> rows,
                    std::span<imaging::PixelPoint> out);

/// Rows on the pixels of a mask: those whose nearest pixel is one of it, as statistics count pixels. `key` says which image and mask.
imaging::RowTestPtr on_mask(const imaging::SkyColumns& columns, std::shared_ptr<const imaging::Wcs> wcs, double channel, std::shared_ptr<const imaging::PixelMask> mask, std::string key);
/// Rows in a rectangle of pixel coordinates, its edges included.
imaging::RowTestPtr on_pixels(const imaging::SkyColumns& columns, std::shared_ptr<const imaging::Wcs> wcs, double channel, double x_min, double x_max, double y_min, double y_max, std::string key);

} // namespace cubelink::server
