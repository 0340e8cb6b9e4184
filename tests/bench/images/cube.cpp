/// A cube of 512 channels of 1024²: changing the channel with twelve tiles, and the cursor's spectrum through the C++ client.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/limits.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/watcher.hpp"
#include "tests/bench/images/workloads.hpp"

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

constexpr std::int64_t side = 1024, depth = 512;

class Browser {
public:
    Browser(const Settings& settings, const std::string& program) : server_(settings.start(program)), watcher_(*server_) {
        watcher_.open("cube.fits", 0);
    }

    Cost change_channels() {
        const auto codes = twelve_tiles(2);
        return repeat(*server_, 20, [&] {
            watcher_.reset();
            const auto start = Clock::now();
            Map tiles{{"file_id", 0}, {"tiles", codes}, {"compression_type", "ZFP"}, {"compression_quality", 11}};
            watcher_.call("carta.set.image.channels", Map{{"file_id", 0}, {"channel", channel_++}, {"stokes", 0}, {"required_tiles", tiles}});
            watcher_.wait_for("end", 1);
            return seconds_since(start);
        });
    }

    double call() {
        return repeat(*server_, 50, [&] {
                   const auto start = Clock::now();
                   watcher_.call("carta.remove.required.tiles", Map{{"file_id", 0}});
                   return seconds_since(start);
               }).time;
    }

    Cost spectra() {
        watcher_.reset();
        require_spectrum(true);
        if (x_ > 10) watcher_.wait_for("spectrum", 1); // where the cursor was left
        const auto cost = repeat(*server_, 20, [&] {
            watcher_.reset();
            const auto start = Clock::now();
            watcher_.call("carta.set.cursor", Map{{"file_id", 0}, {"point", Map{{"x", x_++}, {"y", 500}}}});
            watcher_.wait_for("spectrum", 1);
            return seconds_since(start);
        });
        require_spectrum(false); // the cursor's profiles would come with every channel
        return cost;
    }

    double memory() const { return mebibytes(server_->highest_resident()); }

private:
    void require_spectrum(bool required) {
        Array profiles;
        if (required) profiles.push_back(Map{{"coordinate", "z"}, {"stats_types", Array{"Sum"}}});
        watcher_.call("carta.set.spectral.requirements", Map{{"file_id", 0}, {"region_id", 0}, {"spectral_profiles", profiles}});
    }

    std::unique_ptr<ServerProcess> server_;
    Watcher watcher_;
    int channel_ = 1, x_ = 10;
};

} // namespace

void cube(const Settings& settings) {
    const auto path = settings.file("cube.fits");
    make_cube(path, side, side, depth, depth);
    constexpr std::int64_t plane = side * side * 4;
    Cost sum, zfp;
    double reads = 1e300;
    std::vector<std::unique_ptr<Browser>> browsers;
    for (const auto& program : settings.programs) browsers.push_back(std::make_unique<Browser>(settings, program));
    std::vector<Cost> change(browsers.size()), spectrum(browsers.size()), echo(browsers.size()), spectrum_limits;
    for (int round = 0; round < 3; ++round) {
        sum.keep_best(sum_limit(path, plane, settings.threads));
        zfp.keep_best(zfp_limit(path, side));
        reads = std::min(reads, small_reads_time(path, fits_header_size + plane / 2, plane, depth));
        for (std::size_t i = 0; i < browsers.size(); ++i) {
            change[i].keep_best(browsers[i]->change_channels());
            echo[i].keep_best({browsers[i]->call(), 0});
            spectrum[i].keep_best(browsers[i]->spectra());
        }
    }
    for (const auto& one : echo) spectrum_limits.push_back({3 * reads + one.time, 0});
    report("channel change with 12 tiles", change, {"1.2 x 12 x ZFP / threads + 2 x plane", 1},
           Cost{1.2 * 12 * zfp.time / settings.threads + 2 * sum.time, 1.2 * 12 * zfp.cpu + 2 * sum.cpu});
    report("cursor spectrum of 512 channels, C++ client", spectrum, {"3 x 512 preads of 4 bytes + a call", 1}, spectrum_limits);
    std::vector<double> memory;
    for (const auto& browser : browsers) memory.push_back(browser->memory());
    report_value("memory after it, highest", "MiB", memory);
}

} // namespace cubelink::bench
