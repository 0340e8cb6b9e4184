// Headers of position-velocity images: frequencies of the channels as the source has them, whatever its spectral axis.

#include "imaging/analysis/position_velocity/pv_header.hpp"
#include "imaging/fits/describe_image.hpp"
#include "imaging/source/memory_image.hpp"
#include "imaging/world/header_editor.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace cubelink::imaging;

namespace {

struct SpectralCards {
    const char *ctype, *unit;
    double value, step, rest = 1.42e9;
};

constexpr std::int64_t depth = 200;

OpenedImage cube(const SpectralCards& spectral, BudgetCache& budget, int stokes = 0) {
    HeaderEditor cards;
    cards.set("SIMPLE", true);
    cards.set("BITPIX", -32);
    cards.set("NAXIS", stokes > 0 ? 4 : 3);
    cards.set("NAXIS1", 8);
    cards.set("NAXIS2", 6);
    cards.set("NAXIS3", depth);
    if (stokes > 0) cards.set("NAXIS4", stokes);
    cards.set("CTYPE1", "RA---SIN");
    cards.set("CTYPE2", "DEC--SIN");
    cards.set("CDELT1", -1e-3);
    cards.set("CDELT2", 1e-3);
    cards.set("CTYPE3", spectral.ctype);
    cards.set("CUNIT3", spectral.unit);
    cards.set("CRPIX3", 3.0);
    cards.set("CRVAL3", spectral.value);
    cards.set("CDELT3", spectral.step);
    if (stokes > 0) {
        cards.set("CTYPE4", "STOKES");
        cards.set("CRVAL4", -1.0);
        cards.set("CDELT4", -1.0);
        cards.set("CRPIX4", 1.0);
    }
    if (spectral.rest > 0) cards.set("RESTFRQ", spectral.rest);
    cards.set("SPECSYS", "LSRK", "the frame");
    cards.set("BUNIT", "Jy/beam");
    cards.set("OBJECT", "M31");
    cards.set("BMAJ", 2e-3);
    cards.set("BMIN", 1e-3);
    cards.set("BPA", 30.0);
    const auto source = std::make_shared<MemoryImage>(ImageShape{8, 6, depth, std::max(stokes, 1)}, budget);
    return describe_image(source, cards.header(), "cube.fits");
}

struct Made {
    PvHeader header;
    OpenedImage image;
};
Made pv_of(const OpenedImage& of, const PvHeaderSpec& spec, BudgetCache& budget) {
    Made made{pv_header(of.info, of.wcs.get(), header_of(of), spec), {}};
    const auto& h = made.header.header;
    made.image = describe_image(std::make_shared<MemoryImage>(ImageShape{*h.integer("NAXIS1"), *h.integer("NAXIS2"), 1, 1}, budget), h, "cube_pv.fits");
    return made;
}

std::string ctype_with_frequencies_of(const SpectralCards& cards, ChannelRange channels, std::int32_t rebin = 1, bool reverse = false) {
    BudgetCache budget{std::size_t{1} << 26};
    const auto of = cube(cards, budget);
    REQUIRE(of.wcs);
    REQUIRE(of.wcs->spectral_axis());
    const auto expected = of.wcs->spectral_axis()->values(SpectralKind::frequency);
    const auto made = pv_of(of, {.positions = 11, .channels = channels, .rebin_z = rebin, .reverse = reverse}, budget);
    REQUIRE(made.image.wcs);
    const std::int64_t count = (channels.count() + rebin - 1) / rebin;
    for (std::int64_t i = 0; i < count; ++i) {
        const double channel = channels.from + static_cast<double>(i) * rebin + (rebin - 1) / 2.0;
        if (channel > depth - 1) continue; // of an incomplete group
        const auto low = static_cast<std::size_t>(std::floor(channel)), high = static_cast<std::size_t>(std::ceil(channel));
        const double frequency = (expected[low] + expected[high]) / 2, step = std::abs(expected[1] - expected[0]) * rebin;
        const auto world = made.image.wcs->plane_world(reverse ? PixelPoint{static_cast<double>(i), 0} : PixelPoint{0, static_cast<double>(i)});
        REQUIRE(std::abs(world[reverse ? 0 : 1] - frequency) < 0.11 * step);
    }
    return made.header.header.text(reverse ? "CTYPE1" : "CTYPE2").value_or("");
}

} // namespace

TEST_CASE("channels have the frequencies that they have in the source") {
    CHECK(ctype_with_frequencies_of({"FREQ", "Hz", 1.4e9, 1e6}, {0, depth}) == "FREQ");
    CHECK(ctype_with_frequencies_of({"FREQ", "GHz", 1.4, -1e-3}, {20, 21}) == "FREQ");
    CHECK(ctype_with_frequencies_of({"FREQ", "MHz", 1400, 1}, {5, 150}, 4, true) == "FREQ");
    CHECK(ctype_with_frequencies_of({"VRAD", "km/s", 100, 5}, {10, 190}) == "FREQ");
    CHECK(ctype_with_frequencies_of({"VELO-LSR", "m/s", 1e5, 5e3}, {10, 190}).starts_with("FREQ"));
    CHECK(ctype_with_frequencies_of({"VOPT", "m/s", 1e5, 2}, {0, depth}) == "FREQ"); // straight enough
    CHECK(ctype_with_frequencies_of({"VOPT", "m/s", 1e6, 2e5}, {3, 180}) == "FREQ-W2F");
    CHECK(ctype_with_frequencies_of({"WAVE", "m", 0.21, 1e-4}, {0, depth}, 3, true) == "FREQ-W2F");
    CHECK(ctype_with_frequencies_of({"WAVE", "um", 2, 1e-3}, {199, 200}) == "FREQ");
    CHECK(ctype_with_frequencies_of({"AWAV", "Angstrom", 6000, 2}, {0, depth}).starts_with("FREQ-"));
    CHECK(ctype_with_frequencies_of({"VELO", "m/s", 1e7, 2e5}, {0, depth}) == "FREQ-V2F");
}

TEST_CASE("what there is in the header") {
    BudgetCache budget{std::size_t{1} << 26};
    const auto of = cube({"FREQ", "Hz", 1.4e9, 1e6}, budget, 2);
    const auto made = pv_of(of, {.positions = 11, .step = 2.5, .unit = "arcsec", .channels = {4, 9}, .stokes = 1, .history = "made by a test"}, budget);
    const auto& h = made.header.header;
    CHECK(h.integer("NAXIS") == 3);
    CHECK(h.integer("NAXIS1") == 11);
    CHECK(h.integer("NAXIS2") == 5);
    CHECK(h.integer("NAXIS3") == 1);
    CHECK(h.text("CTYPE1") == "Offset");
    CHECK(h.text("CUNIT1") == "arcsec");
    CHECK(h.number("CRPIX1") == 6);
    CHECK(h.number("CRVAL1") == 0);
    CHECK(h.number("CDELT1") == 2.5);
    CHECK(h.number("CRPIX2") == 1);
    CHECK(h.number("CRVAL2") == doctest::Approx(1.402e9));
    CHECK(h.text("CTYPE3") == "STOKES");
    CHECK(h.number("CRVAL3") == -2);
    CHECK(h.number("RESTFRQ") == 1.42e9);
    CHECK(h.text("SPECSYS") == "LSRK");
    CHECK(h.text("OBJECT") == "M31");
    CHECK(h.text("BUNIT") == "Jy/beam");
    REQUIRE(made.image.info.beams.size() == 1);
    CHECK(made.image.info.beams[0].major == doctest::Approx(7.2));
    CHECK(made.header.warning.empty());
    CHECK(made.image.info.stokes_types == std::vector{6}); // LL
    CHECK(made.image.info.axes.spectral == 2);
    CHECK(made.image.info.warnings.empty());

    const auto computed = pv_of(of, {.positions = 11, .channels = {4, 9}, .stokes = 14}, budget).header.header;
    CHECK(computed.number("CRVAL3") == 0);

    const auto polyline = pv_of(of, {.type = RegionType::polyline, .positions = 10, .unit = "milliarcsec", .channels = {4, 9}, .reverse = true}, budget).header.header;
    CHECK(polyline.text("CTYPE2") == "Distance");
    CHECK(polyline.text("CUNIT2") == "mas");
    CHECK(polyline.number("CRPIX2") == 1);
    CHECK(polyline.text("CTYPE1") == "FREQ");
}

TEST_CASE("channels without a frequency keep their axis") {
    BudgetCache budget{std::size_t{1} << 26};
    const auto of = cube({"VRAD", "km/s", 100, 5, 0}, budget);
    const auto made = pv_of(of, {.positions = 3, .channels = {10, 20}, .rebin_z = 2}, budget);
    const auto& h = made.header.header;
    CHECK(h.text("CTYPE2") == "VRAD");
    CHECK(h.text("CUNIT2") == "m/s");
    CHECK(h.number("CRVAL2") == doctest::Approx(1e5 + 8.5 * 5e3));
    CHECK(h.number("CDELT2") == doctest::Approx(1e4));
    auto info = of.info;
    info.axes.spectral = 0;
    CHECK_THROWS_AS(pv_header(info, of.wcs.get(), header_of(of), {.channels = {0, 1}}), ImageError);
    CHECK(why_no_spectral_axis(info) == "The image has no spectral axis.");
    info.axes.spectral = 1;
    CHECK(why_no_spectral_axis(info) == "The spectral axis is one of the two that are displayed: position-velocity images are made along a third one.");
}
