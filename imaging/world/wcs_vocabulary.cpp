#include "imaging/world/wcs_vocabulary.hpp"

#include <array>
#include <charconv>

namespace cubelink::imaging {

namespace {

enum class Form {
    plain,     // LONPOLE
    indexed,   // CRVALi
    pair,      // CDi_j
    six_digit, // CD00i00j
    powers,    // A_p_q
};

struct Entry {
    std::string_view stem;
    Form form;
    WcsValueType type;
    int lowest, highest, second_highest; // of the indices; the second one may be 0 in PVi_m, PSi_m and A_p_q
    std::string_view present_stem;       // empty: the stem itself
};

constexpr auto integer = WcsValueType::integer;
constexpr auto real = WcsValueType::real;
constexpr auto text = WcsValueType::text;
constexpr int axes = 9, parameters = 39, powers = 9, plate_terms = 20;

// What does not bear on positions (dates, names, errors, the observatory) is not here: wcslib does without it.
constexpr std::array vocabulary{
    Entry{"WCSAXES", Form::plain, integer, 0, 0, 0, ""},
    Entry{"CTYPE", Form::indexed, text, 1, axes, 0, ""},
    Entry{"CUNIT", Form::indexed, text, 1, axes, 0, ""},
    Entry{"CRPIX", Form::indexed, real, 1, axes, 0, ""},
    Entry{"CRVAL", Form::indexed, real, 1, axes, 0, ""},
    Entry{"CDELT", Form::indexed, real, 1, axes, 0, ""},
    Entry{"CROTA", Form::indexed, real, 1, axes, 0, ""},
    Entry{"CD", Form::pair, real, 1, axes, axes, ""},
    Entry{"PC", Form::pair, real, 1, axes, axes, ""},
    Entry{"CD", Form::six_digit, real, 1, axes, axes, ""},
    Entry{"PC", Form::six_digit, real, 1, axes, axes, ""},
    Entry{"PV", Form::pair, real, 1, axes, parameters, ""},
    Entry{"PS", Form::pair, text, 1, axes, 2, ""},
    Entry{"LONPOLE", Form::plain, real, 0, 0, 0, ""},
    Entry{"LATPOLE", Form::plain, real, 0, 0, 0, ""},
    Entry{"RESTFRQ", Form::plain, real, 0, 0, 0, ""},
    Entry{"RESTFREQ", Form::plain, real, 0, 0, 0, "RESTFRQ"},
    Entry{"RESTWAV", Form::plain, real, 0, 0, 0, ""},
    Entry{"SPECSYS", Form::plain, text, 0, 0, 0, ""},
    Entry{"VELREF", Form::plain, integer, 0, 0, 0, ""},
    // Simple Imaging Polynomials
    Entry{"A_ORDER", Form::plain, integer, 0, 0, 0, ""},
    Entry{"B_ORDER", Form::plain, integer, 0, 0, 0, ""},
    Entry{"AP_ORDER", Form::plain, integer, 0, 0, 0, ""},
    Entry{"BP_ORDER", Form::plain, integer, 0, 0, 0, ""},
    Entry{"A_", Form::powers, real, 0, powers, powers, ""},
    Entry{"B_", Form::powers, real, 0, powers, powers, ""},
    Entry{"AP_", Form::powers, real, 0, powers, powers, ""},
    Entry{"BP_", Form::powers, real, 0, powers, powers, ""},
    // Plate solution of the Digitized Sky Survey
    Entry{"PLTRAH", Form::plain, integer, 0, 0, 0, ""},
    Entry{"PLTRAM", Form::plain, integer, 0, 0, 0, ""},
    Entry{"PLTRAS", Form::plain, real, 0, 0, 0, ""},
    Entry{"PLTDECSN", Form::plain, text, 0, 0, 0, ""},
    Entry{"PLTDECD", Form::plain, integer, 0, 0, 0, ""},
    Entry{"PLTDECM", Form::plain, integer, 0, 0, 0, ""},
    Entry{"PLTDECS", Form::plain, real, 0, 0, 0, ""},
    Entry{"XPIXELSZ", Form::plain, real, 0, 0, 0, ""},
    Entry{"YPIXELSZ", Form::plain, real, 0, 0, 0, ""},
    Entry{"CNPIX", Form::indexed, real, 1, 2, 0, ""},
    Entry{"PPO", Form::indexed, real, 1, 6, 0, ""},
    Entry{"AMDX", Form::indexed, real, 1, plate_terms, 0, ""},
    Entry{"AMDY", Form::indexed, real, 1, plate_terms, 0, ""},
};

/// Digits only, at most three of them.
std::optional<int> index_of(std::string_view digits) {
    int value = 0;
    if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

bool in_range(std::optional<int> index, int lowest, int highest) { return index && *index >= lowest && *index <= highest; }

std::optional<WcsKeyword> match(const Entry& entry, std::string_view keyword) {
    if (!keyword.starts_with(entry.stem)) return std::nullopt;
    const std::string_view rest = keyword.substr(entry.stem.size());
    WcsKeyword found{std::string(entry.present_stem.empty() ? entry.stem : entry.present_stem), entry.stem, 0, 0, entry.type, !entry.present_stem.empty()};
    if (entry.form == Form::plain) return rest.empty() ? std::optional(found) : std::nullopt;
    if (entry.form == Form::indexed) {
        const auto index = index_of(rest);
        if (!in_range(index, entry.lowest, entry.highest)) return std::nullopt;
        found.first = *index;
        found.name += std::to_string(found.first);
        return found;
    }
    const bool six = entry.form == Form::six_digit;
    const auto bar = six ? 3 : rest.find('_');
    if (bar == std::string_view::npos || (six && rest.size() != 6)) return std::nullopt;
    const auto first = index_of(rest.substr(0, bar)), second = index_of(rest.substr(six ? bar : bar + 1));
    const bool matrix = entry.type == real && entry.lowest == 1 && entry.second_highest == axes;
    if (!in_range(first, entry.lowest, entry.highest) || !in_range(second, matrix ? 1 : 0, entry.second_highest)) return std::nullopt;
    found.first = *first;
    found.second = *second;
    found.old_form = six;
    found.name += std::to_string(found.first) + "_" + std::to_string(found.second);
    return found;
}

} // namespace

std::optional<WcsKeyword> find_wcs_keyword(std::string_view keyword) {
    for (const Entry& entry : vocabulary) {
        if (auto found = match(entry, keyword)) return found;
    }
    return std::nullopt;
}

} // namespace cubelink::imaging
