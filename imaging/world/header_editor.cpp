#include "imaging/world/header_editor.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace cubelink::imaging {

namespace {

constexpr std::size_t card_length = 80, value_column = 10, fixed_width = 20;
constexpr std::size_t text_in_record = 68; // of a string between its quotes

std::string padded(std::string text, std::size_t length = card_length) {
    text.resize(length, ' ');
    return text;
}

std::string keyword_of(std::string_view record) {
    std::string keyword(record.substr(0, 8));
    keyword.erase(keyword.find_last_not_of(' ') + 1);
    for (char& c : keyword) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return keyword;
}

void check_keyword(std::string_view keyword) {
    const bool good = !keyword.empty() && keyword.size() <= 8 && std::all_of(keyword.begin(), keyword.end(), [](unsigned char c) {
        return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
    if (!good) throw std::invalid_argument("\"" + std::string(keyword) + "\" is no FITS keyword");
}

std::string printable(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c < ' ' || c > '~') c = '?';
    return out;
}

/// "CRPIX3A" with the stem "CRPIX" is 3; 0 for others.
int number_after(std::string_view keyword, std::string_view stem) {
    if (!keyword.starts_with(stem)) return 0;
    keyword.remove_prefix(stem.size());
    int number = 0;
    const auto [end, error] = std::from_chars(keyword.data(), keyword.data() + keyword.size(), number);
    const std::string_view rest = keyword.substr(static_cast<std::size_t>(end - keyword.data()));
    if (error != std::errc() || rest.size() > 1 || (rest.size() == 1 && (rest[0] < 'A' || rest[0] > 'Z'))) return 0;
    return number;
}

/// "CD2_3A" with the stem "CD": 2, 3 and "A"; zeros for others.
struct Pair {
    int row = 0, column = 0;
    std::string alternate;
};
Pair pair_after(std::string_view keyword, std::string_view stem) {
    if (!keyword.starts_with(stem)) return {};
    const auto bar = keyword.find('_');
    if (bar == std::string_view::npos) return {};
    Pair pair;
    pair.row = number_after(keyword.substr(0, bar), stem);
    pair.column = number_after(keyword.substr(bar), "_");
    if (pair.row == 0 || pair.column == 0) return {};
    if (std::isupper(static_cast<unsigned char>(keyword.back()))) pair.alternate = keyword.back();
    return pair;
}

} // namespace

std::string fits_number(double value) {
    if (!std::isfinite(value)) throw std::invalid_argument("a FITS card holds finite numbers only");
    std::array<char, 32> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    std::string number(text.data(), end);
    if (number.find_first_of(".e") == std::string::npos) return number + ".0";
    const auto exponent = number.find('e');
    if (exponent == std::string::npos) return number;
    number[exponent] = 'E';
    if (number.find('.') == std::string::npos) number.insert(exponent, ".0");
    return number;
}

HeaderEditor::HeaderEditor(const Header& header) {
    const std::string_view all = header.records();
    for (std::size_t at = 0; at < all.size(); at += card_length) {
        const std::string record = padded(std::string(all.substr(at, card_length)));
        const auto keyword = keyword_of(record);
        if (keyword == "CONTINUE" && !entries_.empty()) entries_.back().records += record;
        else entries_.push_back({keyword, record});
    }
}

bool HeaderEditor::has(std::string_view keyword) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.keyword == keyword; });
}

void HeaderEditor::remove(std::string_view keyword) {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.keyword == keyword; });
}

void HeaderEditor::remove_if(const std::function<bool(std::string_view)>& chosen) {
    std::erase_if(entries_, [&](const Entry& entry) { return chosen(entry.keyword); });
}

void HeaderEditor::rename(const std::function<std::string(std::string_view)>& to) {
    std::vector<Entry> kept;
    kept.reserve(entries_.size());
    for (auto& entry : entries_) {
        auto name = to(entry.keyword);
        if (name.empty() && !entry.keyword.empty()) continue;
        if (name != entry.keyword) {
            check_keyword(name);
            entry.records.replace(0, 8, padded(name, 8));
            entry.keyword = std::move(name);
        }
        kept.push_back(std::move(entry));
    }
    entries_ = std::move(kept);
}

void HeaderEditor::put(std::string_view keyword, std::string_view value, std::string_view comment) {
    check_keyword(keyword);
    auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.keyword == keyword; });
    std::string kept(comment);
    if (found != entries_.end() && comment.empty()) {
        const Header old(found->records);
        if (!old.cards().empty()) kept = old.cards().front().comment;
    }
    std::string records = padded(std::string(keyword), 8) + "= ";
    if (value.starts_with('\'')) {
        records += value;
    } else {
        if (value.size() < fixed_width) records.append(fixed_width - value.size(), ' ');
        records += value;
    }
    const auto in_last = records.size() % card_length;
    if (records.size() <= card_length && !kept.empty() && in_last != 0 && card_length - in_last > 4) {
        if (records.size() < value_column + fixed_width) records.resize(value_column + fixed_width, ' ');
        records += " / " + printable(kept).substr(0, card_length - records.size() - 3);
    }
    records.resize((records.size() + card_length - 1) / card_length * card_length, ' ');
    if (found == entries_.end()) {
        entries_.push_back({std::string(keyword), std::move(records)});
        return;
    }
    found->records = std::move(records);
    entries_.erase(std::remove_if(std::next(found), entries_.end(), [&](const Entry& entry) { return entry.keyword == keyword; }), entries_.end());
}

void HeaderEditor::set(std::string_view keyword, std::string_view text, std::string_view comment) {
    std::string quoted;
    for (const char c : printable(text)) quoted += c == '\'' ? "''" : std::string(1, c);
    if (quoted.size() <= text_in_record) {
        if (quoted.size() < 8) quoted.resize(8, ' ');
        return put(keyword, "'" + quoted + "'", comment);
    }
    // Each record but the last ends with "&" and is continued.
    std::string value;
    for (std::size_t at = 0; at < quoted.size();) {
        std::size_t count = std::min(quoted.size() - at, text_in_record - 1);
        // A doubled quote stays in one record.
        std::size_t quotes = 0;
        while (quotes < count && quoted[at + count - 1 - quotes] == '\'') ++quotes;
        if (at + count < quoted.size() && quotes % 2 != 0) --count;
        const bool last = at + count == quoted.size();
        std::string part = "'" + quoted.substr(at, count) + (last ? "'" : "&'");
        if (!last) part.resize(card_length - value_column, ' ');
        value += at == 0 ? part : "CONTINUE  " + part;
        at += count;
    }
    put(keyword, value, {});
}

void HeaderEditor::set(std::string_view keyword, double value, std::string_view comment) { put(keyword, fits_number(value), comment); }
void HeaderEditor::set(std::string_view keyword, std::int64_t value, std::string_view comment) { put(keyword, std::to_string(value), comment); }
void HeaderEditor::set(std::string_view keyword, bool value, std::string_view comment) { put(keyword, value ? "T" : "F", comment); }

void HeaderEditor::add_history(std::string_view text) {
    constexpr std::size_t room = card_length - 8;
    for (std::size_t at = 0; at < text.size() || at == 0; at += room)
        entries_.push_back({"HISTORY", padded("HISTORY " + printable(text.substr(at, room)))});
}

void HeaderEditor::cut(int axis, const AxisCut& part) {
    const Header before = header();
    const double step = static_cast<double>(part.step), from = static_cast<double>(part.from);
    set("NAXIS" + std::to_string(axis), part.count);
    const auto scale = [&](const std::string& keyword, double factor) {
        if (const auto value = before.number(keyword)) set(keyword, *value * factor);
    };
    for (const auto& card : before.cards()) {
        const auto& keyword = card.keyword;
        if (card.kind != Card::Kind::number) continue;
        if (number_after(keyword, "CRPIX") == axis) {
            if (const auto value = before.number(keyword)) set(keyword, (*value - 1 - from) / step + 1);
        } else if (part.step != 1 && number_after(keyword, "CDELT") == axis) {
            scale(keyword, step);
        } else if (part.step != 1) {
            if (const auto cd = pair_after(keyword, "CD"); cd.column == axis) scale(keyword, step);
            // PCi_j multiplies pixels before CDELTi: with CDELT of this axis made larger, its row and column change, but not their crossing.
            if (const auto pc = pair_after(keyword, "PC"); pc.row != 0 && (pc.row == axis) != (pc.column == axis)) {
                // Where the header has no CDELTn, one is set below.
                if (pc.alternate.empty() || before.find("CDELT" + std::to_string(axis) + pc.alternate)) scale(keyword, pc.column == axis ? step : 1 / step);
            }
        }
    }
    // Without cards the reference pixel is 0 and the step is 1.
    const auto number = std::to_string(axis);
    const bool described = before.find("CTYPE" + number) || before.find("CRVAL" + number) || before.find("CDELT" + number);
    if (described && !before.number("CRPIX" + number) && part.from != 0) set("CRPIX" + number, (-1 - from) / step + 1);
    const bool has_cd = std::any_of(before.cards().begin(), before.cards().end(), [](const Card& card) { return pair_after(card.keyword, "CD").row != 0; });
    if (described && part.step != 1 && !before.number("CDELT" + number) && !has_cd) set("CDELT" + number, step);
}

std::string HeaderEditor::records() const {
    std::string all;
    for (const auto& entry : entries_) all += entry.records;
    return all;
}

} // namespace cubelink::imaging
