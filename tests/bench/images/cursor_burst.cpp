/// The cursor when there is much to do: a thousand moves in a second, and moves beside the histogram of a cube of 8 GiB.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/http_request.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

#include <thread>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

constexpr double allowed = 20e-3; // from a move to its profile

std::string move(WireSession& session, int x, int y) {
    return session.start("carta.set.cursor", {Map{{"file_id", 0}, {"point", Map{{"x", x}, {"y", y}}}}});
}
bool is_profile_at(const WireSession::Message& message, int x, int y) {
    return message.topic == "carta.spatial.profile.data" && number_at(message.body, "x") == x && number_at(message.body, "y") == y;
}

void require_profiles(WireSession& session, bool spectral) {
    session.call("carta.set.spatial.requirements",
                 {Map{{"file_id", 0}, {"region_id", 0}, {"spatial_profiles", Array{Map{{"coordinate", "x"}}, Map{{"coordinate", "y"}}}}}});
    if (spectral)
        session.call(
            "carta.set.spectral.requirements",
            {Map{{"file_id", 0}, {"region_id", 0}, {"spectral_profiles", Array{Map{{"coordinate", "z"}, {"stats_types", Array{"Sum"}}}}}}});
    session.drain(0.3);
}

/// A move each millisecond for a second, whether or not the last has been answered. From the last one to its profiles.
double burst(WireSession& session, int seed) {
    const auto start = Clock::now();
    WireSession::Message message;
    int x = 0, y = 0;
    Clock::time_point sent;
    for (int i = 0; i < 1000; ++i) {
        std::this_thread::sleep_until(start + std::chrono::milliseconds(i));
        x = (seed + 37 * i) % 1024;
        y = (seed + 91 * i) % 1024;
        sent = Clock::now();
        move(session, x, y);
        while (session.poll(message)) {
        }
    }
    bool spatial = false;
    session.wait_until([&](const WireSession::Message& one) {
        spatial = spatial || is_profile_at(one, x, y);
        return spatial && one.topic == "carta.spectral.profile.data" && number_at(one.body, "progress") >= 1;
    });
    return seconds_since(sent);
}

struct Beside {
    Samples moves;
    Samples closes;
    double after = 0; // messages of the file that came after the answer to CLOSE_FILE
};

/// Moves every 10 ms while the histogram of the whole cube is computed, which is then stopped by closing the file.
void beside_histogram(const ServerProcess& server, Beside& result) {
    WireSession session(server.port());
    session.open("sparse-8g.fits", 0);
    require_profiles(session, false);
    Map histogram{{"coordinate", "z"}, {"channel", -2}, {"num_bins", -1}};
    session.call("carta.set.histogram.requirements", {Map{{"file_id", 0}, {"region_id", -2}, {"histograms", Array{std::move(histogram)}}}});
    bool complete = false;
    Pace pace(std::chrono::milliseconds(10));
    for (int i = 0; i < 100 && !complete; ++i) {
        const int x = 3 + 17 * i, y = 5 + 11 * i;
        pace.wait();
        move(session, x, y);
        session.wait_until([&](const WireSession::Message& message) {
            complete = complete || (message.topic == "carta.region.histogram.data" && number_at(message.body, "region_id") == -2 &&
                                    number_at(message.body, "progress") >= 1);
            return is_profile_at(message, x, y);
        });
        pace.answered(result.moves);
    }
    if (complete) throw std::runtime_error("the cube histogram has ended before its file could be closed");
    result.closes.push_back(session.time_call("carta.close.file", {Map{{"file_id", 0}}}));
    const auto closed = Clock::now();
    for (WireSession::Message message; seconds_since(closed) < 0.5;)
        if (session.poll(message) && message.topic.starts_with("carta.")) ++result.after;
}

} // namespace

void cursor_burst(const Settings& settings) {
    make_cube(settings.file("cube.fits"), 1024, 1024, 512, 512);
    make_cube(settings.file("sparse-8g.fits"), 2048, 2048, 512, 1);
    const auto count = settings.programs.size();
    std::vector<Samples> last(count), moves, closes;
    std::vector<double> highest(count), after;
    std::vector<Beside> beside(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto server = settings.start(settings.programs[i]);
        WireSession session(server->port());
        session.open("cube.fits", 0);
        require_profiles(session, true);
        for (int turn = 0; turn < 10; ++turn) last[i].push_back(burst(session, turn));
        highest[i] = metric(server->port(), "cubelink_commands_waiting_highest");
    }
    for (int round = 0; round < 3; ++round)
        for (std::size_t i = 0; i < count; ++i) beside_histogram(*settings.start(settings.programs[i]), beside[i]);
    const std::vector<Cost> limits(count, {allowed, 0}), stop(count, {0.1, 0});
    for (const auto& one : beside) {
        moves.push_back(one.moves);
        closes.push_back(one.closes);
        after.push_back(one.after);
    }
    report_median("the last of 1,000 moves in a second to its profiles", last, {"what is allowed", 1}, limits);
    report_value("commands of a client that waited, highest", "", highest, 1);
    report_worst("move beside a cube histogram of 8 GiB to its profile", moves, {"what is allowed", 1}, limits);
    report_worst("CLOSE_FILE during it to its answer", closes, {"what is allowed", 1}, stop);
    report_value("messages of the file after that", "", after);
}

} // namespace cubelink::bench
