/// Waiting times while a gzipped image is opened, which takes seconds: of a small call on the opening connection, and of the cursor and a
/// small call on other connections of its session. Each is compared with the same when nothing is opened.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

#include <atomic>
#include <exception>
#include <functional>
#include <thread>
#include <utility>

namespace cubelink::bench {

using rpc::Map;

namespace {

constexpr auto distance = std::chrono::milliseconds(10); // between the calls of a connection
constexpr auto quiet_time = std::chrono::seconds(2);

struct Waits {
    Samples cursor, other_info, own_info;
};

/// A connection that makes one kind of call again and again until it is stopped, in a thread.
class Caller {
public:
    Caller(const ServerProcess& server, std::int64_t session_id, std::function<void(WireSession&)> call)
        : session_(server.port(), WireSession::Begin::registered, session_id), call_(std::move(call)) {}
    ~Caller() {
        end_ = Clock::time_point::min();
        if (thread_.joinable()) thread_.join();
    }

    WireSession& session() { return session_; } // while it is stopped

    void start() {
        end_ = Clock::time_point::max();
        thread_ = std::thread([this] {
            try {
                for (Pace pace(distance); pace.due() < end_.load();) {
                    pace.wait();
                    call_(session_);
                    pace.answered(times_);
                }
            } catch (...) {
                failure_ = std::current_exception();
            }
        });
    }
    /// Ends after what has been begun; returns the times.
    Samples stop() {
        end_ = Clock::now();
        thread_.join();
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        return std::exchange(times_, {});
    }

private:
    WireSession session_;
    std::function<void(WireSession&)> call_;
    std::thread thread_;
    std::atomic<Clock::time_point> end_{};
    std::exception_ptr failure_;
    Samples times_;
};

/// The connections of one session beside the one that opens.
class Others {
public:
    Others(const ServerProcess& server, std::int64_t session_id)
        : pointer_(server, session_id, [x = 0](WireSession& session) mutable { move_cursor(session, x = (x + 1) % 1000); }),
          asker_(server, session_id, [](WireSession& session) { session.call("server.info"); }) {
        pointer_.session().open("plane-small.fits", 0);
    }
    void start() {
        pointer_.start();
        asker_.start();
    }
    void stop(Waits& waits) {
        waits.cursor = pointer_.stop();
        waits.other_info = asker_.stop();
    }

private:
    static void move_cursor(WireSession& session, int x) {
        session.start("carta.set.cursor", {Map{{"file_id", 0}, {"point", Map{{"x", x}, {"y", 10}}}}});
        session.wait_until([&](const WireSession::Message& message) {
            return message.topic == "carta.spatial.profile.data" && number_at(message.body, "x") == x;
        });
    }

    Caller pointer_, asker_;
};

Waits while_nothing_is_opened(WireSession& opener, Others& others) {
    Waits waits;
    others.start();
    const auto end = Clock::now() + quiet_time;
    for (Pace pace(distance); pace.due() < end;) {
        pace.wait();
        opener.call("server.info");
        pace.answered(waits.own_info);
    }
    others.stop(waits);
    return waits;
}

Waits while_opening(WireSession& opener, Others& others, const std::string& file, double& opening_time) {
    Waits waits;
    others.start();
    const auto start = Clock::now();
    const auto opening = opener.start("carta.open.file", {Map{{"file", file}, {"file_id", 1}}});
    auto opened = Clock::time_point::max();
    for (Pace pace(distance); pace.due() < opened;) {
        pace.wait();
        const auto info = opener.start("server.info");
        opener.wait_until([&](const WireSession::Message& message) {
            if (message.id == opening) {
                if (!is_true(message.body, "success")) throw std::runtime_error(file + ": " + rpc::brief(message.body, 200));
                opened = Clock::now();
                opening_time = seconds_since(start);
            }
            return message.id == info;
        });
        pace.answered(waits.own_info);
    }
    others.stop(waits);
    return waits;
}

} // namespace

void beside_opening(const Settings& settings) {
    make_cube(settings.file("plane-small.fits"), 1024, 1024, 1, 1);
    const std::string file = "slow-" + std::to_string(settings.gzip_mib) + ".fits.gz";
    make_gzipped_image(settings.file(file), settings.gzip_mib);
    const auto count = settings.programs.size();
    std::vector<Samples> cursor(count), other_info(count), own_info(count);
    std::vector<Waits> quiet(count);
    std::vector<double> openings(count, 1e300);
    const auto append = [](Samples& all, const Samples& more) { all.insert(all.end(), more.begin(), more.end()); };
    for (int round = 0; round < 2; ++round) {
        for (std::size_t k = 0; k < count; ++k) {
            // The order alternates: the first to inflate the image may find the disk still busy with writing it.
            const std::size_t i = round % 2 ? count - 1 - k : k;
            const auto server = settings.start(settings.programs[i]);
            WireSession opener(server->port());
            Others others(*server, opener.session_id());
            const auto alone = while_nothing_is_opened(opener, others);
            append(quiet[i].cursor, alone.cursor);
            append(quiet[i].other_info, alone.other_info);
            append(quiet[i].own_info, alone.own_info);
            double opening = 0;
            const auto waits = while_opening(opener, others, file, opening);
            append(cursor[i], waits.cursor);
            append(other_info[i], waits.other_info);
            append(own_info[i], waits.own_info);
            openings[i] = std::min(openings[i], opening);
        }
    }
    std::vector<Cost> cursor_alone, other_alone, own_alone;
    for (const auto& one : quiet) {
        cursor_alone.push_back({percentile_95(one.cursor), 0});
        other_alone.push_back({percentile_95(one.other_info), 0});
        own_alone.push_back({percentile_95(one.own_info), 0});
    }
    report_value("the opening itself, the shorter of two", "s", openings);
    report_worst("another connection's cursor", cursor, {"95th percentile beside nothing"}, cursor_alone);
    report_worst("another connection's server.info", other_info, {"95th percentile beside nothing"}, other_alone);
    report_worst("the opening connection's server.info", own_info, {"95th percentile beside nothing"}, own_alone);
}

} // namespace cubelink::bench
