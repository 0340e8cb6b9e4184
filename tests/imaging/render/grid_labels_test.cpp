// Texts of grid labels, their strokes, and where they stand.

#include "imaging/render/grid_labels.hpp"
#include "imaging/render/stroke_font.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace cubelink::imaging;
using Notation = AxisNotation;
using Side = GridEnd::Side;

namespace {

/// The covered pixels of a text, and the box that they fill.
struct Drawn {
    std::vector<std::uint8_t> pixels;
    int left = 1000, right = -1, top = 1000, bottom = -1;
};

Drawn drawn(const std::string& text, double height, double thickness = 1) {
    const PictureSize size{400, 60};
    LineMask mask(size);
    add_text(mask, text, 10, 40, height, thickness);
    Picture picture(size);
    for (int y = 0; y < size.height; ++y) std::fill_n(picture.row(y), size.width, Rgba{0, 0, 0, 255});
    mask.paint(picture, {255, 255, 255, 255});
    Drawn result;
    for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < size.width; ++x) {
            const auto value = picture.row(y)[x].r;
            result.pixels.push_back(value);
            if (value == 0) continue;
            result.left = std::min(result.left, x), result.right = std::max(result.right, x);
            result.top = std::min(result.top, y), result.bottom = std::max(result.bottom, y);
        }
    return result;
}

} // namespace

TEST_CASE("labels say what the step needs, as the viewer writes it") {
    constexpr double second = 1.0 / 3600, minute = 1.0 / 60;
    CHECK(grid_label(83.75, 15 * minute, Notation::angle_hours, true, "deg") == "05h35m");
    CHECK(grid_label(83.75, 15 * second, Notation::angle_hours, true, "deg") == "05h35m00s");
    CHECK(grid_label(83.75, 0.5 * 15 * second, Notation::angle_hours, true, "deg") == "05h35m00.0s");
    CHECK(grid_label(-15, 15, Notation::angle_hours, true, "deg") == "23h");
    CHECK(grid_label(360 - 1e-13, 15 * second, Notation::angle_hours, true, "deg") == "00h00m00s");
    CHECK(grid_label(720, 15, Notation::angle_hours, true, "deg") == "00h");
    CHECK(grid_label(-5.5, 10 * minute, Notation::angle_degrees, false, "deg") == "−05°30′");
    CHECK(grid_label(-second, second, Notation::angle_degrees, false, "deg") == "−00°00′01″");
    CHECK(grid_label(60 - second * 0.01, second * 0.01, Notation::angle_degrees, false, "deg") == "+59°59′59.99″");
    CHECK(grid_label(-1e-17, 1, Notation::angle_degrees, false, "deg") == "+00°");
    CHECK(grid_label(12.5, 0.5, Notation::decimal_degrees, true, "deg") == "12.5°");
    CHECK(grid_label(-12, 2, Notation::decimal_degrees, true, "deg") == "348°");
    CHECK(grid_label(12.5, 0.5, Notation::decimal_degrees, false, "deg") == "+12.5°");
    CHECK(grid_label(-0.002, 0.001, Notation::decimal_degrees, false, "deg") == "−0.002°");
    CHECK(grid_label(0, 0.5, Notation::decimal_degrees, false, "deg") == "0.0°");
    CHECK(grid_label(1.4203e9, 1e5, Notation::plain, false, "Hz") == "1.4203e+09 Hz");
    CHECK(grid_label(-250, 50, Notation::plain, false, "m/s") == "−250 m/s");
    CHECK(grid_label(0, 50, Notation::plain, false, "") == "0");
    CHECK(grid_label(0.25, 0.05, Notation::plain, false, "") == "0.25");
    CHECK(grid_label(5, 5, Notation::plain, false, std::string(1000, 'u')).size() < 40);
}

TEST_CASE("neighbouring lines have different labels, none of them with minutes or seconds of 60") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    constexpr double steps[] = {1.0 / 3600, 5.0 / 3600, 30.0 / 3600, 1.0 / 60, 20.0 / 60, 1, 5, 15, 0.02 / 3600};
    for (int round = 0; round < 2000; ++round) {
        const double step = steps[random() % std::size(steps)] * (round % 2 ? 15 : 1);
        const auto notation = round % 2 ? Notation::angle_hours : Notation::angle_degrees;
        const double first = std::floor(std::uniform_real_distribution<double>(-80, 80)(random) / step);
        std::set<std::string> labels;
        for (int i = 0; i < 6; ++i) {
            const auto label = grid_label((first + i) * step, step, notation, round % 2, "deg");
            labels.insert(label);
            for (const char* sixty : {"h60", "m60", "°60", "′60"}) CHECK(label.find(sixty) == std::string::npos);
        }
        CHECK(labels.size() == 6);
    }
}

TEST_CASE("each character has strokes of its own, as high and wide as is said") {
    std::set<std::vector<std::uint8_t>> shapes;
    const std::string plain = "0123456789ABCDEFGHIJKLMNPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-.,:/*^_()="; // O is 0
    for (const char c : plain) {
        const auto one = drawn(std::string(1, c), 18);
        CAPTURE(c);
        CHECK(one.right >= one.left);
        CHECK(one.left >= 8);
        CHECK(one.right <= 12 + text_width(std::string(1, c), 18));
        CHECK(one.top >= 40 - 18 - 2);
        CHECK(one.bottom <= 40 + 6 + 2);
        CHECK(shapes.insert(one.pixels).second);
    }
    for (const char* text : {"°", "′", "″", "−"}) CHECK(shapes.insert(drawn(text, 18).pixels).second);
    CHECK(drawn("é\xff\n", 18).right == -1);
    CHECK(text_width("", 9) == 0);
    CHECK(text_width("00", 9) == doctest::Approx(2 * text_width("0", 9) + 3));
    CHECK(drawn("\xe2", 18).right == -1); // cut off
}

TEST_CASE("labels lie inside the image's part of the picture and do not touch") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 300; ++round) {
        const PictureSize size{static_cast<int>(20 + random() % 2000), static_cast<int>(20 + random() % 2000)};
        std::uniform_real_distribution<double> x(0, size.width), y(0, size.height);
        PictureBox bounds{0, 0, static_cast<double>(size.width), static_cast<double>(size.height)};
        if (round % 3 == 0) bounds = {std::min(x(random), 0.4 * size.width), 0, std::max(x(random), 0.6 * size.width), 0.7 * size.height};
        std::vector<GridLine> lines;
        for (std::size_t i = 0; i < 1 + random() % 60; ++i) {
            GridLine line{i % 2, "+12°34′56″", {}};
            for (std::size_t k = 0; k < random() % 4; ++k) {
                const auto side = static_cast<Side>(random() % 4);
                const double at_x = std::clamp(x(random), bounds.x0, bounds.x1), at_y = std::clamp(y(random), bounds.y0, bounds.y1);
                line.ends.push_back({side, {side == Side::left ? bounds.x0 : side == Side::right ? bounds.x1 : at_x, side == Side::top ? bounds.y0 : side == Side::bottom ? bounds.y1 : at_y}});
            }
            lines.push_back(std::move(line));
        }
        const auto labels = place_labels(size, bounds, lines);
        CHECK(labels.size() <= lines.size());
        for (const auto& label : labels) {
            CHECK(label.box.x0 >= bounds.x0);
            CHECK(label.box.y0 >= bounds.y0);
            CHECK(label.box.x1 <= bounds.x1 + 1e-9);
            CHECK(label.box.y1 <= bounds.y1 + 1e-9);
            CHECK(label.left > label.box.x0);
            CHECK(label.left + text_width(label.text, label.height) < label.box.x1);
            for (const auto& other : labels)
                if (&other != &label)
                    CHECK((label.box.x1 <= other.box.x0 || other.box.x1 <= label.box.x0 || label.box.y1 <= other.box.y0 || other.box.y1 <= label.box.y0));
        }
    }
}

TEST_CASE("each axis has its own edge, and the other ones where that is taken") {
    const PictureSize size{600, 400};
    const PictureBox bounds{0, 0, 600, 400};
    const GridLine meridian{0, "05h", {{Side::top, {300, 0}}, {Side::bottom, {310, 400}}}}, same{0, "06h", {{Side::bottom, {312, 400}}, {Side::top, {100, 0}}}}, parallel{1, "+10°", {{Side::bottom, {50, 400}}, {Side::left, {0, 200}}}}, nowhere{1, "+20°", {}};
    const auto labels = place_labels(size, bounds, std::vector{meridian, same, parallel, nowhere});
    REQUIRE(labels.size() == 3);
    CHECK(labels[0].text == "05h");
    CHECK(labels[0].baseline > 380);
    CHECK(labels[1].text == "06h");
    CHECK(labels[1].baseline < 20);
    CHECK(labels[2].left < 20);
    CHECK(labels[2].baseline < 200);
    CHECK(labels[2].baseline > 180);
}
