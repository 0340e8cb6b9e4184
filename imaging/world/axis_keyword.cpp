#include "imaging/world/axis_keyword.hpp"

#include <array>
#include <charconv>
#include <cstdio>

namespace cubelink::imaging {

namespace {

using Form = AxisKeyword::Form;

struct Entry {
    std::string_view stem;
    Form form;
    bool has_alternates;
};

// A stem stands before those that it begins with.
constexpr std::array entries{
    Entry{"NAXIS", Form::indexed, false},  Entry{"CTYPE", Form::indexed, true},  Entry{"CUNIT", Form::indexed, true},  Entry{"CRPIX", Form::indexed, true},
    Entry{"CRVAL", Form::indexed, true},   Entry{"CDELT", Form::indexed, true},  Entry{"CROTA", Form::indexed, false}, Entry{"CNAME", Form::indexed, true},
    Entry{"CRDER", Form::indexed, true},   Entry{"CSYER", Form::indexed, true},  Entry{"CZPHS", Form::indexed, true},  Entry{"CPERI", Form::indexed, true},
    Entry{"LTV", Form::indexed, false},    Entry{"CNPIX", Form::indexed, false}, Entry{"CPDIS", Form::indexed, true},  Entry{"CQDIS", Form::indexed, true},
    Entry{"CPERR", Form::indexed, true},   Entry{"CQERR", Form::indexed, true},  Entry{"DP", Form::indexed, true},     Entry{"DQ", Form::indexed, true},
    Entry{"D2IMDIS", Form::indexed, false}, Entry{"D2IMERR", Form::indexed, false}, Entry{"D2IM", Form::indexed, false}, Entry{"PC", Form::matrix, true},
    Entry{"CD", Form::matrix, true},       Entry{"LTM", Form::matrix, false},    Entry{"PV", Form::parameter, true},   Entry{"PS", Form::parameter, true},
    Entry{"PC", Form::six_digit, false},   Entry{"CD", Form::six_digit, false},  Entry{"WAT", Form::text, false},
};

/// Digits at the beginning of `text`, which they are removed from. Axes have one or two.
std::optional<int> take_number(std::string_view& text, std::size_t most = 2) {
    std::size_t length = 0;
    while (length < text.size() && text[length] >= '0' && text[length] <= '9') ++length;
    if (length == 0 || length > most) return std::nullopt;
    int value = 0;
    std::from_chars(text.data(), text.data() + length, value);
    text.remove_prefix(length);
    return value;
}

std::optional<AxisKeyword> match(const Entry& entry, std::string_view keyword) {
    if (!keyword.starts_with(entry.stem)) return std::nullopt;
    std::string_view rest = keyword.substr(entry.stem.size());
    AxisKeyword found;
    found.stem = entry.stem;
    found.form = entry.form;
    if (entry.form == Form::six_digit) {
        if (rest.size() != 6) return std::nullopt;
        std::string_view first = rest.substr(0, 3), second = rest.substr(3);
        const auto i = take_number(first, 3), j = take_number(second, 3);
        if (!i || !j || !first.empty() || !second.empty()) return std::nullopt;
        found.first = *i;
        found.second = *j;
        return found;
    }
    const auto axis = take_number(rest);
    if (!axis || *axis < 1) return std::nullopt;
    found.first = *axis;
    if (entry.form == Form::text) {
        if (!rest.starts_with('_')) return std::nullopt;
        found.tail = rest;
        return found;
    }
    if (entry.form != Form::indexed) {
        if (!rest.starts_with('_')) return std::nullopt;
        rest.remove_prefix(1);
        const auto second = take_number(rest);
        if (!second) return std::nullopt;
        found.second = *second;
    }
    if (rest.size() == 1 && entry.has_alternates && rest[0] >= 'A' && rest[0] <= 'Z') {
        found.alternate = rest[0];
        rest.remove_prefix(1);
    }
    return rest.empty() ? std::optional(found) : std::nullopt;
}

} // namespace

std::string AxisKeyword::name() const {
    std::string text(stem);
    if (form == Form::six_digit) {
        std::array<char, 32> numbers{};
        std::snprintf(numbers.data(), numbers.size(), "%03d%03d", first, second);
        return text + numbers.data();
    }
    text += std::to_string(first);
    if (form == Form::text) text += tail;
    if (form == Form::matrix || form == Form::parameter) text += "_" + std::to_string(second);
    if (alternate != ' ') text += alternate;
    return text;
}

std::optional<AxisKeyword> axis_keyword(std::string_view keyword) {
    for (const Entry& entry : entries) {
        if (auto found = match(entry, keyword)) return found;
    }
    return std::nullopt;
}

} // namespace cubelink::imaging
