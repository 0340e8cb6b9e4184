#pragma once
/// FITS files: what is in them, and images opened for reading. Free functions, any thread. All take paths of regular files (others are
/// refused without blocking) and throw ImageError with a message fit for a user, or Cancelled.

#include "imaging/base/cancel.hpp"
#include "imaging/source/format.hpp"
#include "imaging/world/wcs.hpp"

#include <string>
#include <vector>

namespace cubelink::imaging {

using FitsImage = OpenedImage;

/// `hdu`: number as text ("0" is the primary one), an EXTNAME, or "" for the first HDU that has an image.
FitsImage open_fits(const std::string& path, const std::string& hdu, const OpenOptions& options = {});

/// One HDU that holds an image: the primary one with NAXIS ≥ 2, IMAGE extensions, and tile-compressed images.
struct HduSummary {
    int number = 0;
    std::string extname;
    int bitpix = 0;
    std::vector<std::int64_t> axes;
    bool compressed = false;
};

/// Reads headers only. A gzipped file is inflated as far as it needs, without touching the disk.
std::vector<HduSummary> list_image_hdus(const std::string& path, const CancelToken& cancel = {});

/// The header's facts without opening the data. `hdu` as for open_fits.
ImageInfo read_info(const std::string& path, const std::string& hdu, const OpenOptions& options = {});

/// Those of all image HDUs that can be opened, in file order. Throws the first one's error if none can. Of very many images only the first are
/// described (at most 2000, with 300,000 cards together); `left_out`: how many were not.
std::vector<ImageInfo> read_all_info(const std::string& path, const OpenOptions& options = {}, std::size_t* left_out = nullptr);

} // namespace cubelink::imaging
