#pragma once
/// From an opened image to a FITS file of it or of a part of it: what its header says then, and the tables that belong to it. Pure functions; any thread.

#include "imaging/fits/fits_writer.hpp"
#include "imaging/source/format.hpp"
#include "imaging/source/sub_image.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

/// An image as it is open; all of it outlives the call.
struct ImageToSave {
    std::shared_ptr<const ImageSource> source;
    const ImageInfo& info;
    std::string_view cards; // 80 bytes each, without END
    const Wcs* wcs = nullptr;
};

struct SaveSelection {
    SubImageSelection part;
    /// Whether axes that have one pixel stay. If not, those go that nothing else depends on; the two that are rendered stay always.
    bool keep_degenerate = true;
    std::optional<double> rest_frequency; // Hz, above 0; velocities are converted to it
    std::vector<std::string> history;     // what was done
    std::string date;                     // of writing: "2025-01-31T12:00:00"
    std::string extension_name;           // EXTNAME, of an image beside others in a file; empty: that of the source, if it has one
};

struct SavedImage {
    FitsFile file;
    std::vector<std::string> warnings; // sentences for the user: what could not be kept
};

/// Nothing is read yet. Throws std::out_of_range for a selection outside of the image, ImageError for what can't be written.
SavedImage saved_image(const ImageToSave& image, const SaveSelection& selection);

/// As one of several HDUs of `file`, where it is added, with its tables. At most one image of a file may have tables (beams or coordinates by channel): they
/// are found by their names. The result is SavedImage::warnings. Throws as saved_image().
std::vector<std::string> add_saved_image(FitsFile& file, const ImageToSave& image, const SaveSelection& selection);

} // namespace cubelink::imaging
