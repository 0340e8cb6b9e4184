#pragma once
/// The image formats that can be read. Opening and listing use the registry of imaging/formats.hpp.

#include "imaging/source/format.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

/// Complete it before it is used; then all const members may be called from any thread.
class FormatRegistry {
public:
    /// Formats are asked in the order in which they were added. Throws std::invalid_argument for a name that is there already.
    void add(std::shared_ptr<const ImageFormat> format);

    /// The first format that recognises the file, by its extension, or by its name; nullptr: none.
    const ImageFormat* recognise(const FileProbe& probe) const;
    const ImageFormat* by_extension(std::string_view file_name) const;
    const ImageFormat* find(std::string_view format_name) const;
    /// "FITS", "FITS and HDF5", …
    std::string names() const;

    /// As the members of ImageFormat, by the format that recognises the file or folder. A regular file that none recognises goes to the
    /// format that was added first, whose error says what is wrong with it; a folder is refused.
    OpenedImage open(const std::string& path, const std::string& hdu, const OpenOptions& options = {}) const;
    ImageInfo read_info(const std::string& path, const std::string& hdu, const OpenOptions& options = {}) const;
    std::vector<ImageInfo> read_all_info(const std::string& path, const OpenOptions& options = {}, std::size_t* left_out = nullptr) const;

private:
    const ImageFormat& format_of(const std::string& path, const OpenOptions& options) const;

    std::vector<std::shared_ptr<const ImageFormat>> formats_;
};

} // namespace cubelink::imaging
