#pragma once
/// The description of an image that is computed, from the header that it would have as a FITS file. Pure function, any thread.

#include "imaging/source/format.hpp"
#include "imaging/world/header.hpp"
#include "imaging/world/wcs.hpp"

#include <memory>
#include <string>
#include <vector>

namespace cubelink::imaging {

/// `header`: with NAXIS and NAXISn of the image, which give the source's shape. BITPIX, BSCALE, BZERO and BLANK mean nothing here: values are those of the source.
/// `beams`: one for all planes, or one for each channel and stokes, as in ImageInfo; empty: those of the header. `wcs`: of the header, if that is known already (or
/// can't be made from it: coordinates in tables); nullptr: it is made. The image's HDU is "". Throws ImageError if the axes can't be shown,
/// std::logic_error if the source has another shape than the header says.
OpenedImage describe_image(std::shared_ptr<const ImageSource> source, const Header& header, const std::string& name, std::vector<Beam> beams = {},
                           std::shared_ptr<const Wcs> wcs = nullptr);

/// The header of an opened image, again with the cards that it had.
inline Header header_of(const OpenedImage& image) { return Header(image.cards); }

} // namespace cubelink::imaging
