#include "imaging/world/header_editor.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>
#include <string>

using namespace cubelink::imaging;

namespace {

std::string card(std::string text) {
    text.resize(80, ' ');
    return text;
}

} // namespace

TEST_CASE("Header editor: cards that are not named stay as they are written") {
    const std::string cards = card("SIMPLE  =                    T / standard") + card("NAXIS1  = 0000000000000000010 / odd") + card("HISTORY of old") +
                              card("OBJECT  = 'It''s'") + card("        blank keyword") + card("LONG    = 'one &'") + card("CONTINUE  'two'");
    const Header header(cards);
    CHECK(HeaderEditor(header).records() == cards);
    CHECK(HeaderEditor(header).header().text("LONG") == "one two");
}

TEST_CASE("Header editor: values are read as they were set") {
    HeaderEditor editor{Header(card("A       =                    1 / kept") + card("A       =                    2") + card("B       = 'x'"))};
    for (const double value : {0.0, -0.0, 1.0, -1.5e-300, 1.7976931348623157e308, 5e-324, 0.1, 123456789012345678.0, 1e22, 3.0e-5}) {
        editor.set("A", value);
        CHECK(editor.header().number("A") == value);
        CHECK(editor.header().find("A")->comment == "kept");
    }
    CHECK(editor.header().cards().size() == 2); // the second A is gone
    editor.set("A", std::numeric_limits<std::int64_t>::min());
    CHECK(editor.header().integer("A") == std::numeric_limits<std::int64_t>::min());
    editor.set("FLAG", true, "a flag");
    CHECK(editor.header().is_true("FLAG"));
    CHECK(editor.records().size() % 80 == 0);
    CHECK_THROWS_AS(editor.set("A", std::numeric_limits<double>::infinity()), std::invalid_argument);
    CHECK_THROWS_AS(editor.set("lower", 1.0), std::invalid_argument);
    CHECK_THROWS_AS(editor.set("TOOLONGKEY", 1.0), std::invalid_argument);
    editor.remove("FLAG");
    CHECK(!editor.has("FLAG"));
}

TEST_CASE("Header editor: texts of any length, with quotes, come back") {
    for (std::size_t length = 0; length < 300; ++length) {
        std::string text;
        for (std::size_t i = 0; i < length; ++i) text += (i * 7 + length) % 5 == 0 ? '\'' : static_cast<char>('a' + i % 26);
        HeaderEditor editor;
        editor.set("TEXT", text, "comment");
        CHECK(editor.records().size() % 80 == 0);
        CHECK(editor.header().text("TEXT") == text);
        CHECK(editor.header().cards().size() == 1);
    }
    HeaderEditor editor;
    editor.set("TEXT", "caf\xC3\xA9\n");
    CHECK(editor.header().text("TEXT") == "caf???");
}

TEST_CASE("Header editor: history of any length") {
    HeaderEditor editor;
    editor.add_history(std::string(150, 'h'));
    editor.add_history("");
    CHECK(editor.records().size() == 4 * 80);
    CHECK(editor.records().starts_with("HISTORY hhhh"));
}

TEST_CASE("Header editor: a cut keeps the world coordinates of the pixels that are left") {
    const std::string cards = card("NAXIS1  =                  100") + card("CTYPE1  = 'FREQ'") + card("CRPIX1  =                 10.5") + card("CRVAL1  =                  1E9") +
                              card("CDELT1  =                  1E6") + card("CRPIX1A =                  1.0") + card("CDELT1A =                  2.0") +
                              card("PC1_2   =                  0.5") + card("PC2_1   =                 -0.5") + card("CD1_1B  =                  3.0") + card("CRPIX2  =                  4.0");
    HeaderEditor editor{Header(cards)};
    editor.cut(1, {20, 15, 4});
    const auto after = editor.header();
    CHECK(after.integer("NAXIS1") == 15);
    for (const int pixel : {0, 3, 14}) { // of the cut; 20 + 4 · pixel of the image
        const double before = 1e9 + (20 + 4 * pixel + 1 - 10.5) * 1e6;
        CHECK(*after.number("CRVAL1") + (pixel + 1 - *after.number("CRPIX1")) * *after.number("CDELT1") == doctest::Approx(before).epsilon(1e-14));
        CHECK((pixel + 1 - *after.number("CRPIX1A")) * *after.number("CDELT1A") == doctest::Approx((20 + 4 * pixel) * 2.0));
    }
    CHECK(after.number("CD1_1B") == 12.0);
    CHECK(after.number("PC1_2") == 0.125); // CDELT1 · PC1_2 stays
    CHECK(after.number("PC2_1") == -2.0);  // a pixel of the cut is four of the image
    CHECK(after.number("CRPIX2") == 4.0);
    HeaderEditor bare{Header(card("NAXIS1  =                  100") + card("CTYPE1  = 'FREQ'"))};
    bare.cut(1, {5, 10, 2});
    CHECK((0 + 1 - *bare.header().number("CRPIX1")) * *bare.header().number("CDELT1") == doctest::Approx(6)); // pixel 5 with reference 0 and step 1
}

TEST_CASE("Header editor: keywords are renamed and removed") {
    HeaderEditor editor{Header(card("CTYPE3  = 'FREQ'               / type") + card("CTYPE4  = 'STOKES'") + card("HISTORY CTYPE3"))};
    editor.rename([](std::string_view keyword) { return keyword == "CTYPE3" ? std::string() : keyword == "CTYPE4" ? "CTYPE3" : std::string(keyword); });
    CHECK(editor.header().text("CTYPE3") == "STOKES");
    CHECK(editor.records().size() == 160);
    editor.remove_if([](std::string_view keyword) { return keyword == "HISTORY"; });
    CHECK(editor.records().size() == 80);
}

TEST_CASE("Header editor: a string of very many records") {
    std::string cards = card("LONG    = 'a&'");
    for (int i = 0; i < 100'000; ++i) cards += card("CONTINUE  'b&'");
    cards += card("CONTINUE  'c'") + card("CONTINUE  'of nothing'") + card("NEXT    =                    1");
    HeaderEditor editor{Header(cards)};
    CHECK(editor.records() == cards);
    CHECK(editor.text("LONG")->size() == 100'002);
    editor.set("LONG", "short");
    CHECK(editor.records().size() == 3 * 80);
}

TEST_CASE("Header editor: of duplicate cards those are kept that count") {
    const std::string cards = card("OBJECT  = 'one'") + card("CRVAL1  = 1.0") + card("OBJECT  = 'two'") + card("CRVAL1  = 2.0") + card("DP1     = 'NAXES: 1'") +
                              card("DP1     = 'AXIS.1: 1'") + card("COMMENT a") + card("COMMENT a");
    const HeaderEditor editor{Header(cards)};
    CHECK(editor.records() == card("OBJECT  = 'one'") + card("CRVAL1  = 2.0") + card("DP1     = 'NAXES: 1'") + card("DP1     = 'AXIS.1: 1'") + card("COMMENT a") + card("COMMENT a"));
}

TEST_CASE("Header editor: axes are dropped with all of their cards, others are numbered anew") {
    HeaderEditor editor{Header(card("NAXIS   = 4") + card("NAXIS3  = 1") + card("NAXIS4  = 5") + card("WCSAXES = 4") + card("WCSAXESB= 5") + card("CTYPE3  = 'STOKES'") + card("CTYPE4  = 'FREQ'") +
                               card("CRPIX4B = 2.5") + card("PC4_3   = 0.0") + card("PC4_4A  = 3.0") + card("PC003003= 1.0") + card("CD004004= 1.0") + card("PS4_1   = 'x'") + card("CROTA4  = 0.0") +
                               card("WAT4_001= 'y'") + card("CNAME4A = 'z'") + card("LTM4_4  = 2.0") + card("CRPIX10 = 1.0") + card("PCOUNT  = 0") + card("CDELTA  = 4.0"))};
    CHECK(!editor.is_coupled(3));
    editor.drop_axes({3});
    CHECK(editor.records().find("STOKES") == std::string::npos);
    const Header header = editor.header();
    for (const char* there : {"CTYPE3", "CRPIX3B", "PC3_3A", "CD003003", "PS3_1", "CROTA3", "WAT3_001", "CNAME3A", "LTM3_3", "CRPIX9", "PCOUNT", "CDELTA"}) CHECK_MESSAGE(header.find(there) != nullptr, there);
    CHECK(header.integer("NAXIS") == 3);
    CHECK(header.integer("NAXIS3") == 5);
    CHECK(header.integer("WCSAXES") == 3);
    CHECK(header.integer("WCSAXESB") == 4);
    CHECK(header.cards().size() == 16);
    HeaderEditor absurd{Header(card("WCSAXES = 1E300") + card("WCSAXESA= -5") + card("NAXIS   = 3"))};
    absurd.drop_axes({3});
    CHECK(absurd.header().integer("NAXIS") == 2);
    CHECK(absurd.header().number("WCSAXES") == 1e300);
    HeaderEditor coupled{Header(card("PC3_1A  = 0.1"))};
    CHECK(coupled.is_coupled(3));
    CHECK(coupled.is_coupled(1));
    CHECK(!coupled.is_coupled(2));
}

TEST_CASE("Header editor: pixels of a detector and of a plate are those of before") {
    HeaderEditor editor{Header(card("LTV1    = 10.0") + card("LTM1_1  = 0.5") + card("LTV2    = 3.0") + card("CNPIX1  = 100"))};
    editor.cut(1, {4, 5, 3});
    editor.cut(2, {2, 5, 1});
    const Header header = editor.header();
    for (const int pixel : {1, 2, 5}) { // logical; before: 5, 8, 17
        const double before = (4 + 1 + (pixel - 1) * 3 - 10.0) / 0.5;
        CHECK((pixel - *header.number("LTV1")) / *header.number("LTM1_1") == doctest::Approx(before));
    }
    CHECK(header.number("LTV2") == 1.0);
    CHECK(header.number("CNPIX1") == 104.0);
    CHECK(header.find("CRPIX1") == nullptr);
}

TEST_CASE("Header editor: an axis whose reference can't be read loses its coordinates") {
    HeaderEditor editor{Header(card("NAXIS1  = 9") + card("CTYPE1  = 'FREQ'") + card("CRPIX1  = 'what'") + card("CRVAL1  = 1.0") + card("CTYPE2  = 'STOKES'") + card("CD1_1   = 2.0") + card("CD2_2   = 3.0") +
                               card("CD1_2   = 4.0"))};
    editor.cut(1, {2, 3, 1});
    const Header header = editor.header();
    CHECK(header.integer("NAXIS1") == 3);
    for (const char* gone : {"CTYPE1", "CRPIX1", "CRVAL1", "CD1_2"}) CHECK(header.find(gone) == nullptr);
    CHECK(header.number("CD1_1") == 1.0);
    CHECK(header.text("CTYPE2") == "STOKES");
}
