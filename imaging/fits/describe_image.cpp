#include "imaging/fits/describe_image.hpp"

#include "imaging/fits/image_facts.hpp"
#include "imaging/world/header_editor.hpp"

#include <ctime>
#include <stdexcept>
#include <utility>

namespace cubelink::imaging {

OpenedImage describe_image(std::shared_ptr<const ImageSource> source, const Header& header, const std::string& name, std::vector<Beam> beams,
                           std::shared_ptr<const Wcs> wcs) {
    HeaderEditor cards(header);
    const bool wide = source->capabilities().prefers_double;
    cards.set("BITPIX", std::int64_t{wide ? -64 : -32}, "");
    for (const char* scaling : {"BSCALE", "BZERO", "BLANK"}) cards.remove(scaling);
    HduList list;
    Hdu& hdu = list.images.emplace_back();
    hdu.header = cards.header();
    hdu.bitpix = wide ? -64 : -32;
    for (std::int64_t axis = 1; axis <= hdu.header.integer("NAXIS").value_or(0); ++axis)
        hdu.axes.push_back(hdu.header.integer("NAXIS" + std::to_string(axis)).value_or(0));
    const Axes axes = identify_axes(hdu.header, hdu.axes);
    if (source->shape() != axes.shape) throw std::logic_error(name + ": the header of a computed image does not describe its pixels");

    OpenedImage image;
    image.info = image_facts(hdu, list, axes, name, false);
    image.info.hdu.clear();
    if (!beams.empty()) image.info.beams = std::move(beams);
    image.info.file_size = axes.shape.plane_size() * axes.shape.depth * axes.shape.stokes * (wide ? 8 : 4);
    image.info.file_date = std::time(nullptr);
    image.wcs = wcs ? std::move(wcs) : Wcs::make(hdu.header, image.info, {}, &image.info.warnings);
    image.info.computed = computed_entries(image.info, hdu.header, image.wcs.get());
    image.cards = hdu.header.records();
    image.source = std::move(source);
    return image;
}

} // namespace cubelink::imaging
