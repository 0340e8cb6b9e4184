// DS9's region files, as its reference manual describes them (and as DS9 itself writes them). Commands end with a line or a ';'.

#include "imaging/regions/ds9_properties.hpp"
#include "imaging/regions/region_reading.hpp"
#include "platform/text.hpp"

#include <cmath>
#include <optional>

namespace cubelink::imaging {

namespace {

constexpr std::size_t max_numbers = 2 * max_shape_points + 2; // more than any shape has

struct FrameName {
    std::string_view name;
    FrameKind kind;
};
constexpr FrameName frame_names[] = {
    {"image", FrameKind::pixel}, {"physical", FrameKind::physical}, {"fk5", FrameKind::sky},      {"j2000", FrameKind::sky},    {"fk4", FrameKind::sky},
    {"b1950", FrameKind::sky},   {"icrs", FrameKind::sky},          {"galactic", FrameKind::sky}, {"ecliptic", FrameKind::sky}, {"wcs", FrameKind::sky},
};
constexpr std::string_view unsupported_frames[] = {"linear", "amplifier", "detector", "tile", "wcs0", "wcsl", "lonlat", "sky"};

bool is_unsupported_frame(std::string_view word) {
    for (const auto name : unsupported_frames)
        if (word == name) return true;
    return word.size() == 4 && word.starts_with("wcs") && word[3] >= 'a' && word[3] <= 'z';
}

class Ds9Reader {
public:
    Ds9Reader(std::string_view text, const RegionFileImage& image, const CancelToken& cancel)
        : text_(text), list_(image, cancel), own_frame_(image.wcs ? image.wcs->sky_system() : SkySystem{}) {}

    ReadRegions read() {
        while (!text_.at_end() && list_.go_on()) command();
        return list_.take();
    }

private:
    RegionScanner text_;
    RegionList list_;
    const SkySystem own_frame_;
    Ds9Properties globals_;
    std::optional<FileFrame> frame_ = FileFrame{FrameKind::physical, {}}; // DS9's default; none: not supported
    std::vector<std::string_view> numbers_;

    // Each call moves on.
    void command() {
        text_.skip_blanks();
        if (text_.at_end()) return;
        const char c = text_.peek();
        if (c == '\n' || c == ';') return text_.advance();
        if (c == '#') return comment();
        const bool excluded = c == '-' || c == '!';
        if (excluded || c == '+' || c == '&' || c == '|') text_.advance();
        text_.skip_blanks();
        const auto line = text_.line();
        const auto word = text_.word();
        if (word.empty()) {
            list_.problem(line, "no region and no coordinate system begins with " + quoted(text_.rest_of_line()));
            return text_.skip_line();
        }
        named(word, line, false, excluded);
    }

    void comment() {
        const auto line = text_.line();
        text_.advance();
        text_.skip_blanks();
        const auto word = text_.word();
        if (word == extras_word) {
            list_.extras(line, text_.rest_of_line());
        } else if (text_.peek() == '(' && (find_shape(ds9_shapes, word) || is_unsupported_shape(word))) {
            return named(word, line, true, false);
        }
        text_.skip_line();
    }

    void named(std::string_view word, std::size_t line, bool annotation, bool excluded) {
        const auto lower = platform::lower_case(word);
        if (lower == "global") return globals_.read_global(text_);
        for (const auto& name : frame_names)
            if (lower == name.name) {
                frame_ = FileFrame{name.kind, name.kind != FrameKind::sky ? SkySystem{} : lower == "wcs" ? own_frame_ : *sky_system_of(lower)};
                return;
            }
        if (is_unsupported_frame(lower)) {
            frame_.reset();
            list_.problem(line, "the coordinate system " + quoted(word) + " is not supported, regions in it are left out");
            text_.until(";#");
            return;
        }
        const auto* shape = find_shape(ds9_shapes, lower);
        if (!shape && !is_unsupported_shape(lower) && !starts_arguments()) {
            list_.problem(line, quoted(word) + " is no region and no coordinate system");
            text_.until(";");
            return;
        }
        read_arguments();
        Ds9Properties properties = globals_;
        properties.read(text_);
        if (!shape) {
            list_.problem(line, (is_unsupported_shape(lower) ? lower : quoted(word)) + " is not supported" +
                                    (lower == "composite" ? ", its parts are regions of their own now" : ""));
        } else if (frame_) {
            add(*shape, line, annotation, excluded || !properties.included, properties);
        }
    }

    bool starts_arguments() {
        text_.skip_blanks();
        return text_.peek() == '(';
    }

    /// Into numbers_: separated by commas or blanks, with or without parentheses around them.
    void read_arguments() {
        numbers_.clear();
        text_.skip_blanks();
        const bool parentheses = text_.take('(');
        while (!text_.at_line_end()) {
            text_.skip_blanks();
            if (parentheses && text_.take(')')) return;
            const char c = text_.peek();
            if (c == ',') {
                text_.advance();
                continue;
            }
            if (c == '#' || c == ';' || c == '|' || text_.at_line_end()) return;
            const auto token = text_.until(parentheses ? " \t\r,);#|" : " \t\r,;#|");
            if (numbers_.size() < max_numbers) numbers_.push_back(token);
            if (token.empty()) text_.advance(); // a ')' without its '('
        }
    }

    void add(const ShapeName& name, std::size_t line, bool annotation, bool excluded, const Ds9Properties& properties) {
        FileShape shape;
        shape.type = annotation ? name.annotation : name.region;
        shape.frame = *frame_;
        const auto why = parse(name.layout, shape);
        if (!why.empty()) return list_.problem(line, std::string(name.name) + ": " + why);
        if (name.name == "segment" && shape.positions.size() == 2) shape.type = RegionType::line;
        bool unknown_color = false;
        auto style = properties.style_of(shape.type, unknown_color);
        if (unknown_color) list_.warning(line, quoted(properties.color) + " is no colour");
        if (excluded) list_.warn_of_exclusion(line, name.name);
        list_.add(line, name.name, shape, std::move(style));
    }

    /// Why the numbers make no such shape; empty if they do.
    std::string parse(ShapeLayout layout, FileShape& shape) const {
        struct Counts {
            std::size_t coordinates, lengths;
            bool angle, angle_needed;
        };
        const auto n = numbers_.size();
        const auto counts = [&]() -> Counts {
            switch (layout) {
            case ShapeLayout::point: return {2, 0, false, false};
            case ShapeLayout::circle: return {2, 1, false, false};
            case ShapeLayout::ellipse:
            case ShapeLayout::box: return {2, 2, true, false};
            case ShapeLayout::vector: return {2, 1, true, true};
            case ShapeLayout::compass: return {2, 1, false, false};
            case ShapeLayout::vertices: return {n - n % 2, 0, false, false};
            default: return {4, 0, false, false};
            }
        }();
        const auto least = counts.coordinates + counts.lengths + (counts.angle_needed ? 1 : 0);
        const auto most = counts.coordinates + counts.lengths + (counts.angle ? 1 : 0);
        if (layout == ShapeLayout::vertices && n % 2 == 1) return "an odd number of coordinates (" + std::to_string(n) + ")";
        if (n > most && (layout == ShapeLayout::box || layout == ShapeLayout::ellipse)) return "annuli are not supported";
        if (n < least || n > most) return "expected " + std::to_string(least) + " numbers, got " + std::to_string(n);
        if (const auto why = parse_positions(counts.coordinates, shape); !why.empty()) return why;
        for (std::size_t i = counts.coordinates; i < counts.coordinates + counts.lengths; ++i) {
            const auto length = size_of(numbers_[i], UnitStyle::ds9);
            if (!length) return quoted(numbers_[i]) + " is no size";
            const auto unit = length->unit == NumberUnit::none       ? shape.frame.kind
                              : length->unit == NumberUnit::pixel    ? FrameKind::pixel
                              : length->unit == NumberUnit::physical ? FrameKind::physical
                                                                     : FrameKind::sky;
            shape.lengths.push_back({length->degrees(), unit});
        }
        if (n > counts.coordinates + counts.lengths) {
            const auto angle = angle_of(numbers_.back(), UnitStyle::ds9);
            if (!angle) return quoted(numbers_.back()) + " is no angle";
            shape.angle = *angle;
        }
        // DS9 turns from the x axis, the interface from the y axis, which makes no difference to a circle.
        const auto is_circle = [&shape] { return shape.frame.kind == FrameKind::pixel && shape.lengths[0].value == shape.lengths[1].value; };
        if (layout == ShapeLayout::ellipse && !is_circle()) {
            shape.angle = std::fmod(shape.angle - 90, 360);
            if (shape.angle < 0) shape.angle += 360;
        }
        return {};
    }

    std::string parse_positions(std::size_t coordinates, FileShape& shape) const {
        std::optional<FrameKind> kind;
        const bool hours = frame_->sky.frame == SkyFrame::icrs || frame_->sky.frame == SkyFrame::fk5 || frame_->sky.frame == SkyFrame::fk4;
        shape.positions.reserve(coordinates / 2);
        for (std::size_t i = 0; i < coordinates; ++i) {
            const auto number = coordinate_of(numbers_[i], UnitStyle::ds9, hours && i % 2 == 0);
            if (!number || number->unit == NumberUnit::arcminute || number->unit == NumberUnit::arcsecond) return quoted(numbers_[i]) + " is no coordinate";
            const auto own = number->unit == NumberUnit::none       ? frame_->kind
                             : number->unit == NumberUnit::pixel    ? FrameKind::pixel
                             : number->unit == NumberUnit::physical ? FrameKind::physical
                                                                    : FrameKind::sky;
            if (own == FrameKind::sky && frame_->kind != FrameKind::sky) return quoted(numbers_[i]) + " is an angle, and the coordinates are pixels";
            if (kind.value_or(own) != own) return "its coordinates have different units";
            kind = own;
            const double value = own == FrameKind::pixel ? number->value - 1 : number->degrees();
            if (i % 2 == 0) shape.positions.push_back({value, 0});
            else shape.positions.back().y = value;
        }
        if (kind) shape.frame.kind = *kind;
        return {};
    }
};

} // namespace

ReadRegions read_ds9(std::string_view text, const RegionFileImage& image, const CancelToken& cancel) { return Ds9Reader(text, image, cancel).read(); }

} // namespace cubelink::imaging
