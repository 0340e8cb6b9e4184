#include "imaging/world/units.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <vector>

namespace cubelink::imaging {

namespace {

struct Spelling {
    std::string_view upper, right;
};

// Units whose spelling in capitals is unambiguous, with the standard spelling.
constexpr std::array spellings{
    Spelling{"JY", "Jy"},         Spelling{"JANSKY", "Jy"},       Spelling{"MJY", "mJy"},        Spelling{"UJY", "uJy"},
    Spelling{"BEAM", "beam"},     Spelling{"PIXEL", "pixel"},     Spelling{"PIX", "pix"},        Spelling{"DEG", "deg"},
    Spelling{"DEGREE", "deg"},    Spelling{"DEGREES", "deg"},     Spelling{"RAD", "rad"},        Spelling{"RADIAN", "rad"},
    Spelling{"RADIANS", "rad"},   Spelling{"ARCSEC", "arcsec"},   Spelling{"ARCSECS", "arcsec"}, Spelling{"ARCSECOND", "arcsec"},
    Spelling{"ARCSECONDS", "arcsec"}, Spelling{"MAS", "mas"},
    Spelling{"ARCMIN", "arcmin"}, Spelling{"HZ", "Hz"},           Spelling{"HERTZ", "Hz"},       Spelling{"KHZ", "kHz"},
    Spelling{"MHZ", "MHz"},       Spelling{"GHZ", "GHz"},         Spelling{"KELVIN", "K"},       Spelling{"KELVINS", "K"},
    Spelling{"K", "K"},           Spelling{"M", "m"},             Spelling{"S", "s"},            Spelling{"SEC", "s"},
    Spelling{"KM", "km"},         Spelling{"SR", "sr"},           Spelling{"ANGSTROM", "Angstrom"},
    Spelling{"ANGSTROMS", "Angstrom"},                            Spelling{"MICRON", "um"},      Spelling{"MICRONS", "um"},
    Spelling{"COUNT", "count"},   Spelling{"COUNTS", "count"},    Spelling{"ERG", "erg"},        Spelling{"CM", "cm"},
};

std::string upper_case(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return result;
}

/// One unit without its power: the usual spelling, or as it stands. Mixed case is taken literally: "MJy" is a megajansky.
std::string spell(std::string_view unit) {
    const std::string upper = upper_case(unit);
    if (upper == "JY" || upper == "BEAM") return upper == "JY" ? "Jy" : "beam";
    const bool lower = std::none_of(unit.begin(), unit.end(), [](unsigned char c) { return std::isupper(c); });
    const bool capitals = upper == unit;
    if (unit.size() > 1 && (capitals || lower)) {
        for (const Spelling& known : spellings) {
            if (known.upper == upper) return std::string(known.right);
        }
    }
    if (unit.size() == 1 && (unit == "M" || unit == "S")) return unit == "M" ? "m" : "s";
    return std::string(unit);
}

struct Factor {
    std::string unit;
    int power = 1;
};

/// A unit followed by a power: "beam", "beam-1", "beam^-1", "beam**-1", "m2". nullopt for anything else.
std::optional<Factor> factor_of(std::string_view text) {
    std::size_t letters = 0;
    while (letters < text.size() && std::isalpha(static_cast<unsigned char>(text[letters]))) ++letters;
    if (letters == 0) return std::nullopt;
    Factor factor{spell(text.substr(0, letters)), 1};
    std::string_view rest = text.substr(letters);
    if (rest.starts_with("**")) rest.remove_prefix(2);
    else if (rest.starts_with("^")) rest.remove_prefix(1);
    if (rest.starts_with("(") && rest.ends_with(")")) rest = rest.substr(1, rest.size() - 2);
    if (rest.empty()) return factor;
    int sign = 1;
    if (rest.front() == '-' || rest.front() == '+') {
        sign = rest.front() == '-' ? -1 : 1;
        rest.remove_prefix(1);
    }
    if (rest.size() != 1 || !std::isdigit(static_cast<unsigned char>(rest.front()))) return std::nullopt;
    factor.power = sign * (rest.front() - '0');
    return factor;
}

/// "Jy beam-1", "Jy/beam", "km.s-1" as factors; nullopt if any part is unknown.
std::optional<std::vector<Factor>> factors_of(std::string_view text) {
    std::vector<Factor> factors;
    int sign = 1;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find_first_of(" ./*", at), text.size());
        const bool power = end + 1 < text.size() && text[end] == '*' && text[end + 1] == '*';
        const std::size_t stop = power ? std::min(text.find_first_of(" ./", end), text.size()) : end;
        if (stop > at) {
            auto factor = factor_of(text.substr(at, stop - at));
            if (!factor || factors.size() > 8) return std::nullopt;
            factor->power *= sign;
            factors.push_back(std::move(*factor));
            sign = 1;
        }
        if (stop < text.size() && text[stop] == '/') {
            if (sign < 0) return std::nullopt;
            sign = -1;
        }
        at = stop + 1;
    }
    return factors;
}

} // namespace

std::string normalise_unit(std::string_view unit) {
    const auto begin = unit.find_first_not_of(' ');
    if (begin == std::string_view::npos) return {};
    unit = unit.substr(begin, unit.find_last_not_of(' ') - begin + 1);
    const auto factors = factors_of(unit);
    if (!factors || factors->empty()) return std::string(unit);
    // Only the two-factor quotient is rewritten ("beam-1 Jy" as "Jy/beam"): more than that is left in the file's own order.
    if (factors->size() == 1) return (*factors)[0].power == 1 ? (*factors)[0].unit : std::string(unit);
    if (factors->size() == 2) {
        const Factor *top = &(*factors)[0], *bottom = &(*factors)[1];
        if (top->power == -1) std::swap(top, bottom);
        if (top->power == 1 && bottom->power == -1) return top->unit + "/" + bottom->unit;
    }
    return std::string(unit);
}

} // namespace cubelink::imaging
