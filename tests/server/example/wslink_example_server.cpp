/// A wslink server without astronomy: it exports the methods of wslink's own examples (chat, simple), and a few to test and to measure with. It
/// links the library (cubelink_net) alone.
///
///     wslink_example_server --content tests/chat-rpc-pub-sub/www --port 1234

#include "rpc/typed_method.hpp"
#include "server/net/log.hpp"
#include "server/net/wslink_server.hpp"
#include "tests/server/example/paced.hpp"
#include "tests/server/example/png.hpp"

#include <CLI/CLI.hpp>

#include <cmath>
#include <iostream>
#include <limits>

using namespace cubelink;
using rpc::Array;
using rpc::Bytes;
using rpc::CallPtr;
using rpc::Map;
using rpc::Value;
using server::WslinkServer;

namespace {

/// Calls `work` again and again on the network thread until stopped. Starting it again while it runs changes nothing.
class Repeater {
public:
    Repeater(WslinkServer& server, std::uint64_t milliseconds, std::function<void()> work)
        : server_(server), milliseconds_(milliseconds), work_(std::move(work)) {}
    void start() {
        if (!std::exchange(running_, true)) turn(++run_);
    }
    void stop() { running_ = false; }

private:
    void turn(int run) {
        if (!running_ || run != run_) return;
        work_();
        server_.post_after(milliseconds_, [this, run] { turn(run); });
    }
    WslinkServer& server_;
    const std::uint64_t milliseconds_;
    const std::function<void()> work_;
    bool running_ = false;
    int run_ = 0;
};

class Chat {
public:
    explicit Chat(WslinkServer& server) : server_(server), talk_(server, 5000, [this] { say_something(); }) {
        auto& methods = server.methods();
        methods.add("wslink.say.hello", {"message"}, [this](const CallPtr& call, Value message) {
            const auto* text = message.get_if<std::string>();
            const Value answer = "py server: " + (text ? *text : rpc::brief(message));
            call->answer(answer);
            server_.publish(topic, answer);
        });
        methods.add("wslink.start.talking", {}, [this](const CallPtr& call) {
            call->answer(Value());
            talk_.start();
        });
        methods.add("wslink.stop.talking", {}, [this] {
            talk_.stop();
            next_ = 0;
        });
    }

private:
    static constexpr auto topic = "wslink.communication.channel";
    void say_something() {
        constexpr std::array sentences{"Nice to meet you", "What's your name?", "Mine is Cubelink."};
        next_ = (next_ + 1) % sentences.size();
        server_.publish(topic, sentences[next_]);
    }
    WslinkServer& server_;
    Repeater talk_;
    std::size_t next_ = 0;
};

/// An integer of the wire: 64 bits, with or without a sign.
std::optional<__int128> integer_of(const Value& value) {
    if (const auto* i = value.get_if<std::int64_t>()) return *i;
    if (const auto* u = value.get_if<std::uint64_t>()) return *u;
    return std::nullopt;
}

/// The sum or product of the numbers in a list: an integer where all are integers and the result fits the wire, otherwise a float. 0 for
/// a value that is not a list.
Value fold(const Value& list, bool multiply) {
    const auto* array = list.get_if<Array>();
    if (!array) return 0;
    __int128 integer = multiply ? 1 : 0;
    double real = multiply ? 1 : 0;
    bool exact = true;
    for (std::size_t i = 0; i < array->size(); ++i) {
        const auto& element = (*array)[i];
        const double number = rpc::number_from_value(element, rpc::Path(rpc::Path("listOfNumbers"), i));
        real = multiply ? real * number : real + number;
        const auto whole = integer_of(element);
        exact = exact && whole && !(multiply ? __builtin_mul_overflow(integer, *whole, &integer) : __builtin_add_overflow(integer, *whole, &integer));
    }
    if (exact && integer >= INT64_MIN && integer <= INT64_MAX) return static_cast<std::int64_t>(integer);
    if (exact && integer > 0 && integer <= UINT64_MAX) return static_cast<std::uint64_t>(integer);
    return real;
}

class Simple {
public:
    explicit Simple(WslinkServer& server) : server_(server), stream_(server, 2000, [this] { push_picture(); }) {
        auto& methods = server.methods();
        methods.add("myprotocol.add", {"listOfNumbers"}, [](Value list) { return fold(list, false); });
        methods.add("myprotocol.mult", {"listOfNumbers"}, [](Value list) { return fold(list, true); });
        // A page may leave `alt` undefined, which arrives as null.
        using Alt = std::optional<bool>;
        methods.add("myprotocol.image", {{"alt", false}}, [this](Alt alt) { return Map{{"blob", server_.add_attachment(picture(alt.value_or(false)))}}; });
        methods.add("myprotocol.unwrapped.image", {{"alt", false}}, [this](Alt alt) { return picture(alt.value_or(false)); });
        methods.add("myprotocol.nested.image", {}, [this] {
            const Array bytes{Bytes::copy("\x01\x02\x03\x04"), Bytes::copy("\x05\x06\x07\x08\x09\x0a")};
            return Map{{"image", Map{{"blob", picture(false)}}}, {"bytesList", bytes}};
        });
        methods.add("myprotocol.postbinary", {"data"}, [](Value data) { return "received binary data of length " + std::to_string(length(data)); });
        methods.add("myprotocol.special", {rpc::rest("ignored")}, [](Array) {
            constexpr double infinity = std::numeric_limits<double>::infinity();
            return Array{infinity, std::nan(""), -infinity};
        });
        methods.add("myprotocol.stream", {"topic"}, [this](const CallPtr& call, std::string topic) {
            topic_ = topic;
            ++subscribers_;
            call->answer(Map{{"subscribed", topic}});
            stream_.start();
        });
        methods.add("myprotocol.stop", {"topic"}, [this](const std::string& topic) -> Value {
            if (topic != topic_ || subscribers_ == 0) return 0;
            if (--subscribers_ == 0) stream_.stop();
            return Map{{"unsubscribed", topic}};
        });
    }

private:
    Bytes picture(bool alternative) const { return pictures_[alternative]; }
    static std::size_t length(const Value& data) {
        if (const auto* bytes = data.get_if<Bytes>()) return bytes->size();
        if (const auto* text = data.get_if<std::string>()) return text->size();
        if (const auto* array = data.get_if<Array>()) return array->size();
        throw rpc::BadArguments("data: expected bytes, got " + rpc::brief(data));
    }
    void push_picture() { server_.publish(topic_, Map{{"blob", picture(pushed_++ % 2 == 0)}}); }

    const std::array<Bytes, 2> pictures_{Bytes::take(example::picture(false)), Bytes::take(example::picture(true))};
    WslinkServer& server_;
    Repeater stream_;
    std::string topic_ = "image";
    int subscribers_ = 0, pushed_ = 0;
};

/// What no dialect can write.
class Unserializable final : public rpc::Body {
public:
    Value value() const override { throw rpc::CallError(rpc::code::result_not_encodable, "this has no value"); }
};

/// The first bytes of a pattern. They are kept, so that measurements are of sending them, not of making them.
Bytes filler(std::size_t size) {
    constexpr std::size_t kept_at_most = std::size_t{32} << 20;
    static Bytes kept; // of the network thread
    if (size <= kept.size()) return kept.slice(0, size);
    if (size > std::size_t{1} << 30) throw rpc::BadArguments("n: at most 2^30");
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i % 251);
    auto made = Bytes::take(std::move(bytes));
    if (size <= kept_at_most) kept = made;
    return made;
}

void add_bench(WslinkServer& server, std::shared_ptr<example::PacedPublisher> publisher) {
    auto& methods = server.methods();
    methods.add("bench.echo", {{"x", nullptr}}, [](Value x) { return x; });
    methods.add("bench.args", {rpc::rest("args"), rpc::rest_keywords("kwargs")},
                [](Array args, Map kwargs) { return Map{{"args", std::move(args)}, {"kwargs", std::move(kwargs)}}; });
    methods.add("bench.kw", {"a", {"b", 2}, rpc::keyword_only("c", 3)}, [](Value a, Value b, Value c) { return Array{a, b, c}; });
    methods.add("bench.blob", {"n"}, [](std::size_t n) { return Map{{"data", filler(n)}}; });
    methods.add("bench.publish", {"topic", "n", "count"}, [publisher](const CallPtr& call, std::string topic, std::size_t n, std::uint64_t count) {
        const Bytes data = filler(n);
        call->answer(Value());
        publisher->publish(call->peer(), topic, count, [data](std::uint64_t) { return Map{{"data", data}}; });
    });
    methods.add("bench.pubval", {"topic", "value", {"count", 1}},
                [publisher](const CallPtr& call, std::string topic, Value value, std::uint64_t count) {
                    call->answer(Value());
                    publisher->publish(call->peer(), topic, count, [value, count](std::uint64_t i) { return count > 1 ? Value(Array{i, value}) : value; });
                });
    methods.add("bench.raise", {"text"}, [](const std::string& text) { throw std::runtime_error(text); });
    methods.add("bench.sleep", {"seconds", {"tag", nullptr}}, [&server](double seconds, Value tag) {
        if (!(seconds >= 0 && seconds < 1e6)) throw rpc::BadArguments("seconds: expected a number from 0 to 1e6");
        rpc::Deferred<Value> answer;
        server.post_after(static_cast<std::uint64_t>(std::ceil(seconds * 1000)), [answer, tag = std::move(tag)] { answer.complete(tag); });
        return answer;
    });
    methods.add("bench.none", {}, [] {});
    methods.add("bench.unserializable", {}, [] { return rpc::BodyPtr(std::make_shared<const Unserializable>()); });
}

} // namespace

int main(int argc, char** argv) {
    server::WslinkServerOptions options;
    std::string log_level = "info";
    options.program = "wslink_example_server";
    // The default of wslink's Python server, which pages use that are given no secret.
    options.auth_key = "wslink-secret";
    CLI::App arguments("An example of a wslink server: the methods of wslink's own examples (chat, simple) and some to measure with (bench.*)", options.program);
    arguments.add_option("--host", options.host, "Address to listen on")->capture_default_str();
    arguments.add_option("-p,--port", options.port, "Port to listen on, 0 to 65535; 0: any free port")->capture_default_str();
    arguments.add_option("-a,--authKey", options.auth_key, "Secret that clients must present")->capture_default_str();
    arguments.add_flag("--no-auth", options.no_auth, "Accept clients without a secret; allowed on loopback addresses only");
    arguments.add_option("--content", options.content, "Folder of static pages to serve at /");
    arguments.add_option("--base-path", options.base_path, "Serve everything below this path, for a proxy that passes paths on unchanged");
    arguments.add_option("--ssl-cert", options.ssl_cert, "Certificate (PEM), to serve https and wss");
    arguments.add_option("--ssl-key", options.ssl_key, "Private key (PEM) for --ssl-cert");
    arguments.add_option("--allow-origin", options.allow_origins, "Accept browser requests from pages of this Origin (repeatable)");
    arguments.add_option("--allow-host", options.allow_hosts, "Accept requests whose Host header is this name (repeatable)");
    arguments.add_option("--trusted-proxy", options.trusted_proxies, "Trust X-Forwarded-* headers of the proxy at this address (repeatable)");
    arguments.add_option("--max-connections", options.max_connections, "Maximum number of connections")->capture_default_str();
    arguments.add_option("--max-connections-per-address", options.max_connections_per_address,
                         "Maximum number of connections from one address; 0: no limit (default: a quarter of all, no limit for loopback addresses)");
    arguments.add_option("-t,--timeout", options.timeout_seconds, "Stop when there has been no connection for so many seconds; 0: never")->capture_default_str();
    arguments.add_option("--log-level", log_level, "Minimum level of log messages: trace, debug, info, warning, error, critical or off")->capture_default_str();
    try {
        arguments.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return arguments.exit(error) == 0 ? 0 : 2;
    }
    if (!server::log::set_level(log_level)) {
        std::cerr << options.program << ": --log-level: there is no level " << log_level << '\n';
        return 2;
    }
    if (const auto wrong = server::check_options(options); !wrong.empty()) {
        std::cerr << options.program << ": " << wrong << '\n';
        return 2;
    }
    try {
        WslinkServer server(options);
        const Chat chat(server);
        const Simple simple(server);
        add_bench(server, std::make_shared<example::PacedPublisher>(server));
        server.listen();
        return server.run();
    } catch (const std::exception& error) {
        std::cerr << options.program << ": " << error.what() << '\n';
        return 1;
    }
}
