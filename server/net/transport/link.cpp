#include "server/net/transport/link.hpp"

#include <asio/post.hpp>

#include <array>
#include <exception>
#include <iostream>

namespace cubelink::transport {
namespace {
constexpr std::size_t turn_budget = 8u << 20;    // bytes written before other connections get their turn
constexpr std::size_t swallow_limit = 256u << 20; // bytes taken from a peer that does not notice that we have ended
} // namespace

void report_exception(const char* where) noexcept {
    try {
        throw;
    } catch (const std::exception& e) {
        std::cerr << "transport: " << where << ": " << e.what() << std::endl;
    } catch (...) {
        std::cerr << "transport: " << where << ": unknown exception" << std::endl;
    }
}

Link::Link(Loop& loop, asio::ip::tcp::socket socket, std::string address, const std::shared_ptr<const TlsContext>& tls)
    : loop_(loop), socket_(std::move(socket)), stream_(socket_.native_handle(), tls), address_(std::move(address)) {}

/// A phase that throws costs its own connection and nothing else.
template <typename Call> void Link::guarded(Call&& call) {
    try {
        call();
    } catch (...) {
        report_exception("connection dropped");
        abort();
    }
}

void Link::start(std::shared_ptr<Phase> phase) {
    phase_ = std::move(phase);
    wait_to_read();
}

void Link::write(std::string_view bytes) {
    if (state_ != State::open) return;
    out_.append(bytes);
    flush_soon();
}

void Link::write(const Slice& slice) {
    if (state_ != State::open) return;
    out_.append(slice);
    flush_soon();
}

void Link::flush_soon() {
    flush_wanted_ = true;
    // Within a turn it is done at its end: what many messages cause leaves in one system call.
    if (in_turn_ || flush_posted_ || state_ == State::gone) return;
    flush_posted_ = true;
    asio::post(loop_.context, [self = shared_from_this()] {
        self->flush_posted_ = false;
        if (self->gone() || !self->flush_wanted_) return;
        self->in_turn_ = true;
        self->end_turn();
    });
}

void Link::pause_reading(bool paused) {
    reading_paused_ = paused;
    if (!paused) read_on();
}

/// Goes on where reading was left: more may wait in the socket or, unseen by the kernel, inside TLS.
void Link::read_on() {
    if (!stream_.tls()) return wait_to_read();
    asio::post(loop_.context, [self = shared_from_this()] {
        if (!self->gone() && !self->read_ended_) self->on_readable();
    });
}

void Link::wait_to_read() {
    if (read_armed_ || read_ended_ || state_ == State::gone || (reading_paused_ && state_ != State::lingering)) return;
    read_armed_ = true;
    socket_.async_wait(asio::ip::tcp::socket::wait_read, [self = shared_from_this()](const asio::error_code& error) {
        self->read_armed_ = false;
        if (error || self->gone()) return;
        self->on_readable();
    });
}

void Link::wait_to_write() {
    if (write_armed_ || state_ == State::gone) return;
    write_armed_ = true;
    socket_.async_wait(asio::ip::tcp::socket::wait_write, [self = shared_from_this()](const asio::error_code& error) {
        self->write_armed_ = false;
        if (error || self->gone()) return;
        self->in_turn_ = true;
        if (self->read_needs_write_) self->read_turn();
        self->flush_wanted_ = true;
        self->end_turn();
    });
}

void Link::on_readable() {
    if (reading_paused_ && state_ != State::lingering) return;
    in_turn_ = true;
    read_turn();
    if (write_needs_read_) flush_wanted_ = true;
    end_turn();
}

void Link::read_turn() {
    read_needs_write_ = false;
    auto& scratch = loop_.scratch;
    const auto result = stream_.read(scratch.data(), scratch.size());
    loop_.counters.bytes_in += result.bytes;
    socket_drained_ = result.status == IoStatus::wants_read;
    if (result.bytes > 0) {
        if (state_ == State::open) guarded([&] { phase_->on_bytes(scratch.data(), result.bytes); });
        else if ((swallowed_ += result.bytes) > swallow_limit) abort();
    }
    if (gone()) return;
    switch (result.status) {
    case IoStatus::ok: // a full buffer
        read_on();
        break;
    case IoStatus::wants_read: wait_to_read(); break;
    case IoStatus::wants_write:
        read_needs_write_ = true;
        wait_to_write();
        break;
    case IoStatus::end:
        read_ended_ = true;
        if (state_ == State::open) guarded([&] { phase_->on_end(); });
        else if (state_ == State::lingering) abort();
        break;
    case IoStatus::failed: abort(); break;
    }
}

void Link::end_turn() {
    if (!gone() && flush_wanted_) flush();
    in_turn_ = false;
}

void Link::flush() {
    std::size_t budget = turn_budget;
    while (flush_wanted_ && !gone()) {
        flush_wanted_ = false;
        const auto before = out_.size();
        if (!write_out()) return;
        if (state_ != State::lingering) guarded([&] { phase_->on_flushed(); });
        if (gone()) return;
        if (state_ == State::finishing && out_.empty()) {
            if (close_at_once_) return abort();
            stream_.end_writing();
            state_ = State::lingering;
            if (read_ended_) return abort();
            set_deadline(patience_);
            wait_to_read();
            return;
        }
        if (before >= budget && flush_wanted_) {
            in_turn_ = false;
            flush_soon();
            return;
        }
        budget -= std::min(budget, before);
    }
}

/// True when all is written.
bool Link::write_out() {
    write_needs_read_ = false;
    std::array<iovec, 64> pieces;
    while (!out_.empty()) {
        const auto count = out_.gather(pieces.data(), pieces.size());
        const auto result = stream_.write(pieces.data(), count);
        if (result.bytes > 0) {
            out_.consume(result.bytes);
            loop_.counters.bytes_out += result.bytes;
            guarded([&] { phase_->on_written(result.bytes); });
            if (gone()) return false;
        }
        if (result.status == IoStatus::ok) continue;
        if (result.status == IoStatus::wants_write) wait_to_write();
        else if (result.status == IoStatus::wants_read) {
            write_needs_read_ = true;
            wait_to_read();
        } else abort();
        return false;
    }
    return true;
}

void Link::finish(Clock::duration patience, bool peer_is_done) {
    if (state_ != State::open) return;
    state_ = State::finishing;
    // TLS has closing messages of its own, which the peer may still send.
    close_at_once_ = peer_is_done && socket_drained_ && !stream_.tls();
    patience_ = patience;
    flush_soon();
}

void Link::abort() {
    if (state_ == State::gone) return;
    state_ = State::gone;
    out_.clear();
    if (timer_) timer_->cancel();
    asio::error_code ignored;
    socket_.close(ignored);
    asio::post(loop_.context, [self = shared_from_this()] {
        try {
            if (self->phase_) self->phase_->on_gone();
        } catch (...) {
            report_exception("on_close");
        }
        self->phase_.reset();
        auto& loop = self->loop_;
        const auto known = loop.links_per_address.find(self->address_);
        if (known != loop.links_per_address.end() && --known->second == 0) loop.links_per_address.erase(known);
        loop.links.erase(self);
        if (loop.stopping && loop.links.empty()) loop.context.stop();
    });
}

void Link::set_deadline(Clock::duration from_now) {
    deadline_ = Clock::now() + from_now;
    has_deadline_ = true;
    // A running timer that fires too early is armed again then: progress need not touch it.
    if (timer_armed_ && timer_->expiry() <= deadline_) return;
    arm_timer();
}

void Link::clear_deadline() {
    has_deadline_ = false;
    timer_armed_ = false;
    timer_.reset();
}

void Link::arm_timer() {
    if (state_ == State::gone) return;
    if (!timer_) timer_ = std::make_unique<asio::steady_timer>(loop_.context);
    timer_armed_ = true;
    timer_->expires_at(deadline_);
    timer_->async_wait([self = shared_from_this()](const asio::error_code& error) {
        if (!error) self->on_timer();
    });
}

void Link::on_timer() {
    // A wait that had already fired when its timer was set again or removed.
    if (gone() || !has_deadline_ || !timer_) return;
    if (Clock::now() < deadline_) {
        if (timer_->expiry() < deadline_) arm_timer();
        return;
    }
    timer_armed_ = false;
    has_deadline_ = false;
    if (state_ == State::lingering) return abort();
    in_turn_ = true;
    guarded([&] { phase_->on_deadline(); });
    end_turn();
}

} // namespace cubelink::transport
