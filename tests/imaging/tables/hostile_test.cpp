#include "tests/imaging/tables/samples.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/faulty_os.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <random>
#include <zlib.h>

using namespace samples;
namespace test = cubelink::test;

namespace {

const std::string stars = votable("<FIELD name='a' datatype='int'/><FIELD name='b' datatype='char' arraysize='*'/>",
                                  tabledata("<TR><TD>1</TD><TD>x &amp; y</TD></TR>\n<TR><TD>2</TD><TD><![CDATA[z]]></TD></TR>"));
const std::string binary_stars = votable(
    "<FIELD name='a' datatype='int'/><FIELD name='b' datatype='char' arraysize='*'/><FIELD name='c' datatype='double' arraysize='2x*'/>",
    binary("BINARY2", std::string(1, '\x40') + bytes(std::int32_t{7}, std::int32_t{2}) + "xy" + bytes(std::int32_t{2}, 1.0, 2.0)));
const std::string fits_stars = fits(17, 3, {"J", "5A", "D"}, {{"TNULL1", "5"}, {"TTYPE1", "'a'"}, {"TSCAL3", "2.0"}},
                                    bytes(std::int32_t{1}) + "abcde" + bytes(1.5) + bytes(std::int32_t{2}) + "fghij" + bytes(2.5) +
                                        bytes(std::int32_t{5}) + "klmno" + bytes(3.5));
const std::string ascii_stars = fits(20, 2, {"A5", "I4", "F8.2"}, {{"TBCOL1", "1"}, {"TBCOL2", "7"}, {"TBCOL3", "12"}},
                                     "abcde   12    3.5   fghij   -1      250 ", "TABLE");
const std::string text_stars = "name,n,\"flux [Jy]\"\na,1,2.5\n\"b, \"\"c\"\"\",2,\n# comment\nd,3,nan\n";

std::string gzipped(const std::string& content) {
    std::string out(content.size() + 1000, '\0');
    z_stream z{};
    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
    z.avail_in = static_cast<uInt>(content.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    deflate(&z, Z_FINISH);
    out.resize(out.size() - z.avail_out);
    deflateEnd(&z);
    return out;
}

/// Whether the content is a table, or an error that says something.
bool is_handled(const std::string& content) {
    try {
        const auto table = open(content, "t", {.memory_share = 1 << 20});
        for (std::size_t i = 0; i < table->columns.size(); ++i)
            if (table->columns[i]->rows() != table->rows || table->columns[i]->info.type != table->info.columns[i].type) return false;
        return true;
    } catch (const TableError& error) {
        return std::string_view(error.what()).size() > 5;
    }
}

} // namespace

TEST_CASE("files that end too early name the place") {
    const std::string* const files[] = {&stars, &binary_stars, &fits_stars, &ascii_stars, &text_stars};
    for (const auto* file : files) {
        REQUIRE(error_of(*file) == "");
        for (std::size_t size = 0; size < file->size(); size += test::sanitized ? 7 : 1) {
            CAPTURE(size);
            const auto part = file->substr(0, size);
            CHECK(is_handled(part));
            if (file == files[0] && size > 60 && size < file->find("</TABLEDATA>")) CHECK(contains(error_of(part), "line "));
        }
    }
    CHECK(error_of(stars.substr(0, stars.find("x &amp;"))) == "table.dat: line 6, column 36: the file ends within a cell of row 1");
    CHECK(contains(error_of(fits_stars.substr(0, 5760 + 20)), "HDU 1: the file ends within row 2 of 3, after 5780 bytes"));
    CHECK(contains(error_of(ascii_stars.substr(0, 5760 + 20)), "HDU 1: the file ends within row 2 of 2"));
    for (const auto* file : files) {
        const auto packed = gzipped(*file);
        CHECK(error_of(packed) == "");
        for (std::size_t size = 2; size < packed.size(); size += 11) CHECK(is_handled(packed.substr(0, size)));
        CHECK(contains(error_of(packed.substr(0, packed.size() / 2)), "t"));
    }
}

TEST_CASE("bytes that are changed at random") {
    const auto seed = test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const std::string* const files[] = {&stars, &binary_stars, &fits_stars, &ascii_stars, &text_stars};
    for (int round = 0; round < test::effort(2000); ++round) {
        auto file = *files[random() % 5];
        for (auto changes = random() % 6; changes-- > 0;) {
            const auto at = random() % file.size();
            switch (random() % 4) {
            case 0: file[at] = static_cast<char>(random()); break;
            case 1: file.erase(at, random() % 20); break;
            case 2: file.insert(at, file.substr(random() % file.size(), random() % 50)); break;
            default: file[at] = "0123456789<>&/\"' -=,"[random() % 20];
            }
            if (file.empty()) file = "x";
        }
        CHECK(is_handled(file));
    }
}

TEST_CASE("entities are not read") {
    const std::string bomb =
        R"(<?xml version="1.0"?><!DOCTYPE VOTABLE [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><VOTABLE>&b;</VOTABLE>)";
    CHECK(contains(error_of(bomb), "the document declares entities, which are not read"));
    const std::string outside =
        R"(<!DOCTYPE VOTABLE [<!ENTITY e SYSTEM "file:///etc/passwd">]><VOTABLE><DESCRIPTION>&e;</DESCRIPTION></VOTABLE>)";
    CHECK(contains(error_of(outside), "declares entities"));
    CHECK(contains(error_of("<!DOCTYPE VOTABLE [" + std::string(20'000, ' ') + "]><VOTABLE/>"), "longer than 16 KiB"));
}

TEST_CASE("too deep, too many, too long") {
    std::string deep = "<VOTABLE>";
    for (int i = 0; i < 100; ++i) deep += "<RESOURCE>";
    CHECK(contains(error_of(deep), "nested more than 64 deep"));
    std::string wide;
    for (int i = 0; i < 100'000; ++i) wide += "<FIELD name='f" + std::to_string(i) + "' datatype='double'/>\n";
    CHECK(contains(error_of(votable(wide, tabledata("<TR></TR>"))), "line 10005, column 1: the table has more than 10000 columns"));
    std::string many;
    for (int i = 0; i < 100'000; ++i) many += ",c";
    CHECK(contains(error_of("a" + many + "\n1,2\n"), "more than 10000 cells"));
    CHECK(contains(error_of("<VOTABLE x='" + std::string(2 << 20, '>') + "'/>"), "a tag is longer than 1 MiB"));
    CHECK(contains(error_of(votable("<FIELD name='long one' datatype='char' arraysize='*'/>",
                                    tabledata("\n<TR><TD>" + std::string(17 << 20, 'x') + "</TD></TR>"))),
                   "row 1, column \"long one\": the cell is longer than 16 MiB"));
    CHECK(contains(error_of("a,b\n" + std::string(17 << 20, 'x')), "line 2, column 1: the line is longer than 16 MiB"));
    CHECK(contains(error_of("a,b\n1,\"\n" + std::string(17 << 20, 'x')),
                   "line 2, column 1: a row is longer than 16 MiB: is a quote without its end?"));
    CHECK(contains(error_of("a,b\n1,\"x\n"), "the file ends within quotes"));
    // Rows of nothing would take columns × 8 bytes each.
    wide.clear();
    for (int i = 0; i < 9'000; ++i) wide += "<FIELD name='f" + std::to_string(i) + "' datatype='double'/>";
    std::string rows;
    for (int i = 0; i < 1'000; ++i) rows += "<TR/>";
    CHECK(contains(error_of(votable(wide, tabledata(rows))), "most rows have fewer cells than the table has columns (9000)"));
    std::string names = "<VOTABLE>";
    for (int i = 0; i < 3'000; ++i) names += "<e" + std::to_string(i) + "/>";
    CHECK(contains(error_of(names), "elements and attributes have more than 2000 names"));
    CHECK(contains(error_of("<VOTABLE " + std::string(1000, 'x') + "='1'/>"), "is longer than 500 bytes"));
    // Entries that are only listed cost no memory.
    std::string tables = "<VOTABLE><RESOURCE>";
    for (int i = 0; i < 3'000; ++i) tables += "<TABLE ID='t" + std::to_string(i) + "'><FIELD name='a' datatype='int'/></TABLE>";
    const auto table = open(tables + "</RESOURCE></VOTABLE>");
    CHECK(table->info.other_tables.size() == 1000);
    CHECK(table->info.other_tables.back() == "2000 more tables");
}

TEST_CASE("lengths that lie, in VOTable") {
    const auto field = [](const char* type, const char* size) {
        return "<FIELD name='f' datatype='" + std::string(type) + "' arraysize='" + size + "'/>";
    };
    CHECK(contains(error_of(votable(field("char", "*"), binary("BINARY", bytes(std::int32_t{INT32_MAX}) + "abc"))),
                   "row 1, column \"f\" (byte 4 of the binary data): a text of 2147483647 bytes"));
    CHECK(contains(error_of(votable(field("char", "*"), binary("BINARY", bytes(std::int32_t{-2}) + "abc"))),
                   "row 1, column \"f\" (byte 4 of the binary data): a length of -2"));
    CHECK(contains(error_of(votable(field("double", "*"), binary("BINARY", bytes(std::int32_t{INT32_MAX}) + "abc"))),
                   "the binary data end within row 1, column \"f\""));
    CHECK(contains(error_of(votable(field("char", "2147483648"), binary("BINARY", "abc"))),
                   "column \"f\": cells of 2147483648 bytes are more than 16 MiB"));
    CHECK(contains(error_of(votable(field("double", "2147483648"), binary("BINARY", "abc"))), "the binary data end within row 1"));
    CHECK(contains(error_of(votable(field("double", "99999999999999999999"), tabledata(""))),
                   "column \"f\": arraysize \"99999999999999999999\" is too large"));
    CHECK(contains(error_of(votable(field("double", "4000000000x4000000000"), tabledata(""))), "is too large"));
    CHECK(contains(error_of(votable(field("double", "3x"), tabledata(""))), "is not a size"));
    CHECK(contains(error_of(votable(field("double", "-3"), tabledata(""))), "is not a size"));
    // Cells without bytes: no rows, for ever.
    CHECK(open(votable(field("char", "0"), binary("BINARY", "abc")))->rows == 0);
}

TEST_CASE("what is not base64 is named by line and column") {
    const auto document = [](const std::string& stream) {
        return votable("<FIELD name='f' datatype='int'/>", "<BINARY><STREAM encoding='base64'>\n" + stream + "\n</STREAM></BINARY>");
    };
    CHECK(contains(error_of(document("AAAAAAA!")), "line 7, column 8: this is not base64"));
    CHECK(contains(error_of(document("AAAAAA==AAAA")), "line 7, column 9: base64 data go on after their end"));
    CHECK(contains(error_of(document("AAAAA")), "line 8, column 1: the base64 data end within a byte"));
    CHECK(contains(error_of(document("\xff")), "this is not base64"));
}

TEST_CASE("FITS headers that lie") {
    const auto with = [](std::size_t row, std::size_t rows, const std::string& form, const Cards& more = {}) {
        return error_of(fits(row, rows, {form}, more, std::string(100, 'x')));
    };
    CHECK(contains(with(8, 3, "99999999999999999999D"),
                   "HDU 1: column 1: TFORM \"99999999999999999999D\": the number of elements is beyond any file"));
    CHECK(contains(with(8, 3, "2147483648A"), "it ends at byte 2147483648, but a row has 8"));
    CHECK(contains(with(2147483648, 1, "2147483648A", {{"TTYPE1", "'f'"}}), "column"));
    CHECK(contains(with(8, 3, "2D", {{"TTYPE1", "'flux'"}}), "column 1 (\"flux\"): TFORM \"2D\": it ends at byte 16, but a row has 8"));
    CHECK(contains(with(8, 3, "Z"), "has an unknown type"));
    CHECK(contains(with(8, 3, "8"), "has no type"));
    CHECK(contains(with(8, 1'000'000, "D"), "HDU 1: the file ends within row 361 of 1000000"));
    CHECK(contains(with(std::size_t{1} << 40, std::size_t{1} << 40, "D"), "beyond what a file can hold"));
    CHECK(contains(error_of(fits(8, 1, {"A4"}, {{"TBCOL1", "6"}}, "xxxxxxxx", "TABLE")), "it ends at byte 9, but a row has 8"));
    CHECK(contains(error_of(fits(8, 1, {"A4"}, {{"TBCOL1", "0"}}, "xxxxxxxx", "TABLE")), "TBCOL1 lies outside of the row"));
    CHECK(contains(error_of(fits(8, 1, {"A4"}, {}, "xxxxxxxx", "TABLE")), "TBCOL1 is missing"));
    CHECK(contains(error_of(header({{"SIMPLE", "T"}, {"BITPIX", "8"}, {"NAXIS", "0"}}), "t.fits"),
                   "t.fits: the file holds no table: it has 1 HDU with other things"));
    // Rows without bytes are none, however many there are.
    CHECK(open(fits(0, 1'000'000'000'000, {"0D"}, {}, ""))->rows == 0);
}

TEST_CASE("other files") {
    CHECK(error_of("", "t.xml") == "t.xml: the file is empty");
    CHECK(contains(error_of(std::string("\x7f"
                                        "ELF\0\0\1",
                                        7)),
                   "this is no table"));
    CHECK(contains(error_of("This is a letter.\nIt has lines of words that are no table\n"), "this is no table"));
    CHECK(contains(error_of("   \n\n"), "this is no table"));
}

TEST_CASE("a reader that is cancelled, and one that tells how far it is") {
    std::string rows;
    for (int i = 0; i < 200'000; ++i) rows += "<TR><TD>1.5</TD></TR>";
    std::string numbers = "x\n";
    for (int i = 0; i < 400'000; ++i) numbers += "1.5\n";
    std::string doubles;
    for (int i = 0; i < 300'000; ++i) doubles += bytes(1.5);
    const std::string field = "<FIELD name='f' datatype='double'/>";
    for (const auto& content :
         {votable(field, tabledata(rows)), votable(field, binary("BINARY", doubles)), fits(8, 300'000, {"D"}, {}, doubles), numbers}) {
        for (const bool packed : {false, true}) {
            const test::TemporaryFolder folder;
            const auto path = folder.write("t", packed ? gzipped(content) : content).string();
            BudgetCache budget(1 << 26);
            TableOptions options{.budget = budget, .scratch = folder.text()};
            double last = 0;
            int calls = 0;
            options.progress = [&](double share) {
                last = share;
                ++calls;
            };
            open_table(path, options);
            CHECK(last == doctest::Approx(1));
            CHECK(calls >= 1);
            options.progress = [&](double) { options.cancel.cancel(); };
            CHECK_THROWS_AS(open_table(path, options), Cancelled);
            CHECK(budget.statistics().used == 0);
        }
    }
}

TEST_CASE("every step that the operating system can refuse, and short reads and writes") {
    std::string rows;
    for (int i = 0; i < 2'000; ++i) rows += "<TR><TD>" + std::to_string(i) + "</TD><TD>" + std::string(100, 'x') + "</TD></TR>";
    const auto long_stars = votable("<FIELD name='a' datatype='int'/><FIELD name='b' datatype='char' arraysize='*'/>", tabledata(rows));
    const test::TemporaryFolder folder;
    for (const auto& content : {long_stars, binary_stars, fits_stars, ascii_stars, text_stars, gzipped(fits_stars)}) {
        const auto path = folder.write("t", content).string();
        BudgetCache budget(1 << 26, 10);
        const TableOptions options{.budget = budget, .scratch = folder.text(), .memory_share = 0, .threads = ThreadShare(1)};
        const auto expected = open_table(path, options)->rows;
        test::FaultyOs faults;
        int failed = 0;
        for (int n = 1; n < 1000; ++n) {
            faults.fail_any(n, EIO);
            try {
                const auto rows = open_table(path, options)->rows;
                CHECK(rows == expected);
            } catch (const TableError& error) {
                CHECK(std::string_view(error.what()).size() > 5);
                ++failed;
            }
            if (faults.count() < n) break;
        }
        CHECK(failed >= 4);
        faults.heal();
        faults.short_reads(7);
        faults.short_writes(11);
        CHECK(open_table(path, options)->rows == expected);
        faults.full_after(10);
        CHECK_THROWS_AS(open_table(path, options), TableError);
        faults.heal();
        // The file is written to while it is being read.
        int n = 0;
        faults.before([&](test::Call call, int) {
            if (call == test::Call::read && ++n == 3) folder.write("t", content + " ");
        });
        CHECK_THROWS_AS(open_table(path, options), TableError);
    }
}

TEST_CASE("a scratch folder that does not exist, and a budget without room") {
    const test::TemporaryFolder folder;
    const auto path = folder.write("t.fits", fits_stars).string();
    BudgetCache budget(1 << 10, 10);
    TableOptions options{.budget = budget, .scratch = "/does/not/exist", .memory_share = 0};
    CHECK_THROWS_AS(open_table(path, options), TableError);
    options.scratch = folder.text();
    CHECK(open_table(path, options)->rows == 3);
    CHECK_THROWS_AS(open_table(folder.text() + "/missing", options), TableError);
    CHECK_THROWS_AS(open_table(folder.text(), options), TableError);
}
