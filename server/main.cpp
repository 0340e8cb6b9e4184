// cubelink: options, keys, sessions, handlers, and the wslink server that they are plugged into.

#include "server/handlers/context.hpp"
#include "server/api/scripting_broker.hpp"
#include "server/api/pages.hpp"
#include "server/net/access/keys.hpp"
#include "server/net/log.hpp"
#include "server/options.hpp"
#include "server/products/session_products.hpp"
#include "server/session/session_keeper.hpp"
#include "server/store/store.hpp"
#include "server/store/store_worker.hpp"
#include "server/store/worker.hpp"
#include "server/net/wslink_server.hpp"

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "rpc/icd/icd_dialect.hpp"
#include "rpc/secret.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

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

/// Each connection and each open image takes a file descriptor; shells give programs 1024 unless they ask for more.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, 1 << 16);
    if (limit.rlim_cur >= wanted) return;
    limit.rlim_cur = wanted;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Memory that many threads freed each in a heap of its own would stay with the program: a few heaps are enough for so many.
void share_heaps([[maybe_unused]] int threads) {
#if defined(__GLIBC__)
    ::mallopt(M_ARENA_MAX, std::clamp(threads / 2, 2, 16));
#endif
}

/// Of the cookie and the header that CARTA's page brings its token in.
constexpr auto token_name = "carta-auth-token";

WslinkServerOptions server_options(const Options& options, bool secret_is_new) {
    WslinkServerOptions server = options;
    server.program = "cubelink";
    server.auth_key_is_new = secret_is_new;
    server.token_name = token_name;
    if (server.content.empty()) server.content = built_viewer();
    return server;
}

std::string metrics(const SessionDirectory& directory, const Scheduler& scheduler, const imaging::BudgetCache& cache) {
    const auto jobs = scheduler.counters();
    const auto memory = cache.statistics();
    std::string text;
    const auto line = [&](const char* name, const char* type, auto value) {
        text += std::string("# TYPE ") + name + " " + type + "\n" + name + " " + std::to_string(value) + "\n";
    };
    std::size_t waiting = 0, highest = 0;
    for (const auto& session : directory.all()) {
        waiting += session->queue().waiting();
        highest = std::max(highest, session->queue().highest_waiting());
    }
    line("cubelink_sessions", "gauge", directory.all().size());
    line("cubelink_commands_waiting", "gauge", waiting);
    line("cubelink_commands_waiting_highest", "gauge", highest); // of the clients of a session, since it began
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

/// The store of --store. The default one may not be available (no home folder, a full disk): then one in memory.
std::unique_ptr<Store> open_store(const Options& options) {
    const auto open = [](const std::string& path) {
        auto store = Store::open(path);
        log::info("preferences and sessions are kept in " + path);
        return store;
    };
    if (!options.store_file.empty()) return open(options.store_file);
    const auto path = Store::default_path();
    try {
        if (path.empty()) throw StoreError("there is no home folder for the store");
        const auto folder = std::filesystem::path(path).parent_path();
        if (std::error_code error; !std::filesystem::exists(folder, error)) log::info("making the folder " + folder.string());
        return open(path);
    } catch (const StoreError& e) {
        log::warn(std::string("preferences and sessions are kept only until the server stops: ") + e.what());
        return Store::in_memory();
    }
}

HttpApiOptions api_options(const Options& o) {
    HttpApiOptions a;
    a.token_name = token_name;
    a.base_path = o.base_path;
    a.allow_origins = o.allow_origins;
    a.scripting = o.scripting;
    return a;
}

HandlerSettings handler_settings(const Options& o) {
    HandlerSettings s;
    s.version = program_version;
    s.read_only = o.read_only;
    s.scripting = o.scripting;
    s.no_auth = o.no_auth;
    s.outbox_limit = o.outbox_limit;
    s.memory_limit = o.memory_limit;
    return s;
}

RemoteSettings remote_settings(const Options& o) {
    RemoteSettings s;
    for (const auto& name : o.remote_hosts)
        if (const auto host = parse_remote_host(name)) s.hosts.push_back(*host);
    s.url = o.remote_url;
    s.size_limit = o.remote_size_limit;
    s.timeout_seconds = o.remote_timeout_seconds;
    return s;
}

/// Time for saving sessions when the server stops, in milliseconds, after the time that clients were given.
constexpr std::uint64_t time_to_save = 500;

/// Tiles and their frames, some 256 KiB each, come and go all the time: left to itself, the C library returns them to the kernel, and gets them
/// back cleared, at a price beyond that of filling and sending them.
void keep_freed_memory(const Options& options) {
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 8 << 20);
#endif
    imaging::keep_spare_pixels(std::min(std::size_t{16} << 20, options.memory_limit / 32));
}

int serve(Options options) {
    share_heaps(options.threads);
    log::set_level(options.log_level);
    raise_descriptor_limit();
    keep_freed_memory(options);
    const Jail jail(options.folder, options.allow_links_to);
    imaging::BudgetCache cache(options.memory_limit);
    const bool secret_is_new = options.auth_key.empty() && !options.no_auth;
    if (secret_is_new) options.auth_key = rpc::random_letters(32);
    Keys keys(options.auth_key);
    if (!options.keys_file.empty()) keys.load(options.keys_file);
    const auto store = open_store(options);
    log::info("cubelink " + std::string(program_version) + " serves " + options.folder + (options.read_only ? ", read-only" : ""));
    if (!options.config_file.empty()) log::info("options were read from " + options.config_file);
    log::debug("threads " + std::to_string(options.threads) + ", memory limit " + std::to_string(options.memory_limit >> 20) + " MiB, decompressed images in " +
               options.scratch);
    if (!options.keys_file.empty()) log::info(std::to_string(keys.size()) + " keys, with those of " + options.keys_file);
    store->set_patience(std::chrono::milliseconds(0)); // from now on its thread tries again, and does other things meanwhile
    auto worker = std::make_unique<StoreWorker>();
    auto reader = std::make_unique<SerialWorker>(); // of what pages answer to scripting requests

    // The hooks are called only while run() runs, when everything below is there; what they refer to goes after the server has stopped.
    SessionDirectory* directory_in_use = nullptr;
    Scheduler* scheduler_in_use = nullptr;
    SessionKeeper* keeper_in_use = nullptr;
    ScriptingBroker* scripting_in_use = nullptr;
    WslinkServerHooks hooks;
    hooks.make_token_dialect = [] { return std::make_unique<icd::IcdDialect>(); };
    hooks.identify = [&keys](std::string_view secret) { return keys.identify(secret); };
    hooks.has_topic = is_published;
    hooks.on_disconnected = [&](const std::shared_ptr<Connection>& connection, Ending ending) {
        if (directory_in_use) directory_in_use->connection_ended(connection, ending);
    };
    hooks.more_metrics = [&] { return directory_in_use ? metrics(*directory_in_use, *scheduler_in_use, cache) : std::string(); };
    hooks.on_stopping = [&] {
        keeper_in_use->stopping();
        scripting_in_use->stop();
    };
    auto api = api_options(options);
    api.on_scripting = [&](const ScriptingAction& action, const Identity& identity, transport::HttpReply reply) {
        scripting_in_use->ask(action, identity, std::move(reply));
    };
    hooks.routes = page_routes(std::make_shared<const HttpApi>(std::move(api), *store, *worker), options.carta_frontend);

    WslinkServer server(server_options(options, secret_is_new), hooks);
    const auto later = [&](std::uint64_t ms, std::function<void()> work) { server.post_after(ms, std::move(work)); };
    Scheduler scheduler(options.threads);
    SessionKeeper keeper(*store, *worker, jail.folder(), later);
    SessionDirectory directory({server.hub(), scheduler, cache, &keeper, make_session_products, later}, options.session_grace_seconds, later);
    ScriptingBroker scripting(directory, *reader, options.scripting_timeout_seconds, later);
    directory.on_unattended = [&](const SessionPtr& session) { scripting.left_alone(*session); };
    server.hub().on_subscribed = [&](std::uint64_t connection) {
        if (!directory_in_use) return;
        if (const auto session = directory_in_use->session_of(connection)) session->audience_changed();
    };
    const auto identify = [&server](const Connection& connection, std::string secret, std::function<void(std::optional<Identity>)> then) {
        server.identify(connection, std::move(secret), std::move(then));
    };
    const OpenSettings files{jail, options.scratch, remote_settings(options)};
    RestoreSettings restore{files, keeper};
    add_restorers(restore);
    HandlerContext context{server.methods(), server.hub(), directory, handler_settings(options), files, identify,
                           store.get(),      worker.get(), &keeper,   &restore,                  &scripting, later};
    register_handlers(context);

    directory_in_use = &directory;
    scheduler_in_use = &scheduler;
    keeper_in_use = &keeper;
    scripting_in_use = &scripting;
    server.listen();
    // CARTA's Python client looks for a line of these words when it starts a server.
    if (!options.carta_frontend.empty()) std::cout << "CARTA is accessible at " << carta_address(server.address(), options.content == options.carta_frontend) << std::endl;
    const int status = server.run();
    directory_in_use = nullptr;
    keeper.save_now(directory.all(), time_to_save);
    directory.close_all();
    scheduler.stop();
    reader.reset();
    worker.reset(); // its work uses the store, and answers calls
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
    } catch (const StoreError& e) {
        std::fprintf(stderr, "cubelink: --store: %s\n", e.what());
        return 2;
    } catch (const std::invalid_argument& e) { // an option whose sense shows only where it is used
        std::fprintf(stderr, "cubelink: %s\n", e.what());
        return 2;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "cubelink: %s\n", e.what());
        return 1;
    }
}
