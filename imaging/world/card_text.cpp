#include "imaging/world/card_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace cubelink::imaging {

namespace {

constexpr std::size_t record_length = 80, value_column = 10, value_width = 20;
constexpr std::size_t string_width = record_length - value_column - 2; // between its quotes

std::string padded(std::string text) {
    text.resize(record_length, ' ');
    return text;
}

std::string_view skip(std::string_view text, std::string_view characters) {
    text.remove_prefix(std::min(text.find_first_not_of(characters), text.size()));
    return text;
}

/// What is left after a number; the text itself if it does not begin with one.
std::string_view after_number(std::string_view text) {
    constexpr std::string_view digits = "0123456789";
    std::string_view rest = text;
    if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) rest.remove_prefix(1);
    const std::string_view whole = skip(rest, digits);
    std::size_t count = rest.size() - whole.size();
    rest = whole;
    if (!rest.empty() && rest[0] == '.') {
        const std::string_view fraction = skip(rest.substr(1), digits);
        count += rest.size() - 1 - fraction.size();
        rest = fraction;
    }
    if (count == 0) return text;
    if (!rest.empty() && (rest[0] == 'E' || rest[0] == 'D')) {
        std::string_view exponent = rest.substr(1);
        if (!exponent.empty() && (exponent[0] == '+' || exponent[0] == '-')) exponent.remove_prefix(1);
        const std::string_view after = skip(exponent, digits);
        if (after.size() == exponent.size()) return text;
        rest = after;
    }
    return rest;
}

/// What is left after "(1.5, -2)"; the text itself if it does not begin so.
std::string_view after_complex(std::string_view text) {
    std::string_view rest = text;
    for (const char end : {',', ')'}) {
        rest = skip(rest.substr(1), " ");
        const std::string_view after = after_number(rest);
        if (after.size() == rest.size()) return text;
        rest = skip(after, " ");
        if (rest.empty() || rest[0] != end) return text;
    }
    return rest.substr(1);
}

std::string_view after_string(std::string_view text) {
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] != '\'') continue;
        if (i + 1 == text.size() || text[i + 1] != '\'') return text.substr(i + 1);
        ++i;
    }
    return text;
}

/// Whether the standard allows this as a value with a comment, from the tenth column on.
bool is_valid_value(std::string_view text) {
    text = skip(text, " ");
    if (text.empty() || text[0] == '/') return true;
    std::string_view rest = text;
    if (text[0] == '\'') rest = after_string(text);
    else if (text[0] == '(') rest = after_complex(text);
    else if (text[0] == 'T' || text[0] == 'F') rest = text.substr(1);
    else rest = after_number(text);
    if (rest.size() == text.size()) return false;
    rest = skip(rest, " ");
    return rest.empty() || rest[0] == '/';
}

bool is_valid_record(std::string_view record, const Card& card, bool continuation) {
    if (continuation) return is_valid_value(record.substr(8)) && record[8] == ' ';
    if (record.starts_with("HIERARCH")) {
        const auto equals = record.find('=');
        return equals != std::string_view::npos && is_valid_value(record.substr(equals + 1));
    }
    const auto end = record.substr(0, 8).find_last_not_of(' ');
    const std::string_view keyword = record.substr(0, end == std::string_view::npos ? 0 : end + 1);
    if (keyword.empty() || keyword == "COMMENT" || keyword == "HISTORY") return true;
    if (!is_valid_keyword(keyword) || keyword == "CONTINUE") return false;
    if (card.kind == Card::Kind::commentary) return true;
    return record[8] == '=' && record[9] == ' ' && is_valid_value(record.substr(value_column));
}

/// A number as the standard has it: exponents in capitals.
std::string number_of(const Card& card) {
    std::string text = card.value;
    std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c == 'e' ? 'E' : c == 'd' ? 'D' : c; });
    return text;
}

std::string with_comment(std::string text, const std::string& comment) {
    if (!comment.empty() && text.size() + 4 < record_length) text += " / " + comment;
    return padded(std::move(text));
}

std::string string_records(const Card& card) {
    std::string doubled;
    for (const char c : card.value) doubled += c == '\'' ? "''" : std::string(1, c);
    std::string keyword = card.keyword;
    keyword.resize(8, ' ');
    std::string records, start = keyword + "= ";
    while (doubled.size() > string_width) {
        // "&" goes where a character went, and a doubled quote stays together.
        std::size_t length = string_width - 1;
        while (length > 1 && doubled[length - 1] == '\'') --length;
        if (length <= 1) length = (string_width - 1) & ~std::size_t{1};
        records += padded(start + "'" + doubled.substr(0, length) + "&'");
        doubled.erase(0, length);
        start = "CONTINUE  ";
    }
    if (doubled.size() < 8 && records.empty()) doubled.resize(8, ' ');
    std::string last = start + "'" + doubled + "'";
    if (last.size() < value_column + value_width) last.resize(value_column + value_width, ' ');
    return records + with_comment(std::move(last), card.comment);
}

} // namespace

bool is_valid_keyword(std::string_view keyword) {
    return !keyword.empty() && keyword.size() <= 8 && keyword.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == std::string_view::npos;
}

std::string number_text(double value) {
    std::array<char, 40> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
    std::string text(buffer.data(), end);
    const auto exponent = text.find('e');
    if (exponent != std::string::npos) text[exponent] = 'E';
    if (text.find('.') == std::string::npos) text.insert(std::min(exponent, text.size()), ".0");
    return text;
}

std::string commentary_records(std::string_view keyword, std::string_view text) {
    constexpr std::size_t width = record_length - 8;
    std::string clean(text), start(keyword), records;
    start.resize(8, ' ');
    for (char& c : clean) {
        if (c < ' ' || c > '~') c = c == '\t' || c == '\n' ? ' ' : '?';
    }
    do {
        std::size_t length = std::min(clean.size(), width);
        if (clean.size() > width) {
            const auto blank = clean.rfind(' ', width);
            if (blank != std::string::npos && blank > width / 2) length = blank;
        }
        records += padded(start + clean.substr(0, length));
        clean.erase(0, length);
        clean.erase(0, std::min(clean.find_first_not_of(' '), clean.size()));
    } while (!clean.empty());
    return records;
}

std::string records_of(const Card& card) {
    if (card.kind == Card::Kind::commentary) {
        const bool blank = card.keyword.empty();
        return commentary_records(blank ? "" : std::string_view(card.text).substr(0, 8), card.text.size() > 8 ? std::string_view(card.text).substr(8) : "");
    }
    if (card.kind == Card::Kind::string) return string_records(card);
    std::string start = card.keyword;
    start.resize(8, ' ');
    start += "= ";
    const std::string value = card.kind == Card::Kind::number ? number_of(card) : card.value;
    if (value.size() < value_width) start += std::string(value_width - value.size(), ' ');
    return with_comment(start + value, card.comment);
}

std::string valid_records(const Card& card, std::string_view records) {
    bool valid = true;
    for (std::size_t at = 0; at < records.size(); at += record_length) valid = valid && is_valid_record(records.substr(at, record_length), card, at > 0);
    if (valid) return std::string(records);
    const bool has_value = card.kind == Card::Kind::string || card.kind == Card::Kind::number || card.kind == Card::Kind::logical;
    if (has_value && is_valid_keyword(card.keyword)) return records_of(card);
    std::string text(records.substr(0, record_length));
    text.erase(text.find_last_not_of(' ') + 1);
    return commentary_records("COMMENT", text);
}

} // namespace cubelink::imaging
