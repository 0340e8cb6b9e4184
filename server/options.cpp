#include "server/options.hpp"

#include "server/net/access/access.hpp"
#include "server/option_messages.hpp"
#include "server/remote/remote_host.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <thread>

#include <unistd.h>

namespace cubelink::server {

namespace fs = std::filesystem;

std::size_t parse_size(std::string_view text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const auto complain = [&](const char* why) -> std::size_t { throw std::invalid_argument("\"" + std::string(text) + "\" " + why); };
    if (error != std::errc{} || !(number >= 0)) return complain("is not a size such as 512M or 2G");
    std::string unit;
    for (const char* p = end; p != text.data() + text.size(); ++p)
        if (*p != ' ') unit += static_cast<char>(std::toupper(static_cast<unsigned char>(*p)));
    int shift = 0;
    if (!unit.empty() && unit != "B") {
        const auto letter = std::string_view("KMGT").find(unit[0]);
        const std::string rest = unit.substr(1);
        if (letter == std::string_view::npos || (rest != "" && rest != "B" && rest != "IB")) return complain("has an unknown unit: expected K, M, G or T");
        shift = 10 * (static_cast<int>(letter) + 1);
    }
    const double bytes = number * static_cast<double>(std::size_t{1} << shift);
    if (bytes >= 9.0e18) return complain("is too large");
    return static_cast<std::size_t>(bytes);
}

namespace {

/// In one line: a newline in a value would forge lines of the log.
std::string one_line(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

[[noreturn]] void refuse(const std::string& option, const std::string& why) { throw CLI::ValidationError(option, why); }

std::string existing_folder(const std::string& option, const std::string& path) {
    std::error_code error;
    const fs::path real = fs::canonical(path, error);
    if (error) refuse(option, "\"" + path + "\": " + error.message());
    if (!fs::is_directory(real)) refuse(option, "\"" + path + "\" is not a folder");
    return real.string();
}

void existing_file(const std::string& option, const std::string& path) {
    std::error_code error;
    const auto status = fs::status(path, error);
    if (error) refuse(option, "\"" + path + "\": " + error.message());
    if (!fs::is_regular_file(status)) refuse(option, "\"" + path + "\" is not a file");
    if (::access(path.c_str(), R_OK) != 0) refuse(option, "\"" + path + "\" cannot be read: " + std::generic_category().message(errno));
}

/// Hosts that may be asked for files, and the service among them that images are asked of.
void check_remote(const Options& o) {
    std::vector<RemoteHost> hosts;
    for (const auto& name : o.remote_hosts) {
        const auto host = parse_remote_host(name);
        if (!host) refuse("--remote-host", "\"" + name + "\" is not the name of a host, NAME or NAME:PORT");
        hosts.push_back(*host);
    }
    if (o.remote_size_limit < (std::size_t{1} << 16)) refuse("--remote-size-limit", "must be at least 64K");
    if (hosts.empty()) return;
    try {
        if (const auto why = why_not_allowed(parse_remote_url(o.remote_url), hosts); !why.empty())
            refuse("--remote-url", "\"" + o.remote_url + "\" could not be used: " + why + " (see --remote-host)");
    } catch (const std::invalid_argument& e) { refuse("--remote-url", "\"" + o.remote_url + "\" " + e.what()); }
}

/// Checks files and folders, and options that depend on each other.
void check_together(Options& o) {
    const auto given = o.folder;
    o.folder = existing_folder("FOLDER", o.folder);
    if (::access(o.folder.c_str(), R_OK | X_OK) != 0) refuse("FOLDER", "\"" + given + "\" cannot be read: " + std::generic_category().message(errno));
    for (auto& folder : o.allow_links_to) folder = existing_folder("--allow-links-to", folder);
    if (o.scratch.empty()) o.scratch = fs::temp_directory_path().string();
    o.scratch = existing_folder("--scratch", o.scratch);
    if (!o.content.empty()) o.content = existing_folder("--content", o.content);
    if (!o.carta_frontend.empty()) o.carta_frontend = existing_folder("--carta-frontend", o.carta_frontend);
    if (!o.keys_file.empty()) existing_file("--keys", o.keys_file);
    if (const auto folder = fs::path(o.store_file).parent_path(); !folder.empty()) existing_folder("--store", folder.string());
    if (o.host.empty()) refuse("--host", "needs an address");
    if (o.no_auth && !is_loopback(o.host)) refuse("--no-auth", "is allowed on loopback addresses only, not with --host " + o.host);
    if (o.no_auth && !o.keys_file.empty()) refuse("--no-auth", "cannot be used together with --keys");
    if (!o.ssl_cert.empty() && o.ssl_key.empty()) refuse("--ssl-cert", "needs --ssl-key FILE, the private key of the certificate");
    if (!o.ssl_key.empty() && o.ssl_cert.empty()) refuse("--ssl-key", "needs --ssl-cert FILE, the certificate of the private key");
    if (!o.ssl_cert.empty()) {
        existing_file("--ssl-cert", o.ssl_cert);
        existing_file("--ssl-key", o.ssl_key);
    }
    if (o.memory_limit < (std::size_t{16} << 20)) refuse("--memory-limit", "must be at least 16M");
    check_remote(o);
    if (o.outbox_limit < (std::size_t{1} << 20)) refuse("--outbox-limit", "must be at least 1M");
    if (o.max_connections == 0) refuse("--max-connections", "must be at least 1");
    while (!o.base_path.empty() && o.base_path.back() == '/') o.base_path.pop_back();
    if (!o.base_path.empty() && o.base_path[0] != '/') o.base_path.insert(0, "/");
    if (o.base_path.find_first_of("?#\\ ") != std::string::npos) refuse("--base-path", "\"" + o.base_path + "\" is not a path");
}

} // namespace

ParsedOptions parse_options(const std::vector<std::string>& arguments) {
    Options o;
    o.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    std::string memory = "2G", outbox = "64M", remote_size = "512M";

    CLI::App app("Cubelink serves astronomical images and spectral cubes to remote clients.", "cubelink");
    app.set_version_flag("--version", "cubelink " + std::string(program_version));
    app.set_config("--config", "", "read options from a TOML or INI file, one `option = value` in a line, without the dashes")->type_name("FILE");
    app.allow_config_extras(CLI::config_extras_mode::error);

    app.add_option("FOLDER", o.folder, "folder of images to serve (default: the current folder)")->type_name("");
    app.add_option("--host", o.host, "address to listen on")->capture_default_str()->type_name("ADDR");
    app.add_option("--port", o.port, "port to listen on, 0 to 65535; 0: any free port")->check(CLI::Range(0, 65535))->capture_default_str()->type_name("N");
    app.add_option("-a,--authKey", o.auth_key, "secret that clients must present (default: a random one, printed with the address)")
        ->type_name("SECRET")
        ->envname("CUBELINK_AUTHKEY");
    app.add_flag("--no-auth", o.no_auth, "accept clients without a secret; allowed on loopback addresses only");
    app.add_option("--keys", o.keys_file, "JSON file with one {key, user, permissions} for each user")->type_name("FILE");
    // One value for each: CLI11 would otherwise take the words that follow as well, FOLDER among them.
    const auto repeatable = [&](const char* name, std::vector<std::string>& to, const char* help, const char* type) {
        app.add_option(name, to, help)->type_name(type)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->allow_extra_args(false);
    };
    repeatable("--allow-origin", o.allow_origins, "accept browser requests from pages of ORIGIN, e.g. https://portal.example.org; repeatable", "ORIGIN");
    repeatable("--allow-host", o.allow_hosts, "accept requests whose Host header is NAME; repeatable", "NAME");
    repeatable("--trusted-proxy", o.trusted_proxies, "trust X-Forwarded-* headers of the proxy at ADDR (an address or network); repeatable", "ADDR");
    app.add_option("--base-path", o.base_path, "serve everything below PATH, for a proxy that passes paths on unchanged")->type_name("PATH");
    app.add_option("--content", o.content, "folder of static pages to serve at / (default: the built viewer)")->type_name("DIR");
    app.add_option("--carta-frontend", o.carta_frontend, "folder with a build of CARTA's page, to serve at /carta/")->type_name("DIR");
    const auto seconds = CLI::Range(0, std::numeric_limits<int>::max() / 1000);
    app.add_option("--timeout", o.timeout_seconds, "stop when there has been no connection for so long; 0: never")->check(seconds)->capture_default_str()->type_name("SECONDS");
    app.add_option("--session-grace", o.session_grace_seconds, "keep a session for so long after its last connection was lost")
        ->check(seconds)
        ->capture_default_str()
        ->type_name("SECONDS");
    app.add_option("--idle-timeout", o.idle_timeout_seconds, "close a connection that has sent nothing for so long; 0: never")
        ->check(seconds)
        ->capture_default_str()
        ->type_name("SECONDS");
    app.add_option("--max-connections", o.max_connections, "maximum number of connections")->check(CLI::Range(0, 1'000'000))->capture_default_str()->type_name("N");
    app.add_option("--max-connections-per-address", o.max_connections_per_address,
                   "maximum number of connections from one address; 0: no limit (default: a quarter of --max-connections, no limit for loopback addresses)")
        ->check(CLI::Range(0, 1'000'000))
        ->type_name("N");
    app.add_option("--threads", o.threads, "number of threads for computation")->check(CLI::Range(1, 1024))->capture_default_str()->type_name("N");
    app.add_option("--memory-limit", memory, "memory for all caches together, e.g. 512M or 2G")->capture_default_str()->type_name("SIZE");
    app.add_option("--outbox-limit", outbox, "maximum size of the data waiting to be sent to one client")->capture_default_str()->type_name("SIZE");
    app.add_option("--store", o.store_file, "SQLite file for preferences, layouts and sessions (default: in the user's data folder)")->type_name("FILE");
    app.add_option("--ssl-cert", o.ssl_cert, "certificate (PEM), to serve https and wss")->type_name("FILE");
    app.add_option("--ssl-key", o.ssl_key, "private key (PEM) for --ssl-cert")->type_name("FILE");
    repeatable("--allow-links-to", o.allow_links_to, "allow symbolic links in FOLDER to point into DIR; repeatable", "DIR");
    app.add_option("--scratch", o.scratch, "folder for decompressed images (default: the system's temporary folder)")->type_name("DIR");
    repeatable("--remote-host", o.remote_hosts,
               "fetch images that clients ask for from other servers, over https, from the host NAME (the service of --remote-url is one) and no other; repeatable; "
               "default: none, nothing is fetched",
               "NAME[:PORT]");
    app.add_option("--remote-url", o.remote_url, "service that cuts images out of sky surveys (hips2fits)")->capture_default_str()->type_name("URL");
    app.add_option("--remote-size-limit", remote_size, "maximum size of a file that is fetched")->capture_default_str()->type_name("SIZE");
    app.add_option("--remote-timeout", o.remote_timeout_seconds, "time for fetching a file")->check(CLI::Range(1, 3600))->capture_default_str()->type_name("SECONDS");
    app.add_flag("--read-only", o.read_only, "refuse requests that write files");
    app.add_flag("--scripting", o.scripting, "accept scripting requests over HTTP");
    // As CARTA's Python client starts a server.
    app.add_flag("--enable_scripting", o.scripting)->group("");
    app.add_flag("--debug_no_auth", o.no_auth)->group("");
    app.add_flag("--no_browser")->group("");
    app.add_option("--scripting-timeout", o.scripting_timeout_seconds, "how long a scripting request waits for its answer; 0: without limit")
        ->check(seconds)
        ->capture_default_str()
        ->type_name("SECONDS");
    app.add_flag("--allow-exit", o.allow_exit, "allow clients to stop the server (application.exit)");
    app.add_option("--log-level", o.log_level, "minimum level of log messages: trace, debug, info, warning, error, critical or off")
        ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "critical", "off"}))
        ->capture_default_str()
        ->type_name("LEVEL");

    std::vector<ConfigLine> config_lines;
    const auto config_file = config_file_of(arguments);
    try {
        if (config_file) config_lines = read_config_lines(app, *config_file);
        app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
        const auto size = [](const char* option, const std::string& text) {
            try {
                return parse_size(text);
            } catch (const std::invalid_argument& e) {
                refuse(option, e.what());
            }
        };
        o.memory_limit = size("--memory-limit", memory);
        o.outbox_limit = size("--outbox-limit", outbox);
        o.remote_size_limit = size("--remote-size-limit", remote_size);
        o.config_file = config_file.value_or("");
        check_together(o);
    } catch (const CLI::CallForHelp&) {
        return {{}, app.help(), 0};
    } catch (const CLI::CallForVersion& e) {
        return {{}, std::string(e.what()) + "\n", 0};
    } catch (const CLI::ExtrasError& e) {
        const auto unknown = std::find_if(arguments.begin(), arguments.end(), [&](const std::string& argument) {
            return argument.size() > 2 && argument.compare(0, 2, "--") == 0 && !app.get_option_no_throw(argument.substr(0, argument.find('=')));
        });
        if (unknown == arguments.end()) return {{}, "cubelink: " + one_line(e.what()), 2};
        return {{}, "cubelink: there is no option " + one_line(unknown->substr(0, unknown->find('='))) + one_line(suggest_option(app, *unknown)), 2};
    } catch (const CLI::Error& e) {
        // Where the option was set, if that was the file.
        const std::string what = e.what();
        for (const auto& line : config_lines) {
            const auto at = what.find(line.option);
            const bool whole = at != std::string::npos && (at + line.option.size() == what.size() || what[at + line.option.size()] == ':' || what[at + line.option.size()] == ' ');
            if (whole && !sets_option(app, arguments, line.option))
                return {{}, "cubelink: " + *config_file + ", line " + std::to_string(line.number) + ": " + one_line(what), 2};
        }
        return {{}, "cubelink: " + one_line(what), 2};
    } catch (const std::exception& e) {
        return {{}, "cubelink: " + one_line(e.what()), 2};
    }
    return {std::move(o), {}, 0};
}

} // namespace cubelink::server
