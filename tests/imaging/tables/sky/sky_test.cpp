#include "imaging/tables/sky/sky_test.hpp"
#include "imaging/tables/sky/table_frame.hpp"
#include "imaging/tables/views/table_view.hpp"
#include "tests/imaging/tables/samples.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <random>

using namespace samples;

namespace {

TableInfo info_of(std::vector<CoordinateSystem> systems, std::vector<ColumnInfo> columns) {
    TableInfo info;
    info.systems = std::move(systems);
    info.columns = std::move(columns);
    return info;
}

Table empty(TableInfo info) {
    Table table;
    table.info = std::move(info);
    return table;
}

ColumnInfo column(const char* name, const char* unit = "", const char* ucd = "", const char* system = "", ColumnType type = ColumnType::float64) {
    ColumnInfo info;
    info.name = name, info.unit = unit, info.ucd = ucd, info.system = system, info.type = type;
    return info;
}

/// "FK4 1950" of the first column; the problem if there is none.
std::string frame(std::vector<CoordinateSystem> systems, ColumnInfo one) {
    const auto found = frame_of_column(info_of(std::move(systems), {std::move(one)}), 0);
    if (!found.system) return found.problem;
    std::string text(name_of(found.system->frame));
    if (found.system->frame != SkyFrame::icrs && found.system->frame != SkyFrame::galactic) text += " " + std::to_string(found.system->equinox).substr(0, 6);
    return text;
}

std::vector<SkyPoint> positions(const Table& table, const SkyColumns& columns) {
    std::vector<std::uint32_t> rows(table.rows);
    std::iota(rows.begin(), rows.end(), 0u);
    std::vector<SkyPoint> out(rows.size());
    sky_positions(table, columns, rows, out);
    return out;
}

std::string problem(const TableInfo& info, const char* said = nullptr) {
    try {
        sky_columns(empty(info), 0, 1, said ? sky_system_of(said) : std::nullopt);
    } catch (const SkyColumnsError& error) {
        return std::to_string(static_cast<int>(error.part)) + " " + error.what();
    }
    return {};
}

} // namespace

TEST_CASE("the frame of a column is what the table says") {
    const CoordinateSystem icrs{"i", "ICRS", "", ""}, fk4{"o", "eq_FK4", "B1875", ""}, fk5{"f", "eq_FK5", "J2000.0", ""}, galactic{"g", "galactic", "", ""},
        ecliptic{"e", "ecl_FK5", "J2010", ""}, earth{"x", "geo_app", "", ""}, strange{"s", "eq_FK5", "soon", ""}, unknown{"u", "UNKNOWN", "", ""};
    CHECK(frame({}, column("x")) == "ICRS");
    CHECK(frame({}, column("ra")) == "ICRS");
    CHECK(frame({unknown}, column("ra")) == "ICRS");
    // By reference, whatever else there is.
    CHECK(frame({icrs, fk4, galactic}, column("ra", "", "pos.eq.ra", "o")) == "FK4 1875.0");
    CHECK(frame({icrs, ecliptic}, column("ra", "", "pos.eq.ra", "e")) == "ECLIPTIC 2010.0");
    CHECK(frame({icrs, earth}, column("ra", "", "", "x")) == "the frame \"geo_app\" is not known here");
    CHECK(frame({strange}, column("ra", "", "", "s")) == "the frame \"eq_FK5 soon\" is not known here");
    // By kind.
    CHECK(frame({galactic, fk5}, column("RAJ2000", "", "pos.eq.ra;meta.main")) == "FK5 2000.0");
    CHECK(frame({fk5, galactic}, column("x", "", "pos.galactic.lon")) == "GALACTIC");
    CHECK(frame({icrs}, column("_Glon")) == "GALACTIC");
    CHECK(frame({icrs}, column("l")) == "GALACTIC");
    CHECK(frame({icrs}, column("x", "", "POS_GAL_LON")) == "GALACTIC");
    CHECK(frame({icrs}, column("elon")) == "ECLIPTIC 2000.0");
    CHECK(frame({icrs, ecliptic}, column("x", "", "pos.ecliptic.lon")) == "ECLIPTIC 2010.0");
    CHECK(frame({galactic}, column("ra")) == "ICRS");
    CHECK(frame({galactic}, column("x")) == "GALACTIC");
    CHECK(frame({fk5}, column("x")) == "FK5 2000.0");
    CHECK(frame({fk5}, column("_RAB1950")) == "FK4 1950.0");
    CHECK(frame({}, column("RAJ2000")) == "FK5 2000.0");
    CHECK(frame({}, column("x", "", "pos.supergalactic.lon")) == "the frame of such positions is not known here");
    CHECK(frame({icrs, fk5}, column("ra")) == "the table has several frames, \"ICRS\", \"eq_FK5 J2000.0\"");
    CHECK(frame({icrs, icrs}, column("ra")) == "ICRS");
    CHECK(frame({earth}, column("ra")) == "the frame \"geo_app\" is not known here");
    // FITS: RADESYS and EQUINOX.
    CHECK(frame({{"", "", "1950.0", ""}}, column("RA")) == "FK4 1950.0");
    CHECK(frame({{"", "", "2000.0", ""}}, column("RA")) == "FK5 2000.0");
    CHECK(frame({{"", "FK4", "", ""}}, column("RA")) == "FK4 1950.0");
    CHECK(frame({{"", "FK5", "1975", ""}}, column("RA")) == "FK5 1975.0");
    CHECK(frame({{"", "ICRS", "2000", ""}}, column("RA")) == "ICRS");
    CHECK(frame({{"", "GAPPT", "", ""}}, column("RA")) == "the frame \"GAPPT\" is not known here");
}

TEST_CASE("the frame of tables as they are read") {
    const auto votable = open(R"(<VOTABLE><RESOURCE><COOSYS ID="o" system="eq_FK4" equinox="B1950"/><COOSYS ID="n" system="ICRS"/>
<TABLE><FIELD name="a" datatype="double" ref="o"/><FIELD name="b" datatype="double" ref="n"/>
<DATA><TABLEDATA><TR><TD>1</TD><TD>2</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>)");
    CHECK(*frame_of_column(votable->info, 0).system == SkySystem{SkyFrame::fk4, 1950});
    CHECK(frame_of_column(votable->info, 1).system->frame == SkyFrame::icrs);
    CHECK(problem(votable->info) == "2 \"a\" and \"b\" are of different frames; say which it is");
    CHECK(problem(votable->info, "FK5") == "");

    const auto old = open(samples::fits(16, 1, {"D", "D"}, {{"TTYPE1", "'RA'"}, {"TTYPE2", "'DEC'"}, {"EQUINOX", "1950.0"}}, bytes(10.0, 20.0)));
    CHECK(*frame_of_column(old->info, 0).system == SkySystem{SkyFrame::fk4, 1950});
}

TEST_CASE("units and texts of positions") {
    const auto one = [](ColumnInfo lon, ColumnInfo lat, const char* said = nullptr) {
        const auto columns = sky_columns(empty(info_of({}, {std::move(lon), std::move(lat)})), 0, 1, said ? sky_system_of(said) : std::nullopt);
        return std::pair{columns.longitude, columns.latitude};
    };
    CHECK(one(column("ra", " Hour "), column("dec", "arcmin")).first.scale == 15);
    CHECK(one(column("ra", "hourangle"), column("dec", "ARCMIN")).second.scale == doctest::Approx(1.0 / 60));
    CHECK(one(column("ra", "RAD"), column("dec", "mas")).first.scale == doctest::Approx(57.29577951308232));
    CHECK(one(column("ra", "\"h:m:s\"", "", "", ColumnType::string), column("dec", "\"d:m:s\"", "", "", ColumnType::string)).first.sexagesimal_scale == 15);
    CHECK(one(column("ra", "deg", "", "", ColumnType::string), column("dec")).first.sexagesimal_scale == 1);
    CHECK(one(column("glon", "", "", "", ColumnType::string), column("glat")).first.sexagesimal_scale == 1);
    CHECK(one(column("x", "", "", "", ColumnType::string), column("y"), "GALACTIC").first.sexagesimal_scale == 1);
    CHECK(problem(info_of({}, {column("ra", "km/s"), column("dec")})) == "0 the unit of \"ra\", \"km/s\", is no angle");
    CHECK(problem(info_of({}, {column("ra"), column("dec", "\"pix\"")})) == "1 the unit of \"dec\", \"\"pix\"\", is no angle");
    CHECK(problem(info_of({}, {column("ra", "", "", "", ColumnType::boolean), column("dec")})) == "0 \"ra\" has truth values, no angles");

    const auto table = open("ra,dec\n12:30:00,-00:30:00\n 12h30m0s , -0d30m\n12 30 00.0,-0 30 0\n187.5,-.5\n12  30,- 0 30\nnothing,1\n,2\n12:61:00,3\n1:2:3:4,4\n12:30:00,91\n"
                            "12:30:00,-90:00:00\n-1:00:00,+89:59:59.99\n12 h 30 m,5\n\xC3\xA9,nan\n");
    REQUIRE(table->info.columns[0].type == ColumnType::string);
    const auto found = positions(*table, sky_columns(*table, 0, 1, std::nullopt));
    for (int row = 0; row < 5; ++row) {
        CAPTURE(row);
        CHECK(found[static_cast<std::size_t>(row)].lon == doctest::Approx(187.5));
        CHECK(found[static_cast<std::size_t>(row)].lat == doctest::Approx(-0.5));
    }
    for (const std::size_t row : {5u, 6u, 7u, 8u, 13u}) CHECK(std::isnan(found[row].lon));
    CHECK(std::isnan(found[9].lat));
    CHECK(std::isnan(found[13].lat));
    CHECK(found[10].lat == -90);
    CHECK(found[11].lon == doctest::Approx(-15));
    CHECK(found[11].lat == doctest::Approx(89.99999722));
    CHECK(found[12].lon == doctest::Approx(187.5));

    // Names are no angles, but some of them may be missing.
    const auto names = open("name,ra\n,12:00:00\nNGC 7,nothing\nx,\n");
    CHECK_THROWS_WITH_AS(sky_columns(*names, 0, 1, std::nullopt), "the texts of \"name\" are no angles", SkyColumnsError);
    CHECK_THROWS_AS(sky_columns(*names, 1, 0, std::nullopt), SkyColumnsError);
    CHECK(sky_columns(*names, 1, 1, std::nullopt).longitude.is_text);
}

TEST_CASE("cones of any columns are those of degrees") {
    const auto seed = cubelink::test::random_seed();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    std::string text = "ra,dec,hours,minutes,texts\n";
    for (int row = 0; row < 5000; ++row) {
        const double ra = std::uniform_real_distribution<>(0, 360)(random), dec = std::uniform_real_distribution<>(-90, 90)(random);
        if (row % 50 == 7) text += ",,,,\n";
        else text += std::to_string(ra) + "," + std::to_string(dec) + "," + std::to_string(ra / 15) + "," + std::to_string(dec * 60) + "," + format_hours(ra, 6) + "\n";
    }
    auto table = std::make_shared<Table>(*open(text));
    table->info.columns[2].unit = "h", table->info.columns[3].unit = "arcmin";
    BudgetCache budget(std::size_t{1} << 26);
    const auto rows = [&](std::size_t lon, std::size_t lat, SkyPoint center, double radius) {
        ViewCache views(table);
        const auto view = views.view({.test = within_cone(sky_columns(*table, lon, lat, std::nullopt), center, radius)}, {.budget = budget, .threads = 2});
        std::vector<std::uint32_t> out(view->rows());
        view->rows(0, out);
        return out;
    };
    for (const auto& [center, radius] : {std::pair{SkyPoint{10, 20}, 15.0}, std::pair{SkyPoint{359.9, -89}, 5.0}, std::pair{SkyPoint{200, 0}, 100.0}}) {
        const auto plain = rows(0, 1, center, radius);
        CHECK(plain.size() > 0);
        // Positions on the edge may differ by the digits of the texts.
        CHECK(std::abs(static_cast<double>(rows(2, 1, center, radius).size()) - static_cast<double>(plain.size())) <= 1);
        CHECK(std::abs(static_cast<double>(rows(4, 3, center, radius).size()) - static_cast<double>(plain.size())) <= 1);
    }
    // Two systems of the same columns are two conditions.
    auto fk4 = sky_columns(*table, 2, 3, sky_system_of("FK4")), icrs = sky_columns(*table, 2, 3, std::nullopt);
    CHECK(fk4.key() != icrs.key());
}
