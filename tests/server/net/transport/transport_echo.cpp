/// A program around the transport alone, for transport_test.py and for measurements: echoes WebSocket messages, obeys a few text
/// commands, answers a few HTTP paths. Prints its port; reads commands for the server from standard input.

#include "server/net/transport/transport.hpp"

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <thread>

#include <malloc.h>
#include <unistd.h>

using namespace cubelink::transport;

namespace {

Transport* transport = nullptr;
int open_handlers = 0;
std::size_t drained = 0, progress = 0, pongs = 0;
std::string last_close;

Slice slice_of(std::shared_ptr<const std::string> text) {
    Slice slice;
    slice.data = text->data();
    slice.size = text->size();
    slice.owner = std::move(text);
    return slice;
}

OutFrame frame_of(bool text, Slice slice) {
    OutFrame frame;
    frame.text = text;
    frame.parts.push_back(std::move(slice));
    return frame;
}

/// The same bytes for every asker, so that what goes out is not copied.
std::shared_ptr<const std::string> blob(std::size_t size) {
    static std::shared_ptr<const std::string> last;
    if (!last || last->size() != size) {
        std::string bytes(size, '\0');
        for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + (i >> 8));
        last = std::make_shared<const std::string>(std::move(bytes));
    }
    return last;
}

class Echo final : public SocketHandler {
public:
    Echo() { ++open_handlers; }
    ~Echo() override { --open_handlers; }
    void on_open(const std::shared_ptr<Socket>& socket) override { socket_ = socket; }
    void on_message(bool text, std::string_view payload, const std::shared_ptr<const void>& owner) override {
        if (text && payload.substr(0, 1) == "!") return command(std::string(payload.substr(1)));
        Slice slice;
        slice.owner = owner;
        slice.data = payload.data();
        slice.size = payload.size();
        reply(frame_of(text, std::move(slice)));
    }
    void on_pong() override { ++pongs; }
    void on_progress() override { ++progress; }
    void on_drained() override { ++drained; }
    void on_close(std::uint16_t code, std::string_view reason) override { last_close = std::to_string(code) + " " + std::string(reason); }

private:
    void reply(OutFrame&& frame) {
        std::vector<OutFrame> frames;
        frames.push_back(std::move(frame));
        socket_->send(std::move(frames));
    }
    void command(const std::string& text) {
        const auto blank = text.find(' ');
        const auto name = text.substr(0, blank);
        const auto number = blank == std::string::npos ? 0 : std::strtoull(text.c_str() + blank, nullptr, 10);
        if (name == "blob") reply(frame_of(false, slice_of(blob(number))));
        else if (name == "parts") { // the same, in three pieces
            const auto whole = slice_of(blob(number));
            OutFrame frame;
            frame.parts.assign(3, whole);
            frame.parts[0].size = number / 3;
            frame.parts[1].data += number / 3;
            frame.parts[1].size = number / 3;
            frame.parts[2].data += 2 * (number / 3);
            frame.parts[2].size = number - 2 * (number / 3);
            reply(std::move(frame));
        } else if (name == "close") {
            socket_->close(static_cast<std::uint16_t>(number), "as you wish");
            reply(frame_of(true, slice_of(std::make_shared<std::string>("never sent"))));
        } else if (name == "blobclose") {
            reply(frame_of(false, slice_of(blob(number))));
            socket_->close(1000, "after the blob");
        } else if (name == "drop") socket_->drop();
        else if (name == "ping") socket_->ping();
        else if (name == "throw") throw std::runtime_error("asked to");
        else if (name == "limit") socket_->set_max_message_size(number);
        else if (name == "pause") {
            socket_->pause_reading(true);
            timer_ = transport->after(number, false, [socket = socket_] { socket->pause_reading(false); });
        } else if (name == "counts") {
            reply(frame_of(true, slice_of(std::make_shared<std::string>(std::to_string(drained) + " " + std::to_string(progress) + " " + std::to_string(pongs) +
                                                                        " " + std::to_string(socket_->unwritten())))));
        }
    }
    std::shared_ptr<Socket> socket_;
    std::unique_ptr<Timer> timer_;
};

void answer(HttpRequest&& request, const HttpReply& reply) {
    HttpResponse response;
    response.headers = {{"Content-Type", "text/plain"}};
    if (request.target == "/hello") response.body = "hello\n";
    else if (request.target == "/echo") response.body = std::move(request.body);
    else if (request.target == "/big") response.body.assign(64 << 20, 'b');
    else if (request.target == "/status") {
        const auto c = transport->counters();
        response.body = std::to_string(c.accepted) + " " + std::to_string(c.refused) + " " + std::to_string(c.open_websockets) + " " +
                        std::to_string(c.open_http) + " " + std::to_string(open_handlers) + " " + last_close;
    } else if (request.target == "/heap") {
        const auto heap = ::mallinfo2();
        response.body = std::to_string(heap.uordblks + heap.hblkhd);
    } else if (request.target.rfind("/file/", 0) == 0) { // /file/<offset>/<size>/<path>
        char* end = nullptr;
        response.file_offset = std::strtoull(request.target.c_str() + 6, &end, 10);
        response.file_size = std::strtoull(end + 1, &end, 10);
        response.file_path = end;
    } else if (request.target == "/late") {
        std::thread([reply, response]() mutable {
            std::this_thread::sleep_for(std::chrono::milliseconds(200));
            response.body = "late\n";
            reply(std::move(response));
        }).detach();
        return;
    } else if (request.target == "/never") return; // the reply dies unanswered
    else if (request.target == "/throw") throw std::runtime_error("asked to");
    else {
        response.status = 404;
        response.body = "no such page\n";
    }
    reply(std::move(response));
}

} // namespace

int main(int argc, char** argv) {
    TransportOptions options;
    options.port = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string name = argv[i], value = argv[i + 1];
        if (name == "--host") options.host = value;
        else if (name == "--port") options.port = static_cast<std::uint16_t>(std::stoi(value));
        else if (name == "--cert") options.ssl_cert_file = value;
        else if (name == "--key") options.ssl_key_file = value;
        else if (name == "--http-timeout") options.http_timeout_seconds = std::stoi(value);
        else if (name == "--max-connections") options.max_connections = std::stoul(value);
        else if (name == "--per-address") options.max_connections_per_address = std::stoul(value);
        else {
            std::cerr << "unknown option " << name << "\n";
            return 2;
        }
    }
    TransportHandlers handlers;
    handlers.on_http = answer;
    handlers.on_upgrade = [](const HttpRequest& request) {
        UpgradeDecision decision;
        if (request.target.rfind("/no", 0) == 0) {
            decision.refusal.status = 404;
            return decision;
        }
        decision.handler = std::make_unique<Echo>();
        decision.max_message_size = request.target == "/small" ? 524 : 256u << 20;
        return decision;
    };
    try {
        const auto owned = make_transport(options, handlers);
        transport = owned.get();
        transport->listen();
        std::cout << "port " << transport->port() << std::endl;
        std::thread commands([&] {
            std::string line;
            std::uint64_t grace = 2000;
            while (std::getline(std::cin, line)) {
                if (line.rfind("stop", 0) == 0) { // stop [SECONDS]
                    if (line.size() > 5) grace = std::stoull(line.substr(5)) * 1000;
                    break;
                }
                if (line == "reload") transport->post([] { std::cout << "reload:" << transport->reload_certificate() << std::endl; });
            }
            transport->stop(grace);
        });
        transport->run();
        std::cout << "open handlers " << open_handlers << std::endl;
        commands.join();
    } catch (const std::exception& error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
}
