/// MOMENT_REQUEST on a cube in the page cache, from sending to the answer; beside a scan of the cube.

#include "tests/bench/images/computed/comparison.hpp"
#include "tests/bench/images/computed/computing_session.hpp"
#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/workloads.hpp"

#include <cmath>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

Map request(const Array& moments) { return Map{{"file_id", 0}, {"moments", moments}, {"axis", "SPECTRAL"}, {"region_id", -1}, {"rest_freq", 1.42e9}}; }

/// With what the median of the coordinate needs: values of one sign.
Map masked(const Array& moments) {
    auto made = request(moments);
    made["mask"] = "Include";
    made["pixel_range"] = Map{{"min", 1e-6}, {"max", 10}};
    return made;
}

class Asker {
public:
    Asker(const ServerProcess& server, int side) : session_(server) {
        session_.open("cube.fits", 0);
        // Both of a tenth of the plane.
        const double box = std::round(side * std::sqrt(0.1)), radius = side * std::sqrt(0.1 / M_PI), middle = side / 2.0 - 0.5;
        rectangle_ = session_.region(0, "RECTANGLE", Array{point(middle, middle), point(box - 1, box - 1)});
        ellipse_ = session_.region(0, "ELLIPSE", Array{point(middle, middle), point(radius, radius)});
    }
    Cost ask(Map moments) {
        const auto computed = session_.compute("carta.moment.request", std::move(moments));
        session_.close_images_of(computed.answer);
        return computed.cost;
    }
    std::int64_t rectangle() const { return rectangle_; }
    std::int64_t ellipse() const { return ellipse_; }

private:
    ComputingSession session_;
    std::int64_t rectangle_ = 0, ellipse_ = 0;
};

} // namespace

void moments(const Settings& settings) {
    const auto path = settings.file("cube.fits");
    const std::int64_t side = settings.side, depth = settings.depth, bytes = side * side * depth * 4;
    make_cube(path, side, side, depth, depth);
    const Array three{0, 1, 2}, all{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, all_but_medians{0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12};
    const auto count = settings.programs.size();
    std::vector<std::unique_ptr<ServerProcess>> servers;
    std::vector<std::unique_ptr<Asker>> askers;
    for (const auto& program : settings.programs) {
        servers.push_back(settings.start(program));
        askers.push_back(std::make_unique<Asker>(*servers.back(), settings.side));
    }
    Comparison first(count), several(count), several_masked(count), everything(count), without_medians(count), box(count), round_region(count), channels(count);
    for (int round = 0; round < 5; ++round) {
        const Cost scan = one_scan(path, bytes, settings.threads);
        for (auto* one : {&first, &several, &several_masked, &everything, &without_medians}) one->add_limit(scan);
        // A tenth of what the whole may take. Rows of 1024 floats are a page of memory each, so that of its pages this is a third.
        for (auto* one : {&box, &round_region}) one->add_limit({0.25 * scan.time, 0.25 * scan.cpu});
        for (std::size_t i = 0; i < count; ++i) {
            auto& asker = *askers[i];
            first.add(i, asker.ask(request({1})));
            several.add(i, asker.ask(request(three)));
            several_masked.add(i, asker.ask(masked(three)));
            auto part = request(three);
            part["region_id"] = asker.rectangle();
            box.add(i, asker.ask(part));
            part["region_id"] = asker.ellipse();
            round_region.add(i, asker.ask(part));
            part = request(three);
            part["spectral_range"] = Map{{"min", depth / 4}, {"max", depth / 4 + depth / 2 - 1}};
            channels.add(i, asker.ask(part));
            if (round < 3) {
                without_medians.add(i, asker.ask(request(all_but_medians)));
                everything.add(i, asker.ask(masked(all)));
            }
        }
    }
    const Cost whole = several.median_cost(count - 1);
    channels.set_limit({whole.time / 2, whole.cpu / 2});
    first.print("moment 1", {"scan of the cube", 0});
    several.print("moments 0, 1, 2", {"scan of the cube", 2.5});
    several_masked.print("the same of a range of values", {"scan of the cube", 0});
    box.print("moments 0, 1, 2 in a rectangle of a tenth", {"a tenth of 2.5 scans", 1});
    report_value("  of the whole's time", "%", {100 * box.median_cost(count - 1).time / whole.time});
    round_region.print("the same in an ellipse of a tenth", {"a tenth of 2.5 scans", 1});
    report_value("  of the whole's time", "%", {100 * round_region.median_cost(count - 1).time / whole.time});
    channels.print("the same of half of the channels", {"half of the whole's", 0});
    without_medians.print("all moments but the medians", {"scan of the cube", 0});
    everything.print("all 13 moments, of a range of values", {"scan of the cube", 8});
}

} // namespace cubelink::bench
