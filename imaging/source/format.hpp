#pragma once
/// A format of image files or folders: recognises them, describes them, opens them. Formats are known by a FormatRegistry (registry.hpp).
///
/// All members may be called from any thread. Those that take a path throw ImageError with a message fit for a user, or Cancelled; they must
/// not block on what is not a regular file or folder.

#include "imaging/base/cancel.hpp"
#include "imaging/source/image_info.hpp"
#include "imaging/source/image_source.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::imaging {

class BudgetCache;
class Wcs;

struct OpenOptions {
    std::string name;                      // as shown to the user; empty: the last part of the path
    std::string scratch = "/tmp";          // folder where gzipped images are inflated
    CancelToken cancel;
    std::function<void(double)> progress;  // 0 to 1, while something is inflated; called on the calling thread
    bool support_aips_beam = false;        // take a beam from HISTORY if the header has none
    int threads = 1;
    /// What decoding takes is reserved here, and decoded tiles are kept here. Must outlive the image; nullptr: nothing is kept or counted.
    BudgetCache* budget = nullptr;
};

/// The two parts of an image of complex numbers, which is shown as their amplitude. Both have its shape.
struct ComplexParts {
    std::shared_ptr<const ImageSource> real, imaginary;
};

/// An image of a file, or one that is computed.
struct OpenedImage {
    std::shared_ptr<const ImageSource> source;
    ImageInfo info;
    std::shared_ptr<const Wcs> wcs; // nullptr if there are no usable world coordinates
    std::string cards;              // the header as FITS cards, 80 bytes each, without END
    std::optional<ComplexParts> complex; // of an image of complex numbers
};

/// What a format is recognised by, without opening it.
struct FileProbe {
    std::string name; // the last part of the path
    bool is_folder = false;
    std::string first_bytes; // of a file: probe_size bytes, or all if it has fewer
    /// For a folder: up to `count` first bytes of a file in it; empty if there is no such regular file.
    std::function<std::string(const std::string& file, std::size_t count)> bytes_of;

    static constexpr std::size_t probe_size = 80;
};

class ImageFormat {
public:
    virtual ~ImageFormat() = default;

    /// As shown to users: "FITS". Unique in a registry.
    virtual const std::string& name() const = 0;
    /// Ends of file names, in lower case: ".fits".
    virtual const std::vector<std::string>& extensions() const = 0;
    virtual bool recognises(const FileProbe& probe) const = 0;

    /// `hdu`: number as text ("0" is the primary one), a name, or "" for the first one that holds an image.
    virtual OpenedImage open(const std::string& path, const std::string& hdu, const OpenOptions& options) const = 0;
    /// Facts, without opening the data.
    virtual ImageInfo read_info(const std::string& path, const std::string& hdu, const OpenOptions& options) const = 0;
    /// Of all images in the file that can be opened, in their order. Throws the first one's error if none can. Of very many images only the
    /// first are described; `left_out`, if not null: how many were not.
    virtual std::vector<ImageInfo> read_all_info(const std::string& path, const OpenOptions& options, std::size_t* left_out) const = 0;
};

} // namespace cubelink::imaging
