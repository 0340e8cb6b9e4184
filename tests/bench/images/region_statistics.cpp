/// Statistics of regions of an image of 8192²: of one of 1000² that moves, of 20,000 when the channel changes; and the histogram of a cube.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

constexpr std::int64_t side = 8192, region_side = 1000, cube_side = 1024, depth = 512;
constexpr int many = 20000;

class Regions {
public:
    explicit Regions(const ServerProcess& server) : server_(server), session_(server.port()) {
        session_.open("planes.fits", 0);
        session_.open("cube.fits", 1);
    }

    /// A region's statistics after it has moved.
    Cost moved() {
        if (moving_ == 0) {
            set(1, 2000, 2000, region_side - 1, region_side - 1);
            require(1);
            moving_ = 2000;
        }
        session_.drain(0.2);
        return repeat(server_, 20, [&] {
            const auto start = Clock::now();
            set(1, ++moving_, 2000, region_side - 1, region_side - 1);
            wait_for_statistics(1);
            return seconds_since(start);
        });
    }

    /// Statistics of all regions after a change of the channel.
    Cost all_of_them() {
        if (count_ == 0) {
            unsigned state = 1;
            const auto next = [&](unsigned below) { return static_cast<std::int64_t>((state = state * 1664525U + 1013904223U) >> 8) % below; };
            for (count_ = 0; count_ < many; ++count_) {
                const auto width = 10 + next(60), height = 10 + next(60);
                set(2 + count_, next(side), next(side), width, height);
                require(2 + count_);
            }
        }
        session_.drain(2);
        return repeat(server_, 3, [&] {
            const auto start = Clock::now();
            channel_ = 1 - channel_;
            session_.start("carta.set.image.channels", {Map{{"file_id", 0}, {"channel", channel_}, {"stokes", 0}}});
            wait_for_statistics(many + 1);
            return seconds_since(start);
        });
    }

    Cost cube_histogram() {
        return repeat(server_, 2, [&] {
            Map histogram{{"coordinate", "z"}, {"channel", -2}, {"fixed_num_bins", true}, {"num_bins", ++bins_}};
            const auto start = Clock::now();
            session_.start("carta.set.histogram.requirements", {Map{{"file_id", 1}, {"region_id", -2}, {"histograms", Array{std::move(histogram)}}}});
            session_.wait_until([](const WireSession::Message& message) {
                return message.topic == "carta.region.histogram.data" && number_at(message.body, "region_id") == -2 && number_at(message.body, "progress") >= 1;
            });
            return seconds_since(start);
        });
    }

private:
    void set(int id, std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height) {
        Map info{{"region_type", "RECTANGLE"}, {"rotation", 0}};
        info["control_points"] = Array{Map{{"x", x}, {"y", y}}, Map{{"x", width}, {"y", height}}};
        session_.call("carta.set.region", {Map{{"file_id", 0}, {"region_id", id}, {"region_info", std::move(info)}}});
    }
    void require(int id) {
        Map config{{"coordinate", "z"}, {"stats_types", Array{"NumPixels", "Sum", "FluxDensity", "Mean", "RMS", "Sigma", "SumSq", "Min", "Max", "Extrema"}}};
        session_.call("carta.set.stats.requirements", {Map{{"file_id", 0}, {"region_id", id}, {"stats_configs", Array{std::move(config)}}}});
    }
    void wait_for_statistics(int count) {
        session_.wait_until([&](const WireSession::Message& message) { return message.topic == "carta.region.stats.data" && --count == 0; });
    }

    const ServerProcess& server_;
    WireSession session_;
    std::int64_t moving_ = 0;
    int count_ = 0, channel_ = 0, bins_ = 1000;
};

} // namespace

void region_statistics(const Settings& settings) {
    const auto planes = settings.file("planes.fits"), cube = settings.file("cube.fits");
    make_cube(planes, side, side, 2, 2);
    make_cube(cube, cube_side, cube_side, depth, depth);
    std::vector<std::unique_ptr<ServerProcess>> servers;
    std::vector<std::unique_ptr<Regions>> regions;
    for (const auto& program : settings.programs) {
        servers.push_back(settings.start(program));
        regions.push_back(std::make_unique<Regions>(*servers.back()));
    }
    Cost rows, pixels, plane, whole;
    std::vector<Cost> moved(regions.size()), all(regions.size()), histogram(regions.size());
    for (int round = 0; round < 3; ++round) {
        rows.keep_best(sum_limit(planes, region_side * side * 4, settings.threads));
        pixels.keep_best(sum_limit(planes, region_side * region_side * 4, settings.threads));
        plane.keep_best(sum_limit(planes, side * side * 4, settings.threads));
        whole.keep_best(sum_limit(cube, cube_side * cube_side * depth * 4, settings.threads));
        for (std::size_t i = 0; i < regions.size(); ++i) {
            moved[i].keep_best(regions[i]->moved());
            histogram[i].keep_best(regions[i]->cube_histogram());
            all[i].keep_best(regions[i]->all_of_them());
        }
    }
    report("statistics of a region of 1000 x 1000 that moved", moved, {"reading and summing its rows", 4}, rows);
    report("the same", moved, {"reading and summing its pixels"}, pixels);
    report("statistics of 20,000 regions, channel changed", all, {"half a second", 1}, Cost{0.5, 0});
    report("the same", all, {"reading and summing the plane"}, plane);
    report("histogram of a cube of 1024 x 1024 x 512", histogram, {"reading and summing it", 2.5}, whole);
}

} // namespace cubelink::bench
