// cubelink: options, keys, sessions, handlers, and the wslink server that they are plugged into.

#include "server/handlers/context.hpp"
#include "server/keys.hpp"
#include "server/log.hpp"
#include "server/options.hpp"
#include "server/wslink_server.hpp"

#include "imaging/budget_cache.hpp"
#include "rpc/icd/icd_dialect.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <unistd.h>

namespace cubelink::server {
namespace {

/// The built viewer beside the program (build/<preset>/server/cubelink in a checkout), or where it is installed.
std::string built_viewer() {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    if (error) return {};
    for (const auto* place : {"../../../www/dist", "../share/cubelink/www"}) {
        const auto folder = fs::weakly_canonical(program.parent_path() / place, error);
        if (!error && fs::is_regular_file(folder / "index.html", error)) return folder.string();
    }
    return {};
}

WslinkServerOptions server_options(const Options& o) {
    WslinkServerOptions s;
    s.program = "cubelink";
    s.host = o.host;
    s.port = o.port;
    s.auth_key = o.auth_key;
    s.no_auth = o.no_auth;
    s.content = o.content.empty() ? built_viewer() : o.content;
    s.base_path = o.base_path;
    s.ssl_cert = o.ssl_cert;
    s.ssl_key = o.ssl_key;
    s.allow_origins = o.allow_origins;
    s.allow_hosts = o.allow_hosts;
    s.trusted_proxies = o.trusted_proxies;
    s.timeout_seconds = o.timeout_seconds;
    s.idle_timeout_seconds = o.idle_timeout_seconds;
    s.max_connections = o.max_connections;
    s.max_connections_per_address = o.max_connections_per_address;
    s.outbox_limit = o.outbox_limit;
    s.allow_exit = o.allow_exit;
    return s;
}

std::string metrics(const SessionDirectory& directory, const Scheduler& scheduler, const imaging::BudgetCache& cache) {
    const auto jobs = scheduler.counters();
    const auto memory = cache.statistics();
    std::string text;
    const auto line = [&](const char* name, const char* type, auto value) {
        text += std::string("# TYPE ") + name + " " + type + "\n" + name + " " + std::to_string(value) + "\n";
    };
    line("cubelink_sessions", "gauge", directory.all().size());
    line("cubelink_jobs_waiting", "gauge", jobs.waiting);
    line("cubelink_jobs_running", "gauge", jobs.running);
    line("cubelink_jobs_done_total", "counter", jobs.done);
    line("cubelink_jobs_cancelled_total", "counter", jobs.cancelled);
    line("cubelink_jobs_failed_total", "counter", jobs.failed);
    line("cubelink_cache_bytes", "gauge", memory.used);
    line("cubelink_cache_limit_bytes", "gauge", memory.limit);
    line("cubelink_cache_hits_total", "counter", memory.hits);
    line("cubelink_cache_misses_total", "counter", memory.misses);
    line("cubelink_cache_evictions_total", "counter", memory.evictions);
    return text;
}

int serve(const Options& options) {
    log::set_level(options.log_level);
    const Jail jail(options.folder, options.allow_links_to);
    imaging::BudgetCache cache(options.memory_limit);

    auto wslink_options = server_options(options);
    WslinkServerHooks hooks;
    hooks.make_icd_dialect = [] { return std::make_unique<icd::IcdDialect>(); };
    std::shared_ptr<const Keys> keys;
    if (!options.keys_file.empty()) {
        auto loaded = std::make_shared<Keys>(options.auth_key);
        loaded->load(options.keys_file);
        keys = std::move(loaded);
        hooks.identify = [keys](std::string_view secret) { return keys->identify(secret); };
    }

    // The hooks are called only while run() runs, when everything below is there; what they refer to goes after the server has stopped.
    SessionDirectory* directory_in_use = nullptr;
    Scheduler* scheduler_in_use = nullptr;
    hooks.on_disconnected = [&](const std::shared_ptr<Connection>& connection, Ending ending) {
        if (directory_in_use) directory_in_use->connection_ended(connection, ending);
    };
    hooks.more_metrics = [&] { return directory_in_use ? metrics(*directory_in_use, *scheduler_in_use, cache) : std::string(); };

    WslinkServer server(wslink_options, hooks);
    Scheduler scheduler(options.threads);
    SessionDirectory directory({server.hub(), scheduler, cache}, options.session_grace_seconds,
                               [&](std::uint64_t ms, std::function<void()> work) { server.post_after(ms, std::move(work)); });
    HandlerContext context{server.methods(), server.hub(), directory, jail, options};
    if (keys) context.identify = hooks.identify;
    else context.identify = [&server](std::string_view secret) -> std::optional<Identity> {
        return secret == server.auth_key() ? std::optional(Identity{}) : std::nullopt;
    };
    register_handlers(context);

    directory_in_use = &directory;
    scheduler_in_use = &scheduler;
    server.listen();
    const int status = server.run();
    directory_in_use = nullptr;
    directory.close_all();
    scheduler.stop();
    return status;
}

} // namespace
} // namespace cubelink::server

int main(int argc, char** argv) {
    using namespace cubelink::server;
    const auto parsed = parse_options({argv + 1, argv + argc});
    if (!parsed.options) {
        std::fprintf(parsed.exit_status == 0 ? stdout : stderr, "%s\n", parsed.text.c_str());
        return parsed.exit_status;
    }
    try {
        return serve(*parsed.options);
    } catch (const KeysError& e) {
        std::fprintf(stderr, "cubelink: --keys: %s\n", e.what());
        return 2;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "cubelink: %s\n", e.what());
        return 1;
    }
}
