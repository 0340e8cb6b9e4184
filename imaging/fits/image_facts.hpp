#pragma once
/// The description of an image that clients receive. Pure functions, any thread.

#include "imaging/world/axes.hpp"
#include "imaging/fits/hdu.hpp"
#include "imaging/fits/open_fits.hpp"

namespace cubelink::imaging {

/// All but the computed entries. `name`: as shown. Throws ImageError if the image can't be shown.
ImageInfo image_facts(const Hdu& hdu, const HduList& list, const Axes& axes, const std::string& name, bool support_aips_beam);

/// The lines of the file browser, in its order; "Extension name" is the third if there is one.
std::vector<HeaderEntry> computed_entries(const ImageInfo& info, const Header& header, const Wcs* wcs);

} // namespace cubelink::imaging
