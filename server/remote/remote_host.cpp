#include "server/remote/remote_host.hpp"

#include "platform/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace cubelink::server {

namespace {

using Ip6 = std::array<std::uint8_t, 16>;

std::optional<std::uint32_t> ip4_of(std::string_view text) {
    in_addr address{};
    if (::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return std::nullopt;
    return ntohl(address.s_addr);
}

std::optional<Ip6> ip6_of(std::string_view text) {
    Ip6 address{};
    if (::inet_pton(AF_INET6, std::string(text).c_str(), address.data()) != 1) return std::nullopt;
    return address;
}

/// The special-purpose addresses of IANA's registry.
bool is_public(std::uint32_t address) {
    struct Network {
        std::uint32_t prefix;
        int bits;
    };
    static constexpr std::array reserved{
        Network{0x00000000, 8},  Network{0x0a000000, 8},  Network{0x64400000, 10}, Network{0x7f000000, 8},  Network{0xa9fe0000, 16},
        Network{0xac100000, 12}, Network{0xc0000000, 24}, Network{0xc0000200, 24}, Network{0xc0586300, 24}, Network{0xc0a80000, 16},
        Network{0xc6120000, 15}, Network{0xc6336400, 24}, Network{0xcb007100, 24}, Network{0xe0000000, 4},  Network{0xf0000000, 4},
    };
    return std::none_of(reserved.begin(), reserved.end(), [address](const Network& network) { return (address ^ network.prefix) >> (32 - network.bits) == 0; });
}

std::uint32_t last_four(const Ip6& address, std::size_t at) {
    return std::uint32_t{address[at]} << 24 | std::uint32_t{address[at + 1]} << 16 | std::uint32_t{address[at + 2]} << 8 | address[at + 3];
}

bool starts_with(const Ip6& address, std::initializer_list<std::uint8_t> prefix) { return std::equal(prefix.begin(), prefix.end(), address.begin()); }

bool is_public(const Ip6& address) {
    if (starts_with(address, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})) return is_public(last_four(address, 12));   // ::ffff:0:0/96
    if (starts_with(address, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) return is_public(last_four(address, 12)); // 64:ff9b::/96, NAT64
    if (starts_with(address, {0x20, 0x02})) return is_public(last_four(address, 2));                                   // 6to4
    if ((address[0] & 0xe0) != 0x20) return false;               // 2000::/3 are the global unicast ones
    if (starts_with(address, {0x20, 0x01}) && address[2] < 2) return false;              // 2001::/23: Teredo, benchmarks and the like
    return !starts_with(address, {0x20, 0x01, 0x0d, 0xb8}) && !(address[0] == 0x3f && address[1] == 0xff && address[2] < 0x10); // documentation
}

bool is_loopback(std::uint32_t address) { return address >> 24 == 127; }
bool is_loopback(const Ip6& address) { return address == Ip6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}; }

std::optional<std::uint32_t> ip4_of(const sockaddr& address) {
    if (address.sa_family != AF_INET) return std::nullopt;
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    return ntohl(in.sin_addr.s_addr);
}

std::optional<Ip6> ip6_of(const sockaddr& address) {
    if (address.sa_family != AF_INET6) return std::nullopt;
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    Ip6 bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return bytes;
}

bool is_host_name(std::string_view name) {
    return !name.empty() && name.size() <= 253 && name.front() != '.' && name.front() != '-' &&
           std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'; });
}

/// As it is compared: without the brackets of an IPv6 address, or the dot at the end of a full name.
std::string plain_host(std::string_view host) {
    std::string name = platform::lower_case(host);
    if (name.size() > 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
    else if (name.ends_with('.')) name.pop_back();
    return name;
}

int usual_port(std::string_view scheme) { return scheme == "http" ? 80 : 443; }

} // namespace

std::optional<RemoteHost> parse_remote_host(std::string_view text) {
    std::string_view host = text, port;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        host = text.substr(0, end + 1);
        port = text.substr(end + 1);
    } else if (const auto colon = text.find(':'); colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
        host = text.substr(0, colon);
        port = text.substr(colon);
    }
    RemoteHost parsed{plain_host(host)};
    if (!port.empty()) {
        const auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), parsed.port);
        if (port.front() != ':' || error != std::errc() || end != port.data() + port.size() || parsed.port < 1 || parsed.port > 65535) return std::nullopt;
    }
    if (!is_host_name(parsed.name) && !ip6_of(parsed.name)) return std::nullopt;
    return parsed;
}

RemoteUrl parse_remote_url(const std::string& url) {
    const std::unique_ptr<CURLU, void (*)(CURLU*)> parts(::curl_url(), ::curl_url_cleanup);
    if (!parts || ::curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) throw std::invalid_argument("is not a URL");
    const auto part = [&](CURLUPart which) {
        char* text = nullptr;
        if (::curl_url_get(parts.get(), which, &text, 0) != CURLUE_OK) return std::string();
        std::string copy(text);
        ::curl_free(text);
        return copy;
    };
    RemoteUrl parsed{platform::lower_case(part(CURLUPART_SCHEME)), plain_host(part(CURLUPART_HOST))};
    if (parsed.scheme != "https" && parsed.scheme != "http") throw std::invalid_argument("is no https URL");
    if (!part(CURLUPART_USER).empty() || !part(CURLUPART_PASSWORD).empty()) throw std::invalid_argument("has a user name in it");
    if (parsed.host.empty()) throw std::invalid_argument("has no host");
    const std::string port = part(CURLUPART_PORT);
    parsed.port = usual_port(parsed.scheme);
    if (!port.empty()) std::from_chars(port.data(), port.data() + port.size(), parsed.port);
    return parsed;
}

bool is_loopback_host(std::string_view host) {
    if (host == "localhost") return true;
    if (const auto four = ip4_of(host)) return is_loopback(*four);
    const auto six = ip6_of(host);
    return six && is_loopback(*six);
}

std::string why_not_allowed(const RemoteUrl& url, std::span<const RemoteHost> allowed) {
    const bool listed = std::any_of(allowed.begin(), allowed.end(), [&](const RemoteHost& host) {
        return host.name == url.host && (host.port == 0 ? usual_port(url.scheme) : host.port) == url.port;
    });
    if (!listed) return "the host " + url.host + (url.port == usual_port(url.scheme) ? "" : ", port " + std::to_string(url.port)) + ", is not one that this server may ask";
    if (url.scheme != "https" && !is_loopback_host(url.host)) return "http is not secure: only https may be used";
    return {};
}

bool is_public_address(const sockaddr& address) {
    if (const auto four = ip4_of(address)) return is_public(*four);
    const auto six = ip6_of(address);
    return six && is_public(*six);
}

bool may_connect(std::string_view host, const sockaddr& address) {
    if (is_public_address(address)) return true;
    const auto four = ip4_of(address);
    const auto six = ip6_of(address);
    if (host == "localhost") return four ? is_loopback(*four) : six && is_loopback(*six);
    // What was listed as an address was meant.
    if (four) return ip4_of(host) == four;
    return six && ip6_of(host) == six;
}

std::string text_of_address(const sockaddr& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (const auto four = ip4_of(address)) {
        const in_addr in{htonl(*four)};
        ::inet_ntop(AF_INET, &in, text.data(), text.size());
    } else if (const auto six = ip6_of(address)) {
        ::inet_ntop(AF_INET6, six->data(), text.data(), text.size());
    }
    return text.data();
}

} // namespace cubelink::server
