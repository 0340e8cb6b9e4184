#include "imaging/world/header_editor.hpp"

#include "imaging/world/card_text.hpp"
#include "imaging/world/wcs_vocabulary.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>
#include <unordered_set>

namespace cubelink::imaging {

namespace {

constexpr std::size_t record_length = 80;

std::string printable(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c < ' ' || c > '~') c = '?';
    }
    return out;
}

bool is_matrix(const AxisKeyword& key) { return key.form == AxisKeyword::Form::matrix || key.form == AxisKeyword::Form::six_digit; }

} // namespace

HeaderEditor::Entry HeaderEditor::entry_of(Card card, std::string records) {
    auto key = card.kind == Card::Kind::commentary ? std::nullopt : axis_keyword(card.keyword);
    return {std::move(card), std::move(records), std::move(key)};
}

HeaderEditor::HeaderEditor(const Header& header) {
    const std::string_view records = header.records();
    std::size_t at = 0;
    for (const Card& card : header.cards()) {
        const std::size_t length = card.records * record_length;
        entries_.push_back(entry_of(card, std::string(records.substr(at, length))));
        at += length;
    }
    std::unordered_set<std::string> seen;
    std::vector<bool> unwanted(entries_.size());
    const auto look = [&](std::size_t i, bool last) {
        const Entry& entry = entries_[i];
        if (entry.card.kind == Card::Kind::commentary) return;
        // Records of distortions are many cards of one keyword.
        if (entry.key && (entry.key->stem == "DP" || entry.key->stem == "DQ" || entry.key->stem == "D2IM")) return;
        const bool last_counts = entry.key || find_wcs_keyword(entry.card.keyword);
        if (last_counts == last) unwanted[i] = !seen.insert(entry.card.keyword).second;
    };
    for (std::size_t i = 0; i < entries_.size(); ++i) look(i, false);
    for (std::size_t i = entries_.size(); i-- > 0;) look(i, true);
    std::size_t i = 0;
    std::erase_if(entries_, [&](const Entry&) { return unwanted[i++]; });
}

std::vector<HeaderEditor::Entry>::iterator HeaderEditor::find_entry(std::string_view keyword) {
    return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.card.kind != Card::Kind::commentary && entry.card.keyword == keyword; });
}

const Card* HeaderEditor::find(std::string_view keyword) const {
    const auto found = const_cast<HeaderEditor*>(this)->find_entry(keyword);
    return found == entries_.end() ? nullptr : &found->card;
}

std::string fits_number(double value) {
    if (!std::isfinite(value)) throw std::invalid_argument("a FITS card holds finite numbers only");
    return number_text(value);
}

std::optional<double> HeaderEditor::number(std::string_view keyword) const {
    const Card* card = find(keyword);
    return card != nullptr && card->kind == Card::Kind::number ? parse_fits_number(card->value) : std::nullopt;
}

std::optional<std::string> HeaderEditor::text(std::string_view keyword) const {
    const Card* card = find(keyword);
    return card != nullptr && card->kind == Card::Kind::string ? std::optional(card->value) : std::nullopt;
}

void HeaderEditor::set(Card card, std::string_view comment) {
    if (!is_valid_keyword(card.keyword)) throw std::invalid_argument("\"" + card.keyword + "\" is no FITS keyword");
    card.comment = printable(comment);
    const auto found = find_entry(card.keyword);
    if (found == entries_.end()) {
        entries_.push_back(entry_of(std::move(card), {}));
        return;
    }
    if (comment.empty()) card.comment = found->card.comment;
    found->card = std::move(card);
    found->records.clear();
}

void HeaderEditor::set(std::string_view keyword, std::string_view value, std::string_view comment) {
    Card card;
    card.keyword = keyword;
    card.kind = Card::Kind::string;
    card.value = printable(value);
    set(std::move(card), comment);
}

void HeaderEditor::set(std::string_view keyword, double value, std::string_view comment) {
    Card card;
    card.keyword = keyword;
    card.kind = Card::Kind::number;
    card.value = fits_number(value);
    set(std::move(card), comment);
}

void HeaderEditor::set(std::string_view keyword, std::int64_t value, std::string_view comment) {
    Card card;
    card.keyword = keyword;
    card.kind = Card::Kind::number;
    card.value = std::to_string(value);
    set(std::move(card), comment);
}

void HeaderEditor::set(std::string_view keyword, bool value, std::string_view comment) {
    Card card;
    card.keyword = keyword;
    card.kind = Card::Kind::logical;
    card.value = value ? "T" : "F";
    set(std::move(card), comment);
}

void HeaderEditor::remove(std::string_view keyword) {
    remove_if([&](std::string_view name) { return name == keyword; });
}

void HeaderEditor::remove_if(const std::function<bool(std::string_view)>& unwanted) {
    std::erase_if(entries_, [&](const Entry& entry) { return unwanted(entry.card.keyword); });
}

void HeaderEditor::rename(const std::function<std::string(std::string_view)>& to) {
    std::erase_if(entries_, [&](Entry& entry) {
        std::string name = to(entry.card.keyword);
        if (name == entry.card.keyword) return false;
        if (name.empty()) return true;
        if (!is_valid_keyword(name)) throw std::invalid_argument("\"" + name + "\" is no FITS keyword");
        entry.card.keyword = std::move(name);
        entry = entry_of(std::move(entry.card), {});
        return false;
    });
}

void HeaderEditor::add_history(std::string_view text) {
    const Header history(commentary_records("HISTORY", text));
    for (const Card& card : history.cards()) entries_.push_back(entry_of(card, records_of(card)));
}

std::string HeaderEditor::records() const {
    std::string all;
    for (const Entry& entry : entries_) all += entry.records.empty() ? records_of(entry.card) : entry.records;
    return all;
}

std::string HeaderEditor::valid_records() const {
    std::string all;
    for (const Entry& entry : entries_) {
        const std::string records = entry.records.empty() ? records_of(entry.card) : entry.records;
        if (has_wrong_type(entry)) all += commentary_records("COMMENT", std::string_view(records).substr(0, record_length));
        else all += imaging::valid_records(entry.card, records);
    }
    return all;
}

/// RESTFRQ = 'a word'. Not of axes: without the card an axis would have others' coordinates.
bool HeaderEditor::has_wrong_type(const Entry& entry) {
    if (entry.key || (entry.card.kind != Card::Kind::string && entry.card.kind != Card::Kind::number)) return false;
    const auto known = find_wcs_keyword(entry.card.keyword);
    return known && (known->type == WcsValueType::text) != (entry.card.kind == Card::Kind::string);
}

/// Whether that description says anything of the axis.
bool HeaderEditor::describes(int axis, char alternate) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        const auto& key = entry.key;
        return key && key->alternate == alternate && key->stem.starts_with('C') && key->stem != "CNPIX" && (key->first == axis || (is_matrix(*key) && key->second == axis));
    });
}

void HeaderEditor::cut(int axis, const AxisCut& cut) {
    const std::string number = std::to_string(axis);
    set("NAXIS" + number, cut.count);
    if (cut.from == 0 && cut.step == 1) return;
    for (const char alternate : alternates) {
        if (describes(axis, alternate)) cut_coordinates(axis, cut, alternate);
    }
    // Pixels of the detector, as IRAF has them: logical = LTM · physical + LTV.
    const auto from = static_cast<double>(cut.from), step = static_cast<double>(cut.step);
    if (has("LTV" + number) || has("LTM" + number + "_" + number)) {
        set("LTV" + number, (this->number("LTV" + number).value_or(0) - 1 - from) / step + 1);
        if (cut.step != 1) set("LTM" + number + "_" + number, this->number("LTM" + number + "_" + number).value_or(1) / step);
    }
    // The corner on a plate of the Digitized Sky Survey.
    if (const auto corner = this->number("CNPIX" + number)) set("CNPIX" + number, *corner + from);
}

void HeaderEditor::cut_coordinates(int axis, const AxisCut& cut, char alternate) {
    const std::string tail = alternate == ' ' ? "" : std::string(1, alternate), name = "CRPIX" + std::to_string(axis) + tail;
    const auto reference = number(name);
    if (!reference && has(name)) return remove_coordinates(axis);
    set(name, (reference.value_or(0) - 1 - static_cast<double>(cut.from)) / static_cast<double>(cut.step) + 1);
    if (cut.step != 1) scale_column(axis, static_cast<double>(cut.step), alternate);
}

/// A pixel of the axis is that many pixels of before. PCi_j multiplies pixels before CDELTi does: where CDELT of this axis becomes larger, its row and its column
/// change, but not their crossing.
void HeaderEditor::scale_column(int axis, double factor, char alternate) {
    bool has_cd = false;
    for (Entry& entry : entries_) {
        const auto& key = entry.key;
        if (!key || key->alternate != alternate || (key->stem != "CD" && key->stem != "PC")) continue;
        has_cd = has_cd || key->stem == "CD";
        const bool row = key->first == axis, column = key->second == axis;
        const auto value = parse_fits_number(entry.card.value);
        if (!value || (key->stem == "CD" ? !column : row == column)) continue;
        entry.card.value = fits_number(column ? *value * factor : *value / factor);
        entry.records.clear();
    }
    const std::string step = "CDELT" + std::to_string(axis) + (alternate == ' ' ? "" : std::string(1, alternate));
    const auto value = number(step);
    if (value || (!has_cd && !has(step))) set(step, value.value_or(1) * factor);
}

void HeaderEditor::remove_coordinates(int axis) {
    std::erase_if(entries_, [&](const Entry& entry) {
        const auto& key = entry.key;
        if (!key || key->stem == "NAXIS" || key->stem == "LTV" || key->stem == "LTM" || key->stem == "CNPIX") return false;
        return key->first == axis || (is_matrix(*key) && key->second == axis);
    });
    // With a CD matrix, rows that are missing would be zeros.
    for (const char alternate : alternates) {
        const std::string tail = alternate == ' ' ? "" : std::string(1, alternate);
        const bool has_cd = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
            return entry.key && entry.key->stem == "CD" && entry.key->alternate == alternate;
        });
        if (has_cd) set("CD" + std::to_string(axis) + "_" + std::to_string(axis) + tail, 1.0);
    }
}

bool HeaderEditor::is_coupled(int axis, char alternate) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        const auto& key = entry.key;
        if (!key || key->alternate != alternate || (key->stem != "CD" && key->stem != "PC") || key->first == key->second) return false;
        return (key->first == axis || key->second == axis) && parse_fits_number(entry.card.value).value_or(0) != 0;
    });
}

bool HeaderEditor::is_coupled(int axis) const {
    return std::any_of(alternates.begin(), alternates.end(), [&](char alternate) { return is_coupled(axis, alternate); });
}

void HeaderEditor::drop_axes(const std::vector<int>& axes) {
    if (axes.empty()) return;
    const std::set<int> dropped(axes.begin(), axes.end());
    const auto before = [&](int axis) { return static_cast<int>(std::distance(dropped.begin(), dropped.lower_bound(axis))); };
    const auto follow = [&](const std::string& keyword) {
        const auto count = number(keyword);
        if (!count || *count < 0 || *count > 99) return;
        const int axes_before = static_cast<int>(*count);
        set(keyword, axes_before - before(axes_before + 1));
    };
    follow("NAXIS");
    follow("WCSDIM");
    for (const char alternate : alternates) follow(alternate == ' ' ? "WCSAXES" : "WCSAXES" + std::string(1, alternate));
    renumber([&](int axis) { return dropped.contains(axis) ? 0 : axis - before(axis); });
}

/// `number_of`: the new number of an axis; 0: its cards go.
void HeaderEditor::renumber(const std::function<int(int)>& number_of) {
    std::erase_if(entries_, [&](Entry& entry) {
        auto& key = entry.key;
        if (!key) return false;
        const bool matrix = is_matrix(*key);
        const int first = number_of(key->first), second = matrix ? number_of(key->second) : key->second;
        if (first == 0 || (matrix && second == 0)) return true;
        if (first == key->first && second == key->second) return false;
        key->first = first;
        key->second = second;
        entry.card.keyword = key->name();
        entry.records.clear();
        return false;
    });
}

} // namespace cubelink::imaging
