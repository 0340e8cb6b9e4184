#include "imaging/world/wcs_cards.hpp"

#include "imaging/world/frame_of_header.hpp"
#include "imaging/world/header.hpp"
#include "imaging/world/wcs_vocabulary.hpp"
#include "tests/imaging/fits/sample_files.hpp"

#include <doctest/doctest.h>
#include <set>

using namespace cubelink::imaging;
using samples::record;

namespace {

const std::string sky = record("CTYPE1  = 'RA---TAN'") + record("CTYPE2  = 'DEC--TAN'") + record("CRVAL1  = 10.0") + record("CRVAL2  = 20.0") + record("CDELT1  = -0.1") + record("CDELT2  = 0.1");

std::set<std::string> keywords_of(const WcsCards& cards) {
    const std::string records = cards.records(std::vector<bool>(WcsCards::axis_limit, false));
    CHECK(records.size() % 80 == 0);
    std::set<std::string> names;
    for (std::size_t at = 0; at < records.size(); at += 80) names.insert(records.substr(at, records.find_first_of(" =", at) - at));
    return names;
}

} // namespace

TEST_CASE("the vocabulary") {
    CHECK(find_wcs_keyword("CRVAL3")->first == 3);
    CHECK(find_wcs_keyword("CD1_2")->second == 2);
    CHECK(find_wcs_keyword("CD001002")->name == "CD1_2");
    CHECK(find_wcs_keyword("PC003001")->name == "PC3_1");
    CHECK(find_wcs_keyword("RESTFREQ")->name == "RESTFRQ");
    CHECK(find_wcs_keyword("PV2_39"));
    CHECK(find_wcs_keyword("A_2_0")->type == WcsValueType::real);
    CHECK(find_wcs_keyword("A_ORDER")->type == WcsValueType::integer);
    CHECK(find_wcs_keyword("PS3_0")->type == WcsValueType::text);
    for (const char* name : {"CRVAL", "CRVAL0", "CRVAL10", "CRVAL1A", "CD1", "CD1_", "CD0_1", "CD1_10", "CD00100", "CD0010020", "CD010001", "PV1_40", "PS1_3", "A_1", "A_1_10", "A_DMAX", "DATE-OBS", "MJD-OBS",
                             "CPDIS1", "DP1", "WAT1_001", "PPO7", "AMDX21", "CNPIX3", "", "_", "CTYPE-1", "PV1_-1"})
        CHECK_MESSAGE(!find_wcs_keyword(name), name);
}

TEST_CASE("only known keywords of the right type reach wcslib") {
    const std::string stray = record("XPIXELSZ= '12'") + record("CNPIX1  = 1") + record("AMDX1   = 1.0") + record("DATE-OBS= 5") + record("PS1_0   = 'x'") + record("VELREF  = 99999") + record("RESTFRQ = '1E9'") +
                              record("PV3_3   = 3") + record("SPECSYS = 4") + record("WCSAXES = 400") + record("HISTORY CRVAL1  = 3");
    CHECK(keywords_of(WcsCards(Header(sky + stray), {4, 3})) == keywords_of(WcsCards(Header(sky), {4, 3})));
}

TEST_CASE("numbers are printed with all their digits") {
    const WcsCards cards(Header(sky + record("CRPIX1  = 0.1d+1") + record("CRPIX2  = 3.14159265358979312")), {4, 3});
    const std::string records = cards.records(std::vector<bool>(WcsCards::axis_limit, false));
    CHECK(records.find("CRPIX1  = 1 ") != std::string::npos);
    CHECK(records.find("CRPIX2  = 3.1415926535897931 ") != std::string::npos);
}

TEST_CASE("a celestial axis that cannot be read costs its partner too, and nothing else") {
    const WcsCards cards(Header(sky + record("CRPIX1  = 1,5") + record("CTYPE3  = 'FREQ'") + record("CRVAL3  = 1E9")), {4, 3, 2});
    CHECK(cards.unusable()[0]);
    CHECK(cards.unusable()[1]);
    CHECK_FALSE(cards.unusable()[2]);
    CHECK(cards.any());
    REQUIRE(cards.warnings().size() == 1);
    CHECK(cards.warnings()[0] == "CRPIX1 cannot be read (1,5): axes 1 and 2 have no world coordinates");
    CHECK_FALSE(keywords_of(cards).contains("CTYPE1"));
    CHECK(keywords_of(cards).contains("CTYPE3"));
    CHECK_FALSE(WcsCards(Header(sky + record("CRPIX1  = 1,5")), {4, 3}).any());
}

TEST_CASE("an axis of tables passes on all its parameters or none") {
    const std::string table = record("CTYPE3  = 'WAVE-TAB'") + record("CUNIT3  = 'um'") + record("PS3_0   = 'T'") + record("PS3_1   = 'c'");
    const WcsCards good(Header(sky + table), {4, 3, 2});
    REQUIRE(good.table_axes().size() == 1);
    CHECK(good.table_axes()[0].to_si == doctest::Approx(1e-6).epsilon(1e-14));
    CHECK(good.table_axes()[0].array == ArrayRequest{"T", 1, 1, "c", 1});
    for (const char* card : {"PV3_3   = 3", "PV3_3   = 0", "PV3_3   = 'x'", "PV3_1   = 1,0", "PS3_0   = 5", "PS3_1   = ' '", "CUNIT3  = 's'"}) {
        const WcsCards bad(Header(sky + table + record(card)), {4, 3, 2});
        CHECK_MESSAGE(bad.unusable()[2], card);
        CHECK(bad.table_axes().empty());
        CHECK(keywords_of(bad) == keywords_of(WcsCards(Header(sky), {4, 3, 2})));
    }
}

TEST_CASE("equinoxes as people write them") {
    CHECK(parse_equinox("2000.0") == 2000);
    CHECK(parse_equinox("J2000") == 2000);
    CHECK(parse_equinox(" b1950.0") == 1950);
    CHECK(parse_equinox("1.95D3") == 1950);
    for (const char* text : {"", "J", "JJ2000", "2000-01-01", "0", "-2000", "1E9", "noon", "2000,0"}) CHECK_FALSE(parse_equinox(text));
}
