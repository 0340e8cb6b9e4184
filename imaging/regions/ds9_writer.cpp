#include "imaging/regions/ds9_properties.hpp"
#include "imaging/regions/region_reading.hpp"

#include <cmath>
#include <numbers>

namespace cubelink::imaging {

namespace {

constexpr int pixel_decimals = 2, angle_decimals = 8; // the least; an angle on the sky moves no vertex by a millionth of a pixel

std::string_view word_of(const WrittenFrame& frame) {
    if (!frame.sky) return "image";
    switch (frame.system.frame) {
    case SkyFrame::fk5: return "fk5";
    case SkyFrame::fk4: return "fk4";
    case SkyFrame::galactic: return "galactic";
    case SkyFrame::ecliptic: return "ecliptic";
    default: return "icrs";
    }
}

double turned(double degrees) {
    const double rest = std::fmod(degrees, 360);
    return rest < 0 ? rest + 360 : rest;
}

class Ds9Formatter final : public RegionFormatter {
public:
    Ds9Formatter(const WrittenFrame& frame, std::string_view program) : frame_(frame), program_(program) {}

    std::vector<std::string> header() const override {
        return {"# Region file format: DS9 CARTA " + program_ + "\n",
                "global color=#2EE6D6 dashlist=8 3 width=2 font=\"helvetica 10 normal roman\" select=1 highlite=1 dash=0 fixed=0 edit=1 move=1 delete=1 "
                "include=1 source=1\n",
                std::string(word_of(frame_)) + "\n"};
    }

    std::string properties(const FileRegion& region) const override { return ds9_properties(region.shape.type, region.style); }

    std::string line(const FileShape& shape, const FileRegion&, const std::string& properties) const override {
        const auto layout = shape.type == RegionType::ann_vector ? ShapeLayout::vector : written_layout(shape, false);
        const auto& word = shape_word(ds9_shapes, shape.type, layout);
        const bool annotation = is_annotation(shape.type);
        std::string text = annotation ? "# " : "";
        text += word.name;
        text += '(';
        const auto count = layout == ShapeLayout::vector ? 1 : shape.positions.size();
        for (std::size_t i = 0; i < count; ++i) {
            if (i > 0) text += ',';
            text += coordinate(shape.positions[i].x) + ',' + coordinate(shape.positions[i].y);
        }
        if (layout == ShapeLayout::vector) text += ',' + direction(shape);
        else if (layout != ShapeLayout::point)
            for (const auto& length : shape.lengths) text += ',' + size(length.value);
        if (layout == ShapeLayout::box) text += ',' + angle(shape.angle, 0);
        if (layout == ShapeLayout::ellipse) text += ',' + angle(shape.angle, 90);
        text += annotation ? ") " : ") # ";
        return text + properties + "\n";
    }

    FileRegion as_read(const FileShape& shape, const FileRegion& region, const std::string& properties) const override {
        Ds9Properties said;
        RegionScanner scanner(properties);
        said.read(scanner);
        bool unknown = false;
        FileRegion read{region.shape, said.style_of(region.shape.type, unknown)};
        const auto layout = written_layout(shape, false);
        if (layout == ShapeLayout::circle || layout == ShapeLayout::point) read.shape.rotation = 0;
        if (layout == ShapeLayout::ellipse) read.shape.rotation = turned(region.shape.rotation);
        return read;
    }

private:
    const WrittenFrame frame_;
    const std::string program_;

    std::string coordinate(double value) const { return frame_.sky ? decimal_text(value, frame_.decimals) : exact_text(value, 1, pixel_decimals); }
    std::string size(double value) const { return frame_.sky ? decimal_text(value * 3600, frame_.size_decimals) + "\"" : exact_text(value, 0, pixel_decimals); }
    std::string angle(double value, double offset) const {
        return frame_.sky ? decimal_text(turned(value + offset), angle_decimals) : exact_text(value, offset, pixel_decimals);
    }

    /// Length and angle from one end to the other, in digits that lead there.
    std::string direction(const FileShape& shape) const {
        const auto &from = shape.positions[0], &to = shape.positions[1];
        if (frame_.sky) {
            const SkyPoint a{from.x, from.y}, b{to.x, to.y};
            const double turn = a.lon == b.lon && a.lat == b.lat ? 0 : turned(position_angle(a, b) + 90);
            return size(separation(a, b)) + ',' + decimal_text(turn, angle_decimals);
        }
        // From where a reader begins.
        const double dx = to.x + 1 - number_of(coordinate(from.x)).value_or(0), dy = to.y + 1 - number_of(coordinate(from.y)).value_or(0);
        return decimal_text(std::hypot(dx, dy), -1) + ',' + decimal_text(std::atan2(dy, dx) * (180 / std::numbers::pi), -1);
    }
};

} // namespace

std::unique_ptr<RegionFormatter> ds9_formatter(const WrittenFrame& frame, std::string_view program) {
    return std::make_unique<Ds9Formatter>(frame, program);
}

} // namespace cubelink::imaging
