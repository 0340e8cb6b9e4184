#pragma once
/// A link that speaks WebSocket: messages in and out, pings, and the closing handshake in all its endings. Network thread only.

#include "server/net/transport/link.hpp"
#include "server/net/transport/websocket_codec.hpp"

#include <memory>
#include <optional>
#include <string>

namespace cubelink::transport {

class WebSocket final : public Phase, public Socket, public std::enable_shared_from_this<WebSocket> {
public:
    WebSocket(Link& link, std::unique_ptr<SocketHandler> handler, std::size_t max_message_size);
    ~WebSocket() override;

    /// After the response to the handshake has been queued.
    void open();
    /// Closes with 1001 because the server stops.
    void going_away() override;

    // Phase
    void on_bytes(char* data, std::size_t size) override;
    void on_end() override;
    void on_written(std::size_t bytes) override;
    void on_flushed() override;
    void on_deadline() override;
    void on_gone() override;

    // Socket
    std::uint64_t id() const override { return id_; }
    void send(std::vector<OutFrame>&& frames) override;
    std::size_t unwritten() const override { return link_ ? link_->unwritten() : 0; }
    std::size_t unfinished_input() const override { return reader_.unfinished() + backlog_.size(); }
    void ping() override;
    void close(std::uint16_t code, std::string_view reason) override;
    void drop() override;
    void set_max_message_size(std::size_t bytes) override { reader_.set_max_message_size(bytes); }
    void pause_reading(bool paused) override;

private:
    /// open: both may send. closing: our close frame was sent, and the peer's is awaited. closed: on_close is due or done, what is queued
    /// still goes out.
    enum class State { open, closing, closed };
    std::size_t decode(char* data, std::size_t size);
    void take(const InMessage& message);
    void take_close(const InMessage& message);
    void fail(std::uint16_t code, const std::string& reason);
    void send_control(Opcode opcode, std::string_view payload);
    void ended(std::uint16_t code, std::string reason);
    void notify_end();

    Link* link_; // null once gone
    Loop& loop_;
    std::unique_ptr<SocketHandler> handler_;
    FrameReader reader_;
    std::string backlog_; // read, not decoded yet: reading was paused in the middle of it
    std::string pong_;    // the payload of the ping to answer next
    std::string end_reason_;
    std::size_t rest_ = 0; // bytes behind the message that is being taken
    std::uint64_t id_;
    std::uint16_t end_code_ = 1006;
    State state_ = State::open;
    bool paused_ = false, frames_waiting_ = false, pong_due_ = false, decoding_ = false, resume_posted_ = false;
};

} // namespace cubelink::transport
