#include "file_samples.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace cubelink::imaging;
using samples::read_crtf;

namespace {

bool near(PixelPoint a, double x, double y, double tolerance = 1e-9) { return std::abs(a.x - x) < tolerance && std::abs(a.y - y) < tolerance; }

Shape shape(RegionType type, std::vector<PixelPoint> points, double rotation = 0) { return {type, std::move(points), rotation}; }

FileRegion only(const std::string& text, const RegionFileImage& image = {}) {
    auto read = read_crtf("#CRTFv0\n" + text, image);
    CHECK(read.problems.text() == "");
    REQUIRE(read.regions.size() == 1);
    return read.regions[0];
}

std::string problems(const std::string& text, const RegionFileImage& image = {}) { return read_crtf(text, image).problems.text(); }

} // namespace

TEST_CASE("CRTF shapes in pixels begin at 0") {
    CHECK(only("symbol [[1pix, 2pix], .]").shape == shape(RegionType::point, {{1, 2}}));
    CHECK(only("circle [[100pix, 50pix], 20pix]").shape == shape(RegionType::ellipse, {{100, 50}, {20, 20}}));
    CHECK(only("ellipse [[100pix, 50pix], [20pix, 10pix], 30deg]").shape == shape(RegionType::ellipse, {{100, 50}, {20, 10}}, 30));
    CHECK(only("centerbox [[100pix, 50pix], [20pix, 10pix]]").shape == shape(RegionType::rectangle, {{100, 50}, {20, 10}}));
    CHECK(only("rotbox [[100pix, 50pix], [20pix, 10pix], 30deg]").shape == shape(RegionType::rectangle, {{100, 50}, {20, 10}}, 30));
    CHECK(only("rotbox[[100pix,50pix],[20pix,10pix],1.5707963267948966rad]").shape.rotation == doctest::Approx(90));
    CHECK(only("box [[90pix, 45pix], [110pix, 55pix]]").shape == shape(RegionType::rectangle, {{100, 50}, {20, 10}}));
    CHECK(only("box [[110pix, 45pix], [90pix, 55pix]]").shape == shape(RegionType::rectangle, {{100, 50}, {20, 10}}));
    CHECK(only("poly [[1pix, 2pix], [3pix, 4pix], [5pix, 1pix]]").shape == shape(RegionType::polygon, {{1, 2}, {3, 4}, {5, 1}}));
    CHECK(only("polyline [[1pix, 2pix], [3pix, 4pix], [5pix, 1pix]]").shape == shape(RegionType::polyline, {{1, 2}, {3, 4}, {5, 1}}));
    CHECK(only("line [[1pix, 2pix], [3pix, 4pix]]").shape == shape(RegionType::line, {{1, 2}, {3, 4}}));
    CHECK(only("+circle [[100pix, 50pix], 20pix]").shape.type == RegionType::ellipse);
    CHECK(only("circle [[100, 50], 20], coord=image").shape == shape(RegionType::ellipse, {{100, 50}, {20, 20}})); // no units: those of the frame
    CHECK(only("circle [[100pix, 50pix], 20]").shape == shape(RegionType::ellipse, {{100, 50}, {20, 20}}));
}

TEST_CASE("CRTF annotations") {
    CHECK(only("ann circle [[100pix, 50pix], 20pix]").shape.type == RegionType::ann_ellipse);
    CHECK(only("ann rotbox [[100pix, 50pix], [20pix, 10pix], 30deg]").shape.type == RegionType::ann_rectangle);
    CHECK(only("ann line [[1pix, 2pix], [3pix, 4pix]]").shape.type == RegionType::ann_line);
    CHECK(only("vector [[1pix, 2pix], [3pix, 4pix]]").shape == shape(RegionType::ann_vector, {{1, 2}, {3, 4}}));
    CHECK(only("# ruler [[1pix, 2pix], [3pix, 4pix]]").shape.type == RegionType::ann_ruler);
    CHECK(only("# compass [[1pix, 2pix], 30pix], north='up', eastarrow=false").shape == shape(RegionType::ann_compass, {{1, 2}, {30, 30}}));
    const auto box = only("# textbox [[1pix, 2pix], [30pix, 4pix], 10deg, 'inside']");
    CHECK(box.shape == shape(RegionType::ann_text, {{1, 2}, {30, 4}}, 10));
    CHECK(box.style.annotation.labels[0] == "inside");
    const auto text = only("text [[1pix, 2pix], 'my text'], font=\"Times\", fontsize=12, fontstyle=bold-italic, color=blue, label=\"name\"");
    CHECK(text.shape == shape(RegionType::ann_text, {{1, 2}, {0, 0}}));
    CHECK(text.style.annotation.labels[0] == "my text");
    CHECK(text.style.annotation.font == "Times");
    CHECK(text.style.annotation.font_size == 12);
    CHECK(text.style.annotation.font_style == "Italic Bold");
    CHECK(text.style.name == "name");
    const auto symbol = only("ann symbol [[1pix, 2pix], D], symsize=9");
    CHECK(symbol.style.annotation.point_shape == PointShape::diamond);
    CHECK(symbol.style.annotation.point_width == 9);
}

TEST_CASE("CRTF styles and global lines") {
    const auto read = read_crtf("#CRTFv0\nglobal coord=B1950, color=blue, linewidth=4, linestyle=--\nsymbol [[1pix, 2pix], .]\n"
                                "symbol [[1pix, 2pix], .] coord=J2000, corr=[I, Q], linewidth=1, linestyle=-, color=2ee6d6, label='a, b=c [d]'\n"
                                "symbol [[1pix, 2pix], .], color='#ff0000', label=\"it's \\\"so\\\"\"\nglobal linewidth=7\nsymbol [[1pix, 2pix], .]\n");
    CHECK(read.problems.text() == "");
    REQUIRE(read.regions.size() == 4);
    CHECK(read.regions[0].style.color == "#0000FF"); // a name, although three of its letters are digits
    CHECK(read.regions[0].style.line_width == 4);
    CHECK(read.regions[0].style.dashes == std::vector<std::int32_t>{2});
    CHECK(read.regions[1].style.color == "#2EE6D6");
    CHECK(read.regions[1].style.line_width == 1);
    CHECK(read.regions[1].style.dashes.empty());
    CHECK(read.regions[1].style.name == "a, b=c [d]");
    CHECK(read.regions[2].style.color == "#FF0000");
    CHECK(read.regions[2].style.name == "it's \"so\"");
    CHECK(read.regions[3].style.line_width == 7);
    CHECK(only("symbol [[1pix, 2pix], .]").style == default_style(RegionType::point));
    CHECK(problems("symbol [[1pix, 2pix], .], color=nonsense") == "line 1: \"nonsense\" is no colour");
}

TEST_CASE("CRTF frames, with and without a comma before coord") {
    const auto sky = samples::sky_image();
    const auto centre = [&](const std::string& text) { return only(text, sky.image).shape.points[0]; };
    CHECK(near(centre("symbol [[202.48deg, 47.2deg], .], coord=J2000"), 499, 399, 1e-6));
    CHECK(near(centre("symbol [[202.48deg, 47.2deg], .] coord=fk5"), 499, 399, 1e-6));
    CHECK(near(centre("symbol [[202.48deg, 47.2deg], .]"), 499, 399, 1e-6)); // the image's own
    CHECK(near(centre("symbol [[202.48, 47.2], .], coord=J2000"), 499, 399, 1e-6));
    CHECK(near(centre("symbol [[13h29m55.2s, 47d12m00s], .], coord=J2000"), 499, 399, 1e-6));
    CHECK(near(centre("symbol [[13:29:55.2, 47.12.00], .], coord=J2000"), 499, 399, 1e-6));
    CHECK(near(centre("symbol [[3.533942669333rad, 0.823795406941rad], .], coord=J2000"), 499, 399, 1e-3));
    CHECK(near(centre("symbol [[12pix, 13pix], .], coord=AZEL"), 12, 13)); // pixels are pixels
    struct Named {
        const char* name;
        SkySystem system;
    };
    for (const auto& frame : {Named{"ICRS", {SkyFrame::icrs, 2000}}, Named{"B1950", {SkyFrame::fk4, 1950}}, Named{"GALACTIC", {SkyFrame::galactic, 2000}},
                              Named{"ecliptic", {SkyFrame::ecliptic, 2000}}}) {
        CAPTURE(frame.name);
        const auto point = convert({202.48, 47.2}, {SkyFrame::fk5, 2000}, frame.system);
        char text[120];
        std::snprintf(text, sizeof text, "symbol [[%.12fdeg, %.12fdeg], .], coord=%s", point.lon, point.lat, frame.name);
        CHECK(near(centre(text), 499, 399, 1e-4));
        const bool hours = frame.system.frame == SkyFrame::icrs || frame.system.frame == SkyFrame::fk4;
        std::snprintf(text, sizeof text, "symbol [[%s, %s], .], coord=%s", (hours ? format_hours(point.lon, 9) : format_degrees(point.lon, 8)).c_str(),
                      format_degrees(point.lat, 8).c_str(), frame.name);
        CHECK(near(centre(text), 499, 399, 1e-4));
    }
    CHECK(near(only("global coord=J2000\ncircle [[202.48deg, 47.2deg], 36arcsec]", sky.image).shape.points[1], 100, 100, 1e-4));
    CHECK(near(only("circle [[202.48deg, 47.2deg], 36\"]", sky.image).shape.points[1], 100, 100, 1e-4));
    CHECK(near(only("circle [[202.48deg, 47.2deg], 0.01]", sky.image).shape.points[1], 100, 100, 1e-4)); // no unit: degrees
    CHECK(near(only("circle [[202.48deg, 47.2deg], 100pix]", sky.image).shape.points[1], 100, 100));
    CHECK(near(only("circle [[499pix, 399pix], 36arcsec]", sky.image).shape.points[1], 100, 100, 1e-4));
    const auto box = only("box [[202.47deg, 47.19deg], [202.49deg, 47.21deg]]", sky.image).shape;
    CHECK(near(box.points[0], 499, 399, 0.1));
    CHECK(near(box.points[1], 200 * std::cos(47.2 * M_PI / 180), 200, 0.1));
    CHECK(problems("symbol [[1deg, 2deg], .], coord=AZEL", sky.image) == "line 1: symbol: the coordinate system \"AZEL\" is not supported");
    CHECK(problems("symbol [[1deg, 2deg], .], coord=J2000").find("no celestial coordinates") != std::string::npos);
    CHECK(problems("symbol [[1deg, 2pix], .], coord=J2000", sky.image).find("different units") != std::string::npos);
}

TEST_CASE("CRTF: angles turn with the image") {
    const auto sky = samples::sky_image("FK5", 30);
    const auto level = samples::sky_image();
    const auto turned = only("rotbox [[202.48deg, 47.2deg], [36arcsec, 72arcsec], 10deg], coord=J2000", sky.image).shape;
    const auto plain = only("rotbox [[202.48deg, 47.2deg], [36arcsec, 72arcsec], 10deg], coord=J2000", level.image).shape;
    CHECK(std::abs(std::remainder(plain.rotation - 10, 360)) < 1e-5);
    CHECK(std::abs(std::abs(std::remainder(turned.rotation - 10, 360)) - 30) < 1e-5);
    const auto ellipse = only("ellipse [[202.48deg, 47.2deg], [72arcsec, 36arcsec], 10deg], coord=J2000", sky.image).shape;
    CHECK(std::abs(std::remainder(ellipse.rotation - turned.rotation, 360)) < 1e-5);
    CHECK(near(ellipse.points[1], 200, 100, 1e-3));
}

TEST_CASE("what CRTF has and the interface has not is named with its line, and the rest is read") {
    const auto read = read_crtf("#CRTFv0\n# a comment\n# ann box[[1pix, 2pix], [3pix, 4pix]]\nannulus[[1pix, 2pix], [3pix, 4pix]]\nhello\n"
                                "-circle[[1pix, 2pix], 3pix]\ncircle[[1pix, 2pix], 3pix], range=[1GHz, 2GHz]\ncircle[1pix, 2pix, 3pix]\ncircle[[1pix, 2pix], 3lightyears]\n"
                                "circle\nann\npoly[[1pix, 2pix], [3pix, 4pix]]\ncircle[[1pix, 2pix], 3pix\n[[1pix\nsymbol[[1pix, 2pix], .]");
    CHECK(read.regions.size() == 3);
    CHECK(read.problems.text() ==
          "line 4: annulus is not supported\nline 5: \"hello\" is no region\nline 6: circle: exclusion is not supported, it is an ordinary region now\n"
          "line 7: circle: its range of channels is not supported\nline 8: circle: expected 1 pair of numbers, got 0\n"
          "line 9: circle: \"3lightyears\" is no size\nline 10: circle: expected [[x, y], …]\nline 11: no region begins with \"\"\n"
          "line 12: poly: control_points: a polygon has at least 3, got 2\nline 13: circle: expected [[x, y], …]\nline 14: no region begins with \"[[1pix\"");
}

TEST_CASE("hostile CRTF texts take linear time") {
    const std::size_t n = 1'000'000;
    const auto repeated = [](const std::string& text, std::size_t count) {
        std::string all;
        for (std::size_t i = 0; i < count; ++i) all += text;
        return all;
    };
    for (const auto* piece : {"label='", "a=\" b=' ", "[", "[[1pix,2pix],", "circle", ",", "a=[", "'\\", "#", "-", "global "}) {
        CAPTURE(piece);
        read_crtf("symbol [[1pix, 2pix], .], " + repeated(piece, n / 4));
        read_crtf(repeated(piece, n / 4));
    }
    const auto global = read_crtf("global label='" + repeated("x", n) + "', font='" + repeated("y", n) + "'\n" + repeated("text[[1pix,2pix],'']\n", 50'000));
    REQUIRE(global.regions.size() == 50'000);
    CHECK(global.regions.back().style.name == "");
    CHECK(global.regions.back().style.annotation.font.size() == max_style_word);
    CHECK(read_crtf("poly [" + repeated("[1pix,2pix],", 300'000) + "]").problems.text().find("at most 131072") != std::string::npos);
}
