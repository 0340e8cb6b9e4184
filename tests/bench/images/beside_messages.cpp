/// The time of a small call of one client while another sends the largest messages that are allowed, and ones that are refused, each as soon
/// as the last has been answered.

#include "tests/bench/images/http_request.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

#include <atomic>
#include <exception>
#include <functional>
#include <thread>

namespace cubelink::bench {
namespace {

constexpr double seconds_each = 5, allowed_seconds = 0.02;

std::string list_of_ones(std::size_t bytes) {
    std::string list = "[";
    list.reserve(bytes);
    while (list.size() + 2 < bytes) list += "1,";
    return list + "1]";
}

/// Does `work` again and again in a thread until destroyed.
class Background {
public:
    explicit Background(std::function<void()> work) : thread_([this, work = std::move(work)] {
        try {
            while (!stop_) {
                work();
                ++done_;
            }
        } catch (...) {
            failure_ = std::current_exception();
        }
    }) {}
    ~Background() { join(); }
    /// How often it was done; throws what `work` has thrown.
    int finish() {
        join();
        if (failure_) std::rethrow_exception(failure_);
        return done_;
    }

private:
    void join() {
        stop_ = true;
        if (thread_.joinable()) thread_.join();
    }
    std::atomic<bool> stop_ = false;
    std::exception_ptr failure_;
    int done_ = 0;
    std::thread thread_; // the last member: it uses the others
};

Samples small_calls(WireSession& session, double seconds) {
    Samples samples;
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    for (Pace pace(std::chrono::milliseconds(5)); pace.due() < end;) {
        pace.wait();
        session.call("pubsub.subscriptions");
        pace.answered(samples);
    }
    return samples;
}

} // namespace

void beside_messages(const Settings& settings) {
    constexpr std::size_t mebibyte = 1 << 20;
    const auto message = [](std::size_t bytes) { return client_frame(true, json_request("rpc:c0:1", "pubsub.subscriptions", list_of_ones(bytes))); };
    const auto largest_message = message(12 * mebibyte), refused = message(36 * mebibyte);
    const std::string body = R"({"workspaceName":"bench","workspace":{"list":)" + list_of_ones(14 * mebibyte) + "}}";
    const auto count = settings.programs.size();
    std::vector<Samples> quiet(count), large(count), too_large(count), http(count);
    std::vector<double> sent(count), refusals(count), bodies(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto server = settings.start(settings.programs[i]);
        WireSession session(server->port(), WireSession::Begin::unregistered);
        quiet[i] = small_calls(session, 2);
        const auto beside = [&](std::function<void()> work, Samples& samples, double& how_often) {
            Background background(std::move(work));
            samples = small_calls(session, seconds_each);
            how_often = background.finish();
        };
        RawClient sender(server->port());
        sender.hello(true, ServerProcess::secret);
        const auto send = [&sender](const std::string& frame) {
            sender.send(frame);
            sender.receive(1);
        };
        beside([&] { send(largest_message); }, large[i], sent[i]);
        beside([&] { send(refused); }, too_large[i], refusals[i]);
        const int port = server->port();
        beside(
            [&] {
                if (put_json(port, "/api/database/workspace", body) != 200) throw std::runtime_error("a body of 14 MiB was not taken");
            },
            http[i], bodies[i]);
    }
    const std::vector<Cost> allowed(count, {allowed_seconds, 0});
    report_worst("small calls beside nothing", quiet, {"what is allowed"}, allowed);
    report_worst("small calls beside JSON messages of 12 MiB", large, {"what is allowed", 1}, allowed);
    report_value("such messages answered meanwhile", "in 5 s", sent);
    report_worst("small calls beside refused messages of 36 MiB", too_large, {"what is allowed", 1}, allowed);
    report_value("such messages refused meanwhile", "in 5 s", refusals);
    report_worst("small calls beside HTTP bodies of 14 MiB", http, {"what is allowed", 1}, allowed);
    report_value("such bodies answered meanwhile", "in 5 s", bodies);
}

} // namespace cubelink::bench
