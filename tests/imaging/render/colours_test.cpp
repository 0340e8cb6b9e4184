// Stretches, limits and colour maps against their formulas.

#include "imaging/pixels/histogram.hpp"
#include "imaging/render/colouring.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

using namespace cubelink::imaging;

TEST_CASE("stretches go from 0 to 1 and do not decrease") {
    for (const auto name : stretch_names) {
        CAPTURE(name);
        const auto stretch = stretch_named(name);
        REQUIRE(stretch);
        CHECK(name_of(*stretch) == name);
        CHECK(stretched(0, *stretch) == 0);
        CHECK(stretched(1, *stretch) == doctest::Approx(1));
        double before = 0;
        bool ascending = true;
        for (int i = 0; i <= 10000; ++i) {
            const double at = stretched(i / 10000.0, *stretch);
            ascending = ascending && at >= before;
            before = at;
        }
        CHECK(ascending);
    }
    CHECK_FALSE(stretch_named("auto"));
    CHECK_FALSE(stretch_named(""));
}

TEST_CASE("values at and beyond the limits") {
    const double infinity = std::numeric_limits<double>::infinity();
    CHECK(clipped(5, {0, 10}) == 0.5);
    CHECK(clipped(-infinity, {0, 10}) == 0);
    CHECK(clipped(infinity, {0, 10}) == 1);
    CHECK(clipped(3, {3, 3}) == 0.5);
    CHECK(clipped(2.9, {3, 3}) == 0);
    CHECK(clipped(3.1, {3, 3}) == 1);
}

TEST_CASE("percentiles lie where the counts say") {
    Histogram histogram;
    histogram.bins = {10, 0, 80, 10};
    histogram.bin_width = 2;
    histogram.first_bin_center = 1;
    CHECK(*percentile_limits(histogram, 100) == ClipLimits{0, 8});
    const auto limits = *percentile_limits(histogram, 90); // 5 of 100 at each end
    CHECK(limits.low == doctest::Approx(1));
    CHECK(limits.high == doctest::Approx(7));
    CHECK(percentile_limits(histogram, 80)->low == doctest::Approx(2));
    CHECK(automatic_stretch(histogram, limits) == Stretch::linear);
    histogram.bins = {990, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10};
    CHECK(automatic_stretch(histogram, *percentile_limits(histogram, 99.5)) == Stretch::asinh);
    histogram.bins = {0};
    CHECK_FALSE(percentile_limits(histogram, 99));
    CHECK(automatic_stretch(histogram, {0, 1}) == Stretch::linear);
    CHECK_FALSE(percentile_limits(Histogram{}, 99));
}

TEST_CASE("colour maps: names, ends, evenness") {
    std::set<std::string> names;
    for (const auto& map : colour_maps()) {
        CAPTURE(map.name);
        CHECK(names.insert(map.name).second);
        CHECK(find_colour_map(map.name) == &map);
        CHECK(std::all_of(map.colours.begin(), map.colours.end(), [](const Rgba& c) { return c.a == 255; }));
    }
    REQUIRE(names.size() >= 8);
    CHECK(find_colour_map("VIRIDIS") == find_colour_map("viridis"));
    CHECK(find_colour_map("gray") == find_colour_map("Grey"));
    CHECK(find_colour_map("blue-red") == find_colour_map("Blue–red"));
    CHECK(find_colour_map("") == nullptr);
    CHECK(find_colour_map("Viridis ") == nullptr);
    for (int i = 0; i < 256; ++i) {
        const auto grey = static_cast<std::uint8_t>(i);
        CHECK(find_colour_map("grey")->colours[static_cast<std::size_t>(i)] == Rgba{grey, grey, grey, 255});
    }
    CHECK(find_colour_map("inferno")->colours[0] == Rgba{0, 0, 4, 255});
    CHECK(find_colour_map("inferno")->colours[255] == Rgba{0xfc, 0xff, 0xa4, 255});
}

TEST_CASE("a colouring is the formula, for any limits and stretch") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    for (const auto stretch : {Stretch::linear, Stretch::log, Stretch::sqrt, Stretch::asinh}) {
        for (int round = 0; round < 30; ++round) {
            Look look;
            look.map = find_colour_map("Rainbow");
            look.stretch = stretch;
            look.inverted = round % 2 != 0;
            const double centre = 1000 * normal(random), spread = std::max(0.01, std::exp(5 * normal(random)));
            look.limits = {centre - spread, centre + spread};
            const Colouring colouring(look);
            int wrong = 0;
            for (int i = 0; i < 2000; ++i) {
                const auto value = static_cast<float>(centre + 1.5 * spread * normal(random));
                const auto index = static_cast<std::size_t>(stretched(clipped(value, look.limits), stretch) * 255 + 0.5);
                REQUIRE(colouring.index_of(value) < 256);
                wrong += colouring.index_of(value) != index ? 1 : 0;
                const auto colour = look.map->colours[look.inverted ? 255 - colouring.index_of(value) : colouring.index_of(value)];
                if (!(colouring(value) == colour)) ++wrong;
            }
            std::vector<float> values(1234);
            for (auto& value : values) value = random() % 7 == 0 ? (random() % 2 ? NAN : -INFINITY) : static_cast<float>(centre + 1.5 * spread * normal(random));
            std::vector<Rgba> colours(values.size());
            colouring.colour(values, colours.data());
            for (std::size_t i = 0; i < values.size(); ++i) wrong += colours[i] == colouring(values[i]) ? 0 : 1;
            CHECK(wrong == 0);
            CHECK(colouring(static_cast<float>(centre - 2 * spread)) == look.map->colours[look.inverted ? 255 : 0]);
            CHECK(colouring(static_cast<float>(centre + 2 * spread)) == look.map->colours[look.inverted ? 0 : 255]);
            for (const float blank : {NAN, INFINITY, -INFINITY}) CHECK(colouring(blank) == look.blank);
        }
    }
    Look nothing;
    nothing.map = find_colour_map("Grey");
    nothing.limits = {NAN, NAN};
    for (const auto stretch : {Stretch::linear, Stretch::log}) {
        nothing.stretch = stretch;
        CHECK(Colouring(nothing).index_of(1) < 256);
    }
}
