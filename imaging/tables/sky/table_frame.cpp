#include "imaging/tables/sky/table_frame.hpp"

#include "imaging/world/number_text.hpp"
#include "platform/text.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace cubelink::imaging {

namespace {

enum class Kind { unknown, equatorial, galactic, ecliptic, other };

constexpr double first_of_fk5 = 1984; // FITS 4.0, section 8.3: without RADESYS older equinoxes are FK4's

/// "J2000", "B1950.0", "2000". Nothing: no year of ours.
std::optional<double> year_of(std::string_view text) {
    text = platform::trimmed(text);
    if (!text.empty() && std::string_view("JBjb").find(text.front()) != std::string_view::npos) text.remove_prefix(1);
    const auto year = number_of(text);
    return year && *year > 1700 && *year < 2300 ? year : std::nullopt;
}

Kind kind_of(SkyFrame frame) {
    switch (frame) {
    case SkyFrame::icrs:
    case SkyFrame::fk5:
    case SkyFrame::fk4: return Kind::equatorial;
    case SkyFrame::galactic: return Kind::galactic;
    case SkyFrame::ecliptic: return Kind::ecliptic;
    case SkyFrame::unknown: break;
    }
    return Kind::other;
}

bool begins_with_one_of(std::string_view text, std::initializer_list<std::string_view> beginnings) {
    return std::any_of(beginnings.begin(), beginnings.end(), [text](std::string_view one) { return text.starts_with(one); });
}

Kind kind_of(const ColumnInfo& column) {
    const auto ucd = platform::lower_case(column.ucd);
    if (begins_with_one_of(ucd, {"pos.eq.", "pos_eq_"})) return Kind::equatorial;
    if (begins_with_one_of(ucd, {"pos.galactic.", "pos_gal_"})) return Kind::galactic;
    if (begins_with_one_of(ucd, {"pos.ecliptic.", "pos_ec_"})) return Kind::ecliptic;
    if (begins_with_one_of(ucd, {"pos.supergalactic.", "pos_sg_", "pos.az.", "pos.earth.", "pos.bodyrc."})) return Kind::other;
    auto name = platform::lower_case(column.name);
    name.erase(0, name.find_first_not_of('_'));
    if (name == "l" || name == "b" || begins_with_one_of(name, {"glon", "glat", "gal_l", "gal_b", "galactic"})) return Kind::galactic;
    if (begins_with_one_of(name, {"elon", "elat", "ecl_l", "ecl_b", "ecliptic"})) return Kind::ecliptic;
    if (name == "sgl" || name == "sgb") return Kind::other;
    if (begins_with_one_of(name, {"ra", "de", "alpha", "delta"})) return Kind::equatorial;
    return Kind::unknown;
}

/// "eq_FK5" of VOTable is FK5, "ecl_FK5" ecliptic; EQUATORIAL, or nothing, is what the equinox says. `unknown`: of an equinox or a frame that we don't have.
std::optional<SkySystem> system_of(const CoordinateSystem& said) {
    auto name = platform::lower_case(platform::trimmed(said.system));
    if (name.starts_with("eq_")) name.erase(0, 3);
    if (name == "ecl_fk5") name = "ecliptic";
    const auto equinox = platform::trimmed(said.equinox);
    const auto year = year_of(equinox);
    if (!equinox.empty() && !year) return std::nullopt;
    if (name.empty() || name == "equatorial") {
        if (!year) return SkySystem{SkyFrame::icrs};
        name = *year < first_of_fk5 ? "fk4" : "fk5";
    }
    auto system = sky_system_of(name);
    if (system && year && system->frame != SkyFrame::icrs && system->frame != SkyFrame::galactic) system->equinox = *year;
    return system;
}

bool says_nothing(const CoordinateSystem& said) {
    return platform::equal_ignoring_case(platform::trimmed(said.system), "unknown") || (said.system.empty() && platform::trimmed(said.equinox).empty());
}

std::string text_of(const CoordinateSystem& said) {
    return "\"" + said.system + (said.system.empty() || said.equinox.empty() ? "" : " ") + said.equinox + "\"";
}

TableFrame frame_of(const CoordinateSystem& said) {
    const auto system = system_of(said);
    return {system, system ? "" : "the frame " + text_of(said) + " is not known here"};
}

} // namespace

TableFrame frame_of_column(const TableInfo& table, std::size_t column) {
    const auto& info = table.columns[column];
    if (!info.system.empty())
        for (const auto& said : table.systems)
            if (said.id == info.system && !says_nothing(said)) return frame_of(said);

    const auto kind = kind_of(info);
    const auto name = platform::lower_case(info.name);
    if (name.find("1950") != std::string::npos && kind == Kind::equatorial) return {SkySystem{SkyFrame::fk4, 1950}, ""};

    // Systems that nothing refers to are those of the positions of their kind.
    std::optional<TableFrame> found;
    std::string texts;
    bool agree = true;
    for (const auto& said : table.systems) {
        if (says_nothing(said)) continue;
        auto frame = frame_of(said);
        if (kind != Kind::unknown && frame.system && kind_of(frame.system->frame) != kind) continue;
        texts += (texts.empty() ? "" : ", ") + text_of(said);
        if (!found) found = std::move(frame);
        else if (found->system != frame.system) agree = false;
    }
    if (found && !agree) return {std::nullopt, "the table has several frames, " + texts};
    if (found && (found->system || kind == Kind::unknown || kind == Kind::equatorial)) return *found;

    switch (kind) {
    case Kind::galactic: return {SkySystem{SkyFrame::galactic}, ""};
    case Kind::ecliptic: return {SkySystem{SkyFrame::ecliptic}, ""};
    case Kind::other: return {std::nullopt, "the frame of such positions is not known here"};
    default: return {SkySystem{name.find("2000") != std::string::npos ? SkyFrame::fk5 : SkyFrame::icrs}, ""};
    }
}

} // namespace cubelink::imaging
