#include "imaging/world/header.hpp"
#include "imaging/world/units.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace cubelink::imaging {

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// Pixel coordinates and years in their shortest form; all else with a fixed number of digits.
std::string float_text(const std::string& name, double value) {
    std::array<char, 64> buffer{};
    if (contains(name, "PIX") || contains(name, "EQUINOX") || contains(name, "EPOCH")) {
        const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
        return {buffer.data(), end};
    }
    std::snprintf(buffer.data(), buffer.size(), "%.12E", value);
    return buffer.data();
}

/// "VELO-LSR", but not "VELO-F2V", which names an algorithm.
bool names_a_frame(const std::string& type) {
    if (!type.starts_with("VELO-") || type.size() < 8) return false;
    const std::string_view code = std::string_view(type).substr(5);
    return code[1] != '2' && code != "LOG" && code != "TAB" && code != "GRI" && code != "GRA";
}

HeaderEntry number_entry(const Card& card) {
    HeaderEntry entry{card.keyword, card.value, EntryType::string, 0, card.comment};
    const auto value = parse_fits_number(card.value);
    if (!value) return entry;
    entry.numeric_value = *value;
    const bool integer = card.value.find_first_of(".eEdD") == std::string::npos;
    entry.type = integer ? EntryType::integer : EntryType::floating;
    if (!integer) entry.value = float_text(card.keyword, *value);
    return entry;
}

} // namespace

std::vector<HeaderEntry> header_entries(const Header& header) {
    std::vector<HeaderEntry> entries;
    entries.reserve(header.cards().size() + 1);
    for (const Card& card : header.cards()) {
        if (card.kind == Card::Kind::commentary) {
            if (!card.text.empty()) entries.push_back({card.text, "", EntryType::string, 0, ""});
            continue;
        }
        if (card.kind == Card::Kind::number) {
            entries.push_back(number_entry(card));
            continue;
        }
        HeaderEntry entry{card.keyword, card.value, EntryType::string, 0, card.comment};
        const auto first = entry.value.find_first_not_of(' ');
        entry.value.erase(0, first == std::string::npos ? entry.value.size() : first);
        if (card.kind == Card::Kind::string) {
            if (contains(card.keyword, "UNIT")) entry.value = normalise_unit(entry.value);
            // AIPS encodes the reference frame in the type; libraries of clients expect it in SPECSYS.
            if (card.keyword.starts_with("CTYPE") && names_a_frame(entry.value) && !header.find("SPECSYS")) {
                const std::string frame = entry.value.substr(5, entry.value.find(' ', 5) - 5);
                entry.value = "VELO";
                entries.push_back(std::move(entry));
                entries.push_back({"SPECSYS", frame, EntryType::string, 0, ""});
                continue;
            }
        }
        entries.push_back(std::move(entry));
    }
    return entries;
}

} // namespace cubelink::imaging
