#include "server/options.hpp"
#include "tests/support/temporary_folder.hpp"

#include <cstdlib>
#include <filesystem>
#include <unistd.h>
#include <doctest/doctest.h>

using namespace cubelink::server;
using cubelink::test::TemporaryFolder;

namespace {

ParsedOptions parse(const std::vector<std::string>& arguments) { return parse_options(arguments); }

void check_refused(const std::vector<std::string>& arguments, const char* named) {
    const auto parsed = parse(arguments);
    INFO(parsed.text);
    CHECK_FALSE(parsed.options);
    CHECK(parsed.exit_status == 2);
    CHECK(parsed.text.find(named) != std::string::npos);
    CHECK(parsed.text.find('\n') == std::string::npos);
}

} // namespace

TEST_CASE("sizes") {
    CHECK(parse_size("1000") == 1000);
    CHECK(parse_size("2G") == std::size_t{2} << 30);
    CHECK(parse_size("512M") == std::size_t{512} << 20);
    CHECK(parse_size("1.5 KiB") == 1536);
    CHECK(parse_size("64mb") == std::size_t{64} << 20);
    for (const auto* wrong : {"", "G", "-1", "12X", "1GG", "nan", "1e40G"}) CHECK_THROWS_AS(parse_size(wrong), std::invalid_argument);
}

TEST_CASE("every option has its effect") {
    TemporaryFolder folder;
    const auto page = folder.write("page/index.html", "");
    const auto cert = folder.write("cert.pem", ""), key = folder.write("key.pem", ""), keys = folder.write("keys.json", "[]");
    const auto parsed = parse({folder.text(), "--host", "0.0.0.0", "--port", "0", "--authKey", "secret", "--keys", keys, "--allow-origin", "https://a",
                               "--allow-origin", "https://b", "--allow-host", "h", "--trusted-proxy", "127.0.0.1", "--base-path", "below/", "--content",
                               page.parent_path(), "--carta-frontend", page.parent_path(), "--timeout", "7", "--session-grace", "8", "--idle-timeout", "9",
                               "--max-connections", "10", "--max-connections-per-address", "11", "--threads", "3", "--memory-limit", "1G", "--outbox-limit",
                               "32M", "--store", "s.db", "--ssl-cert", cert, "--ssl-key", key, "--allow-links-to", folder.text(), "--scratch",
                               folder.text(), "--remote-host", "127.0.0.1:8080", "--remote-host", "example.org", "--remote-url", "https://example.org/cut",
                               "--remote-size-limit", "1G", "--remote-timeout", "12", "--read-only", "--scripting", "--allow-exit", "--log-level", "debug"});
    INFO(parsed.text);
    REQUIRE(parsed.options);
    const auto& o = *parsed.options;
    CHECK(o.folder == std::filesystem::canonical(folder.path()).string());
    CHECK(o.host == "0.0.0.0");
    CHECK(o.port == 0);
    CHECK(o.auth_key == "secret");
    CHECK(o.allow_origins == std::vector<std::string>{"https://a", "https://b"});
    CHECK(o.base_path == "/below");
    CHECK(o.timeout_seconds == 7);
    CHECK(o.session_grace_seconds == 8);
    CHECK(o.idle_timeout_seconds == 9);
    CHECK(o.max_connections == 10);
    CHECK(o.max_connections_per_address == 11);
    CHECK(o.threads == 3);
    CHECK(o.memory_limit == std::size_t{1} << 30);
    CHECK(o.outbox_limit == std::size_t{32} << 20);
    CHECK(o.remote_hosts == std::vector<std::string>{"127.0.0.1:8080", "example.org"});
    CHECK(o.remote_url == "https://example.org/cut");
    CHECK(o.remote_size_limit == std::size_t{1} << 30);
    CHECK(o.remote_timeout_seconds == 12);
    CHECK(o.read_only);
    CHECK(o.scripting);
    CHECK(o.allow_exit);
    CHECK(o.log_level == "debug");
}

TEST_CASE("a folder after a repeatable option is the folder") {
    TemporaryFolder folder;
    const auto parsed = parse({"--allow-origin", "https://a", folder.text()});
    REQUIRE(parsed.options);
    CHECK(parsed.options->folder == std::filesystem::canonical(folder.path()).string());
}

TEST_CASE("options from a file and from the environment; the command line wins") {
    TemporaryFolder folder;
    const auto file = folder.write("cubelink.toml", "port = 4321\nread-only = true\nmemory-limit = \"256M\"\n");
    auto parsed = parse({"--config", file, folder.text()});
    INFO(parsed.text);
    REQUIRE(parsed.options);
    CHECK(parsed.options->port == 4321);
    CHECK(parsed.options->read_only);
    CHECK(parsed.options->memory_limit == std::size_t{256} << 20);
    parsed = parse({"--config", file, "--port", "99", folder.text()});
    REQUIRE(parsed.options);
    CHECK(parsed.options->port == 99);
    ::setenv("CUBELINK_AUTHKEY", "from the environment", 1);
    parsed = parse({folder.text()});
    ::unsetenv("CUBELINK_AUTHKEY");
    REQUIRE(parsed.options);
    CHECK(parsed.options->auth_key == "from the environment");
}

TEST_CASE("nonsense is one line that names it") {
    TemporaryFolder folder;
    check_refused({"--port", "70000"}, "port");
    check_refused({"--port", "x"}, "port");
    check_refused({"--nonsense"}, "nonsense");
    check_refused({"/does/not/exist"}, "FOLDER");
    check_refused({folder.text(), "second"}, "second");
    check_refused({"--memory-limit", "lots"}, "memory-limit");
    check_refused({"--memory-limit", "1K"}, "memory-limit");
    check_refused({"--threads", "0"}, "threads");
    check_refused({"--max-connections", "-1"}, "max-connections");
    check_refused({"--no-auth", "--host", "0.0.0.0"}, "no-auth");
    check_refused({"--no-auth", "--host", "127.example.org"}, "no-auth"); // a name, which may lead anywhere
    check_refused({"--ssl-cert", folder.write("c.pem", "").string()}, "--ssl-cert: needs --ssl-key");
    check_refused({"--ssl-key", folder.write("k.pem", "").string()}, "--ssl-key: needs --ssl-cert");
    check_refused({"--port", "99999"}, "65535");
    check_refused({"--prot", "1"}, "there is no option --prot (did you mean --port?)");
    check_refused({"--max-connection=3"}, "did you mean --max-connections?");
    check_refused({"--store", "/does/not/exist/store.sqlite"}, "--store: \"/does/not/exist\"");
    check_refused({"--keys", "/does/not/exist"}, "keys");
    check_refused({"--config", "/does/not/exist"}, "exist");
    check_refused({"--config", folder.write("bad.toml", "nonsense = 1\n").string()}, "nonsense");
    check_refused({"--remote-host", "https://example.org/"}, "--remote-host: \"https://example.org/\" is not the name of a host");
    check_refused({"--remote-host", "example.org:0"}, "--remote-host");
    check_refused({"--remote-host", "example.org"}, "--remote-url");
    check_refused({"--remote-host", "example.org", "--remote-url", "http://example.org/"}, "only https");
    check_refused({"--remote-host", "example.org", "--remote-url", "file:///etc/passwd"}, "no https URL");
    check_refused({"--remote-size-limit", "1"}, "--remote-size-limit");
    check_refused({"--remote-timeout", "0"}, "remote-timeout");
    check_refused({"--log-level", "loud"}, "log-level");
    check_refused({"--timeout", "-1"}, "timeout");
}

TEST_CASE("a wrong line of the configuration file is named") {
    TemporaryFolder folder;
    const auto check = [&](const char* text, const char* where, const char* what) {
        const auto file = folder.write("wrong.toml", text).string();
        check_refused({"--config", file, folder.text()}, (file + ", line " + where).c_str());
        check_refused({"--config", file, folder.text()}, what);
    };
    check("# ours\n\nport = 99999\n", "3", "--port");
    check("port = 1\nprot = 2\n", "2", "no option \"prot\" (did you mean --port?)");
    check("port\n", "1", "\"port\" has no value");
    check("allow-host = [\"a\", \"b\"]\nthreads = none\n", "2", "--threads");
    check("allow-host = [\n  \"a\"\n]\n", "1", "does not end");
    check("host = \"127.0.0.1\"\nmemory-limit = \"lots\"\n", "2", "--memory-limit");
    check("ssl-cert = \"/does/not/exist\"\nssl-key = \"x\"\n", "1", "--ssl-cert");
    // What the command line overrides is not the file's fault.
    const auto file = folder.write("port.toml", "port = 1\n").string();
    const auto parsed = parse({"--config", file, "--port", "99999", folder.text()});
    CHECK(parsed.text.find("line") == std::string::npos);
}

TEST_CASE("a folder that cannot be read is refused") {
    TemporaryFolder folder;
    const auto closed = folder.path() / "closed";
    std::filesystem::create_directory(closed);
    std::filesystem::permissions(closed, std::filesystem::perms::none);
    if (::access(closed.c_str(), R_OK) == 0) return; // the superuser reads everything
    check_refused({closed.string()}, "cannot be read");
}

TEST_CASE("the limit for one address has a default that depends on the limit for all") {
    TemporaryFolder folder;
    CHECK_FALSE(parse({folder.text()}).options->max_connections_per_address.has_value());
    CHECK(parse({"--max-connections-per-address", "0", folder.text()}).options->max_connections_per_address == 0);
}

TEST_CASE("help and version") {
    auto parsed = parse({"--help"});
    CHECK_FALSE(parsed.options);
    CHECK(parsed.exit_status == 0);
    for (const auto* name : {"--authKey", "--session-grace", "--allow-links-to", "--carta-frontend", "--memory-limit"})
        CHECK(parsed.text.find(name) != std::string::npos);
    parsed = parse({"--version"});
    CHECK(parsed.exit_status == 0);
    CHECK(parsed.text.find(std::string(program_version)) != std::string::npos);
}
