#pragma once
/// What is known of an image from its header alone: plain values, no file behind them. Free to copy; const use from any thread.

#include "imaging/world/beam.hpp"
#include "imaging/base/geometry.hpp"
#include "imaging/source/image_source.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::imaging {

enum class EntryType { string = 0, floating = 1, integer = 2 }; // the ICD's EntryType

/// One line of a header as a client sees it. Texts are valid UTF-8.
struct HeaderEntry {
    std::string name, value;
    EntryType type = EntryType::string;
    double numeric_value = 0;
    std::string comment;
};

/// Axis numbers, 1-based as in FITS; 0: there is none. x and y: longitude and latitude where the image has them.
struct AxesNumbers {
    int spatial_x = 0, spatial_y = 0, spectral = 0, stokes = 0, depth = 0;
    friend bool operator==(const AxesNumbers&, const AxesNumbers&) = default;
};

struct ImageInfo {
    std::string name;      // as shown to the user
    std::string hdu;       // number of the HDU as text, "0" is the primary one
    std::string extname;   // EXTNAME, may be empty
    std::string data_type; // "float", "short (rescaled to float)", …
    PixelType stored_type = PixelType::float32;

    int dimensions = 2;
    std::vector<std::int64_t> axis_lengths;  // NAXISn, in file order
    std::vector<std::string> axis_names;     // "RA", "DEC", "FREQ", "STOKES", "NA", …: one for each of axis_lengths
    ImageShape shape;                        // as it is rendered
    AxesNumbers axes;
    std::array<int, 2> rendered_axes{1, 2};  // the axes (1-based) along x and y of the picture
    bool has_spectral_axis = false;
    std::int64_t spectral_length = 1;        // length of the spectral axis, which is not the depth if axes are swapped
    bool swapped_axes = false;               // one of the rendered axes is the spectral one

    std::vector<HeaderEntry> header;         // the FITS cards in file order
    std::vector<HeaderEntry> computed;       // what is derived from them, in the order of the file browser

    std::vector<Beam> beams;                 // one (channel and stokes -1), or one for each channel and stokes; stokes is the outer loop
    bool beam_from_history = false;          // the beam is AIPS's, found in HISTORY: the user is to be told
    std::string bunit;                       // normalised: "Jy/beam"
    std::optional<double> rest_frequency;    // Hz
    std::vector<int> stokes_types;           // ICD PolarizationType of each index of the stokes axis; 0: unknown
    std::vector<std::string> stokes_names;   // "I", "Q", …, "?" for unknown; as many as stokes_types

    std::vector<std::string> warnings;       // sentences for the user: what in the header could not be used, and what follows from it

    std::int64_t file_size = 0;              // of the file as it lies on the disk (compressed, if it is)
    std::int64_t file_date = 0;              // seconds since 1970

    /// The value of a header entry by its name, the first one.
    const HeaderEntry* find(const std::string& entry_name) const;
};

} // namespace cubelink::imaging
