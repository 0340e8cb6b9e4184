#include "imaging/fits/open_fits.hpp"
#include "imaging/fits/stokes_hypercube.hpp"
#include "imaging/pixels/polarization.hpp"
#include "tests/imaging/fits/sample_files.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace cubelink::imaging;

namespace {

using Cards = std::vector<std::string>;

const Cards cube_world{"CTYPE1  = 'RA---SIN'", "CRVAL1  = 180.0", "CDELT1  = -0.001", "CRPIX1  = 4.0", "CUNIT1  = 'deg'", "CTYPE2  = 'DEC--SIN'", "CRVAL2  = 10.0",
                       "CDELT2  = 0.001", "CRPIX2  = 3.0", "CUNIT2  = 'deg'", "CTYPE3  = 'FREQ'", "CRVAL3  = 1.4E9", "CDELT3  = 1E6", "CRPIX3  = 1.0", "CUNIT3  = 'Hz'",
                       "BUNIT   = 'Jy/beam'", "RADESYS = 'FK5'", "EQUINOX = 2000.0", "SPECSYS = 'LSRK'", "RESTFRQ = 1.42E9"};

Cards changed(Cards cards, const std::string& keyword, const std::string& card) {
    for (auto& one : cards)
        if (one.starts_with(keyword)) one = card;
    return cards;
}
Cards with(Cards cards, const Cards& more) {
    cards.insert(cards.end(), more.begin(), more.end());
    return cards;
}

class Maker {
public:
    /// Each pixel has the value of its index + 1000 · the polarization.
    StokesPart part(int polarization, const Cards& cards = cube_world, const std::vector<std::int64_t>& axes = {6, 5, 4}, const std::string& name = "") {
        std::size_t count = 1;
        for (const auto length : axes) count *= std::size_t(length);
        std::vector<float> values(count);
        for (std::size_t i = 0; i < count; ++i) values[i] = float(i) + 1000 * float(polarization);
        OpenOptions options;
        options.name = name.empty() ? "image" + std::to_string(++made_) + ".fits" : name;
        const auto path = folder_.write("file" + std::to_string(++made_), samples::primary_header(-32, axes, cards) + samples::padded(samples::floats(values)));
        return {open_fits(path, "", options), polarization};
    }
    template <class... Parts>
    OpenedImage join(Parts... parts) {
        std::vector<StokesPart> all;
        (all.push_back(std::move(parts)), ...);
        return join_polarizations(std::move(all), "joined.fits", nullptr);
    }
    template <class... Parts>
    std::string why_not(Parts... parts) {
        try {
            join(std::move(parts)...);
        } catch (const ImageError& error) { return error.what(); }
        return "";
    }

private:
    samples::TemporaryFolder folder_;
    int made_ = 0;
};

float first_value(const ImageSource& source, std::int32_t channel, std::int32_t stokes) {
    float value = 0;
    source.read({0, 0, 1, 1}, {channel, stokes}, {&value, 1}, 1, {});
    return value;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("polarizations in any order become a stokes axis in FITS's order") {
    Maker make;
    const OpenedImage joined = make.join(make.part(4), make.part(1), make.part(3), make.part(2));
    CHECK(joined.info.shape == ImageShape{6, 5, 4, 4});
    CHECK(joined.info.stokes_names == std::vector<std::string>{"I", "Q", "U", "V"});
    CHECK(joined.info.axis_names == std::vector<std::string>{"RA", "DEC", "FREQ", "STOKES"});
    CHECK(joined.info.name == "joined.fits");
    CHECK(joined.info.warnings.empty());
    CHECK(joined.info.find("NAXIS4")->value == "4");
    CHECK(joined.info.find("CTYPE4")->value == "STOKES");
    CHECK(joined.info.find("CRVAL4")->numeric_value == 1);
    CHECK(joined.info.find("CDELT4")->numeric_value == 1);
    CHECK(joined.info.find("CRPIX4")->numeric_value == 1);
    for (std::int32_t stokes = 0; stokes < 4; ++stokes) CHECK(first_value(*joined.source, 2, stokes) == float(60 + 1000 * (stokes + 1)));
    // NAXIS4 follows NAXIS3.
    CHECK(joined.cards.find("NAXIS4") == joined.cards.find("NAXIS3") + 80);
    REQUIRE(joined.wcs);
    CHECK(joined.wcs->pixel_to_world({3, 2}, 1, 2).at(3) == doctest::Approx(3));
    CHECK(joined.wcs->pixel_to_world({3, 2}, 1, 2).at(2) == doctest::Approx(1.401e9));
    const PolarizationSource computed(joined.source, joined.info.stokes_types);
    CHECK(first_value(computed, 0, 14) == doctest::Approx(std::hypot(2000.0, 3000.0)));
    CHECK(first_value(computed, 0, 13) == doctest::Approx(std::sqrt(4e6 + 9e6 + 16e6)));
}

TEST_CASE("two polarizations are as far apart as they are, more must be equally spaced") {
    Maker make;
    const auto axis = [&](const OpenedImage& image) { return std::pair{image.info.find("CRVAL4")->numeric_value, image.info.find("CDELT4")->numeric_value}; };
    CHECK(axis(make.join(make.part(4), make.part(1))) == std::pair{1.0, 3.0});
    CHECK(axis(make.join(make.part(6), make.part(5))) == std::pair{-1.0, -1.0}); // RR, LL
    CHECK(axis(make.join(make.part(9), make.part(1))) == std::pair{1.0, -6.0});  // I, XX
    const OpenedImage linear = make.join(make.part(12), make.part(10), make.part(9), make.part(11));
    CHECK(axis(linear) == std::pair{-5.0, -1.0});
    CHECK(linear.info.stokes_names == std::vector<std::string>{"XX", "YY", "XY", "YX"});
    CHECK(has(make.why_not(make.part(1), make.part(2), make.part(4)), "I, Q, V can't be joined"));
    CHECK(has(make.why_not(make.part(1)), "at least two"));
    CHECK(has(make.why_not(make.part(2), make.part(2)), "polarization Q"));
    for (const int type : {0, 13, 17, -1}) CHECK(has(make.why_not(make.part(1), make.part(type)), "needs the polarization"));
}

TEST_CASE("an axis of one polarization is replaced, wherever it is") {
    Maker make;
    const Cards last = with(cube_world, {"CTYPE4  = 'STOKES'", "CRVAL4  = 3.0", "CDELT4  = 1.0", "CRPIX4  = 1.0", "CUNIT4  = ''"});
    const OpenedImage joined = make.join(make.part(2, last, {6, 5, 4, 1}), make.part(1));
    CHECK(joined.info.shape == ImageShape{6, 5, 4, 2});
    CHECK(joined.info.stokes_names == std::vector<std::string>{"I", "Q"});
    // Of the first type, which has no such axis here; and the other way round.
    const OpenedImage other = make.join(make.part(1, last, {6, 5, 4, 1}), make.part(2));
    CHECK(other.info.stokes_names == std::vector<std::string>{"I", "Q"});
    Cards third;
    for (auto card : cube_world) {
        if (card[5] == '3') card[5] = '4';
        third.push_back(card);
    }
    third = with(third, {"CTYPE3  = 'STOKES'", "CRVAL3  = 1.0", "CD1_1   = -0.001", "CD2_2   = 0.001", "CD3_3   = 1.0", "CD4_4   = 1E6"});
    const OpenedImage middle = make.join(make.part(3, third, {6, 5, 1, 4}), make.part(1, third, {6, 5, 1, 4}));
    CHECK(middle.info.shape == ImageShape{6, 5, 4, 2});
    CHECK(middle.info.stokes_names == std::vector<std::string>{"I", "U"});
    CHECK(middle.info.axes.stokes == 3);
    CHECK(middle.info.find("CD3_3")->numeric_value == 2);
    CHECK(first_value(*middle.source, 3, 1) == 3090);
    CHECK(has(make.why_not(make.part(1, third, {6, 5, 2, 4}), make.part(2, third, {6, 5, 2, 4})), "holds 2 polarizations"));
    // Two axes only.
    const OpenedImage flat = make.join(make.part(1, Cards(cube_world.begin(), cube_world.begin() + 10), {6, 5}), make.part(2, Cards(cube_world.begin(), cube_world.begin() + 10), {6, 5}));
    CHECK(flat.info.shape == ImageShape{6, 5, 1, 2});
    CHECK(flat.info.axes.stokes == 3);
}

TEST_CASE("beams of each polarization are kept") {
    Maker make;
    const auto beam = [&](const char* major) { return with(cube_world, {std::string("BMAJ    = ") + major, "BMIN    = 0.001", "BPA     = 30.0"}); };
    const OpenedImage same = make.join(make.part(1, beam("0.002")), make.part(2, beam("0.002")));
    REQUIRE(same.info.beams.size() == 1);
    CHECK(same.info.beams[0].channel == -1);
    CHECK(same.info.beams[0].major == doctest::Approx(7.2));
    const OpenedImage two = make.join(make.part(2, beam("0.003")), make.part(1, beam("0.002")));
    REQUIRE(two.info.beams.size() == 8);
    CHECK(two.info.find("BMAJ") == nullptr);
    for (int stokes = 0; stokes < 2; ++stokes) {
        for (int channel = 0; channel < 4; ++channel) {
            const Beam* found = find_beam(two.info.beams, channel, stokes);
            REQUIRE(found != nullptr);
            CHECK(found->major == doctest::Approx(stokes == 0 ? 7.2 : 10.8));
        }
    }
    const OpenedImage one_without = make.join(make.part(1), make.part(2, beam("0.002")));
    REQUIRE(one_without.info.beams.size() == 8);
    CHECK(!one_without.info.beams[0].valid());
    CHECK(one_without.info.beams[7].valid());
    CHECK(make.join(make.part(1), make.part(2)).info.beams.empty());
}

TEST_CASE("what does not agree is named") {
    Maker make;
    const auto why = [&](const Cards& other, const std::vector<std::int64_t>& axes = {6, 5, 4}) { return make.why_not(make.part(1, cube_world, {6, 5, 4}, "a.fits"), make.part(2, other, axes, "b.fits")); };
    CHECK(why(cube_world).empty());
    CHECK(has(why(cube_world, {6, 5, 3}), "6 × 5 pixels and 4 channels, the second 6 × 5 pixels and 3 channels"));
    CHECK(has(why(cube_world, {6, 5, 3}), "\"a.fits\" and \"b.fits\""));
    CHECK(has(why(changed(cube_world, "CRVAL1", "CRVAL1  = 180.01")), "axis 1 (RA) differs by"));
    CHECK(has(why(changed(cube_world, "CRVAL2", "CRVAL2  = 10.0005")), "axis 2 (DEC) differs by 0.5 pixels"));
    CHECK(has(why(changed(cube_world, "CRVAL3", "CRVAL3  = 1.402E9")), "axis 3 (FREQ) differs by 2 pixels"));
    CHECK(has(why(changed(cube_world, "CDELT3", "CDELT3  = 2E6")), "axis 3 (FREQ)"));
    CHECK(has(why(changed(cube_world, "RADESYS", "RADESYS = 'FK4'")), "celestial frame"));
    CHECK(has(why(changed(cube_world, "SPECSYS", "SPECSYS = 'TOPOCENT'")), "spectral frame"));
    CHECK(has(why(changed(cube_world, "CTYPE3", "CTYPE3  = 'VRAD'")), "axis 3 is FREQ in the first and VRAD"));
    CHECK(has(why(changed(cube_world, "CTYPE1", "CTYPE1  = 'GLON-SIN'")), "axis 1"));
    // The same world from another reference pixel, and rounded numbers, are no difference.
    CHECK(why(changed(changed(cube_world, "CRVAL3", "CRVAL3  = 1.402E9"), "CRPIX3", "CRPIX3  = 3.0")).empty());
    CHECK(why(changed(cube_world, "CRVAL2", "CRVAL2  = 10.00000001")).empty());
    // A frequency of one channel is compared too.
    CHECK(has(make.why_not(make.part(1, cube_world, {6, 5, 1}), make.part(2, changed(cube_world, "CRVAL3", "CRVAL3  = 5E9"), {6, 5, 1})), "axis 3 (FREQ)"));

    const auto warning = [&](const Cards& other) {
        const auto joined = make.join(make.part(1), make.part(2, other));
        return joined.info.warnings.empty() ? std::string() : joined.info.warnings.front();
    };
    CHECK(has(warning(changed(cube_world, "BUNIT", "BUNIT   = 'K'")), "units differ"));
    CHECK(has(warning(changed(cube_world, "RESTFRQ", "RESTFRQ = 1.6E9")), "rest frequencies"));

    const auto of_axis = [&](const char* value) {
        return make.join(make.part(1), make.part(2, with(cube_world, {"CTYPE4  = 'STOKES'", std::string("CRVAL4  = ") + value, "CDELT4  = 1.0", "CRPIX4  = 1.0"}), {6, 5, 4, 1}, "b.fits"));
    };
    CHECK(of_axis("2.0").info.warnings.empty());
    CHECK(of_axis("0.0").info.warnings.empty()); // says nothing that is known
    REQUIRE(of_axis("1.0").info.warnings.size() == 1);
    CHECK(has(of_axis("1.0").info.warnings[0], "\"b.fits\" is taken for polarization Q, its header says I"));
    CHECK(has(of_axis("-5.0").info.warnings[0], "says XX"));
}

TEST_CASE("names of joined images") {
    const auto name = [](std::vector<std::string> files, std::vector<int> types) { return hypercube_name(files, std::move(types)); };
    CHECK(name({"cube_I.fits", "cube_Q.fits"}, {1, 2}) == "cube_hypercube_IQ.fits");
    CHECK(name({"x/cube_V.fits", "y/cube_I.fits", "cube_U.fits", "cube_Q.fits"}, {4, 1, 3, 2}) == "cube_hypercube_IQUV.fits");
    CHECK(name({"I.cube.fits.gz", "Q.cube.fits.gz"}, {1, 2}) == "hypercube_IQ.cube.fits.gz");
    CHECK(name({"a.fits", "b.fits"}, {5, 6}) == "hypercube_RRLL.fits");
    CHECK(name({"one/same.fits", "two/same.fits"}, {1, 2}) == "samehypercube_IQ.fits");
    CHECK(name({"aa.fits", "aaa.fits"}, {1, 2}) == "aahypercube_IQ.fits");
    CHECK(name({"one", "two"}, {1, 2}) == "hypercube_IQ");
    CHECK(name({"", ""}, {1, 2}) == "hypercube_IQ");
}
