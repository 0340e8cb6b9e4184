#pragma once
/// Images with a celestial frame, made of a few cards, and shorthands for the tests of region files.

#include "imaging/regions/region_file.hpp"
#include "tests/imaging/regions/sample_wcs.hpp"

#include <memory>
#include <string>
#include <vector>

namespace samples {

namespace im = cubelink::imaging;

struct RegionImage {
    im::ImageInfo info;
    std::shared_ptr<const im::Wcs> wcs;
    im::RegionFileImage image;
};

/// 1000 × 800, with these cards ("CTYPE1  = 'RA---TAN'").
inline RegionImage region_image(const std::vector<std::string>& cards) {
    std::string text;
    for (std::string card : cards) {
        card.resize(80, ' ');
        text += card;
    }
    RegionImage made;
    made.info.header = im::header_entries(im::Header(text));
    made.wcs = im::test::wcs_of(cards, 1000, 800);
    made.image = im::region_file_image(made.info, made.wcs.get());
    return made;
}

/// TAN or another projection, square pixels of 0.36", turned by `turn` degrees.
inline RegionImage sky_image(const std::string& system = "FK5", double turn = 0, const std::string& lon = "RA---TAN", const std::string& lat = "DEC--TAN",
                             double crval1 = 202.48, double crval2 = 47.2, double cdelt2 = 1e-4) {
    return region_image({"CTYPE1  = '" + lon + "'", "CTYPE2  = '" + lat + "'", "CRPIX1  = 500", "CRPIX2  = 400", "CRVAL1  = " + std::to_string(crval1),
                         "CRVAL2  = " + std::to_string(crval2), "CDELT1  = -1E-4", "CDELT2  = " + std::to_string(cdelt2), "CROTA2  = " + std::to_string(turn),
                         "RADESYS = '" + system + "'", "EQUINOX = " + std::string(system == "FK4" ? "1950.0" : "2000.0")});
}

inline im::ReadRegions read_ds9(std::string_view text, const im::RegionFileImage& image = {}) { return im::read_regions(text, im::RegionFormat::ds9, image); }
inline im::ReadRegions read_crtf(std::string_view text, const im::RegionFileImage& image = {}) { return im::read_regions(text, im::RegionFormat::crtf, image); }

inline std::string joined(const im::WrittenRegions& written) {
    std::string text;
    for (const auto& line : written.lines) text += line;
    return text;
}

} // namespace samples
