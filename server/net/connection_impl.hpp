#pragma once
/// The implementation of Connection: connects a socket and a dialect to the methods and the hub.
///
/// Everything runs on the network thread, except what Connection marks as thread-safe and the answers of calls, which come from
/// any thread. Shared ownership: the socket's handler holds it until the socket is gone, calls until they are answered.

#include "platform/mutex.hpp"
#include "pubsub/receiver.hpp"
#include "rpc/hello.hpp"
#include "rpc/method_registry.hpp"
#include "server/net/connection.hpp"
#include "server/net/connection_rules.hpp"
#include "server/net/liveness.hpp"
#include "server/net/metrics.hpp"
#include "server/net/transport/transport.hpp"
#include "server/net/workers.hpp"
#include "server/net/access/wrong_secrets.hpp"

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

namespace cubelink::server {

/// What the connections of one server share. Outlives all of them.
struct ConnectionContext {
    ConnectionRules rules;
    rpc::MethodRegistry methods;
    pubsub::Hub hub;
    pubsub::GroupId first_group = 1; // that a connection is attached to after hello
    Metrics metrics;
    WrongSecrets wrong_secrets{metrics};
    std::unordered_map<const rpc::Method*, Metrics::Calls*> statistics; // where each method's calls are counted; of the network thread
    std::shared_ptr<pubsub::OutboxBudget> outbox_budget;
    std::function<std::optional<Identity>(std::string_view secret)> identify; // empty: no secret is asked for
    std::function<void(std::function<void()>)> post; // thread-safe: onto the network thread
    Workers* workers = nullptr;                      // decode and encode what is large; nullptr: the network thread does
    std::function<void(const std::shared_ptr<Connection>&)> on_connected;
    std::function<void(const std::shared_ptr<Connection>&, Ending)> on_disconnected;
    std::size_t inbox_used = 0; // input of all connections that is unfinished or being decoded
    std::thread::id network_thread; // set when the server runs
    std::atomic<std::size_t> bytes_of_calls{0}; // unanswered, of all connections
};

class ConnectionImpl final : public Connection, public std::enable_shared_from_this<ConnectionImpl>, private rpc::DialectSink {
public:
    /// A connection that has to say hello; or, with an identity, one whose token has been checked at its upgrade.
    static std::shared_ptr<ConnectionImpl> make(ConnectionContext& context, std::unique_ptr<rpc::Dialect> dialect,
                                                std::string remote_address, std::optional<Identity> identity);
    ConnectionImpl(ConnectionContext& context, std::unique_ptr<rpc::Dialect> dialect, std::string remote_address,
                   std::optional<Identity> identity);

    // Peer and Connection.
    std::uint64_t id() const override { return id_; }
    const std::string& client_id() const override { return hello_.client_id(); }
    bool connected() const override { return connected_.load(std::memory_order_acquire); }
    Identity identity() const override;
    void set_identity(Identity identity) override;
    const std::shared_ptr<pubsub::Receiver>& receiver() const override { return receiver_; }
    std::string dialect_name() const override { return std::string(dialect_->name()); }
    std::string remote_address() const override { return remote_address_; }
    rpc::CallPtr cancellable_call(const std::string& request_id) const override;
    void close(std::uint16_t code, std::string reason) override;

    /// The socket's handler, which holds a reference to the connection.
    std::unique_ptr<transport::SocketHandler> make_handler();

    /// Checks time limits: called a few times a second.
    void tick(Liveness::Clock::time_point now);
    /// The transport is being destroyed: no further calls will come.
    void abandon() {
        if (socket_) closed(1006);
    }
    bool authenticated() const { return authenticated_; }
    std::size_t unfinished_input() const { return unfinished_ + decoding_bytes_; }
    /// Network thread: as close(), at once.
    void close_now(std::uint16_t code, std::string reason);

private:
    class Handler;
    struct Alarm;
    using Clock = Liveness::Clock;

    // From the socket.
    void opened(const std::shared_ptr<transport::Socket>& socket);
    void received(bool text, std::string_view payload, const std::shared_ptr<const void>& owner);
    void drained();
    void closed(std::uint16_t code);

    // From the dialect, while a frame is received on the network thread.
    void on_request(rpc::Request&& request) override;
    void on_bad_request(rpc::Reply&& reply) override;
    void on_heartbeat(rpc::WireFrame answer) override;
    void on_broken(std::uint16_t close_code, std::string_view reason) override;
    void on_ignored(std::string_view what) override;

    // A frame that is received by a worker. No further frame is read meanwhile.
    class Received;
    void receive_on_worker(bool text, std::string_view payload, const std::shared_ptr<const void>& owner);
    void received_on_worker(const std::shared_ptr<Received>& received);

    /// A request whose arguments' weight is known, and what Method::prepare has thrown.
    struct Prepared {
        std::size_t weight = 0;
        std::exception_ptr failure;
    };
    void take_request(rpc::Request&& request, const Prepared* prepared);
    std::function<bool(std::string_view)> secret_check();
    bool before_methods(const rpc::Request& request);
    bool has_to_wait(rpc::Request& request);
    void look_at_waiting_hello(Clock::time_point now);
    void accept();
    void dispatch(rpc::Request&& request, const Prepared* prepared);
    void update_reading();
    void answer_now(rpc::Reply&& reply);
    void send_answer(const rpc::Reply& reply, pubsub::Outbox::Ticket ticket, std::atomic<bool>& has_place, std::size_t bytes);
    void answered(bool in_order, std::size_t bytes);
    bool leave_order(pubsub::Outbox::Ticket ticket, std::atomic<bool>& has_place, std::size_t bytes);
    void keep_cancellable(const rpc::CallPtr& call);
    void apply_back_pressure();
    static void schedule_flush(Alarm& alarm);
    void schedule_flush() { schedule_flush(*alarm_); }
    void flush();
    bool hand_over();
    void finish_closing();
    void account_input();

    ConnectionContext& context_;
    const std::uint64_t id_;
    const std::string remote_address_;
    const std::shared_ptr<rpc::Dialect> dialect_;
    const bool needs_hello_;
    std::shared_ptr<pubsub::Receiver> receiver_;
    rpc::Hello hello_;
    mutable platform::Mutex mutex_;
    Identity identity_ CUBELINK_GUARDED_BY(mutex_);
    std::atomic<bool> connected_{true};
    /// Outlives the connection with its receiver. `armed`: a flush is under way, asked for, or will follow when the socket has drained.
    struct Alarm {
        std::atomic<bool> armed{false};
        std::weak_ptr<ConnectionImpl> connection;
    };
    const std::shared_ptr<Alarm> alarm_ = std::make_shared<Alarm>();

    std::shared_ptr<transport::Socket> socket_; // null before and after
    Liveness liveness_;
    Clock::time_point received_at_{}; // the latest message
    bool authenticated_ = false;
    bool writing_ = false, drained_in_turn_ = false, flushing_ = false;
    bool paused_ = false;
    bool decoding_ = false;            // a worker has the dialect's input
    std::size_t decoding_bytes_ = 0;   // of the frame that it receives
    std::size_t unfinished_ = 0;       // input that is held, see account_input()
    std::size_t half_sent_ = 0;        // of that, what waits for more to come
    std::size_t input_since_call_ = 0; // bytes received since the last request, which are taken for the next one's
    std::atomic<std::size_t> calls_in_order_{0}, calls_when_done_{0}, bytes_of_calls_{0}, bytes_when_done_{0}; // unanswered
    std::unordered_map<std::size_t, std::weak_ptr<rpc::Call>> cancellable_; // by the id's hash: ids may be long. Also some that have been answered

    struct WaitingHello {
        rpc::Request request;
        Clock::time_point until;
    };
    std::unique_ptr<WaitingHello> waiting_hello_; // nothing is read meanwhile

    struct Closing {
        std::uint16_t code;
        std::string reason;
        Clock::time_point since;
    };
    std::optional<Closing> closing_; // nothing is received any more; the close frame goes out behind the outbox
    bool close_sent_ = false;
    std::vector<pubsub::Outbox::Taken> taken_;
};

} // namespace cubelink::server
