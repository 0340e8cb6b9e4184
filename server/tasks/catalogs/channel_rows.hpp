#pragma once
/// Sources near the channel that an image shows.

#include "imaging/tables/views/row_test.hpp"
#include "rpc/values/convert.hpp"
#include "server/session/image.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace cubelink::server {

struct ChannelRows {
    std::size_t column = 0;               // frequencies, wavelengths or velocities
    double channels = 0;                  // so many on both sides of the one that is shown
    std::string unit{};                   // "": as the column says
    std::string kind{};                   // of velocities: "radio", "optical", "relativistic"; "": the image's own; else radio of frequencies, optical of wavelengths
    std::optional<double> rest_frequency; // Hz; nothing: the header's
};

/// Rows between the outer edges of these channels, edges included. Frames of velocities are taken as equal. Throws BadArguments, with `path` in front.
imaging::RowTestPtr rows_near_channel(const imaging::Table& table, const Image& image, const ChannelRows& rows, const rpc::Path& path);

} // namespace cubelink::server
