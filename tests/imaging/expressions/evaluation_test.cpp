// Values, blanks, and that all ways of reading give the same.

#include "expression_samples.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>

using namespace cubelink::imaging;
using test::same;

namespace {

const float blank = std::numeric_limits<float>::quiet_NaN();

/// a: 1 … 4 and a blank; b: other numbers.
samples::Images row() {
    samples::Images images;
    images.add("a", {5, 1, 1, 1}).pixels = {1, 2, 3, 4, double(blank)};
    images.add("b", {5, 1, 1, 1}).pixels = {5, double(blank), -1, 0.5, 2};
    return images;
}

struct Case {
    std::string text;
    std::vector<float> values;
};

} // namespace

TEST_CASE("values and blanks") {
    auto images = row();
    const std::vector<Case> cases{
        {"a+b", {6, blank, 2, 4.5F, blank}},
        {"a>2", {0, 0, 1, 1, blank}},
        {"a>2 || b>1", {1, blank, 1, 1, 1}}, // true with a blank is true
        {"a>2 && b<1", {0, 0, 1, 1, 0}},     // false with a blank is false
        {"!(a>2)", {1, 1, 0, 0, blank}},
        {"(a>2) == (b>0)", {0, blank, 0, 1, blank}},
        {"a[a>2]", {blank, blank, 3, 4, blank}},
        {"a[b>0]", {1, blank, blank, 4, blank}},
        {"value(a[a>2])", {1, 2, 3, 4, blank}},
        {"value(1+2*a[a>2])", {3, 5, 7, 9, blank}},
        {"mask(a[a>2])", {0, 0, 1, 1, 0}},
        {"isnan(a)", {0, 0, 0, 0, 1}},
        {"isnan(a[a>2])", {1, 1, 0, 0, 1}},
        {"replace(a,9)", {1, 2, 3, 4, 9}},
        {"replace(a)", {1, 2, 3, 4, 0}},
        {"replace(a[a>2],b)", {5, blank, 3, 4, 2}},
        {"iif(a>2,a,b)", {5, blank, 3, 4, blank}},
        {"iif(isnan(a),7,a)", {1, 2, 3, 4, 7}},
        {"iif(T,a,b)", {1, 2, 3, 4, blank}},
        {"iif(mean(a)>100,a,b)", {5, blank, -1, 0.5F, 2}},
        {"min(a,b)", {1, blank, -1, 0.5F, blank}},
        {"max(b,a)", {5, blank, 3, 4, blank}},
        {"max(a,2)", {2, 2, 3, 4, blank}},
        {"a^2", {1, 4, 9, 16, blank}},
        {"a^0", {1, 1, 1, 1, blank}},
        {"1^a", {1, 1, 1, 1, blank}},
        {"a%3", {1, 2, 0, 1, blank}},
        {"-a", {-1, -2, -3, -4, blank}},
        {"sign(b)", {1, blank, -1, 1, 1}},
        {"round(b/2)", {3, blank, -1, 0, 1}},
        {"sqrt(b)", {std::sqrt(5.F), blank, blank, std::sqrt(0.5F), std::sqrt(2.F)}},
        {"real(complex(a,b))", {1, blank, 3, 4, blank}},
        {"imag(complex(a,b))", {5, blank, -1, 0.5F, blank}},
        {"imag(conj(complex(a,b)))", {-5, blank, 1, -0.5F, blank}},
        {"norm(complex(a,b))", {26, blank, 10, 16.25F, blank}},
        {"real(complex(a,b)*complex(b,a))", {0, blank, 0, 0, blank}},
        {"complex(a,b) == complex(a,-1)", {0, blank, 1, 0, blank}},
        {"real(replace(complex(a,b),7))", {1, 7, 3, 4, 7}},
        {"real(iif(a>2,complex(a,b),b))", {5, blank, 3, 4, blank}},
        {"abs(3+4i)*a", {5, 10, 15, 20, blank}},
        {"amp(a,b)", {std::sqrt(26.F), blank, std::sqrt(10.F), std::sqrt(16.25F), blank}},
        {"AMPLITUDE(b)", {5, blank, 1, 0.5F, 2}},
        {"bool(a-1)", {0, 1, 1, 1, blank}},
        {"float(a>2)+1", {1, 1, 2, 2, blank}},
        {"a*0+mean(a)", {2.5F, 2.5F, 2.5F, 2.5F, blank}},
        {"a*0+sum(a[a>2])", {7, 7, 7, 7, blank}},
        {"a*0+median(a)", {2.5F, 2.5F, 2.5F, 2.5F, blank}},
        {"a*0+mean(a[a>100])", {blank, blank, blank, blank, blank}},
    };
    for (const Case& one : cases) {
        const std::string& text = one.text;
        const std::vector<float>& values = one.values;
        const auto pixels = samples::plane_of(*images.image(text));
        for (std::size_t i = 0; i < values.size(); ++i) {
            INFO(text << " at " << i << ": " << pixels[i] << " is not " << values[i]);
            const bool equal = same(pixels[i], values[i]) || std::abs(pixels[i] - values[i]) < 1e-5F * std::abs(values[i]);
            CHECK(equal);
        }
    }
}

TEST_CASE("each image is read once, and only where it is wanted") {
    samples::Images images;
    images.add("a", {50, 40, 3, 1});
    images.add("b", {50, 40, 3, 1});
    const auto image = images.image("a+b*a+sin(a)-(a+b)");
    std::vector<float> pixels(10 * 5);
    image->read({20, 10, 30, 15}, {1, 0}, pixels, 1, {});
    CHECK(images.sources["a"]->pixels_read == 50);
    CHECK(images.sources["b"]->pixels_read == 50);
}

TEST_CASE("all ways of reading give the same values") {
    const unsigned seed = 20260707;
    MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    for (const bool direct : {true, false}) {
        for (const bool wide : {true, false}) {
            samples::Images images;
            const ImageShape shape{700, 90, 4, 2};
            test::fill_odd(images.add("cube", shape, "", wide, direct), 1, 0.1, false);
            test::fill_odd(images.add("plane", {700, 90, 1, 1}, "", false, direct), 2, 0.1, false);
            test::fill_odd(images.add("spectrum", {700, 90, 4, 1}, "", false, true), 3, 0.1, false);
            BudgetCache budget(std::size_t(1) << 30);
            for (const std::string text :
                 {"cube", "cube+plane*spectrum", "iif(cube>0,cube,plane)[spectrum<1]", "abs(complex(cube,plane))*0.3", "cube>plane"}) {
                INFO(text << (direct ? " direct" : "") << (wide ? " wide" : ""));
                const auto image = images.image(text, &budget);
                const auto random_below = [&](std::int64_t n) { return std::int64_t(random() % std::uint64_t(n)); };
                std::vector<std::vector<float>> planes;
                for (std::int32_t stokes = 0; stokes < 2; ++stokes)
                    for (std::int32_t channel = 0; channel < 4; ++channel)
                        planes.push_back(samples::plane_of(*image, {channel, stokes}, 1 + channel % 2));
                const auto at = [&](std::int64_t x, std::int64_t y, std::int32_t c, std::int32_t s) {
                    return planes[std::size_t(s * 4 + c)][std::size_t(y * 700 + x)];
                };
                int wrong = 0;
                for (int round = 0; round < 12; ++round) {
                    const auto stokes = std::int32_t(random_below(2));
                    const auto from = std::int32_t(random_below(4));
                    const ChannelRange channels{from, from + 1 + std::int32_t(random_below(4 - from))};
                    const std::int64_t x0 = random_below(700), y0 = random_below(90);
                    const Rect rect{x0, y0, x0 + 1 + random_below(700 - x0), y0 + 1 + random_below(90 - y0)};
                    std::vector<float> part(std::size_t(rect.size()));
                    std::vector<double> part64(part.size());
                    image->read(rect, {from, stokes}, part, 2, {});
                    image->read64(rect, {from, stokes}, part64, 2, {});
                    std::size_t i = 0;
                    for (std::int64_t y = rect.y0; y < rect.y1; ++y)
                        for (std::int64_t x = rect.x0; x < rect.x1; ++x, ++i) {
                            wrong += !same(part[i], at(x, y, from, stokes));
                            wrong += !same(float(part64[i]), at(x, y, from, stokes));
                        }
                    std::vector<float> box(part.size() * std::size_t(channels.count()));
                    image->read_box(rect, channels, stokes, box, 2, {});
                    i = 0;
                    for (auto c = channels.from; c < channels.to; ++c)
                        for (std::int64_t y = rect.y0; y < rect.y1; ++y)
                            for (std::int64_t x = rect.x0; x < rect.x1; ++x) wrong += !same(box[i++], at(x, y, c, stokes));
                    std::vector<float> spectrum(std::size_t(channels.count()));
                    image->read_spectrum(x0, y0, stokes, channels.from, spectrum, {});
                    for (std::size_t k = 0; k < spectrum.size(); ++k)
                        wrong += !same(spectrum[k], at(x0, y0, channels.from + std::int32_t(k), stokes));
                    std::vector<PixelRun> runs;
                    for (std::int64_t y = rect.y0; y < rect.y1; ++y)
                        if (random() % 3 != 0) runs.push_back({y, rect.x0, rect.x0 + 1 + random_below(rect.width())});
                    const PixelMask mask(runs);
                    std::vector<float> masked(mask.count() * std::size_t(channels.count())), chosen(masked.size());
                    std::vector<double> chosen64(masked.size());
                    image->read_masked(mask, channels, stokes, masked, 2, {});
                    image->read_pixels(runs, channels, stokes, chosen, {});
                    image->read_pixels64(runs, channels, stokes, chosen64, {});
                    i = 0;
                    for (auto c = channels.from; c < channels.to; ++c)
                        for (const auto& run : runs)
                            for (std::int64_t x = run.x0; x < run.x1; ++x, ++i) {
                                const float expected = at(x, run.y, c, stokes);
                                // Masks of wide images without random access are read in float precision.
                                const bool close =
                                    same(masked[i], expected) || std::abs(masked[i] - expected) <= 1e-6F * std::abs(expected);
                                wrong += !close + !same(chosen[i], expected) + !same(float(chosen64[i]), expected);
                            }
                }
                CHECK(wrong == 0);
            }
        }
    }
}

TEST_CASE("more pixels than are computed at once") {
    samples::Images images;
    test::fill_odd(images.add("a", {1200, 700, 2, 1}), 1, 0.1);
    test::fill_odd(images.add("b", {1200, 700, 1, 1}), 2, 0.1);
    const auto image = images.image("a-b");
    const auto expected = samples::plane_of(*image, {1, 0});
    std::vector<PixelRun> runs;
    std::vector<float> chosen;
    for (std::int64_t y = 0; y < 700; ++y) {
        runs.push_back({y, y % 3, 1200 - y % 5});
        chosen.insert(chosen.end(), expected.begin() + y * 1200 + y % 3, expected.begin() + y * 1200 + 1200 - y % 5);
    }
    std::vector<float> masked(chosen.size()), picked(chosen.size());
    image->read_masked(PixelMask(runs), {1, 2}, 0, masked, 2, {});
    image->read_pixels(runs, {1, 2}, 0, picked, {});
    int wrong = 0;
    for (std::size_t i = 0; i < chosen.size(); ++i) wrong += !same(masked[i], chosen[i]) + !same(picked[i], chosen[i]);
    CHECK(wrong == 0);
    const PixelRun all{3, 0, 1200};
    const std::vector<PixelRun> repeated(100, all);
    std::vector<float> many(120000 * 2);
    image->read_pixels(repeated, {0, 2}, 0, many, {});
    wrong = 0;
    for (std::size_t i = 120000; i < many.size(); ++i) wrong += !same(many[i], expected[3 * 1200 + i % 1200]);
    CHECK(wrong == 0);
}

TEST_CASE("wide images are computed in double precision") {
    samples::Images images;
    images.add("w", {1, 1, 1, 1}, "", true).pixels = {1e9 + 0.25};
    std::vector<double> value(1);
    const auto image = images.image("w - 1000000000");
    image->read64({0, 0, 1, 1}, {}, value, 1, {});
    CHECK(value[0] == 0.25);
    CHECK(samples::plane_of(*image)[0] == 0.25F);
    CHECK(image->capabilities().prefers_double);
    CHECK(!images.image("float(w)")->capabilities().prefers_double);
}

TEST_CASE("complex images") {
    samples::Images images;
    auto& amplitude = images.add("z", {2, 1, 1, 1});
    amplitude.pixels = {5, 13};
    const auto real = std::make_shared<test::MemorySource>(ImageShape{2, 1, 1, 1}),
               imaginary = std::make_shared<test::MemorySource>(ImageShape{2, 1, 1, 1});
    real->pixels = {3, 5};
    imaginary->pixels = {4, -12};
    images.by_name["z"].complex = ComplexParts{real, imaginary};
    CHECK(samples::plane_of(*images.image("z")) == std::vector<float>{5, 13});
    CHECK(samples::plane_of(*images.image("AMPLITUDE(z)")) == std::vector<float>{5, 13});
    CHECK(samples::plane_of(*images.image("real(z)+imag(z)")) == std::vector<float>{7, -7});
    CHECK(samples::plane_of(*images.image("z*0+mean(z)"))[0] == doctest::Approx(std::sqrt(32.0)));
}
