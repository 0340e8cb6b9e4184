#include "server/net/transport/http_head.hpp"

#include "platform/text.hpp"
#include "server/net/transport/http_date.hpp"
#include "server/net/transport/websocket_codec.hpp"

#include <algorithm>
#include <array>
#include <ctime>

namespace cubelink::transport {
namespace {

bool is_token_char(char c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
    return c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char); }

/// Whether one of the comma-separated values of the (maybe repeated) field is `token`, in any case.
bool lists(const HttpRequest& request, std::string_view field, std::string_view token) {
    for (const auto& [name, value] : request.headers) {
        if (name != field) continue;
        std::string_view rest = value;
        while (true) {
            const auto comma = rest.find(',');
            if (platform::lower_case(platform::trimmed(rest.substr(0, comma))) == token) return true;
            if (comma == std::string_view::npos) break;
            rest.remove_prefix(comma + 1);
        }
    }
    return false;
}

std::size_t count(const HttpRequest& request, std::string_view field) {
    return static_cast<std::size_t>(
        std::count_if(request.headers.begin(), request.headers.end(), [&](const auto& h) { return h.first == field; }));
}

/// Splits "http://authority/path", as clients of proxies write a target (RFC 9112, 3.2.2). False if it is none.
bool split_absolute(std::string_view target, std::string_view& authority, std::string& path) {
    const auto scheme = platform::lower_case(target.substr(0, 8));
    const std::size_t skip = scheme.compare(0, 7, "http://") == 0 ? 7 : scheme == "https://" ? 8 : 0;
    if (skip == 0) return false;
    target.remove_prefix(skip);
    const auto end = std::min(target.find_first_of("/?#"), target.size());
    authority = target.substr(0, end);
    path = end < target.size() && target[end] == '/' ? std::string(target.substr(end)) : std::string("/").append(target.substr(end));
    return !authority.empty() && authority.find('@') == std::string_view::npos;
}

Refusal parse_request_line(std::string_view line, RequestHead& out, std::string_view& authority) {
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return {400, "the request line is not METHOD TARGET HTTP/1.1"};
    const auto method = line.substr(0, first), target = line.substr(first + 1, last - first - 1), version = line.substr(last + 1);
    if (!is_token(method)) return {400, "the method is not a token"};
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (version.size() != 8 || version.substr(0, 5) != "HTTP/" || !digit(version[5]) || version[6] != '.' || !digit(version[7]))
        return {400, "the request line does not end with an HTTP version"};
    if (version[5] != '1') return {505, "this server speaks HTTP/1.1"};
    out.minor_version = version[7] == '0' ? 0 : 1;
    const bool path = !target.empty() && (target.front() == '/' || (target == "*" && method == "OPTIONS"));
    if (path) out.request.target = target;
    else if (!split_absolute(target, authority, out.request.target)) return {400, "the request target is not a path"};
    for (const char c : target)
        if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) return {400, "the request target has a blank or a control character"};
    out.request.method = method;
    return {};
}

Refusal parse_field(std::string_view line, HttpRequest& request) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return {400, "a header field has no colon"};
    if (!is_token(line.substr(0, colon))) return {400, "the name of a header field is not a token"};
    const auto value = platform::trimmed(line.substr(colon + 1));
    for (const char c : value)
        if ((static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f) return {400, "a header field has a control character"};
    request.headers.emplace_back(platform::lower_case(line.substr(0, colon)), std::string(value));
    return {};
}

Refusal parse_body_size(std::size_t max_body, RequestHead& out) {
    if (count(out.request, "transfer-encoding") > 0)
        return {411, "send the body with a Content-Length; transfer encodings are not accepted"};
    const auto lengths = count(out.request, "content-length");
    if (lengths == 0) return {};
    const auto text = out.request.header("content-length");
    if (lengths > 1 || text.empty() || text.size() > 18 || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
        return {400, "Content-Length is not one number"};
    for (const char c : text) out.body_size = out.body_size * 10 + static_cast<std::uint64_t>(c - '0');
    if (out.body_size > max_body) return {413, "the body is larger than " + std::to_string(max_body) + " bytes"};
    return {};
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
    // A value that carries a line break would become a header of its own.
    const auto clean = [&](std::string_view text) {
        for (const char c : text) out += (c == '\r' || c == '\n' || c == '\0') ? ' ' : c;
    };
    clean(name);
    out += ": ";
    clean(value);
    out += "\r\n";
}

} // namespace

std::string_view HttpRequest::header(std::string_view name) const {
    for (const auto& [key, value] : headers)
        if (key == name) return value;
    return {};
}

Refusal check_partial_head(std::string_view bytes, std::size_t max_size) {
    const auto line_end = bytes.find('\n');
    for (auto at = line_end; at != std::string_view::npos; at = bytes.find('\n', at + 1))
        if (at == 0 || bytes[at - 1] != '\r') return {400, "lines end with CR LF"};
    const auto line = bytes.substr(0, line_end);
    // The method shows early whether this is HTTP at all (a TLS greeting is not).
    const auto method = line.substr(0, line.find(' '));
    if (method.size() > 32 || !std::all_of(method.begin(), method.end(), [](char c) { return is_token_char(c) || c == '\r'; }))
        return {400, "this is not an HTTP request"};
    if (bytes.size() <= max_size) return {};
    if (line_end == std::string_view::npos || line_end > max_size) return {414, "the request target is too long"};
    return {431, "the header is larger than " + std::to_string(max_size) + " bytes"};
}

Refusal parse_head(std::string_view head, std::size_t max_body, RequestHead& out) {
    bool first = true;
    std::string_view authority;
    while (true) {
        const auto end = head.find("\r\n");
        if (end == std::string_view::npos) return {400, "the header does not end with an empty line"};
        const auto line = head.substr(0, end);
        head.remove_prefix(end + 2);
        if (line.empty() && !first) break;
        if (line.find('\r') != std::string_view::npos) return {400, "a line has a carriage return inside"};
        const auto refusal = first ? parse_request_line(line, out, authority) : parse_field(line, out.request);
        if (refusal.status != 0) return refusal;
        first = false;
    }
    const auto hosts = count(out.request, "host");
    if (hosts > 1 || (hosts == 0 && out.minor_version > 0)) return {400, "a request has one Host field"};
    if (!authority.empty()) { // it is the target's that counts
        auto& headers = out.request.headers;
        headers.erase(std::remove_if(headers.begin(), headers.end(), [](const auto& field) { return field.first == "host"; }), headers.end());
        headers.emplace_back("host", std::string(authority));
    }
    if (const auto refusal = parse_body_size(max_body, out); refusal.status != 0) return refusal;
    out.expects_continue = out.minor_version > 0 && lists(out.request, "expect", "100-continue");
    // RFC 9110, 7.8: an Upgrade field in an HTTP/1.0 request is ignored.
    out.upgrades_to_websocket =
        out.minor_version > 0 && lists(out.request, "upgrade", "websocket") && lists(out.request, "connection", "upgrade");
    return {};
}

Refusal check_websocket(const RequestHead& head, std::string& accept) {
    const auto& request = head.request;
    if (request.method != "GET") return {400, "a WebSocket handshake is a GET request"};
    if (head.body_size > 0) return {400, "a WebSocket handshake has no body"};
    const auto version = request.header("sec-websocket-version");
    if (version.empty()) return {400, "Sec-WebSocket-Version is missing"};
    if (version != "13") return {426, "this server speaks version 13 of the WebSocket protocol"};
    if (count(request, "sec-websocket-key") != 1) return {400, "a WebSocket handshake has one Sec-WebSocket-Key"};
    accept = accept_key(request.header("sec-websocket-key"));
    if (accept.empty()) return {400, "Sec-WebSocket-Key is not 16 bytes in base64"};
    return {};
}

std::string write_head(const HttpResponse& response, std::uint64_t body_size) {
    std::string out = "HTTP/1.1 " + std::to_string(response.status) + " " + reason_phrase(response.status) + "\r\n";
    for (const auto& [name, value] : response.headers) {
        const auto key = platform::lower_case(name);
        if (key == "connection" || key == "content-length" || key == "transfer-encoding" || key == "date") {
            if (key != "connection" || response.status != 101) continue;
        }
        append_field(out, name, value);
    }
    append_field(out, "Date", http_date(std::time(nullptr)));
    if (response.status != 101) {
        if (response.status != 204 && response.status != 304) append_field(out, "Content-Length", std::to_string(body_size));
        append_field(out, "Connection", response.status == 426 ? "close, Upgrade" : "close"); // 426 says to what: that field needs its mention here
    }
    out += "\r\n";
    return out;
}

HttpResponse refuse(const Refusal& refusal) {
    HttpResponse response;
    response.status = refusal.status;
    response.headers = {{"Content-Type", "text/plain; charset=utf-8"}, {"X-Content-Type-Options", "nosniff"}};
    if (refusal.status == 426) {
        response.headers.emplace_back("Sec-WebSocket-Version", "13");
        response.headers.emplace_back("Upgrade", "websocket");
    }
    if (refusal.status == 503) response.headers.emplace_back("Retry-After", "10");
    response.body = refusal.why + "\n";
    return response;
}

const char* reason_phrase(int status) {
    switch (status) {
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Status";
    }
}

} // namespace cubelink::transport
