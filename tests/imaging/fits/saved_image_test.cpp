#include "imaging/fits/open_fits.hpp"
#include "imaging/fits/saved_image.hpp"
#include "imaging/world/header.hpp"
#include "tests/imaging/fits/sample_files.hpp"
#include "tests/support/random_seed.hpp"

#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <random>

using namespace cubelink::imaging;

namespace {

std::string card(const std::string& keyword, const std::string& text) {
    std::string made = keyword;
    made.resize(8, ' ');
    return made + "= " + text;
}

struct Opened {
    samples::TemporaryFolder folder;
    OpenedImage image;
    explicit Opened(const std::vector<std::int64_t>& axes, const std::vector<std::string>& cards) {
        std::int64_t count = 1;
        for (const auto length : axes) count *= length;
        std::vector<float> values(static_cast<std::size_t>(count));
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
        image = open_fits(folder.write("source.fits", samples::primary_header(-32, axes, cards) + samples::padded(samples::floats(values))), "");
    }
};

SaveSelection everything(const OpenedImage& image) {
    const ImageShape& shape = image.source->shape();
    SaveSelection selection;
    selection.part = {{0, 0, shape.width, shape.height}, {0, shape.depth, 1}, {0, shape.stokes, 1}, nullptr};
    selection.date = "2026-01-02T03:04:05";
    return selection;
}

OpenedImage saved(Opened& from, const SaveSelection& selection) {
    auto made = saved_image({from.image.source, from.image.info, from.image.cards, from.image.wcs.get()}, selection);
    std::string bytes(made.file.size(), '\0');
    made.file.write([&](std::uint64_t at, std::span<const std::byte> part) { std::memcpy(bytes.data() + at, part.data(), part.size()); }, {});
    return open_fits(from.folder.write("saved.fits", bytes), "");
}

const std::vector<std::string> sky{card("CTYPE1", "'RA---SIN'"), card("CRVAL1", "150.0"), card("CRPIX1", "4.5"), card("CDELT1", "-0.01"), card("CUNIT1", "'deg'"),
                                   card("CTYPE2", "'DEC--SIN'"), card("CRVAL2", "-30.0"), card("CRPIX2", "3.0"), card("CDELT2", "0.01"),  card("CUNIT2", "'deg'")};

std::vector<std::string> with(std::vector<std::string> cards, const std::vector<std::string>& more) {
    cards.insert(cards.end(), more.begin(), more.end());
    return cards;
}

Header header_of_saved(const OpenedImage& image) { return Header(image.cards); }

} // namespace

TEST_CASE("saved image: any part has the pixels and the coordinates of the source") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto draw = [&](std::int64_t from, std::int64_t to) { return std::uniform_int_distribution<std::int64_t>(from, to)(random); };
    const std::vector<std::string> others{card("CTYPE3", "'FREQ'"), card("CRVAL3", "1.4E9"), card("CRPIX3", "2.0"), card("CDELT3", "1E6"), card("CUNIT3", "'Hz'"), card("RESTFRQ", "1.42E9"),
                                          card("CTYPE4", "'STOKES'"), card("CRVAL4", "1.0"), card("CRPIX4", "1.0"), card("CDELT4", "1.0")};
    const std::vector<std::vector<std::string>> headers{
        with(sky, others),
        with(with(sky, others), {card("PC1_2", "0.3"), card("PC2_1", "-0.2"), card("PC3_3", "0.5"), card("CRPIX1A", "1.0"), card("CTYPE1A", "'XPIX'"), card("CDELT1A", "2.0"), card("CD3_3B", "7.0")}),
        with(with(sky, others), {card("CD1_1", "-0.01"), card("CD1_2", "0.001"), card("CD2_1", "0.002"), card("CD2_2", "0.01"), card("CD3_3", "2E6"), card("CD4_4", "1.0")}),
        with(with(sky, others), {card("PC3_2", "0.1"), card("PC2_3", "0.05")}), // channels that move over the sky
        with(with(sky, others), {card("CROTA2", "30.0")}),
    };
    for (const auto& cards : headers) {
        Opened source({8, 6, 9, 4}, cards);
        for (int round = 0; round < 25; ++round) {
            auto selection = everything(source.image);
            auto& part = selection.part;
            part.rect.x0 = draw(0, 7);
            part.rect.x1 = draw(part.rect.x0 + 1, 8);
            part.rect.y0 = draw(0, 5);
            part.rect.y1 = draw(part.rect.y0 + 1, 6);
            part.channels = {draw(0, 8), 1, draw(1, 3)};
            part.channels.count = draw(1, (8 - part.channels.from) / part.channels.step + 1);
            part.stokes = {draw(0, 3), 1, draw(1, 2)};
            part.stokes.count = draw(1, (3 - part.stokes.from) / part.stokes.step + 1);
            selection.keep_degenerate = draw(0, 1) != 0;
            const auto image = saved(source, selection);
            REQUIRE(image.wcs);
            CHECK(image.source->shape() == ImageShape{part.rect.width(), part.rect.height(), part.channels.count, part.stokes.count});
            for (int i = 0; i < 10; ++i) {
                const std::int64_t x = draw(0, part.rect.width() - 1), y = draw(0, part.rect.height() - 1), channel = draw(0, part.channels.count - 1), stokes = draw(0, part.stokes.count - 1);
                float pixel = 0, expected = 0;
                image.source->read({x, y, x + 1, y + 1}, {static_cast<int>(channel), static_cast<int>(stokes)}, {&pixel, 1}, 1, {});
                const std::int64_t sx = x + part.rect.x0, sy = y + part.rect.y0, sc = part.channels.index(channel), ss = part.stokes.index(stokes);
                source.image.source->read({sx, sy, sx + 1, sy + 1}, {static_cast<int>(sc), static_cast<int>(ss)}, {&expected, 1}, 1, {});
                CHECK(pixel == expected);
                const auto world = image.wcs->pixel_to_world({static_cast<double>(x), static_cast<double>(y)}, static_cast<double>(channel), static_cast<double>(stokes));
                const auto before = source.image.wcs->pixel_to_world({static_cast<double>(sx), static_cast<double>(sy)}, static_cast<double>(sc), static_cast<double>(ss));
                std::size_t axis = 0;
                for (std::size_t k = 0; k < before.size(); ++k) {
                    const bool dropped = !selection.keep_degenerate && image.info.axis_lengths.size() < 4 && k >= 2 &&
                                         image.info.axis_names[std::min(axis, image.info.axis_names.size() - 1)] != source.image.info.axis_names[k];
                    if (dropped || axis >= world.size()) continue;
                    CHECK(world[axis] == doctest::Approx(before[k]).epsilon(1e-12));
                    ++axis;
                }
                CHECK(axis == world.size());
            }
        }
    }
}

TEST_CASE("saved image: degenerate axes go with all of their cards, and nothing is left that refers to them") {
    const auto cards = with(sky, {card("CTYPE3", "'STOKES'"), card("CRVAL3", "2.0"), card("CRPIX3", "1.0"), card("CDELT3", "1.0"), card("CTYPE4", "'FREQ'"), card("CRVAL4", "1.4E9"),
                                  card("CRPIX4", "1.0"), card("CDELT4", "1E6"), card("CUNIT4", "'Hz'"), card("CNAME4", "'Frequency'"), card("PC4_4", "1.0"), card("PV4_1", "1.0"),
                                  card("CRVAL4A", "3.0"), card("WCSAXES", "4"), card("RESTFRQ", "1.42E9"), card("SPECSYS", "'LSRK'"), card("OBJECT", "'x'")});
    Opened source({8, 6, 1, 5}, cards);
    auto selection = everything(source.image);
    selection.keep_degenerate = false;
    auto header = header_of_saved(saved(source, selection));
    CHECK(header.integer("NAXIS") == 3);
    CHECK(header.integer("WCSAXES") == 3);
    CHECK(header.text("CTYPE3") == "FREQ");
    CHECK(header.text("CNAME3") == "Frequency");
    CHECK(header.number("PC3_3") == 1.0);
    CHECK(header.number("PV3_1") == 1.0);
    CHECK(header.number("CRVAL3A") == 3.0);
    CHECK(header.find("CTYPE4") == nullptr);
    CHECK(header.number("RESTFRQ") == 1.42e9);
    selection.part.channels = {2, 1, 1};
    header = header_of_saved(saved(source, selection));
    CHECK(header.integer("NAXIS") == 2);
    CHECK(header.find("RESTFRQ") == nullptr);
    CHECK(header.find("SPECSYS") == nullptr);
    CHECK(header.find("CTYPE3") == nullptr);
    CHECK(header.text("OBJECT") == "x");
    selection.part.rect = {3, 2, 4, 3}; // the axes of the picture stay
    const auto pixel = saved(source, selection);
    CHECK(pixel.info.axis_lengths == std::vector<std::int64_t>{1, 1});
}

TEST_CASE("saved image: cards that don't hold any more, and cards that can't be read") {
    auto cards = with(sky, {card("BLANK", "5"), card("DATAMAX", "3.0"), card("CHECKSUM", "'abc'"), card("lower", "7"), card("BAD.KEY", "7"), card("NOVALUE", "what is this"),
                            card("SMALL", "1.5e-3"), "NOBLANK ='text'", card("OPEN", "'no end"), card("COMPLEX", "(1.0, -2.5)"), card("EMPTY", "/ nothing"), "CONTINUE  'orphan'",
                            card("EXTNAME", "'IT''S'"), card("LONG", "'one &'"), "CONTINUE  'two&'", "CONTINUE  'three' / end", "HISTORY of old", card("DP1", "'EXTVER: 1'"),
                            card("DP1", "'NAXES: 2'"), card("CPDIS1", "'Lookup'"), card("OBJECT", "'first'"), card("OBJECT", "'second'")});
    Opened source({8, 6}, cards);
    auto selection = everything(source.image);
    selection.history = {"what was done " + std::string(100, 'x'), "caf\xC3\xA9"};
    const auto image = saved(source, selection);
    const auto header = header_of_saved(image);
    for (const char* gone : {"BLANK", "DATAMAX", "CHECKSUM", "BAD.KEY", "NOVALUE", "DP1", "CPDIS1"}) CHECK(header.find(gone) == nullptr);
    CHECK(header.integer("LOWER") == 7);
    CHECK(header.number("SMALL") == 1.5e-3);
    CHECK(header.text("NOBLANK") == "text");
    CHECK(header.text("OPEN") == "no end");
    CHECK(header.text("EXTNAME") == "IT'S");
    CHECK(header.text("LONG") == "one twothree");
    CHECK(header.text("OBJECT") == "first");
    CHECK(header.text("DATE") == "2026-01-02T03:04:05");
    CHECK(image.cards.find("COMMENT NOVALUE = what is this") != std::string::npos);
    CHECK(image.cards.find("COMMENT BAD.KEY = 7") != std::string::npos);
    CHECK(image.cards.find("HISTORY of old") < image.cards.find("HISTORY what was done"));
    CHECK(image.cards.find("HISTORY caf??") != std::string::npos);
}

TEST_CASE("saved image: another rest frequency") {
    constexpr double c = 299792458.0;
    for (const char* type : {"VRAD", "VOPT", "VELO", "VOPT-F2W", "VELO-F2V", "VRAD-W2F", "FREQ", "WAVE"}) {
        CAPTURE(type);
        const std::string name(type);
        const bool velocity = name[0] == 'V';
        const auto cards = with(sky, {card("CTYPE3", "'" + name + "'"), card("CRVAL3", velocity ? "1500.0" : name == "FREQ" ? "1.4E9" : "0.21"), card("CRPIX3", "2.0"),
                                      card("CDELT3", velocity ? "-300.0" : name == "FREQ" ? "1E6" : "1E-4"), card("CUNIT3", velocity ? "'km/s'" : name == "FREQ" ? "'Hz'" : "'m'"), card("RESTFREQ", "1.42E9")});
        Opened source({8, 6, 9}, cards);
        auto selection = everything(source.image);
        selection.rest_frequency = 1.3e9;
        selection.part.channels = {1, 4, 2};
        const auto image = saved(source, selection);
        CHECK(image.info.rest_frequency == 1.3e9);
        CHECK(header_of_saved(image).find("RESTFREQ") == nullptr);
        const auto before = source.image.wcs->spectral_axis()->values(SpectralKind::frequency), after = image.wcs->spectral_axis()->values(SpectralKind::frequency);
        REQUIRE(after.size() == 4);
        for (std::size_t i = 0; i < 4; ++i) CHECK(after[i] == doctest::Approx(before[1 + 2 * i]).epsilon(1e-12));
        if (velocity) CHECK(std::fabs(image.wcs->spectral_axis()->native_values()[0] - source.image.wcs->spectral_axis()->native_values()[1]) > 0.01 * c);
    }
    Opened source({8, 6, 9}, with(sky, {card("CTYPE3", "'VRAD'"), card("CRVAL3", "1500.0"), card("CDELT3", "-300.0"), card("CUNIT3", "'km/s'")}));
    auto selection = everything(source.image);
    selection.rest_frequency = 1.3e9;
    CHECK_THROWS_AS(saved(source, selection), ImageError);
}

TEST_CASE("saved image: axes without coordinates between others get the standard's") {
    Opened source({8, 6, 1, 5}, {card("CTYPE3", "'STOKES'"), card("CRVAL3", "2.0"), card("CRPIX3", "1.0"), card("CDELT3", "1.0")});
    auto selection = everything(source.image);
    const auto image = saved(source, selection);
    const auto header = header_of_saved(image);
    for (const char* axis : {"1", "2"}) {
        CHECK(header.text(std::string("CTYPE") + axis) == "");
        CHECK(header.number(std::string("CRPIX") + axis) == 0.0);
        CHECK(header.number(std::string("CRVAL") + axis) == 0.0);
    }
    CHECK(header.find("CTYPE4") == nullptr);
    CHECK(image.info.axes.stokes == source.image.info.axes.stokes);
    CHECK(image.info.axes.spectral == source.image.info.axes.spectral);
    CHECK(image.wcs->pixel_to_world({3, 2}, 1, 0) == source.image.wcs->pixel_to_world({3, 2}, 1, 0));
    // Without any there are none afterwards.
    Opened bare({8, 6}, {});
    CHECK(header_of_saved(saved(bare, everything(bare.image))).find("CTYPE1") == nullptr);
}

TEST_CASE("saved image: a rest frequency that leaves velocities of no use is refused") {
    for (const char* type : {"VRAD", "VOPT", "VELO", "VOPT-F2W", "VELO-F2V", "VRAD-W2F"}) {
        CAPTURE(type);
        Opened source({8, 6, 9}, with(sky, {card("CTYPE3", "'" + std::string(type) + "'"), card("CRVAL3", "1500.0"), card("CRPIX3", "2.0"), card("CDELT3", "-300.0"), card("CUNIT3", "'km/s'"),
                                            card("RESTFRQ", "1.42E9")}));
        auto selection = everything(source.image);
        for (const double rest : {5e-324, 1e-300, 1e-20, 1.0, 1e3, 1e12, 1e18, 1e22, 1e100, 1.7e308}) {
            CAPTURE(rest);
            selection.rest_frequency = rest;
            try {
                const auto image = saved(source, selection);
                // What is not refused is of use.
                REQUIRE(image.wcs->spectral_axis());
                const auto& values = image.wcs->spectral_axis()->native_values();
                const bool rises = values[1] > values[0];
                for (std::size_t i = 0; i < values.size(); ++i) {
                    CHECK(std::isfinite(values[i]));
                    if (i > 0) CHECK((rises ? values[i] > values[i - 1] : values[i] < values[i - 1]));
                }
            } catch (const ImageError& error) {
                CHECK(std::string(error.what()).find("rest frequency of") != std::string::npos);
                CHECK((rest < 1e6 || rest > 1e15));
            }
        }
    }
}

TEST_CASE("saved image: several as extensions of one file") {
    Opened one({4, 3}, with(sky, {card("EXTNAME", "'SOURCE'"), card("EXTVER", "7"), card("OBJECT", "'ONE'")}));
    Opened two({5, 2}, with(sky, {card("OBJECT", "'TWO'")}));
    FitsFile file;
    file.add_empty_primary();
    for (const auto& [source, name] : {std::pair{&one, "first"}, std::pair{&two, "second"}}) {
        auto selection = everything(source->image);
        selection.extension_name = name;
        CHECK(add_saved_image(file, {source->image.source, source->image.info, source->image.cards, source->image.wcs.get()}, selection).empty());
    }
    std::string bytes(file.size(), '\0');
    file.write([&](std::uint64_t at, std::span<const std::byte> part) { std::memcpy(bytes.data() + at, part.data(), part.size()); }, {});
    const auto path = one.folder.write("several.fits", bytes);
    const auto first = open_fits(path, "first"), second = open_fits(path, "second");
    CHECK(first.info.shape == ImageShape{4, 3, 1, 1});
    CHECK(second.info.shape == ImageShape{5, 2, 1, 1});
    CHECK(header_of_saved(first).text("OBJECT") == "ONE");
    CHECK(header_of_saved(second).text("OBJECT") == "TWO");
    CHECK_FALSE(header_of_saved(first).integer("EXTVER"));
}
