/// How long others wait while a gzipped image is opened, which takes seconds: another connection's cursor, and a small call on that
/// connection and on the one that opens. Beside each the same when nothing is opened.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

#include <atomic>
#include <exception>
#include <thread>

namespace cubelink::bench {

using rpc::Map;

namespace {

constexpr auto pause_between = std::chrono::milliseconds(5);
constexpr double quiet_seconds = 2;

struct Waits {
    Samples cursor, other_info, own_info;
};

/// A connection that does small things again and again until it is stopped, in a thread.
class Other {
public:
    explicit Other(const ServerProcess& server) : session_(server.port()) { session_.open("plane-small.fits", 0); }

    void start() {
        stop_ = false;
        thread_ = std::thread([this] {
            try {
                while (!stop_) step();
            } catch (...) {
                failure_ = std::current_exception();
            }
        });
    }
    /// Ends after what has been begun; moves the samples to `waits`.
    void stop(Waits& waits) {
        stop_ = true;
        thread_.join();
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        waits.cursor = std::exchange(cursor_, {});
        waits.other_info = std::exchange(info_, {});
    }
    ~Other() {
        stop_ = true;
        if (thread_.joinable()) thread_.join();
    }

private:
    void step() {
        x_ = (x_ + 1) % 1000;
        const auto start = Clock::now();
        session_.start("carta.set.cursor", {Map{{"file_id", 0}, {"point", Map{{"x", x_}, {"y", 10}}}}});
        session_.wait_until([&](const WireSession::Message& message) {
            return message.topic == "carta.spatial.profile.data" && number_at(message.body, "x") == x_;
        });
        cursor_.push_back(seconds_since(start));
        std::this_thread::sleep_for(pause_between);
        info_.push_back(session_.time_call("server.info"));
        std::this_thread::sleep_for(pause_between);
    }

    WireSession session_;
    std::thread thread_;
    std::atomic<bool> stop_ = false;
    std::exception_ptr failure_;
    int x_ = 0;
    Samples cursor_, info_;
};

Waits while_nothing_is_opened(WireSession& opener, Other& other) {
    Waits waits;
    other.start();
    for (const auto start = Clock::now(); seconds_since(start) < quiet_seconds;) {
        waits.own_info.push_back(opener.time_call("server.info"));
        std::this_thread::sleep_for(pause_between);
    }
    other.stop(waits);
    return waits;
}

Waits while_opening(WireSession& opener, Other& other, const std::string& file, double& opening_time) {
    Waits waits;
    other.start();
    const auto start = Clock::now();
    const auto opening = opener.start("carta.open.file", {Map{{"file", file}, {"file_id", 0}}});
    bool open = false;
    while (!open) {
        const auto asked = Clock::now();
        const auto info = opener.start("server.info");
        opener.wait_until([&](const WireSession::Message& message) {
            if (message.id == opening) {
                if (!is_true(message.body, "success")) throw std::runtime_error(file + ": " + rpc::brief(message.body, 200));
                open = true;
                opening_time = seconds_since(start);
            }
            return message.id == info;
        });
        waits.own_info.push_back(seconds_since(asked));
        std::this_thread::sleep_for(pause_between);
    }
    other.stop(waits);
    return waits;
}

} // namespace

void beside_opening(const Settings& settings) {
    make_cube(settings.file("plane-small.fits"), 1024, 1024, 1, 1);
    const std::string file = "slow-" + std::to_string(settings.gzip_mib) + ".fits.gz";
    make_gzipped_image(settings.file(file), settings.gzip_mib);
    std::vector<Samples> cursor, other_info, own_info;
    std::vector<Cost> cursor_alone, other_alone, own_alone;
    std::vector<double> openings;
    for (const auto& program : settings.programs) {
        const auto server = settings.start(program);
        Other other(*server);
        WireSession opener(server->port());
        const auto quiet = while_nothing_is_opened(opener, other);
        auto waits = while_opening(opener, other, file, openings.emplace_back());
        cursor.push_back(std::move(waits.cursor));
        other_info.push_back(std::move(waits.other_info));
        own_info.push_back(std::move(waits.own_info));
        cursor_alone.push_back({percentile_95(quiet.cursor), 0});
        other_alone.push_back({percentile_95(quiet.other_info), 0});
        own_alone.push_back({percentile_95(quiet.own_info), 0});
    }
    report_value("the opening itself", "s", openings);
    report_worst("another connection's cursor", cursor, {"95th percentile beside nothing"}, cursor_alone);
    report_worst("another connection's server.info", other_info, {"95th percentile beside nothing"}, other_alone);
    report_worst("the opening connection's server.info", own_info, {"95th percentile beside nothing"}, own_alone);
}

} // namespace cubelink::bench
