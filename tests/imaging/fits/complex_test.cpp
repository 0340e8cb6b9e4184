#include "imaging/fits/complex_axis.hpp"
#include "imaging/fits/open_fits.hpp"
#include "imaging/world/header.hpp"
#include "tests/imaging/fits/sample_files.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <numeric>
#include <random>

using namespace cubelink::imaging;

namespace {

constexpr std::int64_t width = 9, height = 7, depth = 5;
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

struct Sample {
    std::vector<float> real, imaginary, weight; // x fastest, then y, channel
    std::string file;
    double weighted(std::size_t i, double value) const { return weight.empty() || weight[i] > 0 ? value : double(nan); }
    double amplitude(std::size_t i) const { return weighted(i, std::hypot(double(real[i]), double(imaginary[i]))); }
};

/// A cube of complex numbers whose parts lie along axis `axis` (0 to 3) of the file.
Sample sample(std::size_t axis, std::int64_t parts, const std::vector<std::string>& more = {}, std::array<std::size_t, 3> order = {0, 1, 2}) {
    Sample made;
    const auto count = std::size_t(width * height * depth);
    std::mt19937 random(static_cast<unsigned>(axis * 10 + std::size_t(parts)));
    std::normal_distribution<float> normal;
    for (auto* values : {&made.real, &made.imaginary, &made.weight}) {
        values->resize(count);
        for (float& value : *values) value = normal(random);
    }
    made.real[3] = nan;
    made.imaginary[4] = nan;
    made.imaginary[5] = std::numeric_limits<float>::infinity();
    made.weight[8] = nan;
    made.weight[9] = 0;
    std::vector<std::int64_t> axes{width, height, depth}, steps;
    axes.insert(axes.begin() + static_cast<std::ptrdiff_t>(axis), parts);
    for (std::size_t i = 0; i < 4; ++i) steps.push_back(i == 0 ? 1 : steps.back() * axes[i - 1]);
    std::vector<float> stored(count * std::size_t(parts));
    for (std::int64_t i = 0; i < std::int64_t(count); ++i) {
        const std::array<std::int64_t, 3> position{i % width, i / width % height, i / width / height};
        for (std::int64_t part = 0; part < parts; ++part) {
            std::int64_t at = part * steps[axis];
            for (std::size_t k = 0; k < 3; ++k) at += position[k] * steps[k < axis ? k : k + 1];
            const auto& values = order[std::size_t(part)] == 0 ? made.real : order[std::size_t(part)] == 1 ? made.imaginary : made.weight;
            stored[std::size_t(at)] = values[std::size_t(i)];
        }
    }
    if (parts == 2) made.weight.clear();
    std::vector<std::string> cards;
    const std::array types{"RA---SIN", "DEC--SIN", "FREQ"};
    for (std::size_t i = 0, k = 0; i < 4; ++i) {
        const std::string n = std::to_string(i + 1);
        cards.push_back("CTYPE" + n + "  = '" + (i == axis ? std::string("COMPLEX") : std::string(types[k])) + "'");
        if (i != axis) {
            cards.push_back("CRVAL" + n + "  = " + std::to_string(10 * (k + 1)) + ".0");
            cards.push_back("CDELT" + n + "  = 0.0" + std::to_string(k + 1));
            cards.push_back("CRPIX" + n + "  = " + std::to_string(k + 1) + ".0");
            ++k;
        }
    }
    cards.insert(cards.end(), more.begin(), more.end());
    made.file = samples::primary_header(-32, axes, cards) + samples::padded(samples::floats(stored));
    return made;
}

bool same(double got, double expected, double tolerance = 1e-6) {
    if (!std::isfinite(expected)) return !std::isfinite(got);
    return std::fabs(got - expected) <= tolerance * std::max(1.0, std::fabs(expected));
}

template <class Expected>
void check_all_reads(const ImageSource& source, const Expected& expected) {
    CHECK(source.shape() == ImageShape{width, height, depth, 1});
    const auto at = [&](std::int64_t x, std::int64_t y, std::int64_t channel) { return expected(std::size_t((channel * height + y) * width + x)); };
    std::mt19937 random(11);
    const auto below = [&](std::int64_t n) { return std::uniform_int_distribution<std::int64_t>(0, n - 1)(random); };
    for (int round = 0; round < 20; ++round) {
        const std::int64_t x0 = below(width), y0 = below(height), x1 = x0 + 1 + below(width - x0), y1 = y0 + 1 + below(height - y0);
        const auto from = std::int32_t(below(depth)), to = std::int32_t(from + 1 + below(depth - from));
        const Rect rect{x0, y0, x1, y1};
        const auto size = std::size_t(rect.size());
        std::vector<float> plane(size), box(size * std::size_t(to - from)), spectrum(std::size_t(to - from));
        std::vector<double> plane64(size);
        source.read(rect, {from, 0}, plane, 2, {});
        source.read64(rect, {from, 0}, plane64, 2, {});
        source.read_box(rect, {from, to}, 0, box, 2, {});
        source.read_spectrum(x0, y0, 0, from, spectrum, {});
        std::vector<PixelRun> runs;
        for (std::int64_t y = y0; y < y1; ++y) runs.push_back({y, x0, x1});
        std::vector<float> masked(box.size()), pixels(box.size());
        std::vector<double> pixels64(box.size());
        source.read_masked(PixelMask(runs), {from, to}, 0, masked, 2, {});
        source.read_pixels(runs, {from, to}, 0, pixels, {});
        source.read_pixels64(runs, {from, to}, 0, pixels64, {});
        bool good = true;
        std::size_t i = 0;
        for (std::int64_t channel = from; channel < to; ++channel) {
            good = good && same(spectrum[std::size_t(channel - from)], at(x0, y0, channel));
            for (std::int64_t y = y0; y < y1; ++y) {
                for (std::int64_t x = x0; x < x1; ++x, ++i) {
                    const double value = at(x, y, channel);
                    if (channel == from) good = good && same(plane[i], value) && same(plane64[i], value);
                    good = good && same(box[i], value) && same(masked[i], value) && same(pixels[i], value) && same(pixels64[i], value);
                }
            }
        }
        CHECK(good);
    }
}

} // namespace

TEST_CASE("complex numbers along any axis are read as amplitudes, real and imaginary parts") {
    const samples::TemporaryFolder folder;
    for (std::size_t axis = 0; axis < 4; ++axis) {
        for (const std::int64_t parts : {2, 3}) {
            CAPTURE(axis);
            CAPTURE(parts);
            const Sample made = sample(axis, parts);
            const FitsImage image = open_fits(folder.write("complex.fits", made.file), "");
            CHECK(image.info.data_type == "Complex");
            CHECK(image.info.shape == ImageShape{width, height, depth, 1});
            CHECK(image.info.axis_names == std::vector<std::string>{"RA", "DEC", "FREQ"});
            CHECK(image.info.dimensions == 3);
            CHECK(image.info.find("NAXIS")->value == "3");
            CHECK(image.info.find("CTYPE3")->value == "FREQ");
            CHECK(image.info.find("CRVAL3")->numeric_value == 30);
            CHECK(image.info.find("CTYPE4") == nullptr);
            CHECK(image.info.find("NAXIS4") == nullptr);
            CHECK(image.info.find("NAXIS3")->value == "5");
            REQUIRE(image.wcs);
            CHECK(image.wcs->axes() == 3);
            CHECK(image.cards.find("COMPLEX") == std::string::npos);
            REQUIRE(image.complex);
            CHECK(!image.source->identity().is_computed());
            CHECK(image.complex->real->identity() != image.complex->imaginary->identity());
            CHECK(image.complex->real->identity() != image.source->identity());
            check_all_reads(*image.source, [&](std::size_t i) { return made.amplitude(i); });
            const auto weighted = [&](const std::vector<float>& values) {
                return [&](std::size_t i) { return made.weighted(i, double(values[i])); };
            };
            check_all_reads(*image.complex->real, weighted(made.real));
            check_all_reads(*image.complex->imaginary, weighted(made.imaginary));
        }
    }
}

TEST_CASE("the order of the parts is the header's") {
    const samples::TemporaryFolder folder;
    const auto check = [&](const std::vector<std::string>& more, std::array<std::size_t, 3> order, std::int64_t parts) {
        const Sample made = sample(3, parts, more, order);
        const FitsImage image = open_fits(folder.write("complex.fits", made.file), "");
        check_all_reads(*image.source, [&](std::size_t i) { return made.amplitude(i); });
        check_all_reads(*image.complex->real, [&](std::size_t i) { return made.weighted(i, double(made.real[i])); });
    };
    check({"CRVAL4  = 2.0", "CDELT4  = -1.0", "CRPIX4  = 1.0"}, {1, 0, 2}, 2);
    check({"CRVAL4  = 2.0", "CDELT4  = -1.0", "CRPIX4  = 2.0"}, {2, 1, 0}, 3);
    // What names no parts is the usual order.
    check({"CRVAL4  = 17.0", "CDELT4  = -1.0", "CRPIX4  = 1.0"}, {0, 1, 2}, 2);
}

TEST_CASE("long rows of pixels that lie some pixels apart") {
    const samples::TemporaryFolder folder;
    for (const std::int64_t apart : {2, 3, 8, 9}) {
        constexpr std::int64_t long_width = 70001, rows = 3;
        std::vector<float> stored(std::size_t(apart * long_width * rows));
        for (std::size_t i = 0; i < stored.size(); ++i) stored[i] = float(i);
        const auto path = folder.write("apart.fits", samples::primary_header(-32, {apart, long_width, rows}, {"CTYPE1  = 'STOKES'", "CTYPE2  = 'RA---SIN'", "CTYPE3  = 'DEC--SIN'"}) +
                                                         samples::padded(samples::floats(stored)));
        const FitsImage image = open_fits(path, "");
        REQUIRE(image.source->shape() == ImageShape{long_width, rows, 1, apart});
        const Rect rect{5, 1, long_width - 2, rows};
        std::vector<float> got(std::size_t(rect.size()));
        std::vector<double> got64(got.size());
        const auto stokes = std::int32_t(apart - 1);
        image.source->read(rect, {0, stokes}, got, 2, {});
        image.source->read64(rect, {0, stokes}, got64, 2, {});
        bool good = true;
        for (std::int64_t i = 0; i < rect.size(); ++i) {
            const std::int64_t x = rect.x0 + i % rect.width(), y = rect.y0 + i / rect.width();
            const float value = float((y * long_width + x) * apart + stokes);
            good = good && got[std::size_t(i)] == value && got64[std::size_t(i)] == value;
        }
        CHECK(good);
    }
}

TEST_CASE("an axis of complex numbers is one only where it can be") {
    const auto open = [folder = samples::TemporaryFolder()](const std::vector<std::int64_t>& axes, const std::vector<std::string>& cards) {
        std::int64_t count = 1;
        for (const std::int64_t length : axes) count *= length;
        return open_fits(folder.write("image.fits", samples::primary_header(-32, axes, cards) + samples::padded(samples::floats(std::vector<float>(std::size_t(count), 1)))), "");
    };
    CHECK(!open({8, 2}, {"CTYPE2  = 'COMPLEX'"}).complex);
    CHECK(!open({8, 6, 1}, {"CTYPE3  = 'COMPLEX'"}).complex);
    CHECK(!open({8, 6, 4}, {"CTYPE3  = 'COMPLEX'"}).complex);
    CHECK(!open({8, 6, 2}, {"CTYPE3  = 'COMPLEXITY'"}).complex);
    CHECK(open({8, 6, 2}, {"CTYPE3  = 'complex '"}).complex);
    const auto five = open({4, 5, 3, 2, 2}, {"CTYPE3  = 'FREQ'", "CTYPE4  = 'COMPLEX'", "CTYPE5  = 'STOKES'", "CRVAL5  = 1.0", "CDELT5  = 1.0", "CRPIX5  = 1.0"});
    CHECK(five.info.shape == ImageShape{4, 5, 3, 2});
    CHECK(five.info.stokes_names == std::vector<std::string>{"I", "Q"});
    CHECK_THROWS_AS(open({4, 5, 3, 2, 2}, {"CTYPE3  = 'FREQ'"}), ImageError);
    CHECK_THROWS_AS(open({4, 5, 3, 2, 2, 1}, {"CTYPE5  = 'COMPLEX'"}), ImageError);
}

TEST_CASE("cards of the axes behind a removed one are renumbered") {
    std::string records;
    for (const char* card : {"NAXIS   = 4", "NAXIS1  = 5", "NAXIS2  = 2", "NAXIS3  = 7", "NAXIS4  = 3", "WCSAXES = 4", "WCSAXESA= 4", "CTYPE2  = 'COMPLEX'", "CTYPE3  = 'DEC--SIN'",
                             "CTYPE3A = 'GLAT-SIN'", "CD3_4   = 1.5", "CD2_4   = 2.5", "PC004003= 3.5", "PC002003= 4.5", "PV3_12  = 5.5", "PV2_1   = 6.5", "PS4_0A  = 'x'", "CRPIX1  = 1.0",
                             "CRPIX4  = 4.0", "CRPIX12 = 7.0", "CD3     = 1.0", "OBJECT3X= 1", "COMMENT CTYPE3 stays", "CTYPE4  = 'a long type that is continued in a second record&'", "CONTINUE  'CTYPE4'"})
        records += samples::record(card);
    const Header header = without_axis(Header(records), 1);
    const auto number = [&](const char* name) { return header.number(name).value_or(-1); };
    CHECK(number("NAXIS") == 3);
    CHECK(number("NAXIS2") == 7);
    CHECK(number("NAXIS3") == 3);
    CHECK(!header.find("NAXIS4"));
    CHECK(number("WCSAXES") == 3);
    CHECK(number("WCSAXESA") == 3);
    CHECK(header.text("CTYPE2") == "DEC--SIN");
    CHECK(header.text("CTYPE2A") == "GLAT-SIN");
    CHECK(header.text("CTYPE3") == "a long type that is continued in a second recordCTYPE4");
    CHECK(!header.find("CTYPE4"));
    CHECK(number("CD2_3") == 1.5);
    CHECK(!header.find("CD2_4"));
    CHECK(!header.find("CD3_4"));
    CHECK(number("PC003002") == 3.5);
    CHECK(!header.find("PC002003"));
    CHECK(number("PV2_12") == 5.5);
    CHECK(!header.find("PV2_1"));
    CHECK(header.text("PS3_0A") == "x");
    CHECK(number("CRPIX1") == 1);
    CHECK(number("CRPIX3") == 4);
    CHECK(number("CRPIX11") == 7);
    CHECK(number("CD3") == 1);
    CHECK(header.find("OBJECT3X"));
    CHECK(std::count_if(header.cards().begin(), header.cards().end(), [](const Card& card) { return card.text == "COMMENT CTYPE3 stays"; }) == 1);
}
