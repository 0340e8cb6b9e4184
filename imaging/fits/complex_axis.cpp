#include "imaging/fits/complex_axis.hpp"

#include "imaging/world/axes.hpp"
#include "imaging/world/header.hpp"
#include "imaging/world/header_editor.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

namespace cubelink::imaging {

namespace {

constexpr std::array one_index{"NAXIS", "CTYPE", "CUNIT", "CRVAL", "CDELT", "CRPIX", "CROTA", "CNAME", "CRDER", "CSYER", "CPDIS", "CQDIS", "CPERR", "CQERR",
                               "DP",    "DQ",    "LTV"};
constexpr std::array two_axes{"CD", "PC", "LTM"};
constexpr std::array axis_and_parameter{"PV", "PS"};

/// Takes the digits at the beginning; 0 if there are none.
int take_number(std::string_view& text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return 0;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

/// "" or the letter of an alternate description.
bool is_version(std::string_view text) { return text.empty() || (text.size() == 1 && text[0] >= 'A' && text[0] <= 'Z'); }

/// What a keyword is called once axis `removed` (1-based) is gone; "": it goes with it.
std::string renumbered(std::string_view keyword, int removed) {
    const auto moved = [removed](int axis) { return axis > removed ? axis - 1 : axis; };
    const std::string same(keyword);
    for (const std::string_view stem : one_index) {
        std::string_view rest = keyword;
        if (!rest.starts_with(stem)) continue;
        rest.remove_prefix(stem.size());
        const int axis = take_number(rest);
        if (axis == 0 || !is_version(rest)) continue;
        return axis == removed ? "" : std::string(stem) + std::to_string(moved(axis)) + std::string(rest);
    }
    for (const std::string_view stem : two_axes) {
        std::string_view rest = keyword;
        if (!rest.starts_with(stem)) continue;
        rest.remove_prefix(stem.size());
        if (rest.size() == 6 && rest.find('_') == std::string_view::npos) { // PC001002
            std::string_view row = rest.substr(0, 3), column = rest.substr(3);
            const int i = take_number(row), j = take_number(column);
            if (i == 0 || j == 0 || !row.empty() || !column.empty()) continue;
            if (i == removed || j == removed) return "";
            const auto three = [](int number) { return std::string(number < 10 ? "00" : number < 100 ? "0" : "") + std::to_string(number); };
            return std::string(stem) + three(moved(i)) + three(moved(j));
        }
        const int i = take_number(rest);
        if (i == 0 || !rest.starts_with('_')) continue;
        rest.remove_prefix(1);
        const int j = take_number(rest);
        if (j == 0 || !is_version(rest)) continue;
        if (i == removed || j == removed) return "";
        return std::string(stem) + std::to_string(moved(i)) + "_" + std::to_string(moved(j)) + std::string(rest);
    }
    for (const std::string_view stem : axis_and_parameter) {
        std::string_view rest = keyword;
        if (!rest.starts_with(stem)) continue;
        rest.remove_prefix(stem.size());
        const int axis = take_number(rest);
        if (axis == 0 || !rest.starts_with('_')) continue;
        return axis == removed ? "" : std::string(stem) + std::to_string(moved(axis)) + std::string(rest);
    }
    return same;
}

} // namespace

std::optional<ComplexAxis> find_complex_axis(const Header& header, const std::vector<std::int64_t>& lengths) {
    for (std::size_t axis = 0; axis < lengths.size() && lengths.size() >= 3; ++axis) {
        const std::string number = std::to_string(axis + 1);
        if (axis_name(header.text("CTYPE" + number).value_or("")) != "COMPLEX" || (lengths[axis] != 2 && lengths[axis] != 3)) continue;
        ComplexAxis found{axis, lengths[axis], 0, 1, lengths[axis] == 3 ? std::optional<std::int64_t>(2) : std::nullopt};
        // In another order only if the header says so for all of them.
        const double value = header.number("CRVAL" + number).value_or(1), pixel = header.number("CRPIX" + number).value_or(1);
        const double step = header.number("CDELT" + number).value_or(1);
        const auto position = [&](double part) {
            for (std::int64_t i = 0; i < lengths[axis]; ++i) {
                if (std::fabs(value + (static_cast<double>(i) + 1 - pixel) * step - part) < 1e-3) return i;
            }
            return std::int64_t{-1};
        };
        const std::int64_t real = position(1), imaginary = position(2), weight = position(3);
        if (real >= 0 && imaginary >= 0 && real != imaginary && (lengths[axis] == 2 || (weight >= 0 && weight != real && weight != imaginary))) {
            found.real = real;
            found.imaginary = imaginary;
            if (found.weight) found.weight = weight;
        }
        return found;
    }
    return std::nullopt;
}

Header without_axis(const Header& header, std::size_t axis) {
    const int removed = static_cast<int>(axis) + 1;
    HeaderEditor editor(header);
    editor.rename([removed](std::string_view keyword) { return renumbered(keyword, removed); });
    for (const auto& card : header.cards()) {
        const bool counts = card.keyword == "NAXIS" || (card.keyword.starts_with("WCSAXES") && is_version(std::string_view(card.keyword).substr(7)));
        if (const auto count = counts ? header.integer(card.keyword) : std::nullopt; count && *count >= removed) editor.set(card.keyword, *count - 1);
    }
    return editor.header();
}

} // namespace cubelink::imaging
