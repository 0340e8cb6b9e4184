#pragma once
/// The HDUs of a FITS file, from their headers. Free functions; results are plain values.

#include "imaging/base/cancel.hpp"
#include "imaging/fits/byte_source.hpp"
#include "imaging/fits/complex_axis.hpp"
#include "imaging/fits/coordinate_table.hpp"
#include "imaging/world/header.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::imaging {

struct Hdu {
    int number = 0;                    // 0 is the primary one
    std::int64_t data_offset = 0;
    std::int64_t data_size = 0;        // bytes, without padding
    bool image = false;                // holds an image with two axes or more
    bool compressed = false;           // as a binary table of compressed tiles
    int bitpix = 0;                    // of the image
    std::vector<std::int64_t> axes;    // of the image, unchecked; without the axis of `complex`, as `header`
    std::optional<ComplexAxis> complex; // of an image of complex numbers
    std::string extname;
    Header table_header;               // compressed images: the header of the table
    Header header;                     // the image's, for compressed ones that of the image before it was compressed
    bool random_groups = false;        // visibilities, as AIPS writes them
    bool beam_table = false;
    bool coordinate_table = false;     // holds coordinates of a "-TAB" axis of an image before it
    std::string error;               // why the data can't be where the header says; empty if nothing is wrong
};

/// A header, and the place of its data.
struct HduHeader {
    Header header;
    std::string type;                  // XTENSION; "IMAGE" for the primary HDU
    std::vector<std::int64_t> axes;    // NAXISn
    std::int64_t data_offset = 0;
    std::int64_t data_size = 0;        // bytes, without padding
    std::int64_t next_offset = 0;      // where the next HDU begins
    std::string error;                 // why the data can't be where the header says, and the next HDU can't be found; empty if nothing is wrong
};

/// The header of HDU `number`, which would begin at `offset`; nothing if there is none. Throws ImageError if it is damaged, or if the file is not FITS.
std::optional<HduHeader> read_hdu_header(ByteSource& source, int number, std::int64_t offset, const std::string& shown, const CancelToken& cancel);

/// False if an axis has the length 0.
bool has_pixels(const Hdu& hdu);

struct BeamTable {
    int number = 0; // of its HDU
    std::vector<Beam> beams;
};

struct HduList {
    std::vector<Hdu> images;
    std::vector<BeamTable> beam_tables;
    std::vector<CoordinateTable> coordinate_tables;
    int count = 0;                     // HDUs seen
    int primary_axes = 0;              // NAXIS of the primary HDU
    bool random_groups = false;        // in the primary HDU
    std::string error;               // what stopped the search, if not the end of the file
};

/// Reads all headers. Throws ImageError if the file does not begin with a FITS header. `wanted` is called for each image in file order;
/// where it returns false, the image is kept without its header: of very many, one can be opened in little memory.
using WantedHdu = std::function<bool(const Hdu&)>;
HduList scan_hdus(ByteSource& source, const std::string& shown, const CancelToken& cancel, const WantedHdu& wanted);

/// The header of a compressed image as it was before compression.
Header image_header_of(const Header& table);

/// The rows of a table of beams (BMAJ, BMIN, BPA, CHAN, POL), in arcsec and degrees, in the order of the table. Empty for other tables.
std::vector<Beam> read_beam_table(const Header& header, std::span<const std::byte> rows);

} // namespace cubelink::imaging
