#include "imaging/fits/fits_format.hpp"

#include "imaging/fits/open_fits.hpp"
#include "platform/text.hpp"


namespace cubelink::imaging {

namespace {

class FitsFormat final : public ImageFormat {
public:
    const std::string& name() const override { return name_; }
    const std::vector<std::string>& extensions() const override { return extensions_; }
    bool recognises(const FileProbe& probe) const override {
        if (probe.is_folder) return false;
        if (probe.first_bytes.starts_with("SIMP")) return true;
        // Of gzipped files only the name says what is in them.
        return probe.first_bytes.starts_with("\x1f\x8b") && platform::ends_with_ignoring_case(probe.name, ".fits.gz");
    }
    OpenedImage open(const std::string& path, const std::string& hdu, const OpenOptions& options) const override { return open_fits(path, hdu, options); }
    ImageInfo read_info(const std::string& path, const std::string& hdu, const OpenOptions& options) const override {
        return imaging::read_info(path, hdu, options);
    }
    std::vector<ImageInfo> read_all_info(const std::string& path, const OpenOptions& options, std::size_t* left_out) const override {
        return imaging::read_all_info(path, options, left_out);
    }

private:
    const std::string name_ = "FITS";
    const std::vector<std::string> extensions_{".fits", ".fz", ".fits.gz"};
};

} // namespace

std::shared_ptr<const ImageFormat> fits_format() { return std::make_shared<FitsFormat>(); }

} // namespace cubelink::imaging
