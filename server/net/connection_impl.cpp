#include "server/net/connection_impl.hpp"

#include "pubsub/reply_first.hpp"
#include "rpc/values/weight.hpp"
#include "server/net/log.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <variant>

namespace cubelink::server {

namespace code = rpc::close_code;
using transport::OutFrame;
using transport::Slice;

namespace {

constexpr auto relaxed = std::memory_order_relaxed;

std::uint64_t next_connection_id() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

OutFrame out_frame(const rpc::WireFrame& frame) {
    OutFrame out{frame.text, {}};
    out.parts.reserve(frame.parts.size());
    for (const auto& part : frame.parts) out.parts.push_back(Slice{part.owner(), part.data(), part.size()});
    return out;
}

/// For the log: which call was answered, how, and after what time.
std::string described(const Connection& connection, const rpc::Reply& reply, std::chrono::nanoseconds took) {
    char milliseconds[32];
    std::snprintf(milliseconds, sizeof milliseconds, "%.1f ms", std::chrono::duration<double, std::milli>(took).count());
    const auto outcome = reply.error ? "failed (" + std::to_string(reply.error->code) + ": " + rpc::brief(rpc::Value(reply.error->message)) + ")" : "answered";
    return "connection " + std::to_string(connection.id()) + ": " + rpc::brief(rpc::Value(reply.method)) + " " + outcome + " after " + milliseconds;
}

/// Whether "rpc:<client id>:<n>" names another client than `own`. Ids of other forms name no client.
bool names_other_client(std::string_view id, std::string_view own) {
    if (!id.starts_with("rpc:")) return false;
    id.remove_prefix(4);
    const auto end = id.find(':');
    return end != std::string_view::npos && id.substr(0, end) != own;
}

} // namespace

/// The socket's side of a connection, owned by the transport.
class ConnectionImpl::Handler final : public transport::SocketHandler {
public:
    explicit Handler(std::shared_ptr<ConnectionImpl> connection) : connection_(std::move(connection)) {}
    void on_open(const std::shared_ptr<transport::Socket>& socket) override { connection_->opened(socket); }
    void on_message(bool text, std::string_view payload, const std::shared_ptr<const void>& owner) override {
        connection_->received(text, payload, owner);
    }
    void on_pong() override { connection_->liveness_.progress(); }
    void on_progress() override { connection_->liveness_.progress(); }
    void on_drained() override { connection_->drained(); }
    void on_close(std::uint16_t close_code, std::string_view) override { connection_->closed(close_code); }

private:
    const std::shared_ptr<ConnectionImpl> connection_;
};

ConnectionImpl::ConnectionImpl(ConnectionContext& context, std::unique_ptr<rpc::Dialect> dialect, std::string remote_address,
                               std::optional<Identity> identity)
    : context_(context), id_(next_connection_id()), remote_address_(std::move(remote_address)), dialect_(std::move(dialect)),
      needs_hello_(!identity), hello_(secret_check()),
      liveness_(context.rules, Clock::now()) {
    receiver_ = std::make_shared<pubsub::Receiver>(
        id_, std::make_unique<pubsub::Outbox>(context_.rules.outbox, context_.outbox_budget), [alarm = alarm_] { schedule_flush(*alarm); });
    receiver_->set_dialect(dialect_);
    if (identity) identity_ = std::move(*identity);
}

std::function<bool(std::string_view)> ConnectionImpl::secret_check() {
    if (!context_.identify) return {};
    return [this](std::string_view secret) {
        auto shown = context_.identify(secret);
        if (shown && !authenticated_) set_identity(std::move(*shown)); // a later hello does not change the identity
        return shown.has_value();
    };
}

std::shared_ptr<ConnectionImpl> ConnectionImpl::make(ConnectionContext& context, std::unique_ptr<rpc::Dialect> dialect,
                                                     std::string remote_address, std::optional<Identity> identity) {
    auto connection = std::make_shared<ConnectionImpl>(context, std::move(dialect), std::move(remote_address), std::move(identity));
    connection->alarm_->connection = connection;
    return connection;
}

std::unique_ptr<transport::SocketHandler> ConnectionImpl::make_handler() { return std::make_unique<Handler>(shared_from_this()); }

Identity ConnectionImpl::identity() const {
    const platform::MutexLock lock(mutex_);
    return identity_;
}

void ConnectionImpl::set_identity(Identity identity) {
    const platform::MutexLock lock(mutex_);
    identity_ = std::move(identity);
}

// ---- From the socket

void ConnectionImpl::opened(const std::shared_ptr<transport::Socket>& socket) {
    socket_ = socket;
    if (log::writes_debug()) log::debug("connection " + std::to_string(id_) + " opened from " + remote_address_);
    if (needs_hello_) return;
    dialect_->set_limits({context_.rules.token_dialect_frame, context_.rules.token_dialect_frame, context_.rules.unfinished_bytes, 64});
    socket_->set_max_message_size(context_.rules.token_dialect_frame);
    accept();
}

void ConnectionImpl::received(bool text, std::string_view payload, const std::shared_ptr<const void>& owner) {
    if (closing_) return;
    received_at_ = Clock::now();
    liveness_.message(received_at_);
    context_.metrics.messages_in.fetch_add(1, relaxed);
    input_since_call_ += payload.size();
    if (context_.workers && owner && dialect_->decoding_cost(text, payload) > context_.rules.decode_inline)
        return receive_on_worker(text, payload, owner);
    // What is answered within this turn leaves at its end, all together, and without a detour through the loop's queue.
    const bool ours = !alarm_->armed.exchange(true);
    dialect_->receive(text, payload, owner, *this);
    if (socket_) account_input();
    if (ours) flush();
}

void ConnectionImpl::drained() {
    writing_ = false;
    if (flushing_) {
        drained_in_turn_ = true;
    } else {
        flush();
    }
}

void ConnectionImpl::closed(std::uint16_t close_code) {
    alarm_->armed = true; // for good: no flush is needed any more
    connected_.store(false, std::memory_order_release);
    const auto self = shared_from_this();
    socket_.reset();
    receiver_->outbox().close();
    context_.hub.detach(id_);
    if (!decoding_) context_.inbox_used -= std::exchange(unfinished_, 0);
    if (!authenticated_) return;
    authenticated_ = false;
    // A close that we have started is none that the user meant.
    const bool by_client = !closing_ && (close_code == code::normal || close_code == 1005);
    log::info("connection " + std::to_string(id_) + " ended (" + std::to_string(close_code) + ")");
    if (context_.on_disconnected) context_.on_disconnected(self, by_client ? Ending::closed_by_client : Ending::lost);
}

// ---- Large messages

/// What a frame has led to on a worker, to be repeated on the network thread.
class ConnectionImpl::Received final : public rpc::DialectSink {
public:
    struct Call {
        rpc::Request request;
        Prepared prepared;
    };
    struct Broken {
        std::uint16_t close_code;
        std::string reason;
    };
    struct Ignored {
        std::string what;
    };
    using Event = std::variant<Call, rpc::Reply, rpc::WireFrame, Broken, Ignored>;

    explicit Received(const rpc::MethodRegistry& methods) : methods_(methods) {}

    void on_request(rpc::Request&& request) override {
        Call call{std::move(request), {}};
        call.prepared.weight = rpc::weight(call.request.args) + rpc::weight(call.request.kwargs);
        const auto* method = methods_.find(call.request.method);
        if (method && method->prepare) {
            try {
                method->prepare(call.request);
            } catch (...) {
                call.prepared.failure = std::current_exception();
            }
        }
        events.emplace_back(std::move(call));
    }
    void on_bad_request(rpc::Reply&& reply) override { events.emplace_back(std::move(reply)); }
    void on_heartbeat(rpc::WireFrame answer) override { events.emplace_back(std::move(answer)); }
    void on_broken(std::uint16_t close_code, std::string_view reason) override { events.emplace_back(Broken{close_code, std::string(reason)}); }
    void on_ignored(std::string_view what) override { events.emplace_back(Ignored{std::string(what)}); }

    std::vector<Event> events;

private:
    const rpc::MethodRegistry& methods_;
};

void ConnectionImpl::receive_on_worker(bool text, std::string_view payload, const std::shared_ptr<const void>& owner) {
    // Clients that connect, send and disconnect again and again could otherwise fill the queue beyond all limits.
    if (context_.inbox_used + payload.size() > context_.rules.unfinished_bytes_process)
        return close_now(code::try_again_later, "the server has too much input to decode: try again later");
    decoding_ = true;
    decoding_bytes_ = payload.size();
    context_.inbox_used += decoding_bytes_;
    update_reading();
    context_.workers->post([self = shared_from_this(), text, payload, owner = std::shared_ptr<const void>(owner)]() mutable {
        auto received = std::make_shared<Received>(self->context_.methods);
        try {
            if (self->connected()) self->dialect_->receive(text, payload, owner, *received);
        } catch (const std::exception& error) { // out of memory
            received->on_broken(code::internal_error, error.what());
        }
        owner.reset();
        auto& context = self->context_;
        context.post([self = std::move(self), received = std::move(received)] { self->received_on_worker(received); });
    });
}

void ConnectionImpl::received_on_worker(const std::shared_ptr<Received>& received) {
    decoding_ = false;
    context_.inbox_used -= std::exchange(decoding_bytes_, 0);
    if (!socket_ || closing_) {
        dialect_->forget_unfinished();
        account_input();
        context_.workers->post([received] {}); // released there: a message of millions of values takes its time
        return;
    }
    const bool ours = !alarm_->armed.exchange(true);
    for (auto& event : received->events) {
        if (auto* call = std::get_if<Received::Call>(&event)) take_request(std::move(call->request), &call->prepared);
        else if (auto* reply = std::get_if<rpc::Reply>(&event)) on_bad_request(std::move(*reply));
        else if (auto* heartbeat = std::get_if<rpc::WireFrame>(&event)) on_heartbeat(std::move(*heartbeat));
        else if (auto* broken = std::get_if<Received::Broken>(&event)) on_broken(broken->close_code, broken->reason);
        else on_ignored(std::get<Received::Ignored>(event).what);
    }
    if (socket_) account_input();
    update_reading();
    if (ours) flush();
}

// ---- From the dialect

void ConnectionImpl::on_request(rpc::Request&& request) { take_request(std::move(request), nullptr); }

void ConnectionImpl::take_request(rpc::Request&& request, const Prepared* prepared) {
    if (closing_) return;
    if (needs_hello_ && (has_to_wait(request) || !before_methods(request))) return;
    if (names_other_client(request.id, client_id())) context_.metrics.client_id_mismatches.fetch_add(1, relaxed);
    dispatch(std::move(request), prepared);
}

/// Delays the check of a secret if many wrong ones came from its address; nothing else is read until then.
bool ConnectionImpl::has_to_wait(rpc::Request& request) {
    if (!rpc::Hello::is_system_id(request.id) || request.method != rpc::Hello::method) return false;
    const auto wait = context_.wrong_secrets.wait(remote_address_);
    if (wait.count() == 0) return false;
    waiting_hello_ = std::make_unique<WaitingHello>(WaitingHello{std::move(request), Clock::now() + wait}); // the braces are for clang 14
    update_reading();
    return true;
}

void ConnectionImpl::look_at_waiting_hello(Clock::time_point now) {
    if (!waiting_hello_ || now < waiting_hello_->until) return;
    const auto hello = std::move(waiting_hello_);
    before_methods(hello->request);
    update_reading();
}

/// Hello, and what comes before it. True if the request is for a method.
bool ConnectionImpl::before_methods(const rpc::Request& request) {
    const bool second_generation = dialect_->name() == "msgpack";
    const auto wrong_before = hello_.wrong_secrets();
    auto reply = hello_.receive(request, second_generation ? ConnectionRules::advertised_frame : 0);
    if (!reply) return true;
    answer_now(std::move(*reply));
    if (hello_.wrong_secrets() > wrong_before) {
        context_.wrong_secrets.wrong(remote_address_);
        log::warn("connection " + std::to_string(id_) + " from " + remote_address_ + ": wrong secret");
        if (hello_.wrong_secrets() >= context_.rules.wrong_secrets) close_now(code::policy, "too many wrong secrets");
    } else if (!hello_.authenticated() && !rpc::Hello::is_system_id(request.id)) {
        context_.metrics.unauthorized_calls.fetch_add(1, relaxed);
    }
    if (hello_.authenticated() && !authenticated_) {
        const auto& rules = context_.rules;
        const auto frame = second_generation ? rules.msgpack_frame : rules.json_frame;
        dialect_->set_limits({frame, rules.message, rules.unfinished_bytes, 64});
        socket_->set_max_message_size(frame);
        accept();
    }
    return false;
}

void ConnectionImpl::accept() {
    authenticated_ = true;
    context_.metrics.connection_accepted(dialect_->name());
    log::info("connection " + std::to_string(id_) + " from " + remote_address_ + " uses " + dialect_name());
    context_.hub.attach(context_.first_group, receiver_);
    if (context_.on_connected) context_.on_connected(shared_from_this());
}

void ConnectionImpl::dispatch(rpc::Request&& request, const Prepared* prepared) {
    const auto* method = context_.methods.find(request.method);
    auto& slot = context_.statistics[method];
    if (!slot) slot = &context_.metrics.calls_of(request.method, method != nullptr);
    auto& statistics = *slot;
    const bool in_order = !method || method->order == rpc::AnswerOrder::in_order;
    const auto bytes = std::max(std::exchange(input_since_call_, 0), prepared ? prepared->weight : rpc::weight(request.args) + rpc::weight(request.kwargs));
    (in_order ? calls_in_order_ : calls_when_done_).fetch_add(1, relaxed);
    const auto before = (in_order ? bytes_of_calls_ : bytes_when_done_).fetch_add(bytes, relaxed);
    const auto of_all = context_.bytes_of_calls.fetch_add(bytes, relaxed);
    const auto ticket = in_order ? receiver_->outbox().open_ticket() : 0;

    const pubsub::ReplyFirst hold; // what the method publishes comes after its answer
    const auto has_place = std::make_shared<std::atomic<bool>>(in_order); // whoever takes it away uses the ticket
    auto answer = [self = shared_from_this(), &statistics, ticket, has_place, bytes, begun = received_at_, held = hold.number()](rpc::Reply&& reply) {
        const auto took = Clock::now() - begun;
        statistics.answered(took, reply.error.has_value());
        if (log::writes_trace()) log::trace(described(*self, reply, took));
        const auto& context = self->context_;
        const bool large = reply.result && context.workers && reply.result->encoding_exceeds(context.rules.encode_inline);
        if (large && std::this_thread::get_id() == context.network_thread) {
            auto later = pubsub::ReplyFirst::encode_later(held);
            context.workers->post([self, ticket, has_place, bytes, later = std::move(later), reply = std::move(reply)] {
                self->send_answer(reply, ticket, *has_place, bytes);
                if (later) later->encoded();
            });
        } else {
            self->send_answer(reply, ticket, *has_place, bytes);
            pubsub::ReplyFirst::release(held);
        }
    };
    auto leave = [this, ticket, has_place, bytes] { return leave_order(ticket, *has_place, bytes); }; // the call holds this connection
    // What is left of large arguments is released by a worker, too.
    auto* const workers = prepared ? context_.workers : nullptr;
    const auto call = workers ? std::shared_ptr<rpc::Call>(new rpc::Call(std::move(request), shared_from_this(), std::move(answer), std::move(leave)),
                                                           [workers](rpc::Call* done) { workers->post([owned = std::shared_ptr<rpc::Call>(done)] {}); })
                              : std::make_shared<rpc::Call>(std::move(request), shared_from_this(), std::move(answer), std::move(leave));
    if (!in_order) call->allow_cancel();
    const auto& rules = context_.rules;
    const bool too_many = calls_when_done_.load(relaxed) > rules.calls_when_done || (before > 0 && before + bytes > rules.bytes_of_calls);
    if (!in_order && too_many) return call->fail(rpc::code::method_failed, "too many calls of this connection are in progress");
    if (bytes > rules.bytes_of_small_call && of_all + bytes > rules.bytes_of_calls_process)
        return call->fail(rpc::code::method_failed, "the server has too much to do to take more: try again");
    if (prepared && prepared->failure) rpc::MethodRegistry::fail(call, prepared->failure);
    else rpc::MethodRegistry::dispatch(call, method);
    if (call->can_be_cancelled()) keep_cancellable(call);
    apply_back_pressure();
}

/// Those that have been answered are forgotten when they are more than the others.
void ConnectionImpl::keep_cancellable(const rpc::CallPtr& call) {
    constexpr std::size_t few = 64;
    if (cancellable_.size() > few + 2 * (calls_when_done_.load(relaxed) + calls_in_order_.load(relaxed))) {
        std::erase_if(cancellable_, [](const auto& entry) {
            const auto kept = entry.second.lock();
            return !kept || !kept->can_be_cancelled();
        });
    }
    cancellable_[std::hash<std::string>()(call->request().id)] = call;
}

rpc::CallPtr ConnectionImpl::cancellable_call(const std::string& request_id) const {
    const auto found = cancellable_.find(std::hash<std::string>()(request_id));
    if (found == cancellable_.end()) return nullptr;
    auto call = found->second.lock();
    return call && call->can_be_cancelled() && call->request().id == request_id ? call : nullptr;
}

/// From any thread: the call's answer will leave when it is done. Half of what may be in progress is left to long work.
bool ConnectionImpl::leave_order(pubsub::Outbox::Ticket ticket, std::atomic<bool>& has_place, std::size_t bytes) {
    const auto& rules = context_.rules;
    if (calls_when_done_.load(relaxed) >= rules.calls_when_done / 2 || bytes_when_done_.load(relaxed) + bytes > rules.bytes_of_calls / 2) return false;
    if (!has_place.exchange(false)) return true;
    calls_in_order_.fetch_sub(1, relaxed);
    bytes_of_calls_.fetch_sub(bytes, relaxed);
    calls_when_done_.fetch_add(1, relaxed);
    bytes_when_done_.fetch_add(bytes, relaxed);
    receiver_->outbox().answer(ticket, nullptr);
    schedule_flush();
    return true;
}

/// From any thread. `has_place`: whether the answer still has its place among those of other calls.
void ConnectionImpl::send_answer(const rpc::Reply& reply, pubsub::Outbox::Ticket ticket, std::atomic<bool>& has_place, std::size_t bytes) {
    auto message = dialect_->encode(reply);
    auto& outbox = receiver_->outbox();
    const bool in_order = has_place.exchange(false);
    if (in_order) {
        outbox.answer(ticket, std::move(message));
    } else {
        outbox.answer_unordered(std::move(message));
    }
    answered(in_order, bytes);
    schedule_flush();
}

void ConnectionImpl::on_bad_request(rpc::Reply&& reply) {
    if (closing_) return;
    if (needs_hello_ && !hello_.authenticated()) {
        // An error before hello says nothing about the message; a hello that cannot be read has no secret.
        rpc::Request request;
        request.id = std::move(reply.id);
        request.method = rpc::Hello::is_system_id(request.id) && reply.method.empty() ? "wslink.hello" : std::move(reply.method);
        before_methods(request);
        return;
    }
    input_since_call_ = 0;
    answer_now(std::move(reply));
}

/// An answer in the order of the calls.
void ConnectionImpl::answer_now(rpc::Reply&& reply) {
    auto& outbox = receiver_->outbox();
    outbox.answer(outbox.open_ticket(), dialect_->encode(reply));
    schedule_flush();
}

void ConnectionImpl::on_heartbeat(rpc::WireFrame answer) {
    if (closing_) return;
    liveness_.heartbeat(Clock::now());
    context_.metrics.heartbeats.fetch_add(1, relaxed);
    auto message = std::make_shared<rpc::Encoded>();
    message->bytes = answer.size();
    message->frames.push_back(std::move(answer));
    receiver_->outbox().answer_unordered(std::move(message));
    schedule_flush();
}

void ConnectionImpl::on_broken(std::uint16_t close_code, std::string_view reason) { close_now(close_code, std::string(reason)); }

void ConnectionImpl::on_ignored(std::string_view what) {
    context_.metrics.ignored_frames.fetch_add(1, relaxed);
    log::debug("connection " + std::to_string(id_) + ": ignored: " + std::string(what));
}

// ---- Input that waits

/// From any thread, when a call has got its answer.
void ConnectionImpl::answered(bool in_order, std::size_t bytes) {
    context_.bytes_of_calls.fetch_sub(bytes, relaxed);
    (in_order ? calls_in_order_ : calls_when_done_).fetch_sub(1, relaxed);
    (in_order ? bytes_of_calls_ : bytes_when_done_).fetch_sub(bytes, relaxed);
}

void ConnectionImpl::apply_back_pressure() {
    if (!socket_) return;
    const auto& rules = context_.rules;
    const auto calls = calls_in_order_.load(relaxed), bytes = bytes_of_calls_.load(relaxed);
    // Paused at the limit, resumed at half of it.
    const bool pause = paused_ ? calls > rules.calls_in_order / 2 || bytes > rules.bytes_of_calls / 2
                               : calls > rules.calls_in_order || bytes > rules.bytes_of_calls;
    if (pause == paused_) return;
    paused_ = pause;
    update_reading();
}

void ConnectionImpl::update_reading() {
    if (socket_) socket_->pause_reading(paused_ || waiting_hello_ || decoding_);
}

/// What is held of messages that have begun: by the dialect (chunks, attachments) and by the socket (half a frame).
void ConnectionImpl::account_input() {
    if (decoding_) return; // the dialect's input belongs to a worker now
    const auto in_socket = socket_ ? socket_->unfinished_input() : 0;
    const auto held = dialect_->unfinished_bytes() + in_socket, half_sent = dialect_->half_sent_bytes() + in_socket;
    context_.inbox_used += held - unfinished_; // unsigned: wraps and wraps back
    unfinished_ = held;
    liveness_.half_sent(half_sent, half_sent_, Clock::now());
    half_sent_ = half_sent;
}

// ---- Output

void ConnectionImpl::schedule_flush(Alarm& alarm) {
    if (alarm.armed.exchange(true)) return;
    if (auto self = alarm.connection.lock()) {
        auto& context = self->context_;
        context.post([self = std::move(self)] { self->flush(); });
    }
}

/// Hands the socket what it may take, or disarms if there is nothing. The alarm is armed on entry.
void ConnectionImpl::flush() {
    if (!socket_ || flushing_) return;
    apply_back_pressure();
    if (!closing_ && receiver_->outbox().overflowed()) {
        close_now(code::try_again_later, "too slow: more than " + std::to_string(receiver_->outbox().limit()) + " bytes were waiting");
        return;
    }
    if (writing_) return; // drained() brings us back here
    flushing_ = true;
    while (!hand_over()) {
        if (closing_) {
            finish_closing();
            break;
        }
        alarm_->armed.exchange(false);
        // Whoever pushed before that saw us armed and has not woken us.
        const bool overflowed = receiver_->outbox().overflowed();
        if ((receiver_->outbox().idle() && !overflowed) || alarm_->armed.exchange(true)) break;
        if (overflowed) {
            flushing_ = false;
            return flush();
        }
    }
    flushing_ = false;
}

/// False if nothing is left to send; true if something is on its way.
bool ConnectionImpl::hand_over() {
    const auto& rules = context_.rules;
    while (socket_) {
        receiver_->outbox().take(rules.frames_at_once, rules.bytes_at_once, taken_);
        if (taken_.empty()) return false;
        std::vector<OutFrame> frames;
        frames.reserve(taken_.size());
        for (const auto& [message, frame] : taken_) frames.push_back(out_frame(message->frames[frame]));
        context_.metrics.frames_out.fetch_add(taken_.size(), relaxed);
        taken_.clear();
        writing_ = true;
        drained_in_turn_ = false;
        socket_->send(std::move(frames));
        if (!drained_in_turn_) return true;
    }
    return true;
}

// ---- The end

void ConnectionImpl::close(std::uint16_t close_code, std::string reason) {
    context_.post([self = shared_from_this(), close_code, reason = std::move(reason)]() mutable {
        self->close_now(close_code, std::move(reason));
    });
}

void ConnectionImpl::close_now(std::uint16_t close_code, std::string reason) {
    if (closing_ || !socket_) return;
    log::info("connection " + std::to_string(id_) + " from " + remote_address_ + " is closed: " + reason + " (" + std::to_string(close_code) + ")");
    context_.metrics.closed_by_server(close_code);
    closing_ = Closing{close_code, std::move(reason), Clock::now()};
    if (!decoding_) dialect_->forget_unfinished();
    account_input();
    if (close_code == code::try_again_later) receiver_->outbox().close(); // its memory is what this is about
    if (!writing_ && receiver_->outbox().idle()) {
        finish_closing();
    } else {
        schedule_flush();
    }
}

void ConnectionImpl::finish_closing() {
    if (close_sent_ || !socket_) return;
    close_sent_ = true;
    receiver_->outbox().close();
    socket_->close(closing_->code, closing_->reason);
}

void ConnectionImpl::tick(Clock::time_point now) {
    if (!socket_) return;
    const auto& rules = context_.rules;
    if (closing_) {
        if (now - closing_->since >= (closing_->code == code::try_again_later ? rules.overflow : rules.closing)) finish_closing();
        return;
    }
    if (receiver_->outbox().overflowed()) return flush();
    if (paused_) apply_back_pressure();
    account_input();
    look_at_waiting_hello(now);
    if (needs_hello_ && !authenticated_ && !waiting_hello_ && liveness_.age(now) >= rules.hello) return close_now(code::policy, "no hello in time");
    switch (liveness_.look(now, paused_ || waiting_hello_ || decoding_)) {
    case Liveness::Verdict::fine: break;
    case Liveness::Verdict::ping: socket_->ping(); break;
    case Liveness::Verdict::half_sent: close_now(code::policy, "a message was begun and not ended"); break;
    case Liveness::Verdict::idle: close_now(code::going_away, "nothing was sent for too long"); break;
    case Liveness::Verdict::no_heartbeat: close_now(code::policy, "the heartbeat has stopped"); break;
    case Liveness::Verdict::silent:
        log::info("connection " + std::to_string(id_) + " from " + remote_address_ + " does not answer and is dropped");
        closing_ = Closing{code::going_away, "no answer to a ping", now};
        socket_->drop();
        break;
    }
}

} // namespace cubelink::server
