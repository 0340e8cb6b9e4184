#include "imaging/fits/open_fits.hpp"

#include "imaging/fits/complex_image.hpp"
#include "imaging/fits/gzip_source.hpp"
#include "imaging/fits/image_facts.hpp"
#include "imaging/fits/layout.hpp"
#include "imaging/fits/raw_image.hpp"
#include "imaging/fits/tiled_image.hpp"

#include <algorithm>
#include <array>

namespace cubelink::imaging {

namespace {

std::string shown_name(const std::string& path, const OpenOptions& options) {
    return options.name.empty() ? path.substr(path.find_last_of('/') + 1) : options.name;
}

bool is_gzip(const FileHandle& file) {
    std::array<std::byte, 2> magic{};
    return file.read_some(0, magic) == 2 && magic[0] == std::byte{0x1f} && magic[1] == std::byte{0x8b};
}

HduList scan_headers(const std::shared_ptr<const FileHandle>& file, const std::string& name, const CancelToken& cancel, const WantedHdu& wanted) {
    if (is_gzip(*file)) {
        GzipHeaderSource source(file, cancel);
        return scan_hdus(source, name, cancel, wanted);
    }
    FileSource source(file);
    return scan_hdus(source, name, cancel, wanted);
}

/// Those that choose_hdu may choose: the one of that number, and the first of that name.
WantedHdu only(const std::string& hdu_name) {
    return [hdu_name, found = false](const Hdu& hdu) mutable {
        if (!hdu_name.empty() && hdu_name == std::to_string(hdu.number)) return true;
        if (found || (hdu_name.empty() ? !has_pixels(hdu) : hdu_name != hdu.extname)) return false;
        return found = true;
    };
}

/// As many as one answer can describe.
WantedHdu some() {
    return [images = 0, cards = std::size_t{0}](const Hdu& hdu) mutable {
        constexpr int image_limit = 2000;
        constexpr std::size_t card_limit = 300'000;
        cards += hdu.header.cards().size();
        return images++ == 0 || (images <= image_limit && cards <= card_limit);
    };
}

ArrayLookup arrays_of(const HduList& list) {
    return [&list](const ArrayRequest& request) { return find_coordinate_array(list.coordinate_tables, request); };
}

const Hdu& choose_hdu(const HduList& list, const std::string& hdu_name, const std::string& name) {
    for (const Hdu& hdu : list.images) {
        if (hdu_name.empty() ? has_pixels(hdu) : hdu_name == std::to_string(hdu.number)) return hdu;
    }
    if (hdu_name.empty() && !list.images.empty()) return list.images.front(); // its error says what is wrong
    for (const Hdu& hdu : list.images) {
        if (hdu.extname == hdu_name) return hdu;
    }
    if (!list.error.empty()) throw ImageError(list.error);
    if (list.count == 1 && list.primary_axes == 1) throw ImageError(name + ": Image must be 2D, 3D or 4D.");
    if (list.random_groups && (hdu_name.empty() || hdu_name == "0")) throw ImageError(name + ": it holds random groups (visibilities), not an image");
    if (hdu_name.empty()) throw ImageError(name + ": no HDU of this file holds an image");
    throw ImageError(name + ": there is no image in HDU " + hdu_name + " (the file has " + std::to_string(list.count) + " HDUs)");
}

Axes axes_of(const Hdu& hdu, const std::string& name) {
    if (!hdu.error.empty()) throw ImageError(hdu.error);
    try {
        return identify_axes(hdu.header, hdu.axes);
    } catch (const ImageError& error) {
        throw ImageError(name + ": " + error.what());
    }
}

ImageInfo info_of(const Hdu& hdu, const HduList& list, const Axes& axes, const FileHandle& file, const std::string& name, const OpenOptions& options,
                  std::shared_ptr<const Wcs>& wcs) {
    ImageInfo info = image_facts(hdu, list, axes, name, options.support_aips_beam);
    info.file_size = file.size();
    info.file_date = file.identity().file.mtime_ns / 1'000'000'000;
    wcs = Wcs::make(hdu.header, info, arrays_of(list), &info.warnings);
    info.computed = computed_entries(info, hdu.header, wcs.get());
    return info;
}

void check_size(const Hdu& hdu, std::int64_t size, const std::string& name) {
    const std::int64_t needed = hdu.data_offset + hdu.data_size;
    if (size >= needed) return;
    throw ImageError(name + ": the file is cut off: with the data of HDU " + std::to_string(hdu.number) + " it should have " + std::to_string(needed) +
                     " bytes, but it has " + std::to_string(size));
}

} // namespace

OpenedImage open_fits(const std::string& path, const std::string& hdu_name, const OpenOptions& options) {
    const std::string name = shown_name(path, options);
    const auto file = FileHandle::open(path, name);
    HduList list;
    std::shared_ptr<const FileHandle> data = file;
    std::unique_ptr<ScratchSource> scratch;
    if (is_gzip(*file)) {
        scratch = std::make_unique<ScratchSource>(file, options.scratch, options.cancel, options.progress);
        list = scan_hdus(*scratch, name, options.cancel, only(hdu_name));
    } else {
        list = scan_headers(file, name, options.cancel, only(hdu_name));
    }
    const Hdu& hdu = choose_hdu(list, hdu_name, name);
    const Axes axes = axes_of(hdu, name);
    if (scratch) {
        scratch->inflate_to(hdu.data_offset + hdu.data_size);
        data = scratch->finish();
        if (options.progress) options.progress(1.0);
    }
    check_size(hdu, data->size(), name);
    OpenedImage image;
    image.cards = hdu.header.records();
    image.info = info_of(hdu, list, axes, *file, name, options, image.wcs);
    const auto source_of = [&](std::int64_t part) -> std::shared_ptr<const ImageSource> {
        Layout layout = layout_of(hdu, axes, part);
        if (hdu.compressed) return std::make_shared<const TiledImage>(data, file, hdu, std::move(layout), options.budget);
        return std::make_shared<const RawImage>(data, file, hdu.data_offset, std::move(layout));
    };
    if (!hdu.complex) {
        image.source = source_of(0);
        return image;
    }
    const auto real = source_of(hdu.complex->real), imaginary = source_of(hdu.complex->imaginary);
    const auto weight = hdu.complex->weight ? source_of(*hdu.complex->weight) : nullptr;
    const auto made = [&](ComplexImage::Value value, const ImageIdentity& identity) {
        return std::make_shared<const ComplexImage>(value, real, imaginary, weight, identity);
    };
    // The file's identity is that of the amplitudes, which are what is shown.
    image.source = made(ComplexImage::Value::amplitude, real->identity());
    image.complex = ComplexParts{made(ComplexImage::Value::real, ImageIdentity::of_computed()), made(ComplexImage::Value::imaginary, ImageIdentity::of_computed())};
    return image;
}

std::vector<HduSummary> list_image_hdus(const std::string& path, const CancelToken& cancel) {
    const std::string name = shown_name(path, {});
    const HduList list = scan_headers(FileHandle::open(path, name), name, cancel, [](const Hdu&) { return false; });
    std::vector<HduSummary> summaries;
    for (const Hdu& hdu : list.images) summaries.push_back({hdu.number, hdu.extname, hdu.bitpix, hdu.axes, hdu.compressed});
    return summaries;
}

ImageInfo read_info(const std::string& path, const std::string& hdu_name, const OpenOptions& options) {
    const std::string name = shown_name(path, options);
    const auto file = FileHandle::open(path, name);
    const HduList list = scan_headers(file, name, options.cancel, only(hdu_name));
    const Hdu& hdu = choose_hdu(list, hdu_name, name);
    std::shared_ptr<const Wcs> wcs;
    return info_of(hdu, list, axes_of(hdu, name), *file, name, options, wcs);
}

std::vector<ImageInfo> read_all_info(const std::string& path, const OpenOptions& options, std::size_t* left_out) {
    const std::string name = shown_name(path, options);
    const auto file = FileHandle::open(path, name);
    const HduList list = scan_headers(file, name, options.cancel, some());
    choose_hdu(list, "", name); // throws if there is none
    std::vector<ImageInfo> all;
    std::string first_error;
    if (left_out != nullptr) *left_out = 0;
    for (const Hdu& hdu : list.images) {
        if (hdu.header.cards().empty()) {
            if (left_out != nullptr) ++*left_out;
            continue;
        }
        options.cancel.throw_if_cancelled();
        try {
            std::shared_ptr<const Wcs> wcs;
            all.push_back(info_of(hdu, list, axes_of(hdu, name), *file, name, options, wcs));
        } catch (const ImageError& error) {
            if (first_error.empty()) first_error = error.what();
        }
    }
    if (all.empty()) throw ImageError(first_error);
    return all;
}

} // namespace cubelink::imaging
