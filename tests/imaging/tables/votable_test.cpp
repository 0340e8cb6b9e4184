#include "tests/imaging/tables/samples.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace samples;

namespace {

std::string utf16(std::string_view ascii, bool big) {
    std::string out = big ? "\xFE\xFF" : "\xFF\xFE";
    for (const char c : ascii) {
        if (big) out += '\0';
        out += c;
        if (!big) out += '\0';
    }
    return out;
}

} // namespace

TEST_CASE("what a VOTable says of itself") {
    const auto table = open(R"(<?xml version="1.0"?>
<!DOCTYPE VOTABLE SYSTEM "http://us-vo.org/xml/VOTable.dtd">
<!-- made by hand -->
<v:VOTABLE xmlns:v="http://www.ivoa.net/xml/VOTable/v1.3" version="1.4">
<v:DESCRIPTION>all of it</v:DESCRIPTION>
<v:INFO name="QUERY_STATUS" value="OVERFLOW"/>
<v:RESOURCE>
 <v:COOSYS ID="sys" system="ICRS" epoch="J2015.5"/>
 <v:TIMESYS ID="time" timescale="TCB" refposition="BARYCENTER" timeorigin="2455197.5"/>
 <v:TABLE name="nothing"><v:FIELD name="x" datatype="int"/><v:DATA><v:TABLEDATA></v:TABLEDATA></v:DATA></v:TABLE>
 <v:TABLE ID="t" name="stars &amp; more" nrows="7">
  <v:DESCRIPTION>the <![CDATA[stars]]></v:DESCRIPTION>
  <v:PARAM name="p" datatype="int" value="3"><v:VALUES null="5"/></v:PARAM>
  <v:FIELD name="RA" ID="ra" datatype="double" unit="deg" ucd="pos.eq.ra" ref="sys"><v:DESCRIPTION>right
   ascension</v:DESCRIPTION></v:FIELD>
  <v:FIELD name="t" datatype="double" ref="time"/>
  <v:FIELD name="spectrum" datatype="float" arraysize="*"/>
  <v:FIELD name="z" datatype="doubleComplex"/>
  <v:FIELD ID="id" datatype="long" ref="ra"/>
  <v:FIELD name="one" datatype="short" arraysize="1"/>
  <v:DATA><v:TABLEDATA><v:TR><v:TD>1.5</v:TD><v:TD/><v:TD>1 2 3</v:TD><v:TD>1 2</v:TD><v:TD>-4</v:TD><v:TD>7</v:TD></v:TR></v:TABLEDATA></v:DATA>
  <v:INFO name="note" value="after the rows"/>
 </v:TABLE>
 <v:RESOURCE><v:TABLE name="other" ref="t" nrows="1"><v:DATA><v:TABLEDATA><v:TR/></v:TABLEDATA></v:DATA></v:TABLE></v:RESOURCE>
</v:RESOURCE>
</v:VOTABLE>)");
    const auto& info = table->info;
    CHECK(table->rows == 1);
    CHECK(info.format == TableInfo::Format::votable);
    CHECK(info.name == "stars & more");
    CHECK(info.description == "the stars\nall of it\nnote: after the rows\nQUERY_STATUS: OVERFLOW");
    REQUIRE(info.systems.size() == 1);
    CHECK(info.systems[0].system == "ICRS");
    CHECK(info.systems[0].epoch == "J2015.5");
    REQUIRE(info.time_systems.size() == 1);
    CHECK(info.time_systems[0].origin == "2455197.5");
    CHECK(info.other_tables == std::vector<std::string>{"table 1 (\"nothing\", 1 column)", "table 3 (\"other\", 6 columns, 1 row)"});
    REQUIRE(info.warnings.size() == 2);
    CHECK(contains(info.warnings[0], "OVERFLOW"));
    CHECK(info.warnings[1] == "The header speaks of 7 rows, but the table has 1.");
    REQUIRE(info.columns.size() == 6);
    CHECK(info.columns[0].unit == "deg");
    CHECK(info.columns[0].ucd == "pos.eq.ra");
    CHECK(info.columns[0].system == "sys");
    CHECK(contains(info.columns[0].description, "ascension"));
    CHECK(info.columns[1].system == "time");
    CHECK(info.columns[2].type == ColumnType::unsupported);
    CHECK(info.columns[2].source_type == "float[*]");
    CHECK(info.columns[3].type == ColumnType::unsupported);
    CHECK(info.columns[4].name == "id");
    CHECK(info.columns[4].system == "");
    CHECK(info.columns[5].type == ColumnType::int16);
    CHECK(numbers<double>(*table, 0) == std::vector<double>{1.5});
    CHECK(nulls(*table, 1) == std::vector<bool>{true});
    CHECK(numbers<std::int64_t>(*table, 4) == std::vector<std::int64_t>{-4});
}

TEST_CASE("cells in every form that XML has for them") {
    const auto table = open(votable("<FIELD name='s' datatype='char' arraysize='*'/><FIELD name='n' datatype='int'><VALUES "
                                    "null='-9'/></FIELD><FIELD name='b' datatype='boolean'/>",
                                    tabledata(R"(
<TR><TD>a &lt;b&gt; &#65;&#x42; &amp;amp;</TD><TD>-9</TD><TD>T</TD></TR>
<TR ><TD
>x<!-- no -->y<![CDATA[<z>]]></TD> <TD> 0x10 </TD><TD>false</TD></TR>
<!-- <TR> --><TR><TD>  two words
 </TD><TD></TD><TD>?</TD></TR><?php TR ?>
<TR><TD/><TD>null</TD><TD>1</TD></TR>
<TR><TD>)"
                                              "\xff\xc3\xa9"
                                              R"(</TD><TD>12.0</TD><TD>TRUE</TD></TR>
<TR><TD>&nothing; &</TD><TD>+7</TD><TD>maybe</TD></TR>
)")));
    REQUIRE(table->rows == 6);
    CHECK(texts(*table, 0) == std::vector<std::string>{"a <b> AB &amp;", "xy<z>", "two words", "", "\uFFFD\u00e9", "&nothing; &"});
    CHECK(numbers<std::int32_t>(*table, 1) == std::vector<std::int32_t>{0, 16, 0, 0, 12, 7});
    CHECK(nulls(*table, 1) == std::vector<bool>{true, false, true, true, false, false});
    CHECK(numbers<std::uint8_t>(*table, 2) == std::vector<std::uint8_t>{1, 0, 0, 1, 1, 0});
    CHECK(nulls(*table, 2) == std::vector<bool>{false, false, true, false, false, true});
    REQUIRE(table->info.warnings.size() == 1);
    CHECK(table->info.warnings[0] ==
          "One cell is shown as missing: row 6 (line 14, column 40), column \"b\": \"maybe\" is no value of type boolean.");
}

TEST_CASE("lines within cells end as XML says, wherever they are cut") {
    const char* const field = "<FIELD name='s' datatype='char' arraysize='*'/>";
    const auto table = open(votable(field, tabledata("<TR><TD>a\r\nb\rc\nd</TD></TR><TR><TD><![CDATA[a\r\nb\r\rc]]>\r\nd</TD></TR><TR><TD>a&#13;\r\n&#10;b</TD></TR>")));
    CHECK(texts(*table, 0) == std::vector<std::string>{"a\nb\nc\nd", "a\nb\n\nc\nd", "a\r\n\nb"});

    // The comment makes it a cell that is read in pieces, which end on either side of a \r.
    for (const std::size_t shift : {0, 1}) {
        std::string lines(1 + shift, 'x'), expected = lines;
        for (int i = 0; i < 50'000; ++i) lines += "\r\n", expected += '\n';
        const auto cut = open(votable(field, tabledata("<TR><TD><!-- -->" + lines + "x</TD></TR>")));
        CHECK(texts(*cut, 0) == std::vector<std::string>{expected + "x"});
    }
}

TEST_CASE("numbers beyond their type") {
    const auto table = open(votable("<FIELD name='f' datatype='float'/><FIELD name='d' datatype='double'/><FIELD name='u' "
                                    "datatype='unsignedByte'/><FIELD name='l' datatype='long'/>",
                                    tabledata("<TR><TD>1e60</TD><TD>-1e600</TD><TD>256</TD><TD>9223372036854775807</TD></TR>"
                                              "<TR><TD>1e-60</TD><TD>+Inf</TD><TD>-1</TD><TD>9223372036854775808</TD></TR>"
                                              "<TR><TD>NaN</TD><TD>1.5D2</TD><TD>255</TD><TD>-9223372036854775808</TD></TR>")));
    const auto f = numbers<float>(*table, 0);
    CHECK(f[0] == HUGE_VALF);
    CHECK(f[1] == 0);
    CHECK(std::isnan(f[2]));
    CHECK(numbers<double>(*table, 1) == std::vector<double>{-HUGE_VAL, HUGE_VAL, 150});
    CHECK(numbers<std::uint8_t>(*table, 2) == std::vector<std::uint8_t>{0, 0, 255});
    CHECK(numbers<std::int64_t>(*table, 3) == std::vector<std::int64_t>{INT64_MAX, 0, INT64_MIN});
    CHECK(nulls(*table, 3) == std::vector<bool>{false, true, false});
    CHECK(contains(table->info.warnings.at(0), "3 cells are shown as missing"));
}

TEST_CASE("rows that are too short or too long") {
    const auto table = open(votable("<FIELD name='a' datatype='int'/><FIELD name='b' datatype='int'/>",
                                    tabledata("<TR><TD>1</TD></TR><TR><TD>1</TD><TD>2</TD><TD>3</TD></TR><TR/>")));
    CHECK(numbers<std::int32_t>(*table, 1) == std::vector<std::int32_t>{0, 2, 0});
    CHECK(nulls(*table, 1) == std::vector<bool>{true, false, true});
    REQUIRE(table->info.warnings.size() == 2);
    CHECK(contains(table->info.warnings[0], "more cells than columns, the first in row 2"));
    CHECK(contains(table->info.warnings[1], "3 cells are missing at the ends of rows, the first in row 1"));
}

TEST_CASE("BINARY and BINARY2: null values, flags, variable texts") {
    const std::string fields = "<FIELD name='n' datatype='short'><VALUES null='-1'/></FIELD><FIELD name='d' datatype='double'/><FIELD "
                               "name='s' datatype='char' arraysize='10*'/>"
                               "<FIELD name='skip' datatype='int' arraysize='*'/><FIELD name='bits' datatype='bit' arraysize='9'/><FIELD "
                               "name='w' datatype='unicodeChar' arraysize='3'/>"
                               "<FIELD name='b' datatype='boolean'/>";
    const auto wide = bytes(std::uint16_t{'a'}, std::uint16_t{0xD83D}, std::uint16_t{0xDE00});
    const std::string first =
        bytes(std::int16_t{-1}, 1.5, std::int32_t{3}) + "abc" + bytes(std::int32_t{2}, 1, 2) + "\xff\x80" + wide + "T";
    const std::string second = bytes(std::int16_t{5}, 2.5, std::int32_t{0}, std::int32_t{0}) + "\xff\x80" +
                               bytes(std::uint16_t{'b'}, std::uint16_t{0}, std::uint16_t{'c'}) + "?";
    for (const bool flags : {false, true}) {
        CAPTURE(flags);
        const auto data = flags ? "\x40" + first + std::string(1, '\0') + second : first + second;
        const auto table = open(votable(fields, binary(flags ? "BINARY2" : "BINARY", data)));
        REQUIRE(table->rows == 2);
        CHECK(numbers<std::int16_t>(*table, 0) == std::vector<std::int16_t>{0, 5});
        CHECK(nulls(*table, 0) == std::vector<bool>{true, false});
        CHECK(nulls(*table, 1) == std::vector<bool>{flags, false});
        CHECK(std::isnan(numbers<double>(*table, 1)[0]) == flags);
        CHECK(texts(*table, 2) == std::vector<std::string>{"abc", ""});
        CHECK(texts(*table, 5) == std::vector<std::string>{"a\U0001F600", "b"});
        CHECK(nulls(*table, 6) == std::vector<bool>{false, true});
    }
}

TEST_CASE("single bits are truth values, whichever bit of their byte is theirs") {
    const std::string field = "<FIELD name='bit' datatype='bit'/>";
    const std::vector<std::uint8_t> expected{0, 1, 1, 0};
    CHECK(numbers<std::uint8_t>(*open(votable(field, tabledata("<TR><TD>0</TD></TR><TR><TD> 1 </TD></TR><TR><TD>1</TD></TR><TR><TD>0</TD></TR>"))), 0) == expected);
    const std::string data("\0\x80\x08\0", 4);
    CHECK(numbers<std::uint8_t>(*open(votable(field, binary("BINARY", data))), 0) == expected);
    // A row of another length in each, and the flag of the last one is set.
    const auto table = open(votable(field + "<FIELD name='t' datatype='char' arraysize='*'/>", binary("BINARY2", std::string("\0\0\0\0\0\1x\0\x80\0\0\0\0\x80\x08\0\0\0\0", 19))));
    CHECK(table->info.columns[0].type == ColumnType::boolean);
    CHECK(numbers<std::uint8_t>(*table, 0) == std::vector<std::uint8_t>{0, 1, 0});
    CHECK(nulls(*table, 0) == std::vector<bool>{false, false, true});
}

TEST_CASE("lengths of arrays of arrays count numbers, or slices") {
    const std::string fields = "<FIELD name='a' datatype='short' arraysize='3x*'/><FIELD name='n' datatype='int'/>";
    for (const std::int32_t length : {6, 2}) {
        std::string data;
        for (std::int32_t row = 0; row < 3; ++row) data += bytes(length, std::uint64_t{1}, std::uint32_t{2}, row);
        const auto table = open(votable(fields, binary("BINARY", data)));
        CHECK(numbers<std::int32_t>(*table, 1) == std::vector<std::int32_t>{0, 1, 2});
    }
}

TEST_CASE("base64 in lines, with blanks, without padding") {
    std::string content;
    for (int i = 0; i < 1000; ++i) content += bytes(std::int32_t{i});
    content += "x";
    auto text = base64(content.substr(0, 4000));
    CHECK(text.ends_with("="));
    const auto fields = "<FIELD name='n' datatype='int'/>";
    const auto wrap = [](const std::string& stream) { return "<BINARY><STREAM encoding='base64'>" + stream + "</STREAM></BINARY>"; };
    std::string lines;
    for (std::size_t i = 0; i < text.size(); i += 7) lines += text.substr(i, 7) + (i % 3 == 0 ? "\r\n" : " \t");
    for (const auto& stream : {text, lines, text.substr(0, text.find('='))}) {
        const auto table = open(votable(fields, wrap(stream)));
        REQUIRE(table->rows == 1000);
        CHECK(numbers<std::int32_t>(*table, 0)[999] == 999);
    }
    CHECK(contains(error_of(votable(fields, wrap(base64(content)))), "line 6, column 5377: the binary data end within row 1001"));
}

TEST_CASE("encodings of the document") {
    const auto document = votable("<FIELD name='s' datatype='char' arraysize='*'/>", tabledata("<TR><TD>text</TD></TR>"));
    for (const auto& one : {"\xEF\xBB\xBF" + document, "\n \n" + document, utf16(document, true), utf16(document, false)})
        CHECK(texts(*open(one), 0) == std::vector<std::string>{"text"});
    const std::string latin = "<?xml version='1.0' encoding='ISO-8859-1'?><VOTABLE><RESOURCE><TABLE name='\xe9'><FIELD name='\xe8' "
                              "datatype='char' arraysize='*'/><DATA>"
                              "<TABLEDATA><TR><TD>\xfc</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>";
    const auto table = open(latin);
    CHECK(table->info.name == "é");
    CHECK(table->info.columns[0].name == "è");
    CHECK(texts(*table, 0) == std::vector<std::string>{"ü"});
}

TEST_CASE("the header alone, the first rows, and rows in many chunks, in memory or not") {
    std::string rows;
    const int count = 150'000;
    for (int i = 0; i < count; ++i)
        rows += "<TR><TD>" + std::to_string(i) + "</TD><TD>star " + std::string(static_cast<std::size_t>(i % 40), 'x') + std::to_string(i) +
                "</TD></TR>\n";
    const auto document = votable("<FIELD name='n' datatype='int'/><FIELD name='s' datatype='char' arraysize='*'/>", tabledata(rows));
    const auto head = open(document, "t.xml", {.most_rows = 0});
    CHECK(head->rows == 0);
    CHECK(head->info.columns.size() == 2);
    CHECK(head->info.name == "stars");
    CHECK(open(document, "t.xml", {.most_rows = 50})->rows == 50);
    for (const std::size_t share : {std::size_t{0}, std::size_t{1} << 20, std::size_t{1} << 28}) {
        const auto table = open(document, "t.xml", {.memory_share = share});
        REQUIRE(table->rows == count);
        const auto n = numbers<std::int32_t>(*table, 0);
        const auto s = texts(*table, 1);
        int wrong = 0;
        for (int i = 0; i < count; ++i) {
            const auto index = static_cast<std::size_t>(i);
            wrong += n[index] != i || s[index] != "star " + std::string(static_cast<std::size_t>(i % 40), 'x') + std::to_string(i);
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE("no table to read: the reason") {
    CHECK(error_of("<html><body/></html>", "page.xml") == "page.xml: line 1, column 1: this is no VOTable: it begins with <html>");
    CHECK(contains(error_of("<VOTABLE><RESOURCE><INFO name='QUERY_STATUS' value='ERROR'>no such table</INFO></RESOURCE></VOTABLE>"),
                   "no such table"));
    CHECK(contains(error_of("<VOTABLE/>"), "no TABLE with columns"));
    const std::string field = "<FIELD name='a' datatype='int'/>";
    CHECK(contains(error_of(votable(field, "<BINARY><STREAM href='http://example.org/data'/></BINARY>")), "its data are in another file"));
    CHECK(
        contains(error_of(votable(field, "<FITS extnum='1'><STREAM encoding='base64'>AAAA</STREAM></FITS>")), "its data are a FITS file"));
    CHECK(contains(error_of(votable(field, "<BINARY><STREAM encoding='gzip'>AAAA</STREAM></BINARY>")),
                   "its data have the encoding \"gzip\""));
    CHECK(contains(error_of(votable("<FIELD name='a' datatype='thing'/>", binary("BINARY", "abcd"))),
                   "column \"a\" has no datatype of VOTable (thing)"));
    CHECK(open(votable(field, tabledata("")))->rows == 0);
}
