/// The transport as a whole: listens, accepts, keeps the limits, runs the loop and stops it.

#include "server/net/transport/http_exchange.hpp"
#include "server/net/transport/websocket.hpp"

#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <algorithm>
#include <csignal>
#include <optional>
#include <stdexcept>

#include <sys/socket.h>

namespace cubelink::transport {
namespace {

using asio::ip::tcp;

constexpr std::size_t spare_links = 64; // over max_connections, to say 503 on
constexpr auto accept_pause = std::chrono::milliseconds(100);

std::string address_text(const asio::ip::address& address) {
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    return address.to_string();
}

class LoopTimer final : public Timer {
public:
    LoopTimer(Loop& loop, std::uint64_t milliseconds, bool repeat, std::function<void()> work)
        : state_(std::make_shared<State>(loop, std::chrono::milliseconds(milliseconds), repeat, std::move(work))) {
        state_->timer.expires_after(state_->period);
        wait(state_);
    }
    ~LoopTimer() override {
        state_->cancelled = true;
        state_->timer.cancel();
    }

private:
    struct State {
        State(Loop& loop, std::chrono::milliseconds p, bool r, std::function<void()> w)
            : timer(loop.context), period(p), repeat(r), work(std::move(w)) {}
        asio::steady_timer timer;
        std::chrono::milliseconds period;
        bool repeat, cancelled = false;
        std::function<void()> work;
    };
    static void wait(const std::shared_ptr<State>& state) {
        state->timer.async_wait([state](const asio::error_code& error) {
            if (error || state->cancelled) return;
            try {
                state->work(); // may destroy the timer
            } catch (...) {
                report_exception("timer");
            }
            if (state->cancelled || !state->repeat) return;
            // From now, not from when it was due: after a stall there is no burst.
            state->timer.expires_after(std::max(state->period, std::chrono::milliseconds(1)));
            wait(state);
        });
    }
    std::shared_ptr<State> state_;
};

class AsioTransport final : public Transport {
public:
    AsioTransport(TransportOptions options, TransportHandlers handlers)
        : loop_(std::move(options), std::move(handlers)), gate_(std::make_shared<Gate>(loop_)) {}
    ~AsioTransport() override { gate_->shut(); }

    void listen() override;
    std::uint16_t port() const override { return port_; }
    void run() override;
    void post(std::function<void()> work) override { gate_->post(std::move(work)); }
    std::unique_ptr<Timer> after(std::uint64_t milliseconds, bool repeat, std::function<void()> work) override {
        return std::make_unique<LoopTimer>(loop_, milliseconds, repeat, std::move(work));
    }
    void stop(std::uint64_t grace_milliseconds) override {
        gate_->post([this, grace_milliseconds] { begin_stop(grace_milliseconds); });
    }
    std::string reload_certificate() override;
    Counters counters() const override { return loop_.counters; }

private:
    void accept();
    void take(tcp::socket&& socket, const tcp::endpoint& peer);
    void begin_stop(std::uint64_t grace_milliseconds);
    std::vector<tcp::endpoint> endpoints();

    Loop loop_;
    std::shared_ptr<Gate> gate_;
    std::shared_ptr<const TlsContext> tls_;
    std::optional<tcp::acceptor> acceptor_;
    tcp::endpoint peer_; // of the connection that is being accepted
    std::optional<asio::steady_timer> accept_timer_, stop_timer_;
    std::uint16_t port_ = 0;
};

std::vector<tcp::endpoint> AsioTransport::endpoints() {
    auto host = loop_.options.host;
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    asio::error_code error;
    if (const auto address = asio::ip::make_address(host, error); !error) return {{address, loop_.options.port}};
    tcp::resolver resolver(loop_.context);
    const auto found = resolver.resolve(host, std::to_string(loop_.options.port), tcp::resolver::passive, error);
    if (error) throw std::runtime_error("cannot listen on " + host + ": " + error.message());
    std::vector<tcp::endpoint> result;
    for (const auto& entry : found) result.push_back(entry.endpoint());
    // "localhost" is often both; browsers and tools try 127.0.0.1 in any case.
    std::stable_sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.address().is_v4() && b.address().is_v6(); });
    return result;
}

void AsioTransport::listen() {
    const auto& options = loop_.options;
    if (options.ssl_cert_file.empty() != options.ssl_key_file.empty())
        throw std::runtime_error("TLS needs both a certificate and a private key");
    if (!options.ssl_cert_file.empty()) {
        tls_ = std::make_shared<TlsContext>(options.ssl_cert_file, options.ssl_key_file);
        // OpenSSL writes to its socket without MSG_NOSIGNAL: a client that goes would end the program.
        struct sigaction action{};
        if (::sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) std::signal(SIGPIPE, SIG_IGN);
    }
    std::string why = "no address";
    for (const auto& endpoint : endpoints()) {
        try {
            tcp::acceptor acceptor(loop_.context, endpoint.protocol());
            acceptor.set_option(tcp::acceptor::reuse_address(true));
            acceptor.set_option(tcp::no_delay(true)); // Linux hands it on to the sockets that are accepted
            if (endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()));
            acceptor.bind(endpoint);
            acceptor.listen(1024);
            acceptor.non_blocking(true);
            port_ = acceptor.local_endpoint().port();
            acceptor_.emplace(std::move(acceptor));
            return accept();
        } catch (const asio::system_error& error) {
            why = error.code().message();
        }
    }
    throw std::runtime_error("cannot listen on " + options.host + " port " + std::to_string(options.port) + ": " + why);
}

void AsioTransport::accept() {
    acceptor_->async_accept(peer_, [this](const asio::error_code& error, tcp::socket socket) {
        if (loop_.stopping) return;
        if (!error) {
            try {
                take(std::move(socket), peer_);
            } catch (...) {
                ++loop_.counters.refused;
                report_exception("accepting a connection");
            }
            return accept();
        }
        if (error == asio::error::connection_aborted) return accept(); // gone before we came to it
        // Out of descriptors or memory: trying again at once would only spin.
        accept_timer_.emplace(loop_.context, accept_pause);
        accept_timer_->async_wait([this](const asio::error_code& cancelled) {
            if (!cancelled && !loop_.stopping) accept();
        });
    });
}

void AsioTransport::take(tcp::socket&& socket, const tcp::endpoint& peer) {
    auto& counters = loop_.counters;
    auto address = address_text(peer.address());
    asio::error_code error;
    socket.non_blocking(true, error);
    if (error) return;

    const auto& options = loop_.options;
    Refusal refusal;
    const auto same = loop_.links_per_address.find(address);
    if (loop_.links.size() >= options.max_connections) refusal = {503, "too many connections"};
    else if (options.max_connections_per_address > 0 && same != loop_.links_per_address.end() &&
             same->second >= options.max_connections_per_address && !(options.exempt_address && options.exempt_address(address)))
        refusal = {503, "too many connections from " + address};
    if (refusal.status == 0) ++counters.accepted;
    else ++counters.refused;
    // Saying why takes a connection, too; when those run out it is closed without a word.
    if (refusal.status != 0 && loop_.links.size() >= options.max_connections + spare_links) return;

    const auto link = std::make_shared<Link>(loop_, std::move(socket), address, tls_);
    loop_.links.insert(link);
    ++loop_.links_per_address[std::move(address)];
    const auto exchange = std::make_shared<HttpExchange>(*link, gate_, std::move(refusal));
    exchange->start();
    link->start(exchange);
}

void AsioTransport::run() {
    while (true) {
        try {
            loop_.context.run();
            return;
        } catch (...) {
            report_exception("posted work"); // the loop goes on with what comes next
        }
    }
}

void AsioTransport::begin_stop(std::uint64_t grace_milliseconds) {
    if (loop_.stopping) return;
    loop_.stopping = true;
    if (acceptor_) {
        asio::error_code ignored;
        acceptor_->close(ignored);
    }
    if (loop_.links.empty()) return loop_.context.stop();
    const auto links = loop_.links; // closing takes them out of the set, later
    for (const auto& link : links) link->going_away();
    stop_timer_.emplace(loop_.context, std::chrono::milliseconds(grace_milliseconds));
    stop_timer_->async_wait([this](const asio::error_code& error) {
        if (error) return;
        const auto rest = loop_.links;
        for (const auto& link : rest) link->abort();
        asio::post(loop_.context, [this] { loop_.context.stop(); }); // after their on_gone
    });
}

std::string AsioTransport::reload_certificate() {
    if (!tls_) return "the server does not speak TLS";
    try {
        tls_ = std::make_shared<TlsContext>(loop_.options.ssl_cert_file, loop_.options.ssl_key_file);
        return {};
    } catch (const std::exception& error) {
        return error.what();
    }
}

} // namespace

std::unique_ptr<Transport> make_transport(TransportOptions options, TransportHandlers handlers) {
    return std::make_unique<AsioTransport>(std::move(options), std::move(handlers));
}

} // namespace cubelink::transport
