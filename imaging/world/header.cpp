#include "imaging/world/header.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

namespace cubelink::imaging {

namespace {

constexpr std::size_t card_length = 80;

std::string_view trim_right(std::string_view text) {
    const auto end = text.find_last_not_of(' ');
    return end == std::string_view::npos ? std::string_view{} : text.substr(0, end + 1);
}

std::string_view trim(std::string_view text) {
    const auto begin = text.find_first_not_of(' ');
    return begin == std::string_view::npos ? std::string_view{} : trim_right(text.substr(begin));
}

std::string_view comment_of(std::string_view rest) {
    const auto slash = rest.find('/');
    return slash == std::string_view::npos ? std::string_view{} : trim(rest.substr(slash + 1));
}

/// Value of the quoted string at the beginning of `text`; `rest` becomes what follows the closing quote. A quote within it is doubled. A
/// string without a closing quote extends to the end of the card.
std::string quoted(std::string_view text, std::string_view& rest) {
    std::string value;
    std::size_t i = 1;
    for (; i < text.size(); ++i) {
        if (text[i] != '\'') {
            value += text[i];
        } else if (i + 1 < text.size() && text[i + 1] == '\'') {
            value += text[i++];
        } else {
            ++i;
            break;
        }
    }
    rest = i < text.size() ? text.substr(i) : std::string_view{};
    value.resize(trim_right(value).size());
    return value;
}

void parse_value(std::string_view text, Card& card) {
    const auto start = text.find_first_not_of(' ');
    if (start == std::string_view::npos) return;
    text.remove_prefix(start);
    if (text.front() == '\'') {
        std::string_view rest;
        card.kind = Card::Kind::string;
        card.value = quoted(text, rest);
        card.comment = comment_of(rest);
        return;
    }
    card.value = trim(text.substr(0, text.find('/')));
    card.comment = comment_of(text);
    if (card.value.empty()) {
        card.kind = Card::Kind::empty;
    } else if (card.value == "T" || card.value == "F") {
        card.kind = Card::Kind::logical;
    } else {
        card.kind = parse_fits_number(card.value) ? Card::Kind::number : Card::Kind::other;
    }
}

} // namespace

std::optional<double> parse_fits_number(std::string_view text) {
    text = trim(text);
    std::string copy(text);
    for (char& c : copy) {
        if (c == 'D' || c == 'd') c = 'E';
    }
    // from_chars takes "inf" and "nan", and no leading plus.
    if (copy.find_first_not_of("0123456789+-.eE") != std::string::npos) return std::nullopt;
    const char* begin = copy.data();
    const char* end = begin + copy.size();
    if (begin != end && *begin == '+') {
        ++begin;
        if (begin != end && *begin == '-') return std::nullopt;
    }
    double value = 0;
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (error == std::errc::result_out_of_range && stop == end) {
        // Too small is 0; too large has no usable value.
        const auto exponent = copy.find_first_of("eE");
        if (exponent != std::string::npos && copy.find('-', exponent) != std::string::npos) return 0.0;
        return std::nullopt;
    }
    if (error != std::errc() || stop != end || !std::isfinite(value)) return std::nullopt;
    return value;
}

Header::Header(std::string_view cards) { parse(cards); }

void Header::parse(std::string_view cards) {
    records_.reserve(cards.size());
    bool continued = false; // the last card is a string that ends with '&'
    for (std::size_t at = 0; at < cards.size(); at += card_length) {
        std::string record(cards.substr(at, card_length));
        record.resize(card_length, ' ');
        for (char& c : record) {
            if (c < ' ' || c > '~') c = c == '\0' || c == '\t' ? ' ' : '?';
        }
        const std::string_view line = record;
        const std::string_view keyword = trim_right(line.substr(0, 8));
        if (keyword == "END" && trim(line.substr(8)).empty()) break;
        records_ += record;
        if (keyword == "CONTINUE" && continued) {
            Card part;
            parse_value(line.substr(8), part);
            Card& whole = cards_.back();
            ++whole.records;
            whole.value.pop_back();
            if (part.kind == Card::Kind::string) whole.value += part.value;
            if (!part.comment.empty()) whole.comment += (whole.comment.empty() ? "" : " ") + part.comment;
            continued = part.kind == Card::Kind::string && whole.value.ends_with('&');
            continue;
        }
        Card card;
        card.keyword = keyword;
        const bool commentary = keyword.empty() || keyword == "COMMENT" || keyword == "HISTORY" || keyword == "HIERARCH" || line[8] != '=';
        if (commentary) {
            card.kind = Card::Kind::commentary;
            card.text = trim_right(line);
        } else {
            // The standard has capitals only; lower-case keywords are common all the same.
            for (char& c : card.keyword) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
            parse_value(line.substr(9), card);
        }
        continued = card.kind == Card::Kind::string && card.value.ends_with('&');
        append(std::move(card));
    }
}

const Card* Header::find(std::string_view keyword) const {
    const auto found = first_.find(std::string(keyword));
    return found == first_.end() ? nullptr : &cards_[found->second];
}

std::optional<std::string> Header::text(std::string_view keyword) const {
    const Card* card = find(keyword);
    if (card == nullptr || card->kind != Card::Kind::string) return std::nullopt;
    return card->value;
}

std::optional<std::int64_t> Header::integer(std::string_view keyword) const {
    const Card* card = find(keyword);
    if (card == nullptr || card->kind != Card::Kind::number) return std::nullopt;
    std::string_view digits = card->value;
    if (digits.starts_with('+')) digits.remove_prefix(1);
    std::int64_t value = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc() && stop == digits.data() + digits.size()) return value;
    const auto real = parse_fits_number(card->value);
    if (!real || *real != std::floor(*real) || std::fabs(*real) > 9007199254740992.0) return std::nullopt;
    return static_cast<std::int64_t>(*real);
}

std::optional<double> Header::number(std::string_view keyword) const {
    const Card* card = find(keyword);
    if (card == nullptr || card->kind != Card::Kind::number) return std::nullopt;
    return parse_fits_number(card->value);
}

bool Header::is_true(std::string_view keyword) const {
    const Card* card = find(keyword);
    return card != nullptr && card->kind == Card::Kind::logical && card->value == "T";
}

void Header::append(Card card) {
    if (card.kind != Card::Kind::commentary) first_.try_emplace(card.keyword, cards_.size());
    cards_.push_back(std::move(card));
}

void Header::set(Card card) {
    const auto found = first_.find(card.keyword);
    if (found == first_.end()) {
        append(std::move(card));
    } else {
        cards_[found->second] = std::move(card);
    }
}

} // namespace cubelink::imaging
