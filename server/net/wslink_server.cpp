#include "server/net/wslink_server.hpp"

#include "rpc/secret.hpp"
#include "rpc/wslink_dialect.hpp"
#include "server/net/connection_table.hpp"
#include "server/net/greeting.hpp"
#include "server/net/log.hpp"
#include "server/net/pubsub_methods.hpp"
#include "server/net/signals.hpp"
#include "server/net/wslink_http.hpp"
#include "server/net/workers.hpp"
#include "server/net/access/access.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <iostream>
#include <list>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <unistd.h>

namespace cubelink::server {

using Milliseconds = std::uint64_t;

namespace {

/// After stop(): time for outboxes to be sent, then for closing handshakes. Together below 5 s.
constexpr Milliseconds outbox_time = 3000, closing_time = 1200;
constexpr auto disk_time = std::chrono::milliseconds(200);

transport::HttpResponse stopping_response() { return {503, {{"Content-Type", "text/plain"}, {"Retry-After", "1"}}, "the server is stopping\n", {}, 0, 0}; }

} // namespace

/// Upper bound on pending timers; further requests of clients to stop later are ignored.
constexpr std::size_t max_pending_timers = 10'000;

struct WslinkServer::Impl {
    WslinkServerOptions options;
    WslinkServerHooks hooks;
    ConnectionContext context;
    Workers workers{1, Workers::FreedMemory::given_back}; // decode and encode what is large
    Workers disk{1};
    ConnectionTable table{context};
    std::unique_ptr<WslinkHttp> http;
    std::unique_ptr<transport::Transport> transport;
    std::unique_ptr<transport::Timer> ticker, timeout, stop_timer;
    std::list<std::unique_ptr<transport::Timer>> timers; // of post_after
    Liveness::Time begun = Liveness::Clock::now();
    bool stopping = false;

    Impl(WslinkServerOptions given_options, WslinkServerHooks given_hooks) : options(std::move(given_options)), hooks(std::move(given_hooks)) {
        if (options.auth_key.empty() && !options.no_auth) {
            options.auth_key = rpc::random_letters(32);
            options.auth_key_is_new = true;
        }
        if (!hooks.identify) {
            hooks.identify = [this](std::string_view secret) {
                return rpc::equal_in_constant_time(options.auth_key, secret) ? std::optional(Identity{}) : std::nullopt;
            };
        }
        auto& rules = context.rules;
        rules = options.rules;
        rules.outbox = options.outbox_limit;
        rules.unfinished_bytes_process = options.inbox_limit_process;
        rules.idle = std::chrono::seconds(options.idle_timeout_seconds);
        context.first_group = everyone;
        context.outbox_budget = std::make_shared<pubsub::OutboxBudget>(options.outbox_limit_process);
        if (!options.no_auth) context.identify = hooks.identify;
        context.workers = &workers;
        context.post = [this](std::function<void()> work) { transport->post(std::move(work)); };
        context.on_connected = hooks.on_connected;
        context.on_disconnected = hooks.on_disconnected;
        table.on_change = [this](bool empty) { connections_changed(empty); };

        http = std::make_unique<WslinkHttp>(options, hooks, context.metrics, context.wrong_secrets, context.identify, [this] { return metrics_text(); }, workers, disk);
        transport = transport::make_transport(transport_options(),
                                              {[this](transport::HttpRequest&& request, transport::HttpReply reply) {
                                                   if (stopping) return reply(stopping_response());
                                                   http->handle(std::move(request), std::move(reply));
                                               },
                                               [this](const transport::HttpRequest& request) { return upgrade(request); },
                                               [this](const transport::HttpRequest& request) { return http->wants_body(request); },
                                               [this](const transport::HttpRequest& request, bool upgrade) {
                                                   return static_cast<Milliseconds>(http->wait(request, upgrade).count());
                                               }});
        add_pubsub_methods(context.methods, context.hub, hooks.has_topic);
        add_exit_methods(context.methods,
                         {[this](const rpc::Call& call) {
                              return options.allow_exit || options.timeout_seconds > 0 || connection_of(call).identity().permissions.admin;
                          },
                          [this] { stop("a client asked for it"); },
                          [this](double seconds) {
                              if (timers.size() >= max_pending_timers) return;
                              post_after(static_cast<Milliseconds>(seconds * 1000), [this] {
                                  if (table.empty()) stop("a client asked for it, and all have left");
                              });
                          }});
    }

    transport::TransportOptions transport_options() {
        transport::TransportOptions result;
        result.host = options.host;
        result.port = options.port;
        result.ssl_cert_file = options.ssl_cert;
        result.ssl_key_file = options.ssl_key;
        result.max_connections = options.max_connections;
        result.max_connections_per_address = max_per_address();
        result.exempt_address = [this](const std::string& address) { return http->trusted_proxy(address) || !is_limited(address); };
        result.run_blocking = [this](std::function<void()> work) { disk.post(std::move(work)); };
        return result;
    }

    std::size_t max_per_address() const { return options.max_connections_per_address.value_or(std::max<std::size_t>(1, options.max_connections / 4)); }
    /// The default limit is for machines that are shared by many: not for this one.
    bool is_limited(const std::string& address) const { return options.max_connections_per_address.has_value() || !is_loopback(address); }

    /// The transport counts sockets by their peer's address; where that is a proxy, connections are counted here by their client's.
    bool too_many_behind_proxy(const transport::HttpRequest& request, const std::string& client_address) const {
        const auto limit = max_per_address();
        return limit > 0 && is_limited(client_address) && http->trusted_proxy(request.remote_address) && table.from_address(client_address) >= limit;
    }

    transport::UpgradeDecision upgrade(const transport::HttpRequest& request) {
        transport::UpgradeDecision decision;
        if (stopping) {
            decision.refusal = stopping_response();
            return decision;
        }
        auto where = http->upgrade(request);
        if (where.to == WslinkHttp::Upgrade::To::refused) {
            decision.refusal = std::move(where.refusal);
        } else if (too_many_behind_proxy(request, where.client_address)) {
            ++context.metrics.refused_behind_proxy;
            decision.refusal = {503, {{"Content-Type", "text/plain"}, {"Retry-After", "10"}}, "too many connections from " + where.client_address + "\n", {}, 0, 0};
        } else if (where.to == WslinkHttp::Upgrade::To::wslink) {
            decision.max_message_size = context.rules.first_frame;
            decision.handler = table.add(rpc::make_wslink_dialect(), std::move(where.client_address), std::nullopt);
        } else {
            decision.max_message_size = context.rules.token_dialect_frame;
            decision.handler = table.add(hooks.make_token_dialect(), std::move(where.client_address), std::move(where.identity));
        }
        return decision;
    }

    std::string greeting(const std::string& address) const;

    std::string metrics_text() const {
        Metrics::Gauges gauges;
        gauges.transport = transport->counters();
        gauges.connections = table.size();
        gauges.authenticated = table.authenticated();
        gauges.inbox_bytes = context.inbox_used;
        gauges.inbox_limit = context.rules.unfinished_bytes_process;
        gauges.fullest_outbox = table.fullest_outbox();
        gauges.outbox_limit_per_connection = context.rules.outbox;
        gauges.outboxes = context.outbox_budget.get();
        gauges.hub = &context.hub;
        gauges.uptime_seconds = std::chrono::duration<double>(Liveness::Clock::now() - begun).count();
        auto text = context.metrics.text(gauges);
        if (hooks.more_metrics) text += hooks.more_metrics();
        return text;
    }

    /// Starts the time after which a server without connections ends, and stops it.
    void connections_changed(bool empty) {
        timeout.reset();
        if (!empty) return;
        if (stopping) return finish_stop();
        if (options.timeout_seconds <= 0) return;
        timeout = transport->after(static_cast<Milliseconds>(options.timeout_seconds) * 1000, false,
                                   [this] { stop("no connection for " + std::to_string(options.timeout_seconds) + " s"); });
    }

    void post_after(Milliseconds milliseconds, std::function<void()> work) {
        transport->post([this, milliseconds, work = std::move(work)]() mutable {
            const auto position = timers.emplace(timers.end());
            *position = transport->after(milliseconds, false, [this, position, work = std::move(work)] {
                const auto keep = std::move(*position); // until `work`, which lives in it, has returned
                timers.erase(position);
                work();
            });
        });
    }

    void stop(std::string why) {
        transport->post([this, why = std::move(why)] {
            if (stopping) return;
            log::info("stopping: " + why);
            stopping = true;
            timeout.reset();
            if (hooks.on_stopping) hooks.on_stopping();
            if (table.empty()) return finish_stop();
            table.close_all(rpc::close_code::going_away, "the server is stopping");
            stop_timer = transport->after(outbox_time, false, [this] { finish_stop(); });
        });
    }

    void finish_stop() {
        stop_timer.reset();
        transport->stop(closing_time);
    }

    void on_signal(int signal) {
        if (signal == SIGHUP) {
            transport->post([this] {
                if (options.ssl_cert.empty()) return;
                const auto error = transport->reload_certificate();
                error.empty() ? log::info("the certificate was read again") : log::error("the certificate could not be read again: " + error);
            });
        } else {
            stop(signal == SIGINT ? "interrupted" : "terminated");
        }
    }
};

WslinkServer::WslinkServer(WslinkServerOptions options, WslinkServerHooks hooks)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(hooks))) {}

WslinkServer::~WslinkServer() {
    impl_->workers.stop(std::chrono::hours(1));
    impl_->disk.stop(disk_time);
    // Sockets tell their connections of the end while everything that those look at is still there.
    impl_->ticker.reset();
    impl_->timeout.reset();
    impl_->stop_timer.reset();
    impl_->timers.clear();
    impl_->table.on_change = {};
    impl_->table.abandon_all();
    impl_->transport.reset();
}

rpc::MethodRegistry& WslinkServer::methods() { return impl_->context.methods; }
pubsub::Hub& WslinkServer::hub() { return impl_->context.hub; }
const std::string& WslinkServer::auth_key() const { return impl_->options.auth_key; }
void WslinkServer::listen() { impl_->transport->listen(); }
std::uint16_t WslinkServer::port() const { return impl_->transport->port(); }
void WslinkServer::stop() { impl_->stop("by the program"); }
void WslinkServer::post(std::function<void()> work) { impl_->transport->post(std::move(work)); }
void WslinkServer::post_after(std::uint64_t milliseconds, std::function<void()> work) { impl_->post_after(milliseconds, std::move(work)); }

void WslinkServer::identify(const Connection& connection, std::string secret, std::function<void(std::optional<Identity>)> then) {
    auto& context = impl_->context;
    auto look = [&context, address = connection.remote_address(), secret = std::move(secret), then = std::move(then)] {
        auto identity = context.identify ? context.identify(secret) : Identity{};
        if (!identity) context.wrong_secrets.wrong(address);
        then(std::move(identity));
    };
    const auto wait = context.wrong_secrets.wait(connection.remote_address());
    if (wait.count() == 0) return look();
    impl_->post_after(static_cast<Milliseconds>(wait.count()), std::move(look));
}

void WslinkServer::publish(const std::string& topic, rpc::Value value) {
    hub().publish(everyone, std::make_shared<const rpc::Publication>(topic, rpc::body(std::move(value))));
}

std::string WslinkServer::address() const {
    const auto& options = impl_->options;
    const bool shows = !options.no_auth && options.auth_key_is_new && is_private_output(STDOUT_FILENO);
    return address_to_open(options, port(), shows ? auth_key() : "");
}

/// The line with the address to open.
std::string WslinkServer::Impl::greeting(const std::string& address) const {
    const auto line = "Open " + address;
    if (options.no_auth || address.find("?token=") != std::string::npos) return line;
    if (!options.auth_key_is_new) return line + " with the secret that was given";
    const auto file = write_private_file(options.program + '-' + std::to_string(transport->port()), address_to_open(options, transport->port(), options.auth_key) + '\n');
    return file.empty() ? line + " (the secret is not written here; give one by --authKey or the environment)" : line + " with the secret in " + file;
}

int WslinkServer::run() {
    auto& impl = *impl_;
    if (port() == 0) listen();
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN); // a limit on the size of files is an error of write()
    const SignalWatcher signals({SIGTERM, SIGINT, SIGHUP}, [&impl](int signal) { impl.on_signal(signal); });
    impl.begun = Liveness::Clock::now();
    impl.context.network_thread = std::this_thread::get_id();
    impl.ticker = impl.transport->after(static_cast<Milliseconds>(impl.context.rules.tick.count()), true, [&impl] { impl.table.tick(); });
    impl.connections_changed(true); // there is none yet
    // Connections are accepted since listen().
    std::cout << impl.greeting(address()) << '\n';
    if (const auto tunnel = ssh_tunnel(impl.options, port()); !tunnel.empty()) std::cout << "From your own machine, first: " << tunnel << '\n';
    std::cout << "wslink: Starting factory" << std::endl;
    impl.transport->run();
    impl.workers.stop(std::chrono::hours(1)); // what runs there is short, and uses what goes with the server
    if (!impl.disk.stop(disk_time)) log::warn("a disk does not answer: its thread is left behind");
    return 0;
}

} // namespace cubelink::server
