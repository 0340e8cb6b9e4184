#include "server/net/metrics.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace cubelink::server {

namespace {

constexpr auto relaxed = std::memory_order_relaxed;

/// Writes one metric after the other; each with its HELP and TYPE lines, which must come once.
class Page {
public:
    Page() { text_.precision(15); } // what is wanted of sums is how they grow
    void begin(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        text_ << "# HELP " << name << ' ' << help << "\n# TYPE " << name << ' ' << type << '\n';
    }
    template <class Number>
    void sample(Number value, std::string_view labels = {}, std::string_view suffix = {}) {
        text_ << name_ << suffix;
        if (!labels.empty()) text_ << '{' << labels << '}';
        text_ << ' ' << value << '\n';
    }
    template <class Number>
    void one(std::string_view name, std::string_view type, std::string_view help, Number value) {
        begin(name, type, help);
        sample(value);
    }
    std::string text() const { return text_.str(); }

private:
    std::ostringstream text_;
    std::string name_;
};

std::string label(std::string_view name, std::string_view value) { return std::string(name) + "=\"" + escape_label(value) + '"'; }

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", value);
    return text;
}

} // namespace

void Metrics::Calls::answered(std::chrono::nanoseconds took, bool failed) {
    const double seconds = std::chrono::duration<double>(took).count();
    std::size_t bucket = 0;
    while (bucket < bounds.size() && seconds > bounds[bucket]) ++bucket;
    buckets[bucket].fetch_add(1, relaxed);
    nanoseconds.fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0)), relaxed);
    if (failed) failures.fetch_add(1, relaxed);
}

Metrics::Calls& Metrics::calls_of(std::string_view method, bool registered) {
    if (!registered) return unknown_;
    const platform::MutexLock lock(mutex_);
    const auto known = calls_.find(method);
    if (known != calls_.end()) return *known->second;
    return *calls_.emplace(std::string(method), std::make_unique<Calls>()).first->second;
}

void Metrics::connection_accepted(std::string_view dialect) {
    const platform::MutexLock lock(mutex_);
    const auto known = accepted_.find(dialect);
    if (known != accepted_.end()) ++known->second;
    else accepted_.emplace(dialect, 1);
}

void Metrics::closed_by_server(std::uint16_t code) {
    const auto known = std::find(codes.begin(), codes.end(), code);
    closed_[static_cast<std::size_t>(known - codes.begin())].fetch_add(1, relaxed);
}

std::string Metrics::text(const Gauges& gauges) const {
    Page page;
    page.one("wslink_uptime_seconds", "gauge", "Time since the server began to listen.", gauges.uptime_seconds);
    page.one("wslink_connections", "gauge", "WebSocket connections that are open.", gauges.connections);
    page.one("wslink_connections_authenticated", "gauge", "Connections whose secret was accepted.", gauges.authenticated);
    page.begin("wslink_connections_accepted_total", "counter", "Connections accepted, by dialect.");
    {
        const platform::MutexLock lock(mutex_);
        for (const auto& [dialect, count] : accepted_) page.sample(count, label("dialect", dialect));
    }
    page.begin("wslink_connections_closed_total", "counter", "Connections that the server ended, by close code.");
    for (std::size_t i = 0; i <= codes.size(); ++i) {
        page.sample(closed_[i].load(relaxed), label("code", i < codes.size() ? std::to_string(codes[i]) : "other"));
    }
    page.one("wslink_sockets_accepted_total", "counter", "Sockets of every kind accepted.", gauges.transport.accepted);
    page.one("wslink_http_open", "gauge", "HTTP exchanges in progress.", gauges.transport.open_http);
    page.one("wslink_bytes_received_total", "counter", "Bytes read from sockets.", gauges.transport.bytes_in);
    page.one("wslink_bytes_sent_total", "counter", "Bytes written to sockets.", gauges.transport.bytes_out);
    page.one("wslink_messages_received_total", "counter", "WebSocket messages received.", messages_in.load(relaxed));
    page.one("wslink_frames_sent_total", "counter", "WebSocket messages sent.", frames_out.load(relaxed));
    page.begin("wslink_refusals_total", "counter", "What was turned away, by reason.");
    page.sample(gauges.transport.refused + refused_behind_proxy.load(relaxed), "reason=\"connections\"");
    page.sample(refused_origins.load(relaxed), "reason=\"origin\"");
    page.sample(refused_hosts.load(relaxed), "reason=\"host\"");
    page.sample(refused_tokens.load(relaxed), "reason=\"token\"");
    page.sample(refused_paths.load(relaxed), "reason=\"path\"");
    page.sample(unauthorized_calls.load(relaxed), "reason=\"call before hello\"");
    page.one("wslink_wrong_secrets_total", "counter", "Wrong secrets, in hellos, tokens and keys.", wrong_secrets.load(relaxed));
    page.one("wslink_delayed_secrets_total", "counter", "Secrets that had to wait because many wrong ones came from their address.",
             delayed_secrets.load(relaxed));
    page.one("wslink_client_id_mismatches_total", "counter", "Requests whose id names another client.", client_id_mismatches.load(relaxed));
    page.one("wslink_ignored_frames_total", "counter", "Frames that were wrong but harmless.", ignored_frames.load(relaxed));
    page.one("wslink_client_heartbeats_total", "counter", "Heartbeats that clients sent on their own.", heartbeats.load(relaxed));

    page.one("wslink_inbox_bytes", "gauge", "Input of unfinished messages that is held.", gauges.inbox_bytes);
    page.one("wslink_inbox_limit_bytes", "gauge", "Limit of the above.", gauges.inbox_limit);
    if (const auto* outboxes = gauges.outboxes) {
        page.one("wslink_outbox_bytes", "gauge", "Output that waits for clients, all together.", outboxes->used());
        page.one("wslink_outbox_limit_bytes", "gauge", "Limit of the above.", outboxes->limit());
        page.one("wslink_outbox_fullest_bytes", "gauge", "Output that waits for the slowest client.", gauges.fullest_outbox);
        page.one("wslink_outbox_limit_per_connection_bytes", "gauge", "Limit of the above.", gauges.outbox_limit_per_connection);
        page.one("wslink_outbox_messages_total", "counter", "Messages put into outboxes.", outboxes->pushed.load(relaxed));
        page.begin("wslink_outbox_left_out_total", "counter", "Messages that were not sent, by reason.");
        page.sample(outboxes->dropped.load(relaxed), "reason=\"dropped\"");
        page.sample(outboxes->merged.load(relaxed), "reason=\"merged\"");
        page.sample(outboxes->overtaken.load(relaxed), "reason=\"overtaken\"");
        page.one("wslink_outbox_overflows_total", "counter", "Clients given up because they did not read.", outboxes->overflows.load(relaxed));
    }
    if (gauges.hub) {
        page.begin("wslink_publications_total", "counter", "Publications by topic.");
        for (const auto& [topic, count] : gauges.hub->publications_by_topic()) page.sample(count, label("topic", topic));
    }

    page.begin("wslink_call_failures_total", "counter", "Calls answered with an error, by method.");
    const platform::MutexLock lock(mutex_);
    const auto each_method = [&](auto&& work) CUBELINK_REQUIRES(mutex_) {
        for (const auto& [name, calls] : calls_) work(label("method", name), *calls);
        work("method=\"(unknown)\"", unknown_);
    };
    each_method([&](const std::string& method, const Calls& calls) { page.sample(calls.failures.load(relaxed), method); });
    page.begin("wslink_call_seconds", "histogram", "Time from a call to its answer, by method.");
    each_method([&](const std::string& method, const Calls& calls) {
        std::uint64_t count = 0;
        for (std::size_t i = 0; i < calls.buckets.size(); ++i) {
            count += calls.buckets[i].load(relaxed);
            const auto bound = i < Calls::bounds.size() ? number(Calls::bounds[i]) : "+Inf";
            page.sample(count, method + ",le=\"" + bound + '"', "_bucket");
        }
        page.sample(static_cast<double>(calls.nanoseconds.load(relaxed)) * 1e-9, method, "_sum");
        page.sample(count, method, "_count");
    });
    page.one("process_resident_memory_bytes", "gauge", "Memory of this process.", resident_memory());
    page.one("process_memory_limit_bytes", "gauge", "Memory that it may use; 0: unknown.", memory_limit());
    return page.text();
}

std::size_t resident_memory() {
    std::ifstream file("/proc/self/statm");
    std::size_t total = 0, resident = 0;
    file >> total >> resident;
    return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::size_t memory_limit() {
    std::ifstream file("/sys/fs/cgroup/memory.max");
    std::size_t bytes = 0;
    if (file >> bytes) return bytes; // the word "max" fails to parse: no limit
    const auto pages = sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) : 0;
}

std::string escape_label(std::string_view value) {
    std::string result;
    for (const char c : value) {
        if (c == '\n') {
            result += "\\n";
        } else {
            if (c == '"' || c == '\\') result += '\\';
            result += c;
        }
    }
    return result;
}

} // namespace cubelink::server
