#include "imaging/world/frame_of_header.hpp"

#include "imaging/world/header.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace cubelink::imaging {

namespace {

/// "J2000", "B1975.5"
std::string year_text(char letter, double value) {
    std::array<char, 64> text{};
    const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 10);
    return letter + std::string(text.data(), end);
}

std::string upper_case(std::string text) {
    for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

struct Equinox {
    std::optional<double> year;
    bool unreadable = false;
};

Equinox equinox_of(const Header& header, std::vector<std::string>& warnings) {
    for (const char* name : {"EQUINOX", "EPOCH"}) {
        const Card* card = header.find(name);
        if (card == nullptr || card->value.empty()) continue;
        if (const auto year = parse_equinox(card->value)) return {year, false};
        warnings.push_back(std::string(name) + " cannot be read (" + card->value.substr(0, 40) + "): the equinox is unknown");
        return {std::nullopt, true};
    }
    return {};
}

} // namespace

std::optional<double> parse_equinox(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    if (!text.empty() && std::string_view("JjBb").find(text.front()) != std::string_view::npos) text.remove_prefix(1);
    const auto year = parse_fits_number(text);
    return year && *year >= 1 && *year <= 9999 ? year : std::nullopt;
}

HeaderFrame frame_of_header(const Header& header, const std::string& lon_name, std::vector<std::string>& warnings) {
    if (lon_name == "GLON") return {{SkyFrame::galactic, 2000}, "GALACTIC"};
    std::string frame = upper_case(header.text("RADESYS").value_or(header.text("RADECSYS").value_or("")));
    frame.erase(0, std::min(frame.find_first_not_of(' '), frame.size()));
    if (lon_name != "RA" && lon_name != "ELON") return {{SkyFrame::unknown, 2000}, frame.empty() ? lon_name : frame};
    if (lon_name == "RA" && frame == "ICRS") {
        std::vector<std::string> ignored; // ICRS does not depend on the equinox
        const auto year = equinox_of(header, ignored).year;
        return {{SkyFrame::icrs, 2000}, year ? "ICRS, " + year_text('J', *year) : "ICRS"};
    }
    const Equinox equinox = equinox_of(header, warnings);
    if (lon_name == "ELON") {
        if (equinox.unreadable) return {{SkyFrame::unknown, 2000}, "ECLIPTIC, unknown equinox"};
        return {{SkyFrame::ecliptic, equinox.year.value_or(2000)}, "ECLIPTIC, " + year_text('J', equinox.year.value_or(2000))};
    }
    if (equinox.unreadable) return {{SkyFrame::unknown, 2000}, (frame.empty() ? "" : frame + ", ") + "unknown equinox"};
    if (frame.empty()) frame = !equinox.year ? "ICRS" : *equinox.year < 1984 ? "FK4" : "FK5";
    if (frame == "ICRS") return {{SkyFrame::icrs, 2000}, "ICRS"};
    if (frame == "FK5") return {{SkyFrame::fk5, equinox.year.value_or(2000)}, "FK5, " + year_text('J', equinox.year.value_or(2000))};
    if (frame == "FK4") return {{SkyFrame::fk4, equinox.year.value_or(1950)}, "FK4, " + year_text('B', equinox.year.value_or(1950))};
    return {{SkyFrame::unknown, equinox.year.value_or(2000)}, frame}; // FK4-NO-E, GAPPT
}

} // namespace cubelink::imaging
