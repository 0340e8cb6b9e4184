#include "imaging/regions/crtf_properties.hpp"
#include "imaging/regions/region_reading.hpp"

namespace cubelink::imaging {

namespace {

constexpr int pixel_decimals = 4, angle_decimals = 8; // the least; an angle on the sky moves no vertex by a millionth of a pixel

std::string_view word_of(const SkySystem& system) {
    switch (system.frame) {
    case SkyFrame::fk5: return "J2000";
    case SkyFrame::fk4: return "B1950";
    case SkyFrame::icrs: return "ICRS";
    case SkyFrame::galactic: return "GALACTIC";
    case SkyFrame::ecliptic: return "ECLIPTIC";
    case SkyFrame::unknown: break;
    }
    return "";
}

class CrtfFormatter final : public RegionFormatter {
public:
    explicit CrtfFormatter(const WrittenFrame& frame) : frame_(frame) {}

    std::vector<std::string> header() const override { return {"#CRTFv0 CASA Region Text Format version 0\n"}; }

    std::string properties(const FileRegion& region) const override { return crtf_properties(region.shape.type, region.style, word_of(frame_.system)); }

    std::string line(const FileShape& shape, const FileRegion& region, const std::string& properties) const override {
        const auto layout = written_layout(shape, true);
        const auto& word = shape_word(crtf_shapes, shape.type, layout);
        // Text boxes, rulers and compasses are comments to CASA.
        const bool comment = word.name == "textbox" || word.name == "ruler" || word.name == "compass";
        std::string text = comment ? "# " : word.annotation == shape.type && word.region != word.annotation ? "ann " : "";
        text += word.name;
        text += " [";
        for (std::size_t i = 0; i < shape.positions.size(); ++i) {
            text += i > 0 ? ", [" : "[";
            text += coordinate(shape.positions[i].x) + ", " + coordinate(shape.positions[i].y) + "]";
        }
        if (layout == ShapeLayout::circle || layout == ShapeLayout::compass) text += ", " + size(shape.lengths[0].value);
        if (layout == ShapeLayout::ellipse || layout == ShapeLayout::box || layout == ShapeLayout::level_box)
            text += ", [" + size(shape.lengths[0].value) + ", " + size(shape.lengths[1].value) + "]";
        if (layout == ShapeLayout::ellipse || layout == ShapeLayout::box)
            text += ", " + (frame_.sky ? decimal_text(shape.angle, angle_decimals) : exact_text(shape.angle, 0, pixel_decimals)) + "deg";
        if (shape.type == RegionType::ann_text) text += ", " + crtf_text(region.style.annotation.labels[0]);
        if (word.name == "symbol") text += ", " + std::string(crtf_symbol(shape.type, region.style));
        return text + "] " + properties + "\n";
    }

    FileRegion as_read(const FileShape& shape, const FileRegion& region, const std::string& properties) const override {
        CrtfProperties said;
        RegionScanner scanner(properties);
        said.read(scanner);
        if (shape.type == RegionType::ann_text) {
            const auto text = crtf_text(region.style.annotation.labels[0]);
            RegionScanner quoted_text(text);
            std::string_view content;
            if (quoted_text.delimited(content, true)) said.text = unescaped(content);
        }
        said.symbol = crtf_symbol(shape.type, region.style);
        bool unknown = false;
        FileRegion read{region.shape, said.style_of(region.shape.type, unknown)};
        const auto layout = written_layout(shape, true);
        if (layout == ShapeLayout::circle || layout == ShapeLayout::point || layout == ShapeLayout::level_box) read.shape.rotation = 0;
        return read;
    }

private:
    const WrittenFrame frame_;

    std::string coordinate(double value) const {
        return frame_.sky ? decimal_text(value, frame_.decimals) + "deg" : exact_text(value, 0, pixel_decimals) + "pix";
    }
    std::string size(double value) const {
        return frame_.sky ? decimal_text(value * 3600, frame_.size_decimals) + "arcsec" : exact_text(value, 0, pixel_decimals) + "pix";
    }
};

} // namespace

std::unique_ptr<RegionFormatter> crtf_formatter(const WrittenFrame& frame) { return std::make_unique<CrtfFormatter>(frame); }

} // namespace cubelink::imaging
