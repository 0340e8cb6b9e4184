#include "tests/imaging/tables/samples.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace samples;

namespace {

std::vector<std::string> names(const Table& table) {
    std::vector<std::string> out;
    for (const auto& column : table.info.columns) out.push_back(column.name);
    return out;
}

std::vector<ColumnType> types(const Table& table) {
    std::vector<ColumnType> out;
    for (const auto& column : table.info.columns) out.push_back(column.type);
    return out;
}

using enum ColumnType;

} // namespace

TEST_CASE("types by all cells") {
    const auto table = open("id,n,x,flag,name,empty\n1,2,3,true,a,\n-5,,1e5,F, b ,\n9223372036854775807,null,nan,,\"c,\n\"\"d\"\"\",\n");
    CHECK(table->info.format == TableInfo::Format::text);
    CHECK(types(*table) == std::vector<ColumnType>{int64, int64, float64, boolean, string, string});
    CHECK(numbers<std::int64_t>(*table, 0) == std::vector<std::int64_t>{1, -5, INT64_MAX});
    CHECK(nulls(*table, 1) == std::vector<bool>{false, true, true});
    CHECK(numbers<double>(*table, 2)[1] == 1e5);
    CHECK(numbers<std::uint8_t>(*table, 3) == std::vector<std::uint8_t>{1, 0, 0});
    CHECK(nulls(*table, 3) == std::vector<bool>{false, false, true});
    CHECK(texts(*table, 4) == std::vector<std::string>{"a", "b", "c,\n\"d\""});
    CHECK(table->info.warnings.empty());
}

TEST_CASE("a type that only a late row tells") {
    for (const auto& [cell, type] :
         {std::pair{"1.5", float64}, std::pair{"1e3", float64}, std::pair{"x", string}, std::pair{"99999999999999999999", string}}) {
        std::string text = "n\n";
        for (int i = 0; i < 20'000; ++i) text += std::to_string(i) + "\n";
        const auto table = open(text + cell + "\n");
        CHECK(table->rows == 20'001);
        CHECK(types(*table) == std::vector<ColumnType>{type});
        if (type == string) CHECK(texts(*table, 0).back() == cell);
    }
}

TEST_CASE("delimiters, comments and names") {
    for (const char* delimiter : {",", "\t", ";", "|", " ", " \t  "}) {
        std::string text = "# made by hand\n#\na-b-c\n1-2-x\n# between\n3-4-y\r\n";
        for (std::size_t at; (at = text.find('-')) != std::string::npos;) text.replace(at, 1, delimiter);
        text.replace(2, 12, "made-by-hand");
        const auto table = open(text);
        CAPTURE(delimiter);
        CHECK(names(*table) == std::vector<std::string>{"a", "b", "c"});
        CHECK(numbers<std::int64_t>(*table, 1) == std::vector<std::int64_t>{2, 4});
        CHECK(texts(*table, 2) == std::vector<std::string>{"x", "y"});
        CHECK(table->info.description == "made-by-hand");
    }
    CHECK(names(*open("# ra dec\n1 2\n3 4\n")) == std::vector<std::string>{"ra", "dec"});
    CHECK(names(*open("# ra dec mag\n1 2\n3 4\n")) == std::vector<std::string>{"column 1", "column 2"});
    CHECK(open("# ra dec\n1 2\n3 4\n")->rows == 2);
    CHECK(open("a,b\n", "t.csv")->rows == 0);
    CHECK(open("\xEF\xBB\xBF\"a, b\",c\n1,2")->info.columns[0].name == "a, b");
    CHECK(texts(*open("a\n\xff\xfe?\n"), 0) == std::vector<std::string>{"ÿþ?"});
}

TEST_CASE("VizieR's units and dashes") {
    const auto table = open("#\n#RESOURCE=yCat\nRAJ2000\tDEJ2000\tName\ndeg\tdeg\t \n-------\t-------\t----\n1.5\t-2.5\tA 1\n2.5\t \tB\n");
    CHECK(table->rows == 2);
    CHECK(table->info.columns[0].unit == "deg");
    CHECK(table->info.columns[2].unit == "");
    CHECK(types(*table) == std::vector<ColumnType>{float64, float64, string});
    CHECK(nulls(*table, 1) == std::vector<bool>{false, true});
    CHECK(open("a\tb\n---\t---\nx\ty\n")->rows == 1);
    CHECK(open("a\tb\nx\ty\nz\tz\n")->rows == 2);
}

TEST_CASE("texts in Latin-1 beside texts in UTF-8") {
    const auto table = open("\xc9toile,Name,\xb5m\n\xe9\xff,Jos\xe9,1\nd\xc3\xa9j\xc3\xa0 vu,\xf0\x9f\x8c\x9f,2\n\xc3,plain,3\n");
    CHECK(names(*table) == std::vector<std::string>{"Étoile", "Name", "µm"});
    CHECK(texts(*table, 0) == std::vector<std::string>{"éÿ", "déjà vu", "Ã"});
    CHECK(texts(*table, 1) == std::vector<std::string>{"José", "🌟", "plain"});
    CHECK(numbers<std::int64_t>(*table, 2) == std::vector<std::int64_t>{1, 2, 3});
}

TEST_CASE("ECSV says its types") {
    const auto table = open("# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: a, unit: deg, datatype: float32, description: "
                            "'it''s, a'}\n# -\n#   name: b\n#   datatype: uint8\n"
                            "# - {name: c, datatype: string, subtype: 'float64[2]'}\n# - {name: d, datatype: bool}\n# meta: !!omap\n# - "
                            "{x: 1}\n# schema: astropy-2.0\na,b,c,d\n1,2,\"[1,2]\",True\n,300,,False\n");
    CHECK(types(*table) == std::vector<ColumnType>{float32, uint8, string, boolean});
    CHECK(table->info.columns[0].unit == "deg");
    CHECK(table->info.columns[0].description == "it's, a");
    CHECK(texts(*table, 2) == std::vector<std::string>{"[1,2]", ""});
    CHECK(numbers<std::uint8_t>(*table, 1) == std::vector<std::uint8_t>{2, 0});
    REQUIRE(table->info.warnings.size() == 1);
    CHECK(contains(table->info.warnings[0], "row 2 (line 16, column 1), column \"b\": \"300\" is no value of type uint8"));
}

TEST_CASE("rows that are too short or too long") {
    const auto table = open("a,b\n1\n1,2,3\n");
    CHECK(nulls(*table, 1) == std::vector<bool>{true, false});
    REQUIRE(table->info.warnings.size() == 2);
    CHECK(contains(table->info.warnings[0], "rows with more cells than columns, the first is row 2 (line 3, column 1)"));
    CHECK(contains(table->info.warnings[1], "1 cells are missing"));
    CHECK(contains(error_of("a b\n1 2 3\n"), "row 1 (line 2, column 1) has 3 cells between blanks, the first row has 2"));
}

TEST_CASE("columns that begin late, headers with numbers, delimiters, large naturals") {
    std::string late = "id,v,t\n";
    for (int n = 0; n < 11'000; ++n) late += std::to_string(n) + "," + (n < 10'500 ? "" : std::to_string(n) + ".5") + ",\n";
    const auto table = open(late);
    CHECK(table->info.columns[1].type == ColumnType::float64);
    CHECK(table->info.columns[2].type == ColumnType::string);
    CHECK(numbers<double>(*table, 1)[10'999] == 10'999.5);
    CHECK(nulls(*table, 1)[0]);

    CHECK(open("id,inf,x\n1,2,3\n4,5,6\n")->info.columns[1].name == "inf");
    CHECK(open("id,12,24\n1,2,3\n")->info.columns[1].name == "12");
    CHECK(open("a,8,12\nb,1,2\n")->rows == 2); // may be either
    CHECK(open("1,2\n3,4\n")->rows == 2);

    CHECK(open("id;x,y\n1;2,5\n")->info.columns.size() == 2);
    CHECK(open("id;x,y\n1;2\n")->info.columns[1].name == "x,y");
    CHECK(open("id,x\n\n1,2\n")->info.columns.size() == 2);

    const auto naturals = open("a,b\n18446744073709551615,1\n1,-9223372036854775808\n");
    CHECK(naturals->info.columns[0].type == ColumnType::uint64);
    CHECK(numbers<std::uint64_t>(*naturals, 0) == std::vector<std::uint64_t>{18446744073709551615u, 1});
    CHECK(naturals->info.columns[1].type == ColumnType::int64);
    CHECK(open("a,b\n18446744073709551615,1\n-1,2\n")->info.columns[0].type == ColumnType::string);

    CHECK(contains(error_of("x,y\r1,2\r3,4\r"), "carriage return"));
}

TEST_CASE("numbers beyond the range of their type, with an exponent or without") {
    const auto zeros = std::string(340, '0');
    const auto table = open("x\n0." + zeros + "1\n-0." + zeros + "1\n1" + zeros + ".0\n-1" + zeros + ".5\n1e-400\n1e400\n1.5\n");
    const auto found = numbers<double>(*table, 0);
    REQUIRE(found.size() == 7);
    CHECK(found[0] == 0);
    CHECK(std::signbit(found[1]));
    CHECK(found[1] == 0);
    CHECK(found[2] == HUGE_VAL);
    CHECK(found[3] == -HUGE_VAL);
    CHECK(found[4] == 0);
    CHECK(found[5] == HUGE_VAL);
}

TEST_CASE("IPAC's tables: columns between the bars of the header") {
    const std::string header = "\\fixlen = T\n\\ said \"once\n\\\n"
                               "|id   |ra        |-name---| when|\n"
                               "|int  |double    |char    |  da |\n"
                               "|     |-deg--    |        |     |\n"
                               "|-99  |null      |none    |     |\n";
    const auto table = open(header + " 1     150.25     \"a, b    2000 \r\n -99   null       none\n\n x     -1e3       |c      \n");
    REQUIRE(table->rows == 3);
    CHECK(names(*table) == std::vector<std::string>{"id", "ra", "name", "when"});
    CHECK(types(*table) == std::vector<ColumnType>{int64, float64, string, string});
    CHECK(table->info.columns[1].unit == "deg");
    CHECK(table->info.columns[3].source_type == "da");
    CHECK(table->info.description == "fixlen = T\nsaid \"once");
    CHECK(numbers<std::int64_t>(*table, 0) == std::vector<std::int64_t>{1, 0, 0});
    CHECK(nulls(*table, 0) == std::vector<bool>{false, true, true});
    CHECK(numbers<double>(*table, 1)[0] == 150.25);
    CHECK(nulls(*table, 1) == std::vector<bool>{false, true, false});
    CHECK(texts(*table, 2) == std::vector<std::string>{"\"a, b", "", "|c"});
    CHECK(texts(*table, 3) == std::vector<std::string>{"2000", "", ""});
    REQUIRE(table->info.warnings.size() == 1);
    CHECK(contains(table->info.warnings[0], "row 3 (line 11, column 1), column \"id\": \"x\""));

    const auto over = open(header + " 1     150.25     name     2000\n 1     1502222222222name     2000\n");
    REQUIRE(over->info.warnings.size() == 1);
    CHECK(contains(over->info.warnings[0], "the first is row 2 (line 9, column 1)"));
    CHECK(open(header)->rows == 0);

    // Types are guessed if the header has none.
    const auto untyped = open("|a  |b  |\n 1   x\n 2   y\n");
    CHECK(types(*untyped) == std::vector<ColumnType>{int64, string});
    CHECK(untyped->rows == 2);
}

TEST_CASE("bars between cells are no table of IPAC's, and bars around rows are no columns") {
    for (const auto* text : {"|a|b|\n|1|x|\n|2|y|\n", "| a | b |\n|---|:-:|\n| 1 | x |\n  | 2 | \"y\" |\n", "|a|b|c|\n|1|x||\n|2|y||\n", "|a|b|\n||x|\n|2|y|\n"}) {
        CAPTURE(text);
        const auto table = open(text);
        CHECK(names(*table)[0] == "a");
        CHECK(names(*table)[1] == "b");
        CHECK(table->info.columns.size() == (std::string_view(text).starts_with("|a|b|c") ? 3 : 2));
        CHECK(types(*table)[0] == int64);
        CHECK(texts(*table, 1) == std::vector<std::string>{"x", "y"});
        CHECK(table->info.warnings.empty());
    }
    // The last cell has no bar: it is no frame.
    CHECK(names(*open("|a|b\n|1|x\n")) == std::vector<std::string>{"column 1", "a", "b"});
    CHECK(contains(error_of("\\x\n|a |b |\n|int|mass|\n"), "line 3, column 1: column \"b\": the type \"mass\" is none of IPAC's"));
    CHECK(contains(error_of("\\x\n|a |b |\n|int|\n"), "line 3, column 1: the header of the table has 3 bars in its first line"));
}
