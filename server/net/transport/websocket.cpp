#include "server/net/transport/websocket.hpp"

#include <asio/post.hpp>

namespace cubelink::transport {
namespace {
constexpr auto close_patience = std::chrono::seconds(5);
} // namespace

WebSocket::WebSocket(Link& link, std::unique_ptr<SocketHandler> handler, std::size_t max_message_size)
    : link_(&link), loop_(link.loop()), handler_(std::move(handler)), reader_(max_message_size), id_(loop_.next_socket_id++) {
    ++loop_.counters.open_websockets;
}

WebSocket::~WebSocket() = default;

void WebSocket::open() {
    handler_->on_open(shared_from_this());
    if (loop_.stopping) going_away();
}

void WebSocket::going_away() { close(1001, "the server is stopping"); }

void WebSocket::on_bytes(char* data, std::size_t size) {
    if (state_ != State::closed) handler_->on_progress();
    if (paused_ || !backlog_.empty()) {
        backlog_.append(data, size);
        return;
    }
    const auto used = decode(data, size);
    if (used < size && state_ != State::closed) backlog_.assign(data + used, size - used);
}

/// Decodes until the bytes are used up, reading is paused, or the connection is closed.
std::size_t WebSocket::decode(char* data, std::size_t size) {
    std::size_t used = 0;
    decoding_ = true;
    while (used < size && !paused_ && state_ != State::closed) {
        const auto step = reader_.feed(data + used, size - used);
        used += step.used;
        if (step.error != 0) {
            fail(step.error, step.reason);
            break;
        }
        rest_ = size - used;
        if (step.complete) take(step.message);
    }
    decoding_ = false;
    if (pong_due_) {
        // A client may send pings without end: the last of a batch stands for all (RFC 6455, 5.5.3), and no more than some wait.
        pong_due_ = false;
        if (state_ == State::open && link_ && link_->unwritten() < (64u << 20)) send_control(Opcode::pong, pong_);
    }
    return used;
}

void WebSocket::take(const InMessage& message) {
    switch (message.opcode) {
    case Opcode::close: return take_close(message);
    case Opcode::ping:
        pong_due_ = true;
        pong_.assign(message.payload);
        return;
    case Opcode::pong:
        if (state_ == State::open) handler_->on_pong();
        return;
    default:
        // After our close frame nothing is asked of the server any more.
        if (state_ == State::open) handler_->on_message(message.opcode == Opcode::text, message.payload, message.owner);
    }
}

void WebSocket::take_close(const InMessage& message) {
    std::uint16_t code = 1005;
    std::string reason;
    if (!parse_close(message.payload, code, reason)) return fail(1002, "bad close frame");
    if (state_ == State::open) {
        if (pong_due_) {
            pong_due_ = false;
            send_control(Opcode::pong, pong_);
        }
        send_control(Opcode::close, close_payload(code, reason));
    }
    ended(code, std::move(reason));
    link_->finish(close_patience, rest_ == 0);
    link_->set_deadline(close_patience);
}

/// The peer violated the protocol: a close frame says so, and nothing more is read.
void WebSocket::fail(std::uint16_t code, const std::string& reason) {
    if (!link_ || state_ == State::closed) return;
    if (state_ == State::open) send_control(Opcode::close, close_payload(code, reason));
    ended(1006, reason);
    link_->finish(close_patience);
    link_->set_deadline(close_patience);
}

/// Tells the handler, in a turn of its own: it may be in the middle of a call.
void WebSocket::ended(std::uint16_t code, std::string reason) {
    if (state_ == State::closed) return;
    state_ = State::closed;
    end_code_ = code;
    end_reason_ = std::move(reason);
    asio::post(loop_.context, [self = shared_from_this()] { self->notify_end(); });
}

void WebSocket::notify_end() {
    if (!handler_) return;
    --loop_.counters.open_websockets;
    const auto handler = std::move(handler_);
    try {
        handler->on_close(end_code_, end_reason_);
    } catch (...) {
        report_exception("on_close");
    }
}

void WebSocket::on_end() {
    // A WebSocket without its client's side has ended: there is no way back for an answer to the close frame.
    ended(1006, "the connection ended without a close frame");
    if (link_) link_->abort();
}

void WebSocket::on_written(std::size_t) {
    if (state_ == State::open && handler_) {
        // A ping that the kernel took says nothing of the peer: only frames that the handler waits for count.
        if (frames_waiting_) handler_->on_progress();
    } else if (link_) link_->set_deadline(close_patience); // a slow reader may take its time for what was before the close frame
}

void WebSocket::on_flushed() {
    if (!frames_waiting_) return;
    frames_waiting_ = false;
    if (state_ == State::open && handler_) handler_->on_drained();
}

void WebSocket::on_deadline() {
    if (link_) link_->abort();
}

void WebSocket::on_gone() {
    link_ = nullptr;
    if (state_ != State::closed) {
        state_ = State::closed;
        end_code_ = 1006;
    }
    notify_end();
}

void WebSocket::send(std::vector<OutFrame>&& frames) {
    if (state_ != State::open || !link_) return;
    for (const auto& frame : frames) {
        std::size_t size = 0;
        for (const auto& part : frame.parts) size += part.size;
        char header[10];
        link_->write({header, write_frame_header(header, frame.text ? Opcode::text : Opcode::binary, size)});
        for (const auto& part : frame.parts) link_->write(part);
    }
    frames_waiting_ = true;
    link_->flush_soon();
}

void WebSocket::send_control(Opcode opcode, std::string_view payload) {
    if (!link_) return;
    char header[10];
    link_->write({header, write_frame_header(header, opcode, payload.size())});
    link_->write(payload);
}

void WebSocket::ping() {
    if (state_ == State::open) send_control(Opcode::ping, {});
}

void WebSocket::close(std::uint16_t code, std::string_view reason) {
    if (state_ != State::open || !link_) return;
    state_ = State::closing;
    send_control(Opcode::close, close_payload(code, reason));
    link_->set_deadline(close_patience);
    // The answer must be read, whatever back-pressure there was.
    if (paused_) pause_reading(false);
}

void WebSocket::drop() {
    if (!link_) return;
    ended(1006, "dropped by the server");
    link_->abort();
}

void WebSocket::pause_reading(bool paused) {
    if (paused == paused_ || !link_ || state_ == State::closed || (paused && state_ != State::open)) return;
    paused_ = paused;
    if (paused) return link_->pause_reading(true);
    if (backlog_.empty()) return link_->pause_reading(false);
    if (resume_posted_) return;
    resume_posted_ = true;
    asio::post(loop_.context, [self = shared_from_this()] {
        self->resume_posted_ = false;
        if (self->paused_ || !self->link_ || self->state_ == State::closed) return;
        auto bytes = std::move(self->backlog_);
        self->backlog_.clear();
        std::size_t used = 0;
        try {
            used = self->decode(bytes.data(), bytes.size());
        } catch (...) {
            report_exception("connection dropped");
            return self->drop();
        }
        if (self->state_ == State::closed) return;
        if (used < bytes.size()) self->backlog_.assign(bytes, used, std::string::npos);
        else if (self->link_ && !self->paused_) self->link_->pause_reading(false);
    });
}

} // namespace cubelink::transport
