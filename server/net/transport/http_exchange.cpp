#include "server/net/transport/http_exchange.hpp"

#include "server/net/transport/websocket.hpp"

#include <asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cubelink::transport {
namespace {
constexpr std::size_t file_piece = 512u << 10;
constexpr std::size_t surplus_limit = 1u << 20;
constexpr auto linger_patience = std::chrono::seconds(2);
} // namespace

bool Gate::post(std::function<void()> work) {
    const platform::MutexLock lock(mutex_);
    if (!loop_) return false;
    asio::post(loop_->context, std::move(work));
    return true;
}

void Gate::shut() {
    const platform::MutexLock lock(mutex_);
    loop_ = nullptr;
}

/// What all copies of one HttpReply share. Takes the first answer; the last copy that goes without one answers 500.
class HttpExchange::PendingReply {
public:
    PendingReply(std::weak_ptr<HttpExchange> exchange, std::shared_ptr<Gate> gate) : exchange_(std::move(exchange)), gate_(std::move(gate)) {}
    PendingReply(const PendingReply&) = delete;
    PendingReply& operator=(const PendingReply&) = delete;
    ~PendingReply() {
        if (answered_) return;
        try {
            answer(refuse({500, "the request was not answered"}));
        } catch (...) {
            report_exception("HTTP reply");
        }
    }

    void answer(HttpResponse&& response) {
        if (answered_.exchange(true)) return;
        gate_->post([exchange = exchange_, shared = std::make_shared<HttpResponse>(std::move(response))] {
            if (const auto self = exchange.lock()) self->respond(std::move(*shared));
        });
    }

private:
    std::weak_ptr<HttpExchange> exchange_;
    std::shared_ptr<Gate> gate_;
    std::atomic<bool> answered_{false};
};

HttpExchange::HttpExchange(Link& link, std::shared_ptr<Gate> gate, Refusal refusal)
    : link_(link), gate_(std::move(gate)), refusal_(std::move(refusal)) {
    ++link_.loop().counters.open_http;
}

HttpExchange::~HttpExchange() = default;

void HttpExchange::start() { link_.set_deadline(std::chrono::seconds(link_.loop().options.http_timeout_seconds)); }

void HttpExchange::going_away() {
    if (state_ == State::head || state_ == State::waiting || state_ == State::body) link_.abort();
}

void HttpExchange::on_gone() {
    state_ = State::done;
    if (counted_) --link_.loop().counters.open_http;
    counted_ = false;
    link_.loop().http_bodies -= std::exchange(body_counted_, 0);
}

void HttpExchange::on_bytes(char* data, std::size_t size) {
    if (state_ == State::waiting) return static_cast<void>(buffer_.append(data, size)); // read before the pause took hold
    if (state_ != State::head && state_ != State::body) {
        // Whatever follows the request is not read as another one. Reading goes on, so that the end of the connection is noticed.
        surplus_ += size;
        if (surplus_ > surplus_limit) link_.pause_reading(true);
        return;
    }
    buffer_.append(data, size);
    parse();
}

void HttpExchange::parse() {
    if (state_ == State::body) return take_body();
    const auto& options = link_.loop().options;
    // Some clients send an empty line after their last request.
    if (buffer_.size() >= 2 && buffer_.compare(0, 2, "\r\n") == 0) buffer_.erase(0, 2);
    const auto end = buffer_.find("\r\n\r\n");
    const auto seen = std::string_view(buffer_).substr(0, end == std::string::npos ? buffer_.size() : end + 4);
    if (const auto refusal = check_partial_head(seen, options.max_http_header); refusal.status != 0) return respond(refuse(refusal));
    if (end == std::string::npos) return;
    if (!options.ssl_cert_file.empty() && !link_.tls())
        return respond(refuse({400, "this port speaks TLS: the address begins with https:// (or wss://)"}));
    const auto refusal = parse_head(seen, options.max_http_body, head_);
    asked_for_head_ = head_.request.method == "HEAD";
    if (refusal.status != 0) return respond(refuse(refusal));
    if (refusal_.status != 0) return respond(refuse(refusal_));
    head_.request.remote_address = link_.address();
    head_.request.tls = link_.tls();
    buffer_.erase(0, end + 4);
    const auto& wait = link_.loop().handlers.wait;
    const auto milliseconds = wait ? wait(head_.request, head_.upgrades_to_websocket) : 0;
    if (milliseconds == 0) return proceed();
    state_ = State::waiting;
    link_.pause_reading(true);
    link_.set_deadline(std::chrono::milliseconds(milliseconds));
}

/// Looks at the request, whose head is whole.
void HttpExchange::proceed() {
    if (head_.upgrades_to_websocket) return upgrade();
    state_ = State::body;
    if (head_.body_size > 0 && !expect_body()) return;
    if (head_.expects_continue && buffer_.size() < head_.body_size) link_.write("HTTP/1.1 100 Continue\r\n\r\n");
    take_body();
}

void HttpExchange::take_body() {
    if (buffer_.size() < head_.body_size) return;
    buffer_.resize(head_.body_size);
    head_.request.body = std::move(buffer_);
    buffer_ = {};
    hand_over();
}

/// Whether the body is to be read: not if it would be ignored, nor if there are too many already.
bool HttpExchange::expect_body() {
    auto& loop = link_.loop();
    if (loop.handlers.wants_body && !loop.handlers.wants_body(head_.request)) {
        buffer_ = {};
        hand_over();
        return false;
    }
    if (loop.http_bodies + head_.body_size > loop.options.max_http_bodies) {
        respond(refuse({503, "too many requests with large bodies at once"}));
        return false;
    }
    body_counted_ = head_.body_size;
    loop.http_bodies += body_counted_;
    buffer_.reserve(head_.body_size); // growing would copy megabytes; memory that is not written to costs nothing
    return true;
}

void HttpExchange::hand_over() {
    state_ = State::handed_over;
    link_.clear_deadline(); // there is no time limit for making an answer
    const auto pending = std::make_shared<PendingReply>(weak_from_this(), gate_);
    const HttpReply reply = [pending](HttpResponse&& response) { pending->answer(std::move(response)); };
    try {
        link_.loop().handlers.on_http(std::move(head_.request), reply);
    } catch (...) {
        report_exception("on_http");
        reply(refuse({500, "the request could not be answered"}));
    }
}

void HttpExchange::upgrade() {
    std::string accept;
    if (const auto refusal = check_websocket(head_, accept); refusal.status != 0) return respond(refuse(refusal));
    auto decision = link_.loop().handlers.on_upgrade(head_.request);
    if (!decision.handler) {
        if (decision.refusal.status < 300) decision.refusal = refuse({403, "the connection was refused"});
        return respond(std::move(decision.refusal));
    }
    HttpResponse response;
    response.status = 101;
    response.headers = {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", accept}};
    const auto self = shared_from_this();
    const auto socket = std::make_shared<WebSocket>(link_, std::move(decision.handler), decision.max_message_size);
    on_gone(); // as an exchange
    link_.clear_deadline();
    link_.set_phase(socket);
    link_.write(write_head(response, 0));
    socket->open();
    // The client need not wait for our response before its first frames.
    if (!buffer_.empty() && !link_.gone()) socket->on_bytes(buffer_.data(), buffer_.size());
}

void HttpExchange::respond(HttpResponse&& response) {
    if (state_ == State::responding || state_ == State::done || link_.gone()) return;
    state_ = State::responding;
    buffer_ = {};
    link_.set_deadline(std::chrono::seconds(link_.loop().options.http_timeout_seconds));
    if (!response.file_path.empty()) {
        file_ = std::make_shared<File>();
        return read_piece(std::move(response));
    }
    send_head(response, response.body.size());
    if (sends_body(response) && !response.body.empty()) {
        const auto body = std::make_shared<std::string>(std::move(response.body));
        Slice slice;
        slice.owner = body;
        slice.data = body->data();
        slice.size = body->size();
        link_.write(slice);
    }
    link_.finish(linger_patience);
}

void HttpExchange::send_head(const HttpResponse& response, std::uint64_t body_size) { link_.write(write_head(response, body_size)); }

struct HttpExchange::File {
    int descriptor = -1;
    std::uint64_t at = 0, left = 0; // of what is to be sent
    File() = default;
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (descriptor >= 0) ::close(descriptor);
    }

    /// Opens the file of a response. False if it is no regular file or lacks bytes that are to be sent.
    bool open(const HttpResponse& response) {
        descriptor = ::open(response.file_path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat facts{};
        if (descriptor < 0 || ::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) return false;
        const auto size = static_cast<std::uint64_t>(facts.st_size);
        if (response.file_offset > size || response.file_size > size - response.file_offset) return false;
        at = response.file_offset;
        left = response.file_size;
        return true;
    }

    /// The next bytes; none if the file has become shorter or cannot be read.
    Slice read() {
        const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(left, file_piece));
        const std::shared_ptr<char> piece(new char[want], std::default_delete<char[]>());
        ssize_t got;
        do got = ::pread(descriptor, piece.get(), want, static_cast<off_t>(at));
        while (got < 0 && errno == EINTR);
        Slice slice;
        if (got <= 0) return slice;
        slice.owner = piece;
        slice.data = piece.get();
        slice.size = static_cast<std::size_t>(got);
        at += slice.size;
        left -= slice.size;
        return slice;
    }
};

/// Reads what comes next of the file, on the thread for disks. `response` has a file's path at the first piece, to open the file by.
void HttpExchange::read_piece(HttpResponse&& response) {
    reading_file_ = true;
    piece_wanted_ = false;
    const bool wants_body = sends_body(response);
    auto work = [weak = weak_from_this(), gate = gate_, file = file_, wants_body, shared = std::make_shared<HttpResponse>(std::move(response))] {
        const bool first = !shared->file_path.empty();
        const bool good = !first || file->open(*shared);
        Slice piece;
        if (good && wants_body && file->left > 0) piece = file->read();
        gate->post([weak, first, good, wants_body, shared, piece = std::move(piece)] {
            const auto self = weak.lock();
            if (!self || self->state_ != State::responding) return;
            self->reading_file_ = false;
            if (!good) {
                self->file_.reset();
                self->state_ = State::handed_over;
                return self->respond(refuse({500, "the file cannot be read"}));
            }
            if (first) {
                self->send_head(*shared, shared->file_size);
                if (wants_body) self->file_left_ = shared->file_size;
                if (self->file_left_ == 0) return self->link_.finish(linger_patience);
            }
            self->send_piece(piece);
        });
    };
    const auto& run = link_.loop().options.run_blocking;
    run ? run(std::move(work)) : work();
}

void HttpExchange::send_piece(Slice piece) {
    // The length has been promised: that the file has become shorter can only be shown by cutting the connection.
    if (piece.size == 0) return link_.abort();
    link_.set_deadline(std::chrono::seconds(link_.loop().options.http_timeout_seconds));
    link_.write(piece);
    file_left_ -= piece.size;
    if (file_left_ == 0) return link_.finish(linger_patience);
    piece_wanted_ = true;
}

void HttpExchange::on_flushed() {
    if (state_ == State::responding && piece_wanted_ && !reading_file_) read_piece({});
}

void HttpExchange::on_written(std::size_t) {
    if (state_ == State::responding) link_.set_deadline(std::chrono::seconds(link_.loop().options.http_timeout_seconds));
}

void HttpExchange::on_end() {
    // Half-closed after a whole request: the client still reads. Before that, there will be no request.
    if (state_ == State::head || state_ == State::body) link_.abort();
}

void HttpExchange::on_deadline() {
    if (state_ == State::waiting) {
        start();
        link_.pause_reading(false);
        return proceed();
    }
    const bool began = state_ == State::body || (state_ == State::head && !buffer_.empty());
    if (began) respond(refuse({408, "the request did not arrive in time"}));
    else link_.abort();
}

} // namespace cubelink::transport
