/// A plane's pyramid beside a cube histogram, and how soon the histogram stops when its file is closed.
///
/// One bulk job and one view job share the threads equally; the view must get at least 0.8 of its half.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

#include <thread>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

constexpr std::int64_t side = 4096, planes = 25;

/// A session that has cube histograms computed.
class Histograms {
public:
    explicit Histograms(const ServerProcess& server) : session_(server.port()) { session_.open("cube.fits", 0); }

    /// Asks for one of as many bins as no other, which is therefore computed, and waits until it has begun.
    void begin() {
        Map histogram{{"coordinate", "z"}, {"channel", -2}, {"fixed_num_bins", true}, {"num_bins", ++bins_}};
        session_.call("carta.set.histogram.requirements", {Map{{"file_id", 0}, {"region_id", -2}, {"histograms", Array{std::move(histogram)}}}});
        running_ = true;
        session_.wait_until([this](const WireSession::Message& message) { return note(message); });
    }
    /// Whether one is being computed, as far as is known.
    bool running() {
        for (WireSession::Message message; session_.poll(message);) note(message);
        return running_;
    }
    WireSession& session() { return session_; }

private:
    bool note(const WireSession::Message& message) {
        if (message.topic != "carta.region.histogram.data" || number_at(message.body, "region_id") != -2) return false;
        if (number_at(message.body, "progress") >= 1) running_ = false;
        return true;
    }

    WireSession session_;
    int bins_ = 100;
    bool running_ = false;
};

double change_channel(WireSession& session, int channel) {
    Map tiles{{"file_id", 0}, {"tiles", Array{0}}, {"compression_type", "ZFP"}, {"compression_quality", 11}};
    const auto start = Clock::now();
    session.start("carta.set.image.channels", {Map{{"file_id", 0}, {"channel", channel}, {"stokes", 0}, {"required_tiles", std::move(tiles)}}});
    session.wait_until([&](const WireSession::Message& message) {
        return message.topic == "carta.raster.tile.sync" && is_true(message.body, "end_sync") && number_at(message.body, "channel") == channel;
    });
    return seconds_since(start);
}

struct Changes {
    Samples alone, beside;
};

/// Each channel is changed to once, so that its plane is new to the server.
void measure_changes(const ServerProcess& server, Changes& changes) {
    WireSession viewer(server.port());
    Histograms histograms(server);
    viewer.open("planes.fits", 0);
    for (int channel = 1; channel < planes; ++channel) {
        if (channel % 2) {
            while (histograms.running()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
            viewer.drain(0.05);
            changes.alone.push_back(change_channel(viewer, channel));
            continue;
        }
        if (!histograms.running()) histograms.begin();
        const double time = change_channel(viewer, channel);
        if (histograms.running()) changes.beside.push_back(time);
    }
}

struct Close {
    double answer = 0, idle = 0;
};

/// From CLOSE_FILE to its answer, and until the server's threads do nothing.
Close close_during_histogram(const ServerProcess& server) {
    constexpr auto window = std::chrono::milliseconds(4);
    Histograms histograms(server);
    histograms.begin();
    if (!histograms.running()) throw std::runtime_error("the cube histogram has ended before its file could be closed");
    Close close;
    const auto start = Clock::now();
    histograms.session().call("carta.close.file", {Map{{"file_id", 0}}});
    close.answer = seconds_since(start);
    for (int quiet = 0; quiet < 3 && seconds_since(start) < 60;) {
        const double begun = seconds_since(start), before = server.cpu();
        std::this_thread::sleep_for(window);
        if (server.cpu() - before > 0.0005) quiet = 0;
        else if (++quiet == 1) close.idle = begun;
    }
    return close;
}

} // namespace

void beside_cube_histogram(const Settings& settings) {
    const auto path = settings.file("planes.fits");
    make_cube(path, side, side, planes, planes);
    make_cube(settings.file("cube.fits"), 1024, 1024, 512, 512);
    const auto count = settings.programs.size();
    std::vector<Changes> changes(count);
    std::vector<Samples> answers(count), idle(count);
    Cost sum;
    for (int round = 0; round < 2; ++round) {
        sum.keep_best(sum_limit(path, side * side * 4, settings.threads));
        for (std::size_t i = 0; i < count; ++i) {
            const auto server = settings.start(settings.programs[i]);
            measure_changes(*server, changes[i]);
            for (int turn = 0; turn < 4; ++turn) {
                const auto close = close_during_histogram(*server);
                answers[i].push_back(close.answer);
                idle[i].push_back(close.idle);
            }
        }
    }
    std::vector<Samples> alone, beside;
    std::vector<Cost> halves;
    for (auto& one : changes) {
        halves.push_back({2 * median(one.alone), 0});
        alone.push_back(std::move(one.alone));
        beside.push_back(std::move(one.beside));
    }
    report("plane of 4096 x 4096 and its coarsest tile, alone", medians(alone), {"reading and summing it"}, sum);
    report_median("the same beside a cube histogram", beside, {"twice the time alone", 1.25}, halves);
    const std::vector<Cost> allowed(count, {0.1, 0});
    report_median("CLOSE_FILE during a cube histogram to its answer", answers, {"what is allowed", 1}, allowed);
    report_median("and until the server is idle", idle, {"what is allowed", 1}, allowed);
}

} // namespace cubelink::bench
