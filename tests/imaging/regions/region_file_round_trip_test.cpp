// What is written is read back unchanged: random regions of all types, in both formats and both kinds of coordinates.

#include "file_samples.hpp"
#include "tests/support/random_seed.hpp"

#include <array>
#include <cmath>
#include <doctest/doctest.h>
#include <random>

using namespace cubelink::imaging;

namespace {

constexpr std::array types{RegionType::point,         RegionType::line,        RegionType::polyline,     RegionType::rectangle,   RegionType::ellipse,
                           RegionType::polygon,       RegionType::ann_point,   RegionType::ann_line,     RegionType::ann_polyline, RegionType::ann_rectangle,
                           RegionType::ann_ellipse,   RegionType::ann_polygon, RegionType::ann_vector,   RegionType::ann_ruler,   RegionType::ann_text,
                           RegionType::ann_compass};

class RandomRegions {
public:
    explicit RandomRegions(unsigned seed) : random_(seed) {}

    FileRegion next() {
        FileRegion region;
        auto& shape = region.shape;
        shape.type = types[pick(types.size())];
        const auto geometry = geometry_of(shape.type);
        std::size_t count = geometry == RegionType::point ? 1 : geometry == RegionType::line ? 2 : 3 + pick(6);
        const bool box = geometry == RegionType::rectangle || geometry == RegionType::ellipse;
        if (box) count = 1;
        for (std::size_t i = 0; i < count; ++i) shape.points.push_back({coordinate(1000), coordinate(800)});
        if (box) shape.points.push_back({size(), size()});
        if (box && chance(4)) shape.points[1].y = shape.points[1].x;
        if (box && !chance(4)) shape.rotation = static_cast<float>(chance(3) ? static_cast<double>(pick(9)) * 45 : std::uniform_real_distribution<>(-180, 540)(random_));
        if (shape.type == RegionType::ann_compass) {
            const double length = size();
            shape.points.push_back({length, length});
        }
        if (shape.type == RegionType::ann_text && chance(3)) shape.points[1] = {0, 0};
        region.style = relevant_style(shape.type, style());
        return region;
    }

private:
    std::mt19937 random_;

    std::size_t pick(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
    bool chance(std::size_t n) { return pick(n) == 0; }
    double coordinate(double range) {
        const double value = std::uniform_real_distribution<>(0, range)(random_);
        return static_cast<float>(chance(3) ? std::round(value) : value);
    }
    double size() { return static_cast<float>(chance(3) ? 1 + static_cast<double>(pick(50)) : std::exp(std::uniform_real_distribution<>(-2, 5)(random_))); }

    std::string text() {
        static const std::string pieces[] = {"a",  "B",  "7",  " ",  "{",    "}",    "'",     "\"",       "\\",        "\n", "\t", ";",
                                             "#",  "|",  "=",  ",",  "[",    "]",    "(",     ")",        "text={x}",  "color=red", "%", "-",
                                             "+",  "\xC3\xBC", "\xE2\x98\x86", "\xF0\x9F\x94\xAD", "%7B", "\r", "# cubelink name=x", "\x01", "  "};
        std::string out;
        for (std::size_t i = pick(12); i > 0; --i) out += pieces[pick(std::size(pieces))];
        return out;
    }

    std::string maybe(const std::string& usual) { return chance(4) ? text() : usual; }
    std::int32_t number(std::int32_t usual) { return chance(3) ? static_cast<std::int32_t>(pick(100)) : usual; }

    RegionStyle style() {
        RegionStyle style;
        style.name = chance(3) ? "" : text();
        char color[8];
        std::snprintf(color, sizeof color, "#%06X", static_cast<unsigned>(pick(1 << 24)));
        style.color = color;
        style.line_width = number(2);
        for (std::size_t i = chance(2) ? pick(4) : 0; i > 0; --i) style.dashes.push_back(static_cast<std::int32_t>(pick(20)));
        auto& annotation = style.annotation;
        annotation.point_shape = static_cast<PointShape>(pick(8));
        annotation.point_width = number(6);
        annotation.labels = {maybe("N"), maybe("E")};
        annotation.coordinate_system = maybe("PIXEL");
        annotation.arrows = {chance(2), chance(2)};
        annotation.text_position = static_cast<TextPosition>(pick(9));
        const char* const styles[] = {"Normal", "Bold", "Italic", "Italic Bold"};
        annotation.font_style = maybe(styles[pick(4)]);
        const char* const fonts[] = {"Helvetica", "Times", "Courier"};
        annotation.font = maybe(fonts[pick(3)]);
        annotation.font_size = number(20);
        return style;
    }
};

bool same_floats(const Shape& a, const Shape& b) {
    if (a.type != b.type || a.points.size() != b.points.size()) return false;
    for (std::size_t i = 0; i < a.points.size(); ++i) {
        const auto &p = a.points[i], &q = b.points[i];
        if (static_cast<float>(p.x) != static_cast<float>(q.x) || static_cast<float>(p.y) != static_cast<float>(q.y)) return false;
    }
    return static_cast<float>(a.rotation) == static_cast<float>(b.rotation);
}

bool same_within(const Shape& a, const Shape& b, double tolerance) {
    if (a.type != b.type || a.points.size() != b.points.size()) return false;
    for (std::size_t i = 0; i < a.points.size(); ++i) {
        const auto &p = a.points[i], &q = b.points[i];
        if (!(std::hypot(p.x - q.x, p.y - q.y) <= tolerance)) return false;
    }
    const auto geometry = geometry_of(a.type);
    if (geometry != RegionType::rectangle && geometry != RegionType::ellipse) return true;
    if (geometry == RegionType::ellipse && std::abs(a.points[1].x - a.points[1].y) < tolerance) return true;
    const double reach = std::max(a.points[1].x, a.points[1].y);
    return std::abs(std::remainder(a.rotation - b.rotation, 360)) * M_PI / 180 * reach <= tolerance;
}

std::string text_of(const FileRegion& region) {
    std::string text = std::string(name_of(region.shape.type)) + " " + std::to_string(region.shape.rotation);
    for (const auto& p : region.shape.points) text += " (" + std::to_string(p.x) + ", " + std::to_string(p.y) + ")";
    return text;
}

void check_round_trip(const std::vector<FileRegion>& regions, RegionFormat format, RegionCoordinates coordinates, const RegionFileImage& image) {
    const bool world = coordinates == RegionCoordinates::world;
    const auto written = write_regions(regions, format, coordinates, image, "test 1.0");
    const auto file = samples::joined(written);
    CHECK(written.problems.text() == "");
    REQUIRE(written.written == regions.size());
    for (const auto& line : written.lines) CHECK(line.find('\n') == line.size() - 1);
    const auto read = read_regions(file, format, image);
    CHECK(read.problems.text() == "");
    REQUIRE(read.regions.size() == regions.size());
    int shown = 0;
    for (std::size_t i = 0; i < regions.size() && shown < 5; ++i) {
        const auto &a = regions[i], &b = read.regions[i];
        const bool same_shape = world ? same_within(a.shape, b.shape, 1e-4) : same_floats(a.shape, b.shape);
        if (same_shape && a.style == b.style) continue;
        ++shown;
        const auto was = text_of(a), is = text_of(b);
        INFO("was ", was, "\n is ", is, "\nname ", a.style.name, "\n  is ", b.style.name);
        const auto alone = samples::joined(write_regions(std::span(&a, 1), format, coordinates, image, "test 1.0"));
        CAPTURE(alone);
        CHECK(same_shape);
        CHECK(a.style == b.style);
    }
}

} // namespace

TEST_CASE("random regions survive a file") {
    const unsigned seed = cubelink::test::random_seed();
    CAPTURE(seed);
    RandomRegions random(seed);
    std::vector<FileRegion> regions;
    for (int i = 0; i < 2000; ++i) regions.push_back(random.next());
    const std::array images{samples::sky_image(), samples::sky_image("FK4", 30), samples::sky_image("ICRS", -120, "RA---SIN", "DEC--SIN"),
                            samples::sky_image("ICRS", 10, "GLON-SFL", "GLAT-SFL", 30, 0), samples::sky_image("FK5", 45, "ELON-TAN", "ELAT-TAN", 10, 80, 3e-4),
                            samples::sky_image("FK5", 0, "RA---TAN", "DEC--TAN", 0, 0), samples::sky_image("ICRS", 0, "GLON-CAR", "GLAT-CAR", 0.01, 0)};
    for (const auto format : {RegionFormat::crtf, RegionFormat::ds9}) {
        CAPTURE(static_cast<int>(format));
        check_round_trip(regions, format, RegionCoordinates::pixel, {});
        for (const auto& image : images) {
            REQUIRE(image.wcs);
            CAPTURE(image.wcs->frame_text());
            CAPTURE(image.wcs->projection());
            check_round_trip(regions, format, RegionCoordinates::pixel, image.image);
            check_round_trip(regions, format, RegionCoordinates::world, image.image);
        }
    }
}

TEST_CASE("a vector that ends at 0 ends there again") {
    std::vector<FileRegion> regions(1);
    regions[0].shape = {RegionType::ann_vector, {{177, 609.263855F}, {0, 436.261475F}}, 0};
    check_round_trip(regions, RegionFormat::ds9, RegionCoordinates::pixel, {});
}

TEST_CASE("what is written looks as other programs expect it") {
    std::vector<FileRegion> regions(4);
    regions[0].shape = {RegionType::rectangle, {{10, 20}, {30, 40}}, 0};
    regions[1].shape = {RegionType::ellipse, {{10, 20}, {30, 40}}, 15};
    regions[1].style.name = "an ellipse";
    regions[2].shape = {RegionType::ellipse, {{10, 20}, {30, 30}}, 0};
    regions[3].shape = {RegionType::ann_polygon, {{0, 0}, {1.5, 0}, {1, 1}}, 0};
    const auto ds9 = samples::joined(write_regions(regions, RegionFormat::ds9, RegionCoordinates::pixel, {}, "Name 1.0"));
    CHECK(ds9 == "# Region file format: DS9 CARTA Name 1.0\n"
                 "global color=#2EE6D6 dashlist=8 3 width=2 font=\"helvetica 10 normal roman\" select=1 highlite=1 dash=0 fixed=0 edit=1 move=1 delete=1 "
                 "include=1 source=1\nimage\n"
                 "box(11.00,21.00,30.00,40.00,0.00) # color=#2EE6D6 width=2\n"
                 "ellipse(11.00,21.00,30.00,40.00,105.00) # color=#2EE6D6 width=2 text={an ellipse}\n"
                 "circle(11.00,21.00,30.00) # color=#2EE6D6 width=2\n"
                 "# polygon(1.00,1.00,2.50,1.00,2.00,2.00) color=#2EE6D6 width=2\n");
    const auto sky = samples::sky_image();
    const auto crtf = samples::joined(write_regions(std::span(regions).first(2), RegionFormat::crtf, RegionCoordinates::pixel, sky.image, ""));
    CHECK(crtf == "#CRTFv0 CASA Region Text Format version 0\n"
                  "centerbox [[10.0000pix, 20.0000pix], [30.0000pix, 40.0000pix]] coord=J2000, linewidth=2, linestyle=-, color=2ee6d6\n"
                  "ellipse [[10.0000pix, 20.0000pix], [30.0000pix, 40.0000pix], 15.0000deg] coord=J2000, linewidth=2, linestyle=-, color=2ee6d6, "
                  "label='an ellipse'\n");
}

TEST_CASE("regions that can't be written are named") {
    const auto sky = samples::sky_image("FK5", 0, "RA---SIN", "DEC--SIN");
    std::vector<FileRegion> regions(2);
    regions[0].shape = {RegionType::point, {{1, 2}}, 0};
    regions[1].shape = {RegionType::rectangle, {{1e6, 2}, {3, 4}}, 0};
    const auto written = write_regions(regions, RegionFormat::ds9, RegionCoordinates::world, sky.image, "x");
    CHECK(written.written == 1);
    CHECK(written.problems.text() == "region 2 (rectangle): it lies outside of this image's projection");
    const auto nothing = write_regions(std::span(regions).last(1), RegionFormat::crtf, RegionCoordinates::world, sky.image, "x");
    CHECK(nothing.lines.empty());
    CHECK_THROWS_AS(write_regions(regions, RegionFormat::ds9, RegionCoordinates::world, {}, "x"), std::invalid_argument);
    CancelToken cancelled;
    cancelled.cancel();
    CHECK_THROWS_AS(write_regions(regions, RegionFormat::ds9, RegionCoordinates::pixel, {}, "x", cancelled), Cancelled);
}
