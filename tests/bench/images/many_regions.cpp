/// Twenty thousand regions in one session: set one by one, or imported from the lines of a DS9 file; listed, removed, and statistics of all of them.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

#include <cmath>
#include <cstdio>
#include <random>
#include <stdexcept>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

constexpr int count = 20'000;
constexpr std::int64_t side = 8192;

struct Ellipse {
    double x, y, a, b, angle;
};

/// Of 8 to 60 pixels across, all over the image, their numbers as exact in float32 as in a file with two decimals.
std::vector<Ellipse> some_ellipses() {
    std::mt19937 random(11);
    const auto number = [&](double low, double high) { return std::round(std::uniform_real_distribution<double>(low, high)(random) * 4) / 4; };
    std::vector<Ellipse> list(count);
    for (auto& one : list) one = {number(0, side), number(0, side), number(4, 30), number(4, 30), number(0, 180)};
    return list;
}

Map point(double x, double y) { return {{"x", x}, {"y", y}}; }

Map shape_of(const Ellipse& one) {
    return {{"region_type", "ELLIPSE"}, {"control_points", Array{point(one.x, one.y), point(one.a, one.b)}}, {"rotation", one.angle}};
}

/// Lines of a DS9 file in pixels, which count from 1 there; its angles are from the x axis.
Array lines_of(const std::vector<Ellipse>& ellipses) {
    Array lines{"# Region file format: DS9\n", "image\n"};
    char line[160];
    for (const auto& one : ellipses) {
        std::snprintf(line, sizeof line, "ellipse(%.2f,%.2f,%.2f,%.2f,%.2f)\n", one.x + 1, one.y + 1, one.a, one.b, one.angle + 90);
        lines.emplace_back(std::string(line));
    }
    return lines;
}

/// Times of one session, in seconds.
struct Times {
    double set = 0, list = 0, remove = 0, import = 0, statistics = 0;
};

class Crowd {
public:
    explicit Crowd(const ServerProcess& server) : session_(server.port()) { session_.open("large.fits", 0); }

    Times measure(const std::vector<Ellipse>& ellipses) {
        Times times;
        times.set = time([&] {
            answers("carta.set.region", ellipses, [](const Ellipse& one) { return Map{{"file_id", 0}, {"region_id", -1}, {"region_info", shape_of(one)}}; });
        });
        std::vector<std::int64_t> ids;
        times.list = time([&] { ids = listed(); });
        times.statistics = time([&] { statistics(ids); });
        times.remove = time([&] { remove(ids); });
        times.import = time([&] {
            const auto ack = session_.call("carta.import.region", {Map{{"group_id", 0}, {"type", "DS9_REG"}, {"contents", lines_of(ellipses)}}});
            if (!is_true(ack, "success")) throw std::runtime_error("the regions were not imported");
        });
        remove(listed());
        return times;
    }

private:
    template <class Work>
    static double time(Work work) {
        const auto start = Clock::now();
        work();
        return seconds_since(start);
    }

    /// Sends a call for each, without waiting in between, and waits for all answers.
    template <class List, class Arguments>
    void answers(std::string_view method, const List& list, Arguments arguments) {
        std::size_t missing = list.size();
        const auto take = [&](const WireSession::Message& message) {
            if (message.error) throw std::runtime_error(std::string(method) + " failed");
            if (!message.id.empty()) --missing;
        };
        for (const auto& one : list) {
            session_.start(method, {arguments(one)});
            for (WireSession::Message message; session_.poll(message);) take(message); // so that the server's outbox does not fill
        }
        if (missing > 0) session_.wait_until([&](const WireSession::Message& message) {
            take(message);
            return missing == 0;
        });
    }

    std::vector<std::int64_t> listed() {
        std::vector<std::int64_t> ids;
        const auto state = session_.call("session.state");
        if (const auto* regions = at(state, "regions").get_if<Array>())
            for (const auto& region : *regions) ids.push_back(static_cast<std::int64_t>(number_at(region, "region_id")));
        if (ids.size() != count) throw std::runtime_error(std::to_string(ids.size()) + " regions are listed");
        return ids;
    }

    void remove(const std::vector<std::int64_t>& ids) {
        answers("carta.remove.region", ids, [](std::int64_t id) { return Map{{"region_id", id}}; });
    }

    void statistics(const std::vector<std::int64_t>& ids) {
        std::size_t missing = ids.size();
        const auto take = [&](const WireSession::Message& message) {
            if (message.error) throw std::runtime_error("statistics of a region were refused");
            if (message.topic == "carta.region.stats.data") --missing;
        };
        for (const auto id : ids) {
            Map config{{"coordinate", "z"}, {"stats_types", Array{"NumPixels", "Sum", "Mean", "Sigma", "Min", "Max"}}};
            session_.start("carta.set.stats.requirements", {Map{{"file_id", 0}, {"region_id", id}, {"stats_configs", Array{std::move(config)}}}});
            for (WireSession::Message message; session_.poll(message);) take(message);
        }
        if (missing > 0) session_.wait_until([&](const WireSession::Message& message) {
            take(message);
            return missing == 0;
        });
    }

    WireSession session_;
};

} // namespace

void many_regions(const Settings& settings) {
    const auto path = settings.file("large.fits");
    make_cube(path, side, side, 1, 1);
    const auto ellipses = some_ellipses();
    const auto programs = settings.programs.size();
    std::vector<Cost> all(programs), set(programs), list(programs), remove(programs), import(programs), statistics(programs);
    Cost sum;
    for (int round = 0; round < 3; ++round) {
        sum.keep_best(sum_limit(path, side * side * 4, settings.threads));
        for (std::size_t i = 0; i < programs; ++i) {
            const auto server = settings.start(settings.programs[i]);
            const auto times = Crowd(*server).measure(ellipses);
            set[i].keep_best({times.set, 0});
            list[i].keep_best({times.list, 0});
            remove[i].keep_best({times.remove, 0});
            import[i].keep_best({times.import, 0});
            statistics[i].keep_best({times.statistics, 0});
            all[i].keep_best({times.set + times.import + times.list + times.remove, 0});
        }
    }
    const Cost allowed{2, 0};
    report("20000 regions set, imported, listed and removed", all, {"2 s", 1}, allowed);
    report("  set one by one", set, {"2 s"}, allowed);
    report("  imported from lines of DS9", import, {"2 s"}, allowed);
    report("  listed by session.state", list, {"2 s"}, allowed);
    report("  removed one by one", remove, {"2 s"}, allowed);
    report("  statistics of all, required one by one", statistics, {"reading and summing the image"}, sum);
}

} // namespace cubelink::bench
