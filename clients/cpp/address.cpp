#include "clients/cpp/address.hpp"

#include "platform/hex.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace cubelink::client {
namespace {

using platform::hex_digit;

/// Percent escapes and the plus signs of a query.
std::string decoded(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
            result += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        } else {
            result += text[i] == '+' ? ' ' : text[i];
        }
    }
    return result;
}

std::string token_of(std::string_view query) {
    while (!query.empty()) {
        const auto field = query.substr(0, query.find('&'));
        if (field.starts_with("token=")) return decoded(field.substr(6));
        query.remove_prefix(std::min(query.size(), field.size() + 1));
    }
    return {};
}

} // namespace

Address Address::parse(const std::string& url, const std::string& secret) {
    // The address may hold the secret, which no message must show.
    const auto shown = url.substr(0, url.find('?'));
    const auto bad = [&] { return std::invalid_argument(shown + ": expected an address like ws://HOST:PORT/ws or http://HOST:PORT/?token=…"); };
    const auto colon = url.find("://");
    if (colon == std::string::npos) throw bad();
    const auto scheme = url.substr(0, colon);
    const bool secure = scheme == "https" || scheme == "wss";
    if (!secure && scheme != "http" && scheme != "ws") throw bad();

    std::string_view rest = std::string_view(url).substr(colon + 3);
    rest = rest.substr(0, rest.find('#'));
    const auto question = rest.find('?');
    const auto query = question == std::string_view::npos ? std::string_view() : rest.substr(question + 1);
    rest = rest.substr(0, question);
    const auto slash = rest.find('/');
    const auto host = rest.substr(0, slash);
    if (host.empty() || host.find_first_of(" \t\r\n@") != std::string_view::npos) throw bad();
    auto base = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
    const bool names_socket = base.ends_with("/ws");
    // Another server's WebSocket may be anywhere; ours is below its page.
    const bool elsewhere = scheme.starts_with("ws") && base.size() > 1 && !names_socket;
    if (names_socket) base.remove_suffix(3);
    while (base.ends_with('/')) base.remove_suffix(1);

    Address address;
    const auto place = std::string(host) + std::string(base);
    address.web_socket = (secure ? "wss://" : "ws://") + place + (elsewhere ? "" : "/ws");
    address.page = (secure ? "https://" : "http://") + place + "/";
    address.secret = secret.empty() ? token_of(query) : secret;
    if (address.secret.empty())
        if (const char* key = std::getenv("CUBELINK_AUTHKEY")) address.secret = key;
    return address;
}

} // namespace cubelink::client
