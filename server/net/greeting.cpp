#include "server/net/greeting.hpp"

#include "server/net/access/access.hpp"
#include "server/net/http/http_util.hpp"

#include <array>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <stdexcept>

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cubelink::server {

namespace {

/// An address of this machine that others can reach, or loopback if it has none. By number, not by name: a name would have to be
/// allowed as a Host.
std::string own_address(int family) {
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0) return family == AF_INET6 ? "::1" : "127.0.0.1";
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> all(first, ::freeifaddrs);
    for (const ifaddrs* entry = first; entry; entry = entry->ifa_next) {
        if (!entry->ifa_addr || entry->ifa_addr->sa_family != family || (entry->ifa_flags & IFF_LOOPBACK) || !(entry->ifa_flags & IFF_UP)) continue;
        std::array<char, INET6_ADDRSTRLEN> text{};
        if (family == AF_INET) {
            ::inet_ntop(family, &reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr, text.data(), text.size());
            return text.data();
        }
        const auto& address = reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr;
        if (IN6_IS_ADDR_LINKLOCAL(&address)) continue;
        ::inet_ntop(family, &address, text.data(), text.size());
        return text.data();
    }
    return family == AF_INET6 ? "::1" : "127.0.0.1";
}

std::string reachable_host(const std::string& host) {
    if (host.empty() || host == "0.0.0.0" || host == "*") return own_address(AF_INET);
    if (host == "::" || host == "[::]") return own_address(AF_INET);
    return host;
}

} // namespace

std::string percent_encode(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string result;
    for (const unsigned char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            result += static_cast<char>(c);
        } else {
            result += {'%', digits[c >> 4], digits[c & 15]};
        }
    }
    return result;
}

std::string address_to_open(const WslinkServerOptions& options, std::uint16_t port, const std::string& secret) {
    auto host = reachable_host(options.host);
    if (host.find(':') != std::string::npos && host.front() != '[') host = std::string("[").append(host).append("]");
    std::string address = options.ssl_cert.empty() ? "http://" : "https://";
    address.append(host).append(":").append(std::to_string(port)).append(normal_base_path(options.base_path)).append("/");
    if (!secret.empty()) address += "?token=" + percent_encode(secret);
    return address;
}

bool is_private_output(int descriptor) {
    struct stat facts{};
    if (::isatty(descriptor)) return true;
    if (::fstat(descriptor, &facts) != 0) return false;
    return S_ISFIFO(facts.st_mode) || (S_ISREG(facts.st_mode) && facts.st_uid == ::geteuid());
}

std::string write_private_file(const std::string& name, const std::string& text) {
    const char* folder = std::getenv("XDG_RUNTIME_DIR");
    if (!folder || *folder != '/') return {};
    const auto path = std::string(folder) + '/' + name;
    ::unlink(path.c_str()); // of an earlier server on this port
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return {};
    const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::close(file);
    return written ? path : std::string();
}

std::string ssh_tunnel(const WslinkServerOptions& options, std::uint16_t port) {
    const char* connection = std::getenv("SSH_CONNECTION"); // client address, its port, server address, its port
    if (!connection || !is_loopback(options.host)) return {};
    std::istringstream words(connection);
    std::string client, client_port, server, server_port;
    if (!(words >> client >> client_port >> server >> server_port)) return {};
    const auto* user = ::getpwuid(::getuid());
    const auto number = std::to_string(port);
    std::string command = "ssh -L " + number + ":" + (options.host.find(':') == std::string::npos ? options.host : "[" + options.host + "]") + ":" + number;
    if (server_port != "22") command += " -p " + server_port;
    return command + ' ' + (user && user->pw_name ? std::string(user->pw_name) + '@' : std::string()) + server;
}

std::string check_options(const WslinkServerOptions& options) {
    if (options.no_auth && !is_loopback(options.host)) {
        return "--no-auth: only on a loopback address, not on " + (options.host.empty() ? std::string("all addresses") : options.host);
    }
    if (options.ssl_cert.empty() != options.ssl_key.empty()) return options.ssl_key.empty() ? "--ssl-cert: needs --ssl-key, the private key of the certificate" : "--ssl-key: needs --ssl-cert, the certificate of the private key";
    if (options.timeout_seconds < 0) return "--timeout: must not be negative";
    if (options.idle_timeout_seconds < 0) return "--idle-timeout: must not be negative";
    if (options.max_connections == 0) return "--max-connections: must not be 0";
    if (options.outbox_limit == 0) return "--outbox-limit: must not be 0";
    if (!options.base_path.empty() && options.base_path.front() != '/') return "--base-path: must begin with a slash";
    try {
        AccessPolicy({options.host == "*" ? std::string() : options.host, options.allow_hosts, options.allow_origins, options.trusted_proxies});
    } catch (const std::invalid_argument& wrong) {
        return wrong.what();
    }
    return {};
}

} // namespace cubelink::server
