#pragma once
/// A link that speaks HTTP: one request, one response, the end; or the handshake that makes it a WebSocket. Network thread only,
/// except the HttpReply that it hands out.

#include "platform/mutex.hpp"
#include "server/net/transport/http_head.hpp"
#include "server/net/transport/link.hpp"

#include <memory>
#include <string>

namespace cubelink::transport {

/// The way from other threads into the loop, closed before the loop is destroyed.
class Gate {
public:
    explicit Gate(Loop& loop) : loop_(&loop) {}
    /// False if there is no loop any more.
    bool post(std::function<void()> work);
    void shut();

private:
    platform::Mutex mutex_;
    Loop* loop_ CUBELINK_GUARDED_BY(mutex_);
};

class HttpExchange final : public Phase, public std::enable_shared_from_this<HttpExchange> {
public:
    /// `refusal`: what any request is answered with (status 0: the handlers answer).
    HttpExchange(Link& link, std::shared_ptr<Gate> gate, Refusal refusal);
    ~HttpExchange() override;

    void start();
    /// Ends exchanges that have not got to a whole request yet: the server stops.
    void going_away() override;

    void on_bytes(char* data, std::size_t size) override;
    void on_end() override;
    void on_written(std::size_t bytes) override;
    void on_flushed() override;
    void on_deadline() override;
    void on_gone() override;

private:
    enum class State { head, waiting, body, handed_over, responding, done };
    class PendingReply;
    void parse();
    void proceed();
    void take_body();
    void upgrade();
    bool expect_body();
    void hand_over();
    void respond(HttpResponse&& response);
    void send_head(const HttpResponse& response, std::uint64_t body_size);
    /// A file that is being sent, as the thread that reads it sees it.
    struct File;
    void read_piece(HttpResponse&& response);
    void send_piece(Slice piece);
    bool sends_body(const HttpResponse& response) const { return !asked_for_head_ && response.status != 304 && response.status != 204; }

    Link& link_;
    std::shared_ptr<Gate> gate_;
    Refusal refusal_;
    std::string buffer_;
    RequestHead head_;
    std::shared_ptr<File> file_;
    std::uint64_t file_left_ = 0;
    bool reading_file_ = false, piece_wanted_ = false;
    std::size_t surplus_ = 0;
    std::size_t body_counted_ = 0; // of Loop::http_bodies
    State state_ = State::head;
    bool counted_ = true;
    bool asked_for_head_ = false; // by the method HEAD: whatever the answer is, it has no body
};

} // namespace cubelink::transport
