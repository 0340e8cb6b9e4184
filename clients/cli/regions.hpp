#pragma once
/// The option --region: shapes that the command makes on the server, and their spectra.

#include "clients/cli/connection.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cubelink::cli {

struct RegionShape {
    std::string kind; // the ICD's name
    rpc::Array points{}; // {x, y}
    double rotation = 0; // degrees
};

/// Whether a text is one of the short forms circle(X,Y,R), ellipse(X,Y,A,B[,ANGLE]), box(X,Y,WIDTH,HEIGHT[,ANGLE]), polygon(X1,Y1,…), line(X1,Y1,X2,Y2) and point(X,Y), in pixels
/// counted from 0, and which shape it is then. The angle, in degrees, is that from the x axis to A or WIDTH. Throws UsageError if it has the form and makes no sense.
bool short_region(const std::string& text, RegionShape& shape);

/// Makes the regions of a text on an image, those of a DS9 or CRTF file or a short form, and returns their ids. Throws UsageError, rpc::CallError.
std::vector<std::int32_t> make_regions(Connection& connection, std::int32_t file_id, const std::string& text);

/// One value for each channel, NaN where there is none, of the image's current stokes. `statistic`: the ICD's name. `bar`: what to tell of the progress; none if empty.
std::vector<double> region_spectrum(Connection& connection, std::int32_t file_id, std::int32_t region_id, const std::string& statistic, const std::string& bar);

} // namespace cubelink::cli
