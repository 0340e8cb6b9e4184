#include "server/net/access/access.hpp"

#include "platform/text.hpp"
#include "server/net/http/http_util.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <stdexcept>

#include <arpa/inet.h>

namespace cubelink::server {
namespace {

constexpr std::size_t max_tokens = 8;
using Address = std::array<std::uint8_t, 16>;

/// An IP address as 16 bytes; a scope (fe80::1%eth0) is dropped.
std::optional<Address> parse_address(std::string_view text) {
    const std::string plain(text.substr(0, text.find('%')));
    Address bytes{};
    in_addr v4{};
    if (inet_pton(AF_INET, plain.c_str(), &v4) == 1) {
        bytes[10] = bytes[11] = 0xff;
        std::memcpy(bytes.data() + 12, &v4, 4);
        return bytes;
    }
    if (inet_pton(AF_INET6, plain.c_str(), bytes.data()) == 1) return bytes;
    return std::nullopt;
}

bool is_v4(const Address& address) {
    return std::all_of(address.begin(), address.begin() + 10, [](auto b) { return b == 0; }) && address[10] == 0xff && address[11] == 0xff;
}

bool valid_port(std::string_view text) {
    unsigned port = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), port);
    return !text.empty() && result.ec == std::errc{} && result.ptr == text.data() + text.size() && port >= 1 && port <= 65535;
}

/// Host and port of an authority; the port "" if there is none. False: malformed.
bool split_authority(std::string_view authority, std::string& host, std::string& port) {
    std::string_view rest;
    if (!authority.empty() && authority.front() == '[') {
        const auto end = authority.find(']');
        if (end == std::string_view::npos) return false;
        host = platform::lower_case(authority.substr(1, end - 1));
        if (!parse_address(host) || host.find(':') == std::string::npos) return false;
        rest = authority.substr(end + 1);
    } else {
        const auto colon = authority.find(':');
        host = platform::lower_case(authority.substr(0, colon));
        if (!host.empty() && host.back() == '.') host.pop_back();
        const auto ok = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'; };
        if (host.empty() || !std::all_of(host.begin(), host.end(), ok)) return false;
        rest = colon == std::string_view::npos ? std::string_view{} : authority.substr(colon);
    }
    port.clear();
    if (rest.empty()) return true;
    if (rest.front() != ':') return false;
    rest.remove_prefix(1);
    if (rest.empty()) return true; // "name:" means the default
    if (!valid_port(rest)) return false;
    port = rest;
    return true;
}

/// scheme://host:port in one spelling, for comparison; "" if it is none.
std::string normal_origin(std::string_view scheme_text, std::string_view authority) {
    const auto scheme = platform::lower_case(scheme_text);
    std::string host, port;
    if (!split_authority(authority, host, port)) return {};
    if (port.empty()) port = scheme == "https" || scheme == "wss" ? "443" : "80";
    return scheme + "://" + host + ":" + std::to_string(std::stoul(port));
}

std::string normal_origin(std::string_view origin) {
    const auto mark = origin.find("://");
    if (mark == std::string_view::npos || mark == 0) return {};
    auto authority = origin.substr(mark + 3);
    if (!authority.empty() && authority.back() == '/') authority.remove_suffix(1); // as people write it in options
    if (authority.find_first_of("/?#@") != std::string_view::npos) return {};
    return normal_origin(origin.substr(0, mark), authority);
}

/// A normal origin as a source of a Content Security Policy; "" if it can't be one.
std::string policy_source(std::string_view normal) {
    const auto mark = normal.find("://");
    if (mark == std::string_view::npos) return {}; // "null"
    const auto scheme = normal.substr(0, mark), authority = normal.substr(mark + 3);
    const auto colon = authority.rfind(':');
    const auto host = authority.substr(0, colon), port = authority.substr(colon + 1);
    const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'; };
    if (host.find(':') != std::string_view::npos || !std::all_of(scheme.begin(), scheme.end(), plain)) return {};
    const bool usual = (scheme == "http" && port == "80") || (scheme == "https" && port == "443");
    return std::string(scheme) + "://" + std::string(usual ? host : authority);
}

/// The pieces of all fields of that name, as one list.
std::vector<std::string_view> list_of(const transport::HttpRequest& request, std::string_view name) {
    std::vector<std::string_view> pieces;
    for (const auto& [key, value] : request.headers) {
        if (key != name) continue;
        std::string_view rest = value;
        while (true) {
            const auto comma = rest.find(',');
            pieces.push_back(platform::trimmed(rest.substr(0, comma)));
            if (comma == std::string_view::npos) break;
            rest.remove_prefix(comma + 1);
        }
    }
    return pieces;
}

/// An entry of X-Forwarded-For: an address, maybe with brackets and a port.
std::string forwarded_address(std::string_view entry) {
    if (parse_address(entry)) return std::string(entry);
    if (!entry.empty() && entry.front() == '[') entry = entry.substr(1, entry.find(']') == std::string_view::npos ? 0 : entry.find(']') - 1);
    else entry = entry.substr(0, entry.find(':'));
    return parse_address(entry) ? std::string(entry) : std::string{};
}

} // namespace

OriginList::OriginList(const std::vector<std::string>& allow_origins) {
    for (const auto& origin : allow_origins) {
        if (origin == "*") any_ = true;
        else if (origin == "null") named_.push_back(origin);
        else if (auto normal = normal_origin(origin); !normal.empty()) named_.push_back(std::move(normal));
        else throw std::invalid_argument("--allow-origin: \"" + origin + "\" is not of the form https://name[:port]");
    }
}

OriginList::Match OriginList::match(std::string_view origin) const {
    const auto normal = origin == "null" ? std::string("null") : normal_origin(origin);
    if (!normal.empty() && std::find(named_.begin(), named_.end(), normal) != named_.end()) return Match::named;
    return any_ ? Match::any : Match::none;
}

AccessPolicy::AccessPolicy(const AccessOptions& options) : origins_(options.allow_origins) {
    hosts_.push_back("localhost");
    const auto add_host = [&](const std::string& option, const std::string& name) {
        auto host = parse_address(name) ? platform::lower_case(name) : host_of(name);
        if (host.empty()) throw std::invalid_argument(option + ": \"" + name + "\" is not the name of a host");
        hosts_.push_back(std::move(host));
    };
    if (!options.host.empty()) add_host("--host", options.host);
    for (const auto& name : options.allow_hosts) add_host("--allow-host", name);
    for (const auto& origin : origins_.named())
        if (const auto source = policy_source(origin); !source.empty()) frame_ancestors_ += ' ' + source;
    for (const auto& text : options.trusted_proxies) {
        const auto slash = text.find('/');
        const auto address = parse_address(std::string_view(text).substr(0, slash));
        Network network;
        bool ok = address.has_value();
        if (ok) {
            network.bytes = *address;
            const int size = is_v4(*address) ? 32 : 128;
            int bits = size;
            if (slash != std::string::npos) {
                const auto* begin = text.data() + slash + 1;
                const auto* end = text.data() + text.size();
                const auto result = std::from_chars(begin, end, bits);
                ok = begin != end && result.ec == std::errc{} && result.ptr == end && bits >= 0 && bits <= size;
            }
            network.bits = 128 - size + bits;
        }
        if (!ok) throw std::invalid_argument("--trusted-proxy: \"" + text + "\" is not an address or a network");
        proxies_.push_back(network);
    }
}

bool AccessPolicy::trusted(std::string_view text) const {
    const auto address = parse_address(text);
    if (!address) return false;
    return std::any_of(proxies_.begin(), proxies_.end(), [&](const Network& network) {
        for (int bit = 0; bit < network.bits; bit += 8) {
            const auto i = static_cast<std::size_t>(bit / 8);
            const int left = network.bits - bit;
            const auto mask = static_cast<std::uint8_t>(left >= 8 ? 0xff : 0xff << (8 - left));
            if (((*address)[i] & mask) != (network.bytes[i] & mask)) return false;
        }
        return true;
    });
}

RequestOrigin AccessPolicy::origin_of(const transport::HttpRequest& request) const {
    RequestOrigin origin{request.remote_address, request.tls ? "https" : "http", std::string(request.header("host"))};
    if (!trusted(request.remote_address)) return origin;
    // Each proxy appends whom it was called by: from the right, up to the first that is not one of ours.
    const auto chain = list_of(request, "x-forwarded-for");
    for (auto entry = chain.rbegin(); entry != chain.rend(); ++entry) {
        auto address = forwarded_address(*entry);
        if (address.empty()) break;
        origin.address = std::move(address);
        if (!trusted(origin.address)) break;
    }
    if (const auto schemes = list_of(request, "x-forwarded-proto"); !schemes.empty()) {
        const auto scheme = platform::lower_case(schemes.back());
        if (scheme == "https" || scheme == "wss") origin.scheme = "https";
        else if (scheme == "http" || scheme == "ws") origin.scheme = "http";
    }
    if (const auto hosts = list_of(request, "x-forwarded-host"); !hosts.empty() && !host_of(hosts.back()).empty()) origin.authority = hosts.back();
    return origin;
}

bool AccessPolicy::host_allowed(const transport::HttpRequest& request) const {
    const auto field = request.header("host");
    if (field.empty()) return request.headers.end() == std::find_if(request.headers.begin(), request.headers.end(),
                                                                    [](const auto& h) { return h.first == "host"; }); // HTTP/1.0 has none
    const auto host = host_of(field);
    if (host.empty()) return false;
    return parse_address(host) || std::find(hosts_.begin(), hosts_.end(), host) != hosts_.end();
}

bool AccessPolicy::origin_allowed(const transport::HttpRequest& request) const {
    for (const auto& [name, value] : request.headers) {
        if (name != "origin") continue;
        const auto own = origin_of(request);
        const auto normal = normal_origin(value);
        if (!normal.empty() && normal == normal_origin(own.scheme, own.authority)) continue;
        if (origins_.match(value) == OriginList::Match::none) return false;
    }
    return true;
}

std::string AccessPolicy::cors_origin(const transport::HttpRequest& request) const {
    const auto origin = request.header("origin");
    return !origin.empty() && origins_.match(origin) != OriginList::Match::none ? std::string(origin) : std::string{};
}

std::vector<std::string> tokens_of(const transport::HttpRequest& request, std::string_view own_name) {
    std::vector<std::string> tokens;
    const auto add = [&](std::string_view token) {
        if (!token.empty() && tokens.size() < max_tokens && std::find(tokens.begin(), tokens.end(), token) == tokens.end())
            tokens.emplace_back(token);
    };
    for (const auto& [name, value] : request.headers)
        if (name == "cookie" && !own_name.empty())
            for (const auto& token : cookie_values(value, own_name)) add(token);
    for (const auto& [name, value] : request.headers)
        if (name == "authorization" && value.size() > 7 && platform::lower_case(std::string_view(value).substr(0, 7)) == "bearer ")
            add(platform::trimmed(std::string_view(value).substr(7)));
    for (const auto& token : query_values(split_target(request.target).query, "token")) {
        add(token);
        // The page puts the token into the address as it is, where a plus sign should have been encoded.
        std::string with_plus = token;
        std::replace(with_plus.begin(), with_plus.end(), ' ', '+');
        add(with_plus);
    }
    if (!own_name.empty()) add(request.header(own_name));
    return tokens;
}

std::string network_of(std::string_view text) {
    const auto address = parse_address(text);
    if (!address) return std::string(text);
    const auto* first = reinterpret_cast<const char*>(address->data());
    return is_v4(*address) ? std::string(first + 12, 4) : std::string(first, 8);
}

bool is_loopback(std::string_view host) {
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    const auto address = parse_address(host);
    if (!address) return platform::lower_case(host) == "localhost";
    if (is_v4(*address)) return (*address)[12] == 127;
    return std::all_of(address->begin(), address->end() - 1, [](auto b) { return b == 0; }) && address->back() == 1;
}

std::string host_of(std::string_view authority) {
    std::string host, port;
    return split_authority(authority, host, port) ? host : std::string{};
}

} // namespace cubelink::server
