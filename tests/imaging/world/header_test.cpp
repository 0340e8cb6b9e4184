#include "imaging/world/axes.hpp"
#include "imaging/fits/hdu.hpp"
#include "imaging/world/header.hpp"
#include "imaging/world/units.hpp"
#include "tests/imaging/fits/sample_files.hpp"

#include <doctest/doctest.h>

using namespace cubelink::imaging;
using samples::record;

TEST_CASE("cards of all kinds") {
    const Header header(record("OBJECT  = 'O''Neill  '         / a name") + record("FLAG    =                    T") + record("COUNT   = 42 / answer") +
                        record("SMALL   = 1.5D-3") + record("EMPTY   =") + record("COMPLEX = (1.0, 2.0)") + record("HISTORY was here = 'no'") +
                        record("HIERARCH ESO INS = 5") + record("BAD     = 1.2.3") + record("OPEN    = 'never closed") + record("COUNT   = 43") +
                        record("BYTES   = 'caf\xe9'"));
    CHECK(header.text("OBJECT") == "O'Neill");
    CHECK(header.find("OBJECT")->comment == "a name");
    CHECK(header.is_true("FLAG"));
    CHECK(header.integer("COUNT") == 42); // the first one counts
    CHECK(header.number("SMALL") == 1.5e-3);
    CHECK(header.find("EMPTY")->kind == Card::Kind::empty);
    CHECK(header.find("BAD")->kind == Card::Kind::other);
    CHECK(header.text("OPEN") == "never closed");
    CHECK(header.text("BYTES") == "caf?");
    CHECK(header.find("HISTORY") == nullptr);

    const auto entries = header_entries(header);
    CHECK(entries[0].value == "O'Neill");
    CHECK(entries[1].value == "T");
    CHECK(entries[2].type == EntryType::integer);
    CHECK(entries[3].type == EntryType::floating);
    CHECK(entries[3].value == "1.500000000000E-03");
    CHECK(entries[5].type == EntryType::string);
    CHECK(entries[6].name == "HISTORY was here = 'no'");
    CHECK(entries[6].value.empty());
    CHECK(entries[7].name == "HIERARCH ESO INS = 5");
}

TEST_CASE("long strings go on in CONTINUE") {
    const Header header(record("LONG    = 'one &'") + record("CONTINUE  'two &' / first") + record("CONTINUE  'three' / second") + record("NEXT    = 1"));
    CHECK(header.text("LONG") == "one two three");
    CHECK(header.find("LONG")->comment == "first second");
    CHECK(header.cards().size() == 2);
}

TEST_CASE("pixels and years in short form, AIPS types taken apart, units in their usual spelling") {
    const Header header(record("CRPIX1  = 256.0") + record("EQUINOX = 2000.0") + record("CTYPE3  = 'VELO-LSR'") + record("BUNIT   = 'JY/BEAM'") + record("CUNIT1  = 'DEG'"));
    const auto entries = header_entries(header);
    CHECK(entries[0].value == "256");
    CHECK(entries[0].type == EntryType::floating);
    CHECK(entries[1].value == "2000");
    CHECK(entries[2].value == "VELO");
    CHECK(entries[3].name == "SPECSYS");
    CHECK(entries[3].value == "LSR");
    CHECK(entries[4].value == "Jy/beam");
    CHECK(entries[5].value == "deg");
}

TEST_CASE("numbers") {
    CHECK(parse_fits_number("+1.5E3") == 1500.0);
    CHECK(parse_fits_number(".5") == 0.5);
    CHECK(parse_fits_number("-7") == -7.0);
    CHECK(parse_fits_number("1E-999") == 0.0);
    for (const char* text : {"", "nan", "inf", "1E999", "1 2", "+-1", "0x10", "E5", "1.2.3"}) CHECK_FALSE(parse_fits_number(text));
}

TEST_CASE("units") {
    CHECK(normalise_unit("JY/BEAM") == "Jy/beam");
    CHECK(normalise_unit("Jy/beam") == "Jy/beam");
    CHECK(normalise_unit("beam-1 Jy") == "Jy/beam");
    CHECK(normalise_unit("Jy beam^-1") == "Jy/beam");
    CHECK(normalise_unit("Jy beam**-1") == "Jy/beam");
    CHECK(normalise_unit("mJy/beam") == "mJy/beam");
    CHECK(normalise_unit("MJy/sr") == "MJy/sr");
    CHECK(normalise_unit("HZ") == "Hz");
    CHECK(normalise_unit("KM/S") == "km/s");
    CHECK(normalise_unit("m/s") == "m/s");
    CHECK(normalise_unit("K km/s") == "K km/s");
    CHECK(normalise_unit("erg/s/cm^2/Angstrom") == "erg/s/cm^2/Angstrom");
    CHECK(normalise_unit("") == "");
    CHECK(normalise_unit("electrons/s") == "electrons/s");
}

TEST_CASE("axes by type and by position") {
    const auto axes = [](std::vector<std::string> types, std::vector<std::int64_t> lengths) {
        std::string cards;
        for (std::size_t i = 0; i < types.size(); ++i) cards += record("CTYPE" + std::to_string(i + 1) + "  = '" + types[i] + "'");
        return identify_axes(Header(cards), lengths);
    };
    CHECK(axes({"RA---SIN", "DEC--SIN", "FREQ", "STOKES"}, {9, 8, 7, 2}).numbers == AxesNumbers{1, 2, 3, 4, 3});
    CHECK(axes({"RA---SIN", "DEC--SIN", "STOKES", "FREQ"}, {9, 8, 2, 7}).numbers == AxesNumbers{1, 2, 4, 3, 4});
    CHECK(axes({"RA---SIN", "FREQ", "DEC--SIN"}, {9, 8, 7}).numbers == AxesNumbers{1, 3, 2, 0, 3});
    CHECK(axes({"RA---SIN", "FREQ", "DEC--SIN"}, {9, 8, 7}).swapped);
    CHECK(axes({"DEC--SIN", "RA---SIN"}, {9, 8}).numbers == AxesNumbers{2, 1, 0, 0, 0});
    CHECK(axes({}, {9, 8, 7}).numbers == AxesNumbers{1, 2, 3, 0, 3});
    CHECK(axes({}, {9, 8, 7, 2}).numbers == AxesNumbers{1, 2, 3, 4, 3});
    CHECK(axes({}, {9, 8, 2, 70}).numbers == AxesNumbers{1, 2, 4, 3, 4});
    CHECK(axes({"RA---SIN", "DEC--SIN", "", "STOKES"}, {9, 8, 7, 2}).numbers == AxesNumbers{1, 2, 3, 4, 3});
    CHECK(axes({"STOKES", "RA---SIN", "DEC--SIN", "FREQ"}, {2, 9, 8, 7}).shape == ImageShape{9, 8, 7, 2});
    CHECK_THROWS_WITH_AS(axes({}, {9}), "Image must be 2D, 3D or 4D.", ImageError);
    CHECK_THROWS_WITH_AS(axes({}, {9, 8, 7, 6, 5}), "Image must be 2D, 3D or 4D.", ImageError);
    CHECK_THROWS_AS(axes({}, {9, 0}), ImageError);
    CHECK(polarization_type(-5) == 9);
    CHECK(polarization_name(polarization_type(-8)) == "YX");
    CHECK(polarization_type(7) == 0);
}

TEST_CASE("the header of a compressed image is the image's") {
    const Header table(record("XTENSION= 'BINTABLE'") + record("BITPIX  = 8") + record("NAXIS   = 2") + record("NAXIS1  = 8") + record("NAXIS2  = 30") + record("PCOUNT  = 100") +
                       record("TFIELDS = 1") + record("TTYPE1  = 'COMPRESSED_DATA'") + record("TFORM1  = '1PB(10)'") + record("ZIMAGE  = T") + record("ZBITPIX = 16") +
                       record("ZNAXIS  = 2") + record("ZNAXIS1 = 40") + record("ZNAXIS2 = 30") + record("ZTILE1  = 40") + record("ZCMPTYPE= 'RICE_1'") +
                       record("EXTNAME = 'COMPRESSED_IMAGE'") + record("CRVAL1  = 1.0") + record("HISTORY kept"));
    const Header image = image_header_of(table);
    std::vector<std::string> names;
    for (const Card& card : image.cards()) names.push_back(card.keyword);
    CHECK(names == std::vector<std::string>{"XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "CRVAL1", "HISTORY"});
    CHECK(image.integer("BITPIX") == 16);
    CHECK(image.integer("NAXIS1") == 40);
}
