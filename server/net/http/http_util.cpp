#include "server/net/http/http_util.hpp"

#include "platform/hex.hpp"
#include "platform/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <limits>

namespace cubelink::server {
namespace {

using platform::hex_digit;

/// Calls `take` with each piece between separators; stops when it returns false.
template <typename Take> void for_each_piece(std::string_view text, std::string_view separators, Take take) {
    while (true) {
        const auto end = text.find_first_of(separators);
        if (!take(text.substr(0, end)) || end == std::string_view::npos) return;
        text.remove_prefix(end + 1);
    }
}

/// All of the text as a decimal number; one that is too large is the largest.
std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ptr != text.data() + text.size()) return std::nullopt;
    return result.ec == std::errc{} ? value : std::numeric_limits<std::uint64_t>::max();
}


struct MediaType {
    std::string_view extension, type;
};
constexpr MediaType media_types[] = {
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"txt", "text/plain; charset=utf-8"},
    {"md", "text/markdown; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"xml", "text/xml; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"webmanifest", "application/manifest+json"},
    {"wasm", "application/wasm"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"svg", "image/svg+xml"},
    {"ico", "image/x-icon"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"otf", "font/otf"},
    {"eot", "application/vnd.ms-fontobject"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
    {"mp3", "audio/mpeg"},
    {"gz", "application/gzip"},
    {"zip", "application/zip"},
    {"fits", "application/fits"},
};

} // namespace

Target split_target(std::string_view target) {
    const auto mark = target.find('?');
    if (mark == std::string_view::npos) return {target, {}};
    return {target.substr(0, mark), target.substr(mark + 1)};
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_blank) out += ' ';
        else if (text[i] != '%') out += text[i];
        else {
            if (i + 2 >= text.size()) return std::nullopt;
            const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return out;
}

std::vector<std::string> query_values(std::string_view query, std::string_view name) {
    std::vector<std::string> values;
    for_each_piece(query, "&?", [&](std::string_view piece) {
        const auto equals = piece.find('=');
        const auto key = percent_decode(piece.substr(0, equals), true);
        if (!key || *key != name) return true;
        auto value = percent_decode(equals == std::string_view::npos ? std::string_view{} : piece.substr(equals + 1), true);
        if (value) values.push_back(std::move(*value));
        return true;
    });
    return values;
}

std::vector<std::string> cookie_values(std::string_view field, std::string_view name) {
    std::vector<std::string> values;
    for_each_piece(field, ";", [&](std::string_view piece) {
        const auto equals = piece.find('=');
        if (equals == std::string_view::npos || platform::trimmed(piece.substr(0, equals)) != name) return true;
        auto value = platform::trimmed(piece.substr(equals + 1));
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
        values.emplace_back(value);
        return true;
    });
    return values;
}

std::string normal_base_path(std::string_view base) {
    std::string out;
    for_each_piece(base, "/", [&](std::string_view piece) {
        if (!piece.empty()) out.append("/").append(piece);
        return true;
    });
    return out;
}

std::optional<std::string_view> below_base_path(std::string_view path, std::string_view base) {
    if (path.substr(0, base.size()) != base) return std::nullopt;
    const auto rest = path.substr(base.size());
    if (!rest.empty() && rest.front() != '/') return std::nullopt;
    return rest;
}

namespace {

/// `time` as "08:49:37".
std::optional<std::time_t> time_of(std::string_view day_text, std::string_view month_text, std::optional<std::uint64_t> year, std::string_view time) {
    if (time[2] != ':' || time[5] != ':') return std::nullopt;
    const auto month = std::find(transport::http_months.begin(), transport::http_months.end(), month_text);
    const auto day = number(platform::trimmed(day_text)), hour = number(time.substr(0, 2)), minute = number(time.substr(3, 2)), second = number(time.substr(6, 2));
    if (month == transport::http_months.end() || !day || !year || !hour || !minute || !second) return std::nullopt;
    if (*day < 1 || *day > 31 || *hour > 23 || *minute > 59 || *second > 60 || *year < 1900) return std::nullopt;
    std::tm parts{};
    parts.tm_mday = static_cast<int>(*day);
    parts.tm_mon = static_cast<int>(month - transport::http_months.begin());
    parts.tm_year = static_cast<int>(*year) - 1900;
    parts.tm_hour = static_cast<int>(*hour);
    parts.tm_min = static_cast<int>(*minute);
    parts.tm_sec = static_cast<int>(*second);
    return timegm(&parts);
}

/// A year of two digits is the past one where it would be more than 50 years ahead.
std::optional<std::uint64_t> long_year(std::optional<std::uint64_t> short_year) {
    if (!short_year) return std::nullopt;
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    const auto this_year = static_cast<std::uint64_t>(parts.tm_year) + 1900, year = this_year / 100 * 100 + *short_year;
    return year > this_year + 50 ? year - 100 : year;
}

} // namespace

std::optional<std::time_t> parse_http_date(std::string_view text) {
    // "Sun, 06 Nov 1994 08:49:37 GMT"
    if (text.size() == 29 && text.substr(3, 2) == ", " && text[7] == ' ' && text[11] == ' ' && text[16] == ' ' && text.substr(25) == " GMT")
        return time_of(text.substr(5, 2), text.substr(8, 3), number(text.substr(12, 4)), text.substr(17, 8));
    // "Sun Nov  6 08:49:37 1994"
    if (text.size() == 24 && text[3] == ' ' && text[7] == ' ' && text[10] == ' ' && text[19] == ' ')
        return time_of(text.substr(8, 2), text.substr(4, 3), number(text.substr(20, 4)), text.substr(11, 8));
    // "Sunday, 06-Nov-94 08:49:37 GMT"
    const auto comma = text.find(", ");
    if (comma == std::string_view::npos) return std::nullopt;
    const auto rest = text.substr(comma + 2);
    if (rest.size() != 22 || rest[2] != '-' || rest[6] != '-' || rest[9] != ' ' || rest.substr(18) != " GMT") return std::nullopt;
    return time_of(rest.substr(0, 2), rest.substr(3, 3), long_year(number(rest.substr(7, 2))), rest.substr(10, 8));
}

ByteRange parse_range(std::string_view field, std::uint64_t size) {
    const ByteRange whole{ByteRange::Kind::whole, 0, size}, none{ByteRange::Kind::unsatisfiable, 0, 0};
    if (field.size() < 6 || !platform::equal_ignoring_case(field.substr(0, 6), "bytes=")) return whole;
    const auto spec = platform::trimmed(field.substr(6));
    const auto dash = spec.find('-');
    if (dash == std::string_view::npos || spec.find(',') != std::string_view::npos) return whole;
    const auto first_text = platform::trimmed(spec.substr(0, dash)), last_text = platform::trimmed(spec.substr(dash + 1));
    const auto first = number(first_text), last = number(last_text);
    if (first_text.empty()) { // the last so many bytes
        if (!last) return whole;
        if (*last == 0 || size == 0) return none;
        const auto count = std::min(*last, size);
        return {ByteRange::Kind::part, size - count, count};
    }
    if (!first || (!last && !last_text.empty()) || (last && *last < *first)) return whole;
    if (*first >= size) return none;
    const auto end = last ? std::min(*last, size - 1) : size - 1;
    return {ByteRange::Kind::part, *first, end - *first + 1};
}

bool accepts_gzip(std::string_view field) {
    bool named = false, any = false, named_ok = false, any_ok = false;
    for_each_piece(field, ",", [&](std::string_view piece) {
        const auto semicolon = piece.find(';');
        const auto coding = platform::trimmed(piece.substr(0, semicolon));
        bool ok = true;
        if (semicolon != std::string_view::npos) {
            const auto weight = platform::trimmed(piece.substr(semicolon + 1));
            // q=0, q=0., q=0.000: not acceptable.
            if (weight.size() >= 2 && platform::lower_case(weight[0]) == 'q' && weight[1] == '=')
                ok = weight.substr(2).find_first_not_of("0.") != std::string_view::npos;
        }
        if (platform::equal_ignoring_case(coding, "gzip") || platform::equal_ignoring_case(coding, "x-gzip")) named = true, named_ok = ok;
        else if (coding == "*") any = true, any_ok = ok;
        return true;
    });
    return named ? named_ok : any && any_ok;
}

bool etag_matches(std::string_view field, std::string_view etag) {
    const auto opaque = [](std::string_view tag) {
        tag = platform::trimmed(tag);
        if (tag.substr(0, 2) == "W/") tag.remove_prefix(2);
        return tag;
    };
    if (platform::trimmed(field) == "*") return true;
    bool found = false;
    for_each_piece(field, ",", [&](std::string_view piece) {
        found = opaque(piece) == opaque(etag);
        return !found;
    });
    return found;
}

std::string media_type(std::string_view file_name) {
    const auto dot = file_name.rfind('.');
    if (dot != std::string_view::npos)
        for (const auto& entry : media_types)
            if (platform::equal_ignoring_case(file_name.substr(dot + 1), entry.extension)) return std::string(entry.type);
    return "application/octet-stream";
}

} // namespace cubelink::server
