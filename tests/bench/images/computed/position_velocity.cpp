/// PV_REQUEST along lines of 1000 pixels, from sending to the answer; beside bare reads of the rows that the line crosses. And previews: how often they follow
/// a line that is dragged.

#include "tests/bench/images/computed/comparison.hpp"
#include "tests/bench/images/computed/computing_session.hpp"
#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/limits.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/workloads.hpp"

#include <cmath>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

struct Line {
    const char* name;
    double degrees; // against the rows
    int width;
    double target;
};

/// The ends of a line through the middle of a plane.
Array ends(double side, double length, double degrees) {
    const double dx = length / 2 * std::cos(degrees * M_PI / 180), dy = length / 2 * std::sin(degrees * M_PI / 180);
    return {point(side / 2 - dx, side / 2 - dy), point(side / 2 + dx, side / 2 + dy)};
}

/// Reading, of each channel, the whole rows that a line crosses.
Cost row_reads(const Settings& settings, const Line& line, double length) {
    const std::int64_t side = settings.side;
    const double reach = length * std::sin(line.degrees * M_PI / 180) + line.width * std::cos(line.degrees * M_PI / 180);
    const auto rows = std::min(side, static_cast<std::int64_t>(std::ceil(reach)));
    const auto first = (side - rows) / 2;
    Cost cost;
    cost.time = strided_reads_time(settings.file("cube.fits"), fits_header_size + first * side * 4, rows * side * 4, side * side * 4, settings.depth,
                                   settings.threads, &cost.cpu);
    return cost;
}

} // namespace

void position_velocity(const Settings& settings) {
    const std::int64_t side = settings.side, depth = settings.depth;
    make_cube(settings.file("cube.fits"), side, side, depth, depth);
    const double length = std::min(1000.0, 0.98 * static_cast<double>(side));
    const auto count = settings.programs.size();
    std::vector<std::unique_ptr<ServerProcess>> servers;
    std::vector<std::unique_ptr<ComputingSession>> sessions;
    for (const auto& program : settings.programs) {
        servers.push_back(settings.start(program));
        sessions.push_back(std::make_unique<ComputingSession>(*servers.back()));
        sessions.back()->open("cube.fits", 0);
    }
    for (const Line& line : {Line{"along a row", 0, 3, 2.5}, Line{"tilted by 1 degree", 1, 3, 2.5}, Line{"tilted by 30 degrees", 30, 3, 2.5},
                             Line{"along a column", 90, 3, 2.5}, Line{"tilted by 30 degrees", 30, 20, 0}}) {
        Comparison comparison(count);
        std::vector<std::int64_t> regions;
        for (auto& session : sessions) regions.push_back(session->region(0, "LINE", ends(static_cast<double>(side), length, line.degrees)));
        for (int round = 0; round < 9; ++round) {
            comparison.add_limit(row_reads(settings, line, length));
            for (std::size_t i = 0; i < count; ++i) {
                const auto computed =
                    sessions[i]->compute("carta.pv.request", Map{{"file_id", 0}, {"region_id", regions[i]}, {"width", line.width}, {"keep", false}});
                comparison.add(i, computed.cost);
                sessions[i]->close_images_of(computed.answer);
            }
        }
        comparison.print(std::to_string(static_cast<int>(length)) + " pixels x " + std::to_string(line.width) + ", " + line.name,
                         {"bare reads of its rows", line.target});
    }
}

namespace {

constexpr const char* preview_topic = "carta.pv.preview.data";

struct Preview {
    const char* name;
    bool part; // of the plane: a square of 0.4 of its side
    int rebin_xy, rebin_z;
    bool polyline;
};

class Dragger {
public:
    Dragger(const ServerProcess& server, int side) : session_(server), side_(side) {
        session_.open("cube.fits", 0);
        const double middle = side / 2.0 - 0.5, size = 0.4 * side;
        square_ = session_.region(0, "RECTANGLE", Array{point(middle, middle), point(size, size)});
    }

    /// The preview's cube is read.
    Cost load(const Preview& what) {
        cut_ = session_.region(0, what.polyline ? "POLYLINE" : "LINE", points(what, 0));
        Map preview{{"preview_id", 1},          {"region_id", what.part ? square_ : -1},  {"rebin_xy", what.rebin_xy},
                    {"rebin_z", what.rebin_z},  {"compression_type", "ZFP"},              {"image_compression_quality", 11},
                    {"animation_compression_quality", 9}};
        return session_
            .compute("carta.pv.request", Map{{"file_id", 0}, {"region_id", cut_}, {"width", 3}, {"preview_settings", std::move(preview)}})
            .cost;
    }
    void close() {
        session_.wire().start("carta.close.pv.preview", {Map{{"preview_id", 1}}});
        session_.wire().drain(0.1);
    }

    /// Moves of the line every 16 ms. `gaps`: the times between updates while it is dragged; returns the time from the last move to its update.
    double drag(const Preview& what, int moves, Samples& gaps) {
        auto last = Clock::now();
        bool first = true;
        const auto note = [&](const WireSession::Message& message) {
            if (message.topic != preview_topic || number_at(message.body, "width") == 0) return;
            if (!first) gaps.push_back(seconds_since(last));
            first = false;
            last = Clock::now();
        };
        Pace pace(std::chrono::milliseconds(16));
        Samples ignored;
        WireSession::Message message;
        for (int i = 1; i <= moves; ++i) {
            while (Clock::now() < pace.due()) {
                if (session_.wire().poll(message)) note(message);
                else std::this_thread::sleep_for(std::chrono::microseconds(200));
            }
            move(what, i, true);
            pace.answered(ignored);
        }
        gaps.push_back(seconds_since(last));
        const auto ended = Clock::now();
        move(what, moves, false);
        session_.wire().wait_until([](const WireSession::Message& one) {
            return one.topic == preview_topic && number_at(one.body, "width") > 0 && at(one.body, "histogram").get_if<Map>();
        });
        const double time = seconds_since(ended);
        session_.wire().drain(0.2);
        return time;
    }

private:
    Array points(const Preview& what, int step) const {
        const double length = (what.part ? 0.38 : 0.9) * side_, angle = 30 + 0.5 * step;
        auto line = ends(side_, length, angle);
        if (what.polyline) line.insert(line.begin() + 1, point(0.5 * side_, 0.55 * side_));
        return line;
    }
    void move(const Preview& what, int step, bool dragged) {
        Map info{{"region_type", what.polyline ? "POLYLINE" : "LINE"}, {"control_points", points(what, step)}, {"rotation", 0}};
        session_.wire().start("carta.set.region",
                              {Map{{"file_id", 0}, {"region_id", cut_}, {"region_info", std::move(info)}, {"preview_region", dragged}}});
    }

    ComputingSession session_;
    const int side_;
    std::int64_t square_ = 0, cut_ = 0;
};

} // namespace

void pv_preview(const Settings& settings) {
    const auto path = settings.file("cube.fits");
    const std::int64_t side = settings.side, depth = settings.depth;
    make_cube(path, side, side, depth, depth);
    const auto count = settings.programs.size();
    for (const Preview& what : {Preview{"whole planes, rebinned by 4 x 4 x 4", false, 4, 4, false}, Preview{"whole planes, rebinned by 2 x 2 x 2", false, 2, 2, false},
                                Preview{"a square of 0.4 of the side, as it is", true, 1, 1, false}, Preview{"the same, along a polyline", true, 1, 1, true}}) {
        std::vector<std::unique_ptr<ServerProcess>> servers;
        std::vector<std::unique_ptr<Dragger>> draggers;
        for (const auto& program : settings.programs) {
            servers.push_back(settings.start(program));
            draggers.push_back(std::make_unique<Dragger>(*servers.back(), settings.side));
        }
        Comparison loading(count);
        std::vector<Samples> gaps(count), latencies(count);
        for (int round = 0; round < 3; ++round) {
            const double part = what.part ? 0.16 : 1;
            Cost scan = one_scan(path, side * side * depth * 4, settings.threads);
            loading.add_limit({scan.time * part, scan.cpu * part});
            for (std::size_t i = 0; i < count; ++i) {
                loading.add(i, draggers[i]->load(what));
                latencies[i].push_back(draggers[i]->drag(what, 150, gaps[i]));
                draggers[i]->close();
            }
        }
        std::vector<Cost> mean;
        std::vector<double> rates;
        for (const auto& one : gaps) {
            double sum = 0;
            for (const double gap : one) sum += gap;
            mean.push_back({sum / static_cast<double>(one.size()), 0});
            rates.push_back(1 / mean.back().time);
        }
        loading.print(std::string("load: ") + what.name, {"a scan of as many pixels", 0});
        report("  dragged at 60 moves/s: between updates, mean", mean, {"a twentieth of a second", 1}, Cost{0.05, 0});
        report_worst("  the same", gaps, {"a twentieth of a second", 0}, std::vector<Cost>(count, {0.05, 0}));
        report_value("  updates a second", "", rates);
        report_median("  last move to the last update", latencies, {"100 ms", 1}, std::vector<Cost>(count, {0.1, 0}));
    }
}

} // namespace cubelink::bench
