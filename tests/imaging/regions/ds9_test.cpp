#include "file_samples.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace cubelink::imaging;
using samples::read_ds9;

namespace {

bool near(PixelPoint a, double x, double y, double tolerance = 1e-9) { return std::abs(a.x - x) < tolerance && std::abs(a.y - y) < tolerance; }

Shape shape(RegionType type, std::vector<PixelPoint> points, double rotation = 0) { return {type, std::move(points), rotation}; }

/// The only region of a text without problems.
FileRegion only(const std::string& text, const RegionFileImage& image = {}) {
    auto read = read_ds9(text, image);
    CHECK(read.problems.text() == "");
    REQUIRE(read.regions.size() == 1);
    return read.regions[0];
}

std::string problems(const std::string& text, const RegionFileImage& image = {}) { return read_ds9(text, image).problems.text(); }

} // namespace

TEST_CASE("DS9 shapes in pixels begin at 1") {
    CHECK(only("image\npoint(1,2)").shape == shape(RegionType::point, {{0, 1}}));
    CHECK(only("image\ncircle(101,51,20)").shape == shape(RegionType::ellipse, {{100, 50}, {20, 20}}));
    CHECK(only("image\nbox(11,21,30,40,15)").shape == shape(RegionType::rectangle, {{10, 20}, {30, 40}}, 15));
    CHECK(only("image\nline(1,2,3,4) # line=0 0").shape == shape(RegionType::line, {{0, 1}, {2, 3}}));
    CHECK(only("image\npolygon(1,1,5,1,5,5)").shape == shape(RegionType::polygon, {{0, 0}, {4, 0}, {4, 4}}));
    CHECK(only("image\npolyline(1,1,5,1,5,5)").shape == shape(RegionType::polyline, {{0, 0}, {4, 0}, {4, 4}}));
    CHECK(only("image\n# segment(1,1,5,1,5,5)").shape == shape(RegionType::polyline, {{0, 0}, {4, 0}, {4, 4}}));
    CHECK(only("image\n# segment(1,1,5,1)").shape.type == RegionType::line);
    CHECK(only("image\nbox(11,21,30,40)").shape.rotation == 0);
}

TEST_CASE("DS9's ellipses turn from x, ours from y") {
    CHECK(only("image\nellipse(11,21,30,40,90)").shape == shape(RegionType::ellipse, {{10, 20}, {30, 40}}, 0));
    CHECK(only("image\nellipse(11,21,30,40,0)").shape.rotation == 270);
    CHECK(only("image\nellipse(11,21,30,40,135)").shape.rotation == 45);
    CHECK(only("image\nellipse(11,21,30,30,135)").shape.rotation == 135); // a circle: nothing to turn
}

TEST_CASE("DS9 annotations") {
    CHECK(only("image\n# circle(11,21,5)").shape.type == RegionType::ann_ellipse);
    CHECK(only("image\n# box(11,21,5,6,7)").shape.type == RegionType::ann_rectangle);
    const auto text = only("image\n# text(11,21) color=magenta font=\"times 14 bold italic\" text={Region}");
    CHECK(text.shape == shape(RegionType::ann_text, {{10, 20}, {0, 0}}));
    CHECK(text.style.annotation.labels[0] == "Region");
    CHECK(text.style.annotation.font == "Times");
    CHECK(text.style.annotation.font_size == 14);
    CHECK(text.style.annotation.font_style == "Italic Bold");
    CHECK(text.style.color == "#FF00FF");
    const auto vector = only("image\n# vector(11,21,10,90) vector=1").shape;
    CHECK(vector.type == RegionType::ann_vector);
    CHECK(near(vector.points[0], 10, 20));
    CHECK(near(vector.points[1], 10, 30));
    const auto compass = only("image\n# compass(11,21,15) compass=fk5 {North} {East} 1 0");
    CHECK(compass.shape == shape(RegionType::ann_compass, {{10, 20}, {15, 15}}));
    CHECK(compass.style.annotation.labels[0] == "North");
    CHECK(compass.style.annotation.labels[1] == "East");
    CHECK(compass.style.annotation.arrows[0]);
    CHECK_FALSE(compass.style.annotation.arrows[1]);
    CHECK(compass.style.annotation.coordinate_system == "fk5");
    CHECK(only("image\n# ruler(1,2,3,4) ruler=fk5 degrees").shape == shape(RegionType::ann_ruler, {{0, 1}, {2, 3}}));
    const auto point = only("image\n# point(1,2) # point=diamond 11 fill=1");
    CHECK(point.style.annotation.point_shape == PointShape::diamond);
    CHECK(point.style.annotation.point_width == 11);
}

TEST_CASE("DS9 files without header, frame or line ends") {
    CHECK(only("circle(101,51,20)").shape == shape(RegionType::ellipse, {{100, 50}, {20, 20}}));
    const auto read = read_ds9("image;circle(1,2,3);-box(4,5,6,7,8);fk5;point(1,2)\r\nimage; +point(3,4)  # text={a;b}; point(5,6)");
    REQUIRE(read.regions.size() == 4);
    CHECK(read.regions[2].style.name == "a;b");
    CHECK(read.regions[3].shape.points[0] == PixelPoint{4, 5});
    CHECK(read.problems.count() == 2); // the excluded box, and the sky that is not there
    CHECK(only("image\ncircle 101 51 20").shape == shape(RegionType::ellipse, {{100, 50}, {20, 20}}));
    CHECK(only("IMAGE\nCIRCLE ( 101 , 51 , 20 )").shape == shape(RegionType::ellipse, {{100, 50}, {20, 20}}));
    CHECK(only("\xEF\xBB\xBFimage\r\ncircle(101,51,20)\r\n").shape == shape(RegionType::ellipse, {{100, 50}, {20, 20}}));
    CHECK(read_ds9("").regions.empty());
    CHECK(problems("") == "");
}

TEST_CASE("DS9 lines of one word, and other nonsense, end and are named") {
    CHECK(problems("hello") == "line 1: \"hello\" is no region and no coordinate system");
    CHECK(problems("image\nhello\n\npoint(1,2)\nworld") ==
          "line 2: \"hello\" is no region and no coordinate system\nline 5: \"world\" is no region and no coordinate system");
    CHECK(problems("circle").find("line 1: circle: expected 3 numbers, got 0") == 0);
    CHECK(problems("image\ncircle(1,2)").find("line 2: circle: expected 3 numbers, got 2") == 0);
    CHECK(problems("image\ncircle(1,2,-3)").find("line 2: circle: a size is negative") == 0);
    CHECK(problems("image\ncircle(1,2,0)").find("line 2: circle: control_points[1]") == 0);
    CHECK(problems("image\ncircle(a,2,3)").find("\"a\" is no coordinate") != std::string::npos);
    CHECK(problems("image\ncircle(1,2,x)").find("\"x\" is no size") != std::string::npos);
    CHECK(problems("image\nbox(1,2,3,4,x)").find("\"x\" is no angle") != std::string::npos);
    CHECK(problems("image\npolygon(1,2,3)").find("odd number") != std::string::npos);
    CHECK(problems("image\npolygon(1,2,3,4)").find("at least 3") != std::string::npos);
    CHECK(problems("image\ncircle(nan,2,3)").find("no coordinate") != std::string::npos);
    CHECK(problems("image\ncircle(1d,2d,3)").find("the coordinates are pixels") != std::string::npos);
    CHECK(problems("image\npoint(1,2) # color=nocolour") == "line 2: \"nocolour\" is no colour");
    CHECK(problems("(((((").find("line 1: ") == 0);
    CHECK(problems("#\n#(\n# # circle(1,2,3)\n;;;\n") == "");
}

TEST_CASE("what DS9 has and the interface has not is named with its line, and the rest is read") {
    const auto read = read_ds9("image\nannulus(1,2,3,4)\nellipse(1,2,3,4,5,6,7)\nbox(1,2,3,4,5,6,7)\npanda(1,2,0,360,4,1,3,1)\npoint(1,1)\n"
                               "# composite(1,2,3) || composite=1\ncircle(1,2,3) || # color=red\n-circle(4,5,6)\n# projection(1,2,3,4,5)\nlinear\ncircle(1,2,3)\n"
                               "wcsa;circle(1,2,3)\nimage\ncircle(1,1,2) # include=0");
    CHECK(read.regions.size() == 4);
    CHECK(read.problems.text() ==
          "line 2: annulus is not supported\nline 3: ellipse: annuli are not supported\nline 4: box: annuli are not supported\nline 5: panda is not supported\n"
          "line 7: composite is not supported, its parts are regions of their own now\n"
          "line 9: circle: exclusion is not supported, it is an ordinary region now\nline 10: projection is not supported\n"
          "line 11: the coordinate system \"linear\" is not supported, regions in it are left out\n"
          "line 13: the coordinate system \"wcsa\" is not supported, regions in it are left out\n"
          "line 15: circle: exclusion is not supported, it is an ordinary region now");
}

TEST_CASE("DS9 texts with braces, quotes and blanks") {
    const auto name = [](const std::string& properties) { return only("image\npoint(1,2) # " + properties + " color=red\n").style; };
    CHECK(name("text={a b}").name == "a b");
    CHECK(name("text={a {nested} b}").name == "a {nested} b");
    CHECK(name("text={a { b}").name == "a { b");
    CHECK(name("text=\"it's {so}\"").name == "it's {so}");
    CHECK(name("text='say \"}\"'").name == "say \"}\"");
    CHECK(name("text = {spaced}").name == "spaced");
    CHECK(name("text=word").name == "word");
    CHECK(name("text={}").name == "");
    CHECK(name("text={never closed").name == "{never");
    CHECK(name("text={color=blue}").color == "#FF0000");
    CHECK(name("tag={color=blue} tag={x}").color == "#FF0000");
    CHECK(name("text={\xC3\xBC}").name == "\xC3\xBC");
    CHECK(name("This is Bob's comment").name == "");
}

TEST_CASE("DS9 styles, and those that a global line sets") {
    const auto read = read_ds9("global color=yellow width=4 dash=1 dashlist=6 2 font=\"courier 12 bold roman\"\nimage\npoint(1,2)\n"
                               "point(1,2) # color=#00F width=1 dash=0\nglobal color=red\npoint(1,2)\n# text(1,2) text={a}\n");
    REQUIRE(read.regions.size() == 4);
    CHECK(read.regions[0].style.color == "#FFFF00");
    CHECK(read.regions[0].style.line_width == 4);
    CHECK(read.regions[0].style.dashes == std::vector<std::int32_t>{6, 2});
    CHECK(read.regions[1].style.color == "#0000FF");
    CHECK(read.regions[1].style.line_width == 1);
    CHECK(read.regions[1].style.dashes.empty());
    CHECK(read.regions[2].style.color == "#FF0000");
    CHECK(read.regions[2].style.line_width == 4);
    CHECK(read.regions[3].style.annotation.font == "Courier");
    CHECK(read.regions[3].style.annotation.font_style == "Bold");
    const auto plain = only("image\npoint(1,2)").style;
    CHECK(plain == default_style(RegionType::point));
    CHECK(plain.color == "#2EE6D6");
    CHECK(plain.line_width == 2);
}

TEST_CASE("DS9 frames") {
    const auto sky = samples::sky_image();
    REQUIRE(sky.wcs);
    const auto centre = [&](const std::string& text) { return only(text, sky.image).shape.points[0]; };
    // CRPIX is 1-based.
    CHECK(near(centre("fk5\npoint(202.48,47.2)"), 499, 399, 1e-6));
    CHECK(near(centre("J2000\npoint(202.48,47.2)"), 499, 399, 1e-6));
    CHECK(near(centre("fk5\npoint(13:29:55.2,+47:12:00)"), 499, 399, 1e-6));
    CHECK(near(centre("fk5\npoint(13h29m55.2s,+47d12m00s)"), 499, 399, 1e-6));
    CHECK(near(centre("fk5\npoint(202.48d,47.2d)"), 499, 399, 1e-6));
    CHECK(near(centre("wcs\npoint(202.48,47.2)"), 499, 399, 1e-6));
    CHECK(near(centre("fk5\npoint(12i,13i)"), 11, 12));
    struct Named {
        const char* name;
        SkySystem system;
    };
    for (const auto& frame : {Named{"icrs", {SkyFrame::icrs, 2000}}, Named{"fk4", {SkyFrame::fk4, 1950}}, Named{"b1950", {SkyFrame::fk4, 1950}},
                              Named{"galactic", {SkyFrame::galactic, 2000}}, Named{"ecliptic", {SkyFrame::ecliptic, 2000}}}) {
        const auto point = convert({202.48, 47.2}, {SkyFrame::fk5, 2000}, frame.system);
        CAPTURE(frame.name);
        char text[100];
        std::snprintf(text, sizeof text, "%s\npoint(%.12f,%.12f)", frame.name, point.lon, point.lat);
        CHECK(near(centre(text), 499, 399, 1e-4));
        // Galactic and ecliptic longitudes are degrees in sexagesimal, too.
        const bool hours = frame.system.frame == SkyFrame::icrs || frame.system.frame == SkyFrame::fk4;
        std::snprintf(text, sizeof text, "%s\npoint(%s,%s)", frame.name, (hours ? format_hours(point.lon, 9) : format_degrees(point.lon, 8)).c_str(),
                      format_degrees(point.lat, 8).c_str());
        CHECK(near(centre(text), 499, 399, 1e-4));
    }
    CHECK(problems("fk5\npoint(202.48,97.2)", sky.image).find("latitude") != std::string::npos);
    CHECK(problems("fk5\npoint(22.48,-47.2)", sky.image).find("outside") != std::string::npos); // of a tangent plane
    CHECK(problems("fk5\npoint(22.48,-47.2)").find("no celestial coordinates") != std::string::npos);
    CHECK(problems("fk5\npoint(1,2i)", sky.image).find("different units") != std::string::npos);
}

TEST_CASE("sizes without units are those of the frame, others what they say") {
    const auto sky = samples::sky_image();
    const auto size = [&](const std::string& text) { return only(text, sky.image).shape.points[1]; };
    CHECK(near(size("fk5\ncircle(202.48,47.2,0.01)"), 100, 100, 1e-4));
    CHECK(near(size("fk5\ncircle(202.48,47.2,36\")"), 100, 100, 1e-4));
    CHECK(near(size("fk5\ncircle(202.48,47.2,0.6')"), 100, 100, 1e-4));
    CHECK(near(size("fk5\ncircle(202.48,47.2,100i)"), 100, 100, 1e-9));
    CHECK(near(size("image\ncircle(500,400,36\")"), 100, 100, 1e-4));
    CHECK(near(size("image\nbox(500,400,36\",72\",30)"), 100, 200, 1e-3));
    CHECK(problems("image\ncircle(500,400,36\")").find("no celestial coordinates") != std::string::npos);
    const auto box = only("fk5\nbox(202.48,47.2,36\",72\",0)", sky.image).shape;
    CHECK(near(box.points[1], 100, 200, 1e-3));
    CHECK(std::abs(std::remainder(box.rotation, 360)) < 1e-6);
}

TEST_CASE("angles are measured against the north of their frame") {
    // Where the image is turned, an angle turns with it; the width of a box points west at 0.
    for (const double turn : {0.0, 30.0, -100.0}) {
        const auto sky = samples::sky_image("FK5", turn);
        CAPTURE(turn);
        const auto box = only("fk5\nbox(202.48,47.2,36\",72\",10)", sky.image).shape;
        // CROTA2 turns north clockwise from y for a longitude that grows to the left.
        const SkyPoint north{202.48, 47.21};
        PixelPoint up;
        sky.wcs->sky_to_pixels(std::span(&north, 1), 0, std::span(&up, 1));
        const double north_angle = std::atan2(up.y - 399, up.x - 499) * 180 / M_PI;
        CHECK(std::abs(std::remainder(box.rotation - (north_angle - 90 + 10), 360)) < 1e-5);
        const auto ellipse = only("fk5\nellipse(202.48,47.2,36\",72\",100)", sky.image).shape;
        CHECK(std::abs(std::remainder(ellipse.rotation - (north_angle - 90 + 10), 360)) < 1e-5);
        CHECK(near(ellipse.points[1], 100, 200, 1e-3));
    }
    // The same direction on the sky in two frames.
    const auto sky = samples::sky_image();
    const SkySystem fk5{SkyFrame::fk5, 2000}, galactic{SkyFrame::galactic, 2000};
    const auto here = convert({202.48, 47.2}, fk5, galactic), north = convert({202.48, 47.2001}, fk5, galactic);
    const double angle = std::atan2((north.lon - here.lon) * std::cos(here.lat * M_PI / 180), north.lat - here.lat) * 180 / M_PI; // of fk5's north
    char text[100];
    std::snprintf(text, sizeof text, "galactic\nbox(%.10f,%.10f,36\",72\",%.8f)", here.lon, here.lat, angle);
    CHECK(std::abs(std::remainder(only(text, sky.image).shape.rotation, 360)) < 1e-3);
    // A mirrored image: east is to the right.
    const auto mirrored = samples::region_image({"CTYPE1  = 'RA---TAN'", "CTYPE2  = 'DEC--TAN'", "CRPIX1  = 500", "CRPIX2  = 400", "CRVAL1  = 10", "CRVAL2  = 0",
                                                 "CDELT1  = 1E-4", "CDELT2  = 1E-4", "RADESYS = 'FK5'", "EQUINOX = 2000"});
    CHECK(std::abs(std::remainder(only("fk5\nbox(10,0,36\",72\",30)", mirrored.image).shape.rotation - 150, 180)) < 1e-5);
}

TEST_CASE("a circle of the sky is an ellipse where pixels are not square") {
    const auto sky = samples::sky_image("FK5", 0, "RA---TAN", "DEC--TAN", 202.48, 47.2, 2e-4);
    const auto circle = only("fk5\ncircle(202.48,47.2,36\")", sky.image).shape;
    const bool upright = std::abs(std::remainder(circle.rotation, 180)) < 1e-3;
    CHECK(near(circle.points[1], upright ? 50 : 100, upright ? 100 : 50, 1e-3));
}

TEST_CASE("physical coordinates are those of the header") {
    const auto cut = samples::region_image({"LTV1    = -100.0", "LTV2    = 10.0", "LTM1_1  = 0.5", "LTM2_2  = 0.5"});
    const auto box = only("physical\nbox(300,80,20,40,0)", cut.image).shape;
    CHECK(near(box.points[0], 49, 49));
    CHECK(near(box.points[1], 10, 20));
    CHECK(near(only("image\npoint(300p,80p)", cut.image).shape.points[0], 49, 49));
    CHECK(near(only("point(300,80)", cut.image).shape.points[0], 49, 49));
    CHECK(near(only("image\npoint(300,80)", cut.image).shape.points[0], 299, 79));
    CHECK(near(only("physical\npoint(300,80)").shape.points[0], 299, 79));
}

TEST_CASE("hostile DS9 texts take linear time") {
    // Each would take minutes with quadratic searches.
    const std::size_t n = 1'000'000;
    const auto repeated = [](const std::string& text, std::size_t count) {
        std::string all;
        for (std::size_t i = 0; i < count; ++i) all += text;
        return all;
    };
    for (const auto* piece : {"text={", "a=\" b=' ", "{", "(", "text={{ } ", "a={", "# circle(", ";", "circle", "x=\"' ", "||", "-", "point(1,2)#"}) {
        CAPTURE(piece);
        read_ds9("image\npoint(1,2) # " + repeated(piece, n / 4));
        read_ds9(repeated(piece, n / 4));
    }
    // A global line does not multiply itself.
    const auto global = read_ds9("global text={" + repeated("x", n) + "} font=\"" + repeated("y", n) + "\"\nimage\n" + repeated("# text(1,2)\n", 50'000));
    REQUIRE(global.regions.size() == 50'000);
    CHECK(global.regions.back().style.annotation.labels[0] == "");
    CHECK(global.regions.back().style.annotation.font.size() == max_style_word);
    const auto many = read_ds9("image\n" + repeated("nonsense\n", 50'000));
    CHECK(many.problems.count() == max_region_problems + 1);
    CHECK(many.problems.text().size() < 20'000);
    CHECK_THROWS_AS(read_ds9(std::string(max_region_text + 1, ' ')), std::invalid_argument);
    CHECK(read_ds9("image\npolygon(" + repeated("1,2,", 300'000) + "1,2)").problems.text().find("at most 131072") != std::string::npos);
    CHECK(read_ds9("image\n" + repeated("point(1,2)\n", max_file_regions + 10)).regions.size() == max_file_regions);
}
