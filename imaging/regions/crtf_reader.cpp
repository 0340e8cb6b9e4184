// CASA's region text format, version 0, as its definition describes it (and as CASA and CARTA write it): one region a line.

#include "imaging/regions/crtf_properties.hpp"
#include "imaging/regions/region_reading.hpp"
#include "platform/text.hpp"

#include <optional>

namespace cubelink::imaging {

namespace {

constexpr std::string_view annotation_comments[] = {"textbox", "ruler", "compass"};

bool is_annotation_comment(std::string_view word) {
    for (const auto name : annotation_comments)
        if (platform::equal_ignoring_case(word, name)) return true;
    return false;
}

struct FrameName {
    std::string_view name, system; // system: as sky_system_of
};
constexpr FrameName frame_names[] = {{"j2000", "fk5"}, {"b1950", "fk4"}, {"galactic", "galactic"}, {"ecliptic", "ecliptic"},
                                     {"icrs", "icrs"}, {"fk5", "fk5"},   {"fk4", "fk4"}};

/// What stands in the outer brackets: pairs in brackets of their own, and the rest.
struct Arguments {
    std::vector<std::array<std::string_view, 2>> pairs;
    std::vector<std::string_view> rest;
    std::string text; // in quotes
};

class CrtfReader {
public:
    CrtfReader(std::string_view text, const RegionFileImage& image, const CancelToken& cancel)
        : text_(text), list_(image, cancel), own_frame_(image.wcs ? image.wcs->sky_system() : SkySystem{}) {}

    ReadRegions read() {
        while (!text_.at_end() && list_.go_on()) {
            read_line();
            text_.skip_line();
            text_.advance();
        }
        return list_.take();
    }

private:
    RegionScanner text_;
    RegionList list_;
    const SkySystem own_frame_;
    CrtfProperties globals_;
    Arguments arguments_;

    void read_line() {
        text_.skip_blanks();
        if (text_.at_line_end()) return;
        bool annotation = false;
        if (text_.take('#')) {
            text_.skip_blanks();
            const auto word = text_.word();
            if (word == extras_word) return list_.extras(text_.line(), text_.rest_of_line());
            text_.skip_blanks();
            if (text_.peek() != '[' || !is_annotation_comment(word)) return;
            return read_region(word, true, false);
        }
        const bool excluded = text_.peek() == '-';
        if (excluded || text_.peek() == '+') text_.advance();
        text_.skip_blanks();
        auto word = text_.word();
        if (platform::equal_ignoring_case(word, "global")) return globals_.read_global(text_);
        if (platform::equal_ignoring_case(word, "ann")) {
            annotation = true;
            text_.skip_blanks();
            word = text_.word();
        }
        read_region(word, annotation, excluded);
    }

    void read_region(std::string_view word, bool annotation, bool excluded) {
        const auto line = text_.line();
        text_.skip_blanks();
        const auto* name = find_shape(crtf_shapes, word);
        if (is_unsupported_shape(word)) return list_.problem(line, platform::lower_case(word) + " is not supported");
        if (!name) return list_.problem(line, word.empty() ? "no region begins with " + quoted(text_.rest_of_line()) : quoted(word) + " is no region");
        if (!read_arguments()) return list_.problem(line, std::string(name->name) + ": expected [[x, y], …]");
        CrtfProperties properties = globals_;
        properties.read(text_);
        properties.text = arguments_.text;
        if (name->name == "symbol" && !arguments_.rest.empty()) properties.symbol = arguments_.rest[0].substr(0, max_style_word);

        FileShape shape;
        shape.type = annotation ? name->annotation : name->region;
        if (const auto why = parse(name->layout, properties.frame, shape); !why.empty()) return list_.problem(line, std::string(name->name) + ": " + why);
        bool unknown_color = false;
        auto style = properties.style_of(shape.type, unknown_color);
        if (unknown_color) list_.warning(line, quoted(properties.color) + " is no colour");
        if (excluded) list_.warn_of_exclusion(line, name->name);
        if (properties.ranged) list_.warning(line, std::string(name->name) + ": its range of channels is not supported");
        list_.add(line, name->name, shape, std::move(style));
    }

    /// False if they are no list in brackets.
    bool read_arguments() {
        arguments_.pairs.clear();
        arguments_.rest.clear();
        arguments_.text.clear();
        if (!text_.take('[')) return false;
        while (!text_.at_line_end()) {
            text_.skip_blanks();
            const char c = text_.peek();
            if (text_.take(']')) return true;
            if (text_.take(',')) continue;
            std::string_view content;
            if (c == '[') {
                text_.advance();
                const auto first = platform::trimmed(text_.until(",]"), " \t\r");
                std::string_view second;
                if (text_.take(',')) second = platform::trimmed(text_.until("]"), " \t\r");
                if (!text_.take(']')) return false;
                if (arguments_.pairs.size() <= max_shape_points) arguments_.pairs.push_back({first, second});
            } else if ((c == '"' || c == '\'') && text_.delimited(content, true)) {
                arguments_.text = unescaped(content);
            } else {
                const auto token = platform::trimmed(text_.until(",]"), " \t\r");
                if (arguments_.rest.size() < 4) arguments_.rest.push_back(token);
            }
        }
        return false;
    }

    /// Why the arguments make no such shape; empty if they do.
    std::string parse(ShapeLayout layout, const std::string& frame, FileShape& shape) const {
        const auto& [pairs, rest, text] = arguments_;
        const bool sizes = layout == ShapeLayout::ellipse || layout == ShapeLayout::box || layout == ShapeLayout::level_box;
        const bool radius = layout == ShapeLayout::circle || layout == ShapeLayout::compass;
        const std::size_t wanted = layout == ShapeLayout::point || radius ? 1 : 2;
        if (layout != ShapeLayout::vertices && pairs.size() != wanted)
            return "expected " + std::to_string(wanted) + (wanted == 1 ? " pair" : " pairs") + " of numbers, got " + std::to_string(pairs.size());
        if (const auto why = parse_positions(sizes ? 1 : pairs.size(), frame, shape); !why.empty()) return why;
        if (sizes) {
            for (const auto& size : pairs[1])
                if (const auto why = parse_length(size, shape); !why.empty()) return why;
        }
        if (radius) {
            if (rest.empty()) return "expected a size after the position";
            if (const auto why = parse_length(rest[0], shape); !why.empty()) return why;
        }
        if ((layout == ShapeLayout::ellipse || layout == ShapeLayout::box) && !rest.empty()) {
            const auto angle = angle_of(rest[0], UnitStyle::crtf);
            if (!angle) return quoted(rest[0]) + " is no angle";
            shape.angle = *angle;
        }
        return {};
    }

    std::string parse_length(std::string_view text, FileShape& shape) const {
        const auto length = size_of(text, UnitStyle::crtf);
        if (!length) return quoted(text) + " is no size";
        const auto unit = length->unit == NumberUnit::none ? shape.frame.kind : length->unit == NumberUnit::pixel ? FrameKind::pixel : FrameKind::sky;
        shape.lengths.push_back({length->degrees(), unit});
        return {};
    }

    /// The units say whether positions are pixels; of numbers without a unit, the frame says it.
    std::string parse_positions(std::size_t count, const std::string& frame, FileShape& shape) const {
        const auto lower = platform::lower_case(frame);
        const bool pixels = lower == "image" || lower == "pixel";
        std::optional<SkySystem> system;
        if (frame.empty()) system = own_frame_;
        for (const auto& known : frame_names)
            if (known.name == lower) system = sky_system_of(known.system);
        const bool hours = system && (system->frame == SkyFrame::icrs || system->frame == SkyFrame::fk5 || system->frame == SkyFrame::fk4);
        std::optional<FrameKind> kind;
        shape.positions.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            double values[2];
            for (std::size_t axis = 0; axis < 2; ++axis) {
                const auto text = arguments_.pairs[i][axis];
                const auto number = coordinate_of(text, UnitStyle::crtf, hours && axis == 0);
                if (!number) return quoted(text) + " is no coordinate";
                const bool pixel = number->unit == NumberUnit::pixel || (number->unit == NumberUnit::none && pixels);
                const auto own = pixel ? FrameKind::pixel : FrameKind::sky;
                if (kind.value_or(own) != own) return "its coordinates have different units";
                kind = own;
                values[axis] = pixel ? number->value : number->degrees();
            }
            shape.positions.push_back({values[0], values[1]});
        }
        shape.frame.kind = kind.value_or(FrameKind::pixel);
        if (shape.frame.kind == FrameKind::sky && !system) return "the coordinate system " + quoted(frame) + " is not supported";
        if (system) shape.frame.sky = *system;
        return {};
    }
};

} // namespace

ReadRegions read_crtf(std::string_view text, const RegionFileImage& image, const CancelToken& cancel) { return CrtfReader(text, image, cancel).read(); }

} // namespace cubelink::imaging
