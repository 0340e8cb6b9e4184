/// Whatever a FITS file says, it is an image or an ImageError, and all that is told of it is text that can be sent.
///
/// Input that begins with "SIMPLE" is a file as it lies, gzip too. Any other is a file in short, so that few bytes reach far: HDUs end with 0x1e; in each, lines are cards,
/// and what follows 0x1f is its data. Zeros follow the last data, so that images are found whole.
// link: cubelink_imaging

#include "imaging/fits/open_fits.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

using namespace cubelink::imaging;

namespace {

constexpr std::size_t block = 2880, card = 80, zeros = 1 << 16;

void require(bool condition) {
    if (!condition) std::abort();
}

void pad(std::string& bytes, char with) { bytes.resize((bytes.size() + block - 1) / block * block, with); }

std::string file_of(std::string_view input) {
    if (input.starts_with("SIMPLE") || input.starts_with("\x1f\x8b")) return std::string(input);
    std::string file;
    while (!input.empty() && file.size() < (1 << 20)) {
        const std::string_view hdu = input.substr(0, input.find('\x1e'));
        input.remove_prefix(std::min(input.size(), hdu.size() + 1));
        const auto end = std::min(hdu.find('\x1f'), hdu.size());
        std::string_view cards = hdu.substr(0, end);
        while (!cards.empty()) {
            const std::string_view line = cards.substr(0, cards.find('\n'));
            cards.remove_prefix(std::min(cards.size(), line.size() + 1));
            std::string text(line);
            text.resize(card, ' ');
            file += text;
        }
        file += "END" + std::string(card - 3, ' ');
        pad(file, ' ');
        file += hdu.substr(std::min(end + 1, hdu.size()));
        pad(file, '\0');
    }
    return file;
}

void require_text(const std::string& text) {
    // The header's bytes are made printable ASCII when they are read.
    require(std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; }));
}

void look_at(const ImageInfo& info) {
    require(info.shape.width > 0 && info.shape.height > 0 && info.shape.depth > 0 && info.shape.stokes > 0);
    for (const auto* entries : {&info.header, &info.computed}) {
        for (const HeaderEntry& entry : *entries) {
            require_text(entry.name);
            require_text(entry.value);
            require_text(entry.comment);
        }
    }
    for (const std::string* text : {&info.extname, &info.bunit, &info.hdu, &info.data_type}) require_text(*text);
}

void read_some(const FitsImage& image) {
    const ImageShape& shape = image.source->shape();
    const Rect rect{std::max<std::int64_t>(0, shape.width - 40), 0, shape.width, std::min<std::int64_t>(shape.height, 40)};
    std::vector<float> out(static_cast<std::size_t>(rect.size()));
    image.source->read(rect, {static_cast<std::int32_t>(shape.depth - 1), static_cast<std::int32_t>(shape.stokes - 1)}, out, 1, {});
    std::vector<double> wide(out.size());
    image.source->read64(rect, {0, 0}, wide, 1, {});
    std::vector<float> spectrum(static_cast<std::size_t>(std::min<std::int64_t>(shape.depth, 16)));
    image.source->read_spectrum(shape.width - 1, shape.height - 1, 0, 0, spectrum, {});
    if (!image.wcs) return;
    const auto world = image.wcs->plane_world({1, 2});
    image.wcs->plane_pixel(world);
    require_text(image.wcs->format_plane_value(0, world[0]));
    require_text(image.wcs->format_plane_value(1, world[1]));
    const PixelPoint pixel{3, 1};
    SkyPoint sky;
    image.wcs->pixels_to_sky({&pixel, 1}, 0, *sky_system_of("GALACTIC"), {&sky, 1});
    image.wcs->pixel_area();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string file = file_of({reinterpret_cast<const char*>(data), size});
    const int descriptor = ::memfd_create("fits", MFD_CLOEXEC);
    require(descriptor >= 0 && ::write(descriptor, file.data(), file.size()) == static_cast<ssize_t>(file.size()));
    if (!file.starts_with("\x1f\x8b")) require(::ftruncate(descriptor, static_cast<off_t>(file.size() + zeros)) == 0);
    const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
    OpenOptions options;
    options.name = "fuzz.fits";
    options.support_aips_beam = true;
    try {
        for (const ImageInfo& info : read_all_info(path, options)) look_at(info);
    } catch (const ImageError& error) {
        require_text(error.what());
    }
    try {
        const FitsImage image = open_fits(path, "", options);
        look_at(image.info);
        read_some(image);
    } catch (const ImageError& error) {
        require_text(error.what());
    }
    ::close(descriptor);
    return 0;
}
