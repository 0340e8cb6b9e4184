#include "clients/cpp/socket.hpp"

#include <stdexcept>
#include <thread>
#include <utility>

#include <websocketpp/client.hpp>
#include <websocketpp/config/asio_client.hpp>

namespace cubelink::client {
namespace {

template <class Base>
struct Config : Base {
    using type = Config;
    static const websocketpp::log::level elog_level = websocketpp::log::elevel::none;
    static const websocketpp::log::level alog_level = websocketpp::log::alevel::none;
    static const std::size_t max_message_size = 1u << 30;
    static const std::size_t connection_read_buffer_size = 64 << 10; // a tile is some 100 KiB, a block of pixels much more
};

template <class Configuration>
class Socket final : public WebSocket {
public:
    Socket(const std::string& url, SocketHandlers handlers) : handlers_(std::move(handlers)) {
        endpoint_.clear_access_channels(websocketpp::log::alevel::all);
        endpoint_.clear_error_channels(websocketpp::log::elevel::all);
        endpoint_.init_asio();
        endpoint_.set_max_message_size(Configuration::max_message_size);
        endpoint_.set_open_handler([this](websocketpp::connection_hdl) {
            watch();
            handlers_.on_open();
        });
        endpoint_.set_pong_handler([this](websocketpp::connection_hdl, const std::string&) { silent_ticks_ = 0; });
        endpoint_.set_ping_handler([this](websocketpp::connection_hdl, const std::string&) {
            silent_ticks_ = 0;
            return true;
        });
        endpoint_.set_message_handler([this](websocketpp::connection_hdl, typename Endpoint::message_ptr message) {
            silent_ticks_ = 0;
            handlers_.on_message(message->get_opcode() == websocketpp::frame::opcode::text, message->get_payload(), message);
        });
        endpoint_.set_close_handler([this](websocketpp::connection_hdl handle) {
            const auto connection = endpoint_.get_con_from_hdl(handle);
            stop_watching();
            handlers_.on_close(connection->get_remote_close_code(), connection->get_remote_close_reason());
        });
        endpoint_.set_fail_handler([this](websocketpp::connection_hdl handle) {
            const auto connection = endpoint_.get_con_from_hdl(handle);
            const auto status = static_cast<int>(connection->get_response_code());
            handlers_.on_close(1006, status ? "the server answered " + std::to_string(status) + " " + connection->get_response_msg()
                                            : connection->get_ec().message());
        });
        set_up_tls(url);
        std::error_code error;
        const auto connection = endpoint_.get_connection(url, error);
        if (error) throw std::invalid_argument(url + ": " + error.message());
        handle_ = connection->get_handle();
        endpoint_.connect(connection);
        thread_ = std::thread([this] { endpoint_.run(); });
    }

    ~Socket() override {
        close(1000);
        thread_.join();
    }

    void send_binary(std::vector<std::string_view> parts, std::shared_ptr<const void> owner) override {
        auto held = std::make_shared<std::pair<std::vector<std::string_view>, std::shared_ptr<const void>>>(std::move(parts), std::move(owner));
        endpoint_.get_io_service().post([this, held] {
            std::error_code error; // a closed connection tells by on_close
            const auto connection = endpoint_.get_con_from_hdl(handle_, error);
            if (error) return;
            std::size_t size = 0;
            for (const auto& part : held->first) size += part.size();
            const auto message = connection->get_message(websocketpp::frame::opcode::binary, size);
            for (const auto& part : held->first) message->append_payload(part.data(), part.size());
            connection->send(message);
        });
    }

    void close(std::uint16_t code) override {
        endpoint_.get_io_service().post([this, code] {
            std::error_code ignored;
            endpoint_.close(handle_, code, "", ignored);
        });
    }

private:
    using Endpoint = websocketpp::client<Configuration>;
    static constexpr long tick_milliseconds = 30'000;
    static constexpr int most_silent_ticks = 3;

    /// Network thread: pings now and then, and closes what does not answer.
    void watch() {
        timer_ = endpoint_.set_timer(tick_milliseconds, [this](const std::error_code& cancelled) {
            if (cancelled || !timer_) return;
            std::error_code ignored;
            if (++silent_ticks_ > most_silent_ticks) return endpoint_.close(handle_, 1000, "", ignored);
            endpoint_.ping(handle_, "", ignored);
            watch();
        });
    }
    void stop_watching() {
        if (timer_) timer_->cancel();
        timer_.reset();
    }

    void set_up_tls([[maybe_unused]] const std::string& url) {
        if constexpr (std::is_base_of_v<websocketpp::config::asio_tls_client, Configuration>) {
            auto host = websocketpp::uri(url).get_host();
            if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
            endpoint_.set_tls_init_handler([host](websocketpp::connection_hdl) {
                auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
                context->set_default_verify_paths();
                context->set_verify_mode(asio::ssl::verify_peer);
                context->set_verify_callback(asio::ssl::host_name_verification(host));
                return context;
            });
        }
    }

    SocketHandlers handlers_;
    Endpoint endpoint_;
    typename Endpoint::timer_ptr timer_; // this and the next: network thread only
    int silent_ticks_ = 0;
    websocketpp::connection_hdl handle_;
    std::thread thread_;
};

} // namespace

std::unique_ptr<WebSocket> open_web_socket(const std::string& url, SocketHandlers handlers) {
    if (url.compare(0, 5, "ws://") == 0) return std::make_unique<Socket<Config<websocketpp::config::asio_client>>>(url, std::move(handlers));
    if (url.compare(0, 6, "wss://") == 0) return std::make_unique<Socket<Config<websocketpp::config::asio_tls_client>>>(url, std::move(handlers));
    throw std::invalid_argument(url + ": expected a ws:// or wss:// address");
}

} // namespace cubelink::client
