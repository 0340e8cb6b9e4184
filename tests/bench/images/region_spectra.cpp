/// Spectra of regions of a cube of 512 channels of 1024²: of one after it has moved, of a thousand at once, and while one is dragged. Beside them a plain
/// loop over the same pixels, through a mapping that is kept, and a pass over all rows that a thousand regions cover.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

constexpr std::int64_t side = 1024, depth = 512;
constexpr std::int64_t cube_bytes = side * side * depth * 4;
constexpr const char* spectral_topic = "carta.spectral.profile.data";

struct Ellipse {
    double x, y, radius;
};

/// The cube mapped for good, and what a plain program does with it.
class MappedCube {
public:
    explicit MappedCube(const std::string& path) {
        const int file = open(path.c_str(), O_RDONLY);
        if (file < 0) throw std::runtime_error("cannot read " + path);
        memory_ = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
        close(file);
        if (memory_ == MAP_FAILED) throw std::runtime_error("cannot map " + path);
        madvise(memory_, size, MADV_RANDOM);
    }
    ~MappedCube() { munmap(memory_, size); }
    MappedCube(const MappedCube&) = delete;
    MappedCube& operator=(const MappedCube&) = delete;

    /// The mean of the finite pixels of each channel.
    double mean_time(const Ellipse& ellipse, int threads) {
        const auto start = Clock::now();
        means_.assign(depth, 0);
        std::vector<std::thread> workers;
        for (int t = 0; t < threads; ++t)
            workers.emplace_back([&, t] {
                for (std::int64_t channel = t; channel < depth; channel += threads) means_[static_cast<std::size_t>(channel)] = mean(ellipse, channel);
            });
        for (auto& worker : workers) worker.join();
        return seconds_since(start);
    }

private:
    static constexpr std::size_t size = fits_header_size + cube_bytes;

    double mean(const Ellipse& e, std::int64_t channel) const {
        double sum = 0;
        std::int64_t count = 0;
        for (auto y = static_cast<std::int64_t>(std::ceil(e.y - e.radius)); static_cast<double>(y) <= e.y + e.radius; ++y) {
            const double dy = static_cast<double>(y) - e.y, half = std::sqrt(e.radius * e.radius - dy * dy);
            const auto from = static_cast<std::int64_t>(std::ceil(e.x - half)), to = static_cast<std::int64_t>(std::floor(e.x + half));
            const char* row = static_cast<const char*>(memory_) + fits_header_size + ((channel * side + y) * side + from) * 4;
            for (std::int64_t x = from; x <= to; ++x, row += 4) {
                std::uint32_t bits = 0;
                std::memcpy(&bits, row, sizeof bits);
                const auto value = std::bit_cast<float>(__builtin_bswap32(bits));
                if (!std::isfinite(value)) continue;
                sum += value;
                ++count;
            }
        }
        return sum / static_cast<double>(count);
    }

    void* memory_;
    std::vector<double> means_;
};

class Viewer {
public:
    explicit Viewer(const ServerProcess& server) : session_(server.port()) { session_.open("cube.fits", 0); }

    static Map info(const Ellipse& e) {
        return Map{{"region_type", "ELLIPSE"}, {"control_points", Array{Map{{"x", e.x}, {"y", e.y}}, Map{{"x", e.radius}, {"y", e.radius}}}}, {"rotation", 0}};
    }
    std::int64_t make(const Ellipse& e) {
        const auto answer = session_.call("carta.set.region", {Map{{"file_id", 0}, {"region_id", -1}, {"region_info", info(e)}}});
        return static_cast<std::int64_t>(number_at(answer, "region_id"));
    }
    Array requirement(std::int64_t region, const Array& types) const {
        Array profiles;
        if (!types.empty()) profiles.push_back(Map{{"coordinate", "z"}, {"stats_types", types}});
        return {Map{{"file_id", 0}, {"region_id", region}, {"spectral_profiles", profiles}}};
    }
    void require(std::int64_t region, const Array& types) { session_.call("carta.set.spectral.requirements", requirement(region, types)); }
    void drain() { session_.drain(0.2); }

    /// From sending the new shape to its last spectrum.
    double move(std::int64_t region, const Ellipse& to) {
        const auto start = Clock::now();
        const auto id = session_.start("carta.set.region", {Map{{"file_id", 0}, {"region_id", region}, {"region_info", info(to)}}});
        bool answered = false;
        session_.wait_until([&](const WireSession::Message& message) {
            answered |= message.id == id;
            return answered && message.topic == spectral_topic && number_at(message.body, "progress") >= 1;
        });
        return seconds_since(start);
    }

    /// From the first of the requirements to the last spectrum.
    double require_all(const std::vector<std::int64_t>& regions) {
        std::set<std::int64_t> waiting(regions.begin(), regions.end());
        const auto start = Clock::now();
        for (const auto region : regions) session_.start("carta.set.spectral.requirements", requirement(region, {"Mean"}));
        session_.wait_until([&](const WireSession::Message& message) {
            if (message.topic == spectral_topic && number_at(message.body, "progress") >= 1) waiting.erase(static_cast<std::int64_t>(number_at(message.body, "region_id")));
            return waiting.empty();
        });
        return seconds_since(start);
    }
    void require_nothing(const std::vector<std::int64_t>& regions) {
        for (const auto region : regions) require(region, {});
        drain();
    }

    /// 30 moves a second. `gaps`: the times between spectra; returns the time from the last move to the last spectrum.
    double drag(std::int64_t region, int moves, Ellipse from, Samples& gaps) {
        auto last = Clock::now();
        WireSession::Message message;
        const auto take = [&](const WireSession::Message& one) {
            if (one.topic != spectral_topic) return false;
            gaps.push_back(std::chrono::duration<double>(Clock::now() - last).count());
            last = Clock::now();
            return true;
        };
        Clock::time_point moved;
        Pace pace(std::chrono::milliseconds(33));
        Samples answered;
        for (int i = 0; i < moves; ++i) {
            while (Clock::now() < pace.due()) {
                if (session_.poll(message)) take(message);
                else std::this_thread::sleep_for(std::chrono::microseconds(200));
            }
            from.x += 3;
            from.y += 1;
            moved = Clock::now();
            session_.start("carta.set.region", {Map{{"file_id", 0}, {"region_id", region}, {"region_info", info(from)}}});
            pace.answered(answered);
        }
        // The spectra of the last shape are the last ones.
        double latency = 0;
        for (auto until = Clock::now() + std::chrono::milliseconds(500); Clock::now() < until;) {
            if (!session_.poll(message)) std::this_thread::sleep_for(std::chrono::microseconds(200));
            else if (take(message)) latency = std::chrono::duration<double>(last - moved).count();
        }
        return latency;
    }

private:
    WireSession session_;
};

} // namespace

void region_spectra(const Settings& settings) {
    const auto path = settings.file("cube.fits");
    make_cube(path, side, side, depth, depth);
    MappedCube cube(path);
    const auto count = settings.programs.size();
    std::vector<std::unique_ptr<ServerProcess>> servers;
    std::vector<std::unique_ptr<Viewer>> viewers;
    for (const auto& program : settings.programs) {
        servers.push_back(settings.start(program));
        viewers.push_back(std::make_unique<Viewer>(*servers.back()));
    }
    std::mt19937 random(3);
    const auto anywhere = [&](double radius) {
        std::uniform_real_distribution<double> place(radius + 1, static_cast<double>(side) - radius - 2);
        return Ellipse{place(random), place(random), radius};
    };

    const auto moves = [&](const char* name, double radius, int tries, bool nearby, const Array& types, double target) {
        std::vector<std::int64_t> regions;
        auto place = anywhere(radius);
        for (auto& viewer : viewers) {
            regions.push_back(viewer->make(place));
            viewer->require(regions.back(), types);
            viewer->drain();
        }
        std::vector<Samples> times(count);
        Samples plain;
        for (int i = 0; i < tries; ++i) {
            if (!nearby) place = anywhere(radius);
            else place.x += place.x + radius + 5 < static_cast<double>(side) ? 1.5 : -1.5;
            plain.push_back(cube.mean_time(place, settings.threads));
            for (std::size_t k = 0; k < count; ++k) times[k].push_back(viewers[k]->move(regions[k], place));
        }
        for (std::size_t k = 0; k < count; ++k) viewers[k]->require(regions[k], {});
        std::vector<Cost> best;
        for (const auto& one : times) best.push_back({least(one), 0});
        report(name, medians(times), {"a plain loop, median", target}, Cost{median(plain), 0});
        report("the best of them", best, {"the best plain loop", target}, Cost{least(plain), 0});
    };
    moves("mean of a 100 x 100 ellipse x 512, moved a little", 50, 60, true, {"Mean"}, 1.5);
    moves("the same, moved anywhere", 50, 40, false, {"Mean"}, 1.5);
    moves("the same with ten statistics", 50, 40, true, {"NumPixels", "Sum", "FluxDensity", "Mean", "RMS", "Sigma", "SumSq", "Min", "Max", "Extrema"}, 1.5);
    moves("mean of a 1000 x 1000 ellipse x 512", 500, 4, true, {"Mean"}, 1.5);

    std::vector<Cost> all(count);
    Cost scan;
    std::vector<std::vector<std::int64_t>> regions(count);
    for (int i = 0; i < 1000; ++i) {
        const auto place = anywhere(5);
        for (std::size_t k = 0; k < count; ++k) regions[k].push_back(viewers[k]->make(place));
    }
    for (int round = 0; round < 3; ++round) {
        scan.keep_best(sum_limit(path, cube_bytes, settings.threads));
        for (std::size_t k = 0; k < count; ++k) {
            all[k].keep_best({viewers[k]->require_all(regions[k]), 0});
            viewers[k]->require_nothing(regions[k]);
        }
    }
    report("means of 1000 ellipses of 10 x 10 at once", all, {"a pass over their rows", 3}, scan);

    std::vector<Samples> gaps(count), latencies(count);
    for (std::size_t k = 0; k < count; ++k) {
        const Ellipse begin{60, 60, 50};
        const auto region = viewers[k]->make(begin);
        viewers[k]->require(region, {"Mean"});
        viewers[k]->drain();
        for (int i = 0; i < 4; ++i) latencies[k].push_back(viewers[k]->drag(region, 90, begin, gaps[k]));
    }
    const std::vector<Cost> gap(count, {0.1, 0}), latency(count, {0.06, 0});
    report_worst("dragged at 30 moves/s: between spectra", gaps, {"100 ms", 1}, gap);
    report_worst("the last spectrum after the last move", latencies, {"60 ms", 1}, latency);
}

} // namespace cubelink::bench
