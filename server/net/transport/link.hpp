#pragma once
/// One accepted connection as a duplex of bytes, whatever is spoken over it: waits for the socket, reads, writes what is queued,
/// ends in order. What is spoken is its Phase: first an HttpExchange, then maybe a WebSocket.
///
/// Network thread only. A Link never calls its phase from within a call that the phase made to it.

#include "server/net/transport/loop.hpp"
#include "server/net/transport/out_queue.hpp"

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace cubelink::transport {

/// What is spoken over a link.
class Phase {
public:
    virtual ~Phase() = default;
    /// Bytes from the peer; may be overwritten, gone after the call.
    virtual void on_bytes(char* data, std::size_t size) = 0;
    /// The peer will send no more (but may still read).
    virtual void on_end() = 0;
    /// Some of what was queued has been taken by the kernel.
    virtual void on_written(std::size_t bytes) = 0;
    /// All that was queued has been taken by the kernel.
    virtual void on_flushed() = 0;
    virtual void on_deadline() = 0;
    /// The server stops: end what you can.
    virtual void going_away() = 0;
    /// Last call: the connection is gone.
    virtual void on_gone() = 0;
};

class Link : public std::enable_shared_from_this<Link> {
public:
    using Clock = std::chrono::steady_clock;

    Link(Loop& loop, asio::ip::tcp::socket socket, std::string address, const std::shared_ptr<const TlsContext>& tls);

    Loop& loop() { return loop_; }
    const std::string& address() const { return address_; }
    bool tls() const { return stream_.tls(); }

    void start(std::shared_ptr<Phase> phase);
    /// The old phase gets no further calls.
    void set_phase(std::shared_ptr<Phase> phase) { phase_ = std::move(phase); }

    /// Queue bytes; they go out at the end of this turn of the loop, together.
    void write(std::string_view bytes);
    void write(const Slice& slice);
    std::size_t unwritten() const { return out_.size(); }
    /// Calls Phase::on_flushed soon even if nothing was queued.
    void flush_soon();
    void going_away() {
        if (phase_ && state_ == State::open) phase_->going_away();
    }

    void pause_reading(bool paused);
    /// on_deadline() comes then, unless it is set again or cleared before.
    void set_deadline(Clock::duration from_now);
    void clear_deadline();

    /// Sends what is queued, then ends the connection: says so to the peer, and swallows what that still sends until it ends its
    /// side too or `patience` is over (closing at once would reset the connection, and the peer could lose what was sent last).
    /// The phase gets no more bytes; on_written and on_flushed go on until all is out. `peer_is_done`: nothing came behind what the phase
    /// has taken, and nothing is to come, so that there is nothing to wait for.
    void finish(Clock::duration patience, bool peer_is_done = false);
    /// Cuts the connection now; on_gone() follows in a turn of its own.
    void abort();
    bool gone() const { return state_ == State::gone; }
    bool finishing() const { return state_ != State::open; }

private:
    enum class State { open, finishing, lingering, gone };
    void wait_to_read();
    void read_on();
    void wait_to_write();
    void on_readable();
    void read_turn();
    void flush();
    bool write_out();
    void end_turn();
    void arm_timer();
    void on_timer();
    template <typename Call> void guarded(Call&& call);

    Loop& loop_;
    asio::ip::tcp::socket socket_;
    Stream stream_;
    std::string address_;
    std::shared_ptr<Phase> phase_;
    OutQueue out_;
    std::unique_ptr<asio::steady_timer> timer_; // only while there is a deadline
    Clock::time_point deadline_{};
    Clock::duration patience_{};
    std::size_t swallowed_ = 0;
    State state_ = State::open;
    bool has_deadline_ = false, timer_armed_ = false;
    bool reading_paused_ = false, read_armed_ = false, read_ended_ = false;
    bool write_armed_ = false, write_needs_read_ = false, read_needs_write_ = false;
    bool in_turn_ = false, flush_wanted_ = false, flush_posted_ = false;
    bool socket_drained_ = false; // by the latest read
    bool close_at_once_ = false;
};

} // namespace cubelink::transport
