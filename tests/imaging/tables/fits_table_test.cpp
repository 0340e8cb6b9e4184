#include "tests/imaging/tables/samples.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace samples;

TEST_CASE("columns of a binary table") {
    const auto row = [](std::int32_t n, std::uint8_t u, std::int16_t s, std::int64_t big, char flag) {
        std::string out = bytes(n, u, s, big) + flag;
        return out + std::string("ab  \0x", 6) + bytes(1.0, 2.0) + "\xff\x80" + bytes(std::int16_t{4}, 2.5f);
    };
    const Cards cards{{"TTYPE1", "'n'      / a count"},
                      {"TNULL1", "-99"},
                      {"TUNIT1", "'ct'"},
                      {"TTYPE2", "'i1'"},
                      {"TZERO2", "-128"},
                      {"TZERO3", "32768"},
                      {"TSCAL3", "1"},
                      {"TZERO4", "9223372036854775808"},
                      {"TUCD4", "'meta.id'"},
                      {"TCOMM6", "'a name'"},
                      {"TDIM7", "'(2,1)'"},
                      {"TSCAL9", "0.5"},
                      {"TZERO9", "10"},
                      {"TNULL9", "4"},
                      {"EXTNAME", "'stars'"},
                      {"RADESYS", "'FK5'"},
                      {"EQUINOX", "2000.0"},
                      {"OBSERVER", "'me'"}};
    const auto table = open(fits(46, 3, {"J", "B", "I", "K", "L", "6A", "2D", "9X", "I", "E"}, cards,
                                 row(1, 0, -32768, INT64_MIN, 'T') + row(-99, 255, 32767, -1, 'F') + row(3, 128, 0, 0, '\0')));
    REQUIRE(table->rows == 3);
    CHECK(table->info.name == "stars");
    REQUIRE(table->info.systems.size() == 1);
    CHECK(table->info.systems[0].system == "FK5");
    CHECK(table->info.systems[0].equinox == "2000.0");
    CHECK(table->info.description == "RADESYS = FK5\nEQUINOX = 2000.0\nOBSERVER = me");
    CHECK(numbers<std::int32_t>(*table, 0) == std::vector<std::int32_t>{1, 0, 3});
    CHECK(nulls(*table, 0) == std::vector<bool>{false, true, false});
    CHECK(table->info.columns[0].description == "a count");
    CHECK(table->info.columns[0].unit == "ct");
    CHECK(numbers<std::int8_t>(*table, 1) == std::vector<std::int8_t>{-128, 127, 0});
    CHECK(numbers<std::uint16_t>(*table, 2) == std::vector<std::uint16_t>{0, 65535, 32768});
    CHECK(numbers<std::uint64_t>(*table, 3) == std::vector<std::uint64_t>{0, INT64_MAX, std::uint64_t{1} << 63});
    CHECK(table->info.columns[3].ucd == "meta.id");
    CHECK(numbers<std::uint8_t>(*table, 4) == std::vector<std::uint8_t>{1, 0, 0});
    CHECK(nulls(*table, 4) == std::vector<bool>{false, false, true});
    CHECK(texts(*table, 5) == std::vector<std::string>{"ab", "ab", "ab"});
    CHECK(table->info.columns[5].description == "a name");
    CHECK(table->info.columns[6].type == ColumnType::unsupported);
    CHECK(table->info.columns[6].source_type == "2D (2,1)");
    CHECK(table->info.columns[7].type == ColumnType::unsupported);
    CHECK(table->info.columns[8].type == ColumnType::float64);
    CHECK(std::isnan(numbers<double>(*table, 8)[0]));
    CHECK(nulls(*table, 8) == std::vector<bool>{true, true, true});
    CHECK(numbers<float>(*table, 9) == std::vector<float>{2.5f, 2.5f, 2.5f});
}

TEST_CASE("arrays of texts, by a TDIM with blanks as IDL writes it") {
    for (const auto* dimensions : {"'(2,3)'", "'( 2, 3)'", "' ( 2 , 3 ) '"}) {
        const auto table = open(fits(12, 1, {"6A", "6A"}, {{"TDIM1", dimensions}, {"TDIM2", "'( 6, 1)'"}}, "aabbccdd    "));
        CHECK(table->info.columns[0].type == ColumnType::unsupported);
        CHECK(texts(*table, 1) == std::vector<std::string>{"dd"});
    }
}

TEST_CASE("an ASCII table: null texts, numbers without points, D exponents, blanks") {
    const Cards cards{{"TBCOL1", "1"}, {"TBCOL2", "6"}, {"TBCOL3", "13"}, {"TBCOL4", "22"}, {"TNULL2", "'----'"}, {"TSCAL4", "10.0"}};
    const auto table = open(fits(30, 3, {"A4", "I6", "F8.2", "E9.3"}, cards,
                                 "abc  "
                                 "-12345"
                                 " "
                                 "    1234"
                                 " "
                                 "  1.5D+01"
                                 "     "
                                 " ---- "
                                 " "
                                 "    1.25"
                                 " "
                                 "         "
                                 "x    "
                                 "     1"
                                 " "
                                 "    junk"
                                 " "
                                 "   -2E-1 ",
                                 "TABLE"));
    REQUIRE(table->rows == 3);
    CHECK(texts(*table, 0) == std::vector<std::string>{"abc", "", "x"});
    CHECK(table->info.columns[1].type == ColumnType::int32);
    CHECK(numbers<std::int32_t>(*table, 1) == std::vector<std::int32_t>{-12345, 0, 1});
    CHECK(nulls(*table, 1) == std::vector<bool>{false, true, false});
    CHECK(numbers<double>(*table, 2)[0] == 12.34);
    CHECK(numbers<double>(*table, 2)[1] == 1.25);
    CHECK(nulls(*table, 2) == std::vector<bool>{false, false, true});
    CHECK(numbers<double>(*table, 3)[0] == 150);
    CHECK(nulls(*table, 3) == std::vector<bool>{false, true, false});
    CHECK(numbers<double>(*table, 3)[2] == -2);
    REQUIRE(table->info.warnings.size() == 1);
    CHECK(contains(table->info.warnings[0], "row 3, column \"column 3\": \"junk\" is no value of type F8.2"));
}

TEST_CASE("rows of which little is wanted, and rows in many chunks") {
    const std::size_t wide = 3'000'000;
    std::string rows;
    for (int i = 0; i < 5; ++i) rows += std::string(wide, 'x') + bytes(std::int32_t{i}) + std::string(1000, 'y') + "t" + std::to_string(i);
    const auto picked = open(fits(wide + 4 + 1000 + 2, 5, {std::to_string(wide / 2) + "I", "J", "500I", "2A"}, {}, rows));
    CHECK(numbers<std::int32_t>(*picked, 1) == std::vector<std::int32_t>{0, 1, 2, 3, 4});
    CHECK(texts(*picked, 3) == std::vector<std::string>{"t0", "t1", "t2", "t3", "t4"});

    const int count = 200'001;
    std::string data;
    for (int i = 0; i < count; ++i) {
        auto text = std::to_string(i);
        text.resize(8, ' ');
        data += bytes(std::int32_t{i}) + text;
    }
    for (const std::size_t share : {std::size_t{0}, std::size_t{1} << 20, std::size_t{1} << 28})
        for (const int threads : {1, 3}) {
            const auto table = open(fits(12, static_cast<std::size_t>(count), {"J", "8A"}, {{"TNULL1", "77777"}}, data), "t",
                                    {.memory_share = share, .threads = threads});
            const auto n = numbers<std::int32_t>(*table, 0);
            const auto s = texts(*table, 1);
            REQUIRE(n.size() == static_cast<std::size_t>(count));
            int wrong = 0;
            for (int i = 0; i < count; ++i) {
                const auto index = static_cast<std::size_t>(i);
                wrong +=
                    n[index] != (i == 77777 ? 0 : i) || s[index] != std::to_string(i) || table->columns[0]->is_null(index) != (i == 77777);
            }
            CHECK(wrong == 0);
        }
}

TEST_CASE("the first table with rows, the others by name") {
    const auto one = fits(8, 0, {"D"}, {{"EXTNAME", "'empty'"}}, "");
    const auto two = fits(8, 1, {"D"}, {{"EXTNAME", "'full'"}}, bytes(4.5)).substr(2880);
    const auto three = fits(8, 2, {"D"}, {{"EXTNAME", "'last'"}}, bytes(1.0, 2.0)).substr(2880);
    const auto table = open(one + two + three);
    CHECK(numbers<double>(*table, 0) == std::vector<double>{4.5});
    CHECK(table->info.other_tables ==
          std::vector<std::string>{"HDU 1 (\"empty\", 1 column, 0 rows)", "HDU 3 (\"last\", 1 column, 2 rows)"});
    CHECK(table->info.warnings.empty());
    CHECK(open(one)->rows == 0);
    CHECK(open(one)->info.other_tables.empty());
    const auto damaged = open(one + two + "XTENSION= 'BINTABLE'");
    CHECK(damaged->rows == 1);
    REQUIRE(damaged->info.warnings.size() == 1);
    CHECK(contains(damaged->info.warnings[0], "The file is damaged behind the table"));
}
