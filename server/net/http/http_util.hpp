#pragma once
/// Small pure functions over what HTTP requests are made of: targets, cookies, dates, ranges, media types. Any thread. All input is
/// taken for hostile.

#include "server/net/transport/http_date.hpp"

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::server {

/// A request target, cut at the first question mark; nothing decoded.
struct Target {
    std::string_view path, query;
};
Target split_target(std::string_view target);

/// Decodes %XX. nullopt: a percent sign without two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank = false);

/// The decoded values of a query's parameter, in order. A second question mark separates, too: there are pages that append `?token=` to
/// addresses that have a query already. A value that can't be decoded is left out.
std::vector<std::string> query_values(std::string_view query, std::string_view name);

/// The values of a cookie in a Cookie field, in order, without quotes.
std::vector<std::string> cookie_values(std::string_view field, std::string_view name);

/// What is left of a decoded path below a base path ("" or "/a/b"): begins with a slash; or "" if it is the base itself, without the slash
/// that relative links need (the caller redirects). nullopt: not below.
std::optional<std::string_view> below_base_path(std::string_view path, std::string_view base);
/// Brings a base path to the form "/a/b", or "" for none.
std::string normal_base_path(std::string_view base);

/// What transport::http_date() wrote, also in the two obsolete forms of RFC 9110, 5.6.7; nullopt: anything else.
using transport::http_date;
std::optional<std::time_t> parse_http_date(std::string_view text);

/// One part of a file of `size` bytes that a Range field asks for.
struct ByteRange {
    enum class Kind { whole, part, unsatisfiable } kind = Kind::whole; // whole: no range, one we do not serve (several), or nonsense
    std::uint64_t offset = 0, size = 0;
};
ByteRange parse_range(std::string_view field, std::uint64_t size);

/// Whether Accept-Encoding allows gzip.
bool accepts_gzip(std::string_view field);

/// Whether an If-None-Match field names this entity tag (weak comparison).
bool etag_matches(std::string_view field, std::string_view etag);

/// The media type for a file's name, with charset where it is text; application/octet-stream for unknown ones.
std::string media_type(std::string_view file_name);

} // namespace cubelink::server
