/// Opening an image of 8192² floats, and its tiles: the coarsest one, twelve of full resolution, with ZFP and without.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/limits.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/watcher.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

#include <thread>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

constexpr std::int64_t side = 8192;

/// A client that only reads the bytes, as the receiver of the sending limit does: the time to decode them is not the server's.
class Reader {
public:
    Reader(const ServerProcess& server, const char* file) : raw_(server.port()) {
        raw_.hello(false, ServerProcess::secret);
        raw_.send(request_frame("rpc:c0:0", "carta.register.viewer", {Map{}}));
        raw_.receive(1);
        raw_.send(request_frame("rpc:c0:1", "carta.open.file", {Map{{"file", file}, {"file_id", 0}}}));
        raw_.receive(2); // the acknowledgement and the first histogram; the exact one of a large plane may come later
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        raw_.poll();
        raw_.forget();
    }
    double tiles(const Array& codes) {
        const auto frame = request_frame("rpc:c0:2", "carta.add.required.tiles",
                                         {Map{{"file_id", 0}, {"tiles", codes}, {"compression_type", "NONE"}, {"compression_quality", 0}}});
        const auto start = Clock::now();
        raw_.send(frame);
        raw_.receive(codes.size() + 3); // and the answer, and where the set begins and ends
        return seconds_since(start);
    }

private:
    RawClient raw_;
};

struct Measured {
    Cost open, coarse, again, tiles, decoded;
    Samples plain;
    double memory = 0;
};

void measure(const Settings& settings, const std::string& program, Measured& measured, Samples& send) {
    const auto codes = twelve_tiles(5);
    const auto server = settings.start(program); // a fresh one each time: its caches would answer the second time
    Watcher watcher(*server);
    measured.open.keep_best(repeat(*server, 1, [&] { return watcher.open("large.fits", 0); }));
    measured.memory = mebibytes(server->highest_resident());
    measured.tiles.keep_best(repeat(*server, 20, [&] { return watcher.tiles(0, codes, "ZFP", 11); }));
    measured.decoded.keep_best(repeat(*server, 100, [&] { return watcher.tiles(0, codes, "NONE", 0); }));
    Reader reader(*server, "large.fits");
    for (int round = 0; round < 5; ++round) {
        const auto times = one_way_send_times(12 * 256 * 256 * 4);
        send.insert(send.end(), times.begin(), times.end());
        for (std::size_t k = 0; k < times.size(); ++k) measured.plain.push_back(reader.tiles(codes));
    }
    const auto other = settings.start(program);
    Watcher first(*other);
    measured.coarse.keep_best(repeat(*other, 1, [&] {
        const auto start = Clock::now();
        first.open("large.fits", 0, false);
        first.tiles(0, {0}, "ZFP", 11);
        return seconds_since(start);
    }));
    measured.again.keep_best(repeat(*other, 20, [&] { return first.tiles(0, {0}, "ZFP", 11); }));
}

} // namespace

void large_image(const Settings& settings) {
    const auto path = settings.file("large.fits");
    make_cube(path, side, side, 1, 1);
    Cost sum, zfp;
    Samples send;
    std::vector<Measured> measured(settings.programs.size());
    for (int round = 0; round < 3; ++round) {
        sum.keep_best(sum_limit(path, side * side * 4, settings.threads));
        zfp.keep_best(zfp_limit(path, side));
        for (std::size_t i = 0; i < measured.size(); ++i) measure(settings, settings.programs[i], measured[i], send);
    }
    const auto costs = [&](auto&& figure) {
        std::vector<Cost> all;
        for (const auto& one : measured) all.push_back(figure(one));
        return all;
    };
    const Cost sending{least(send), 0}, sending_median{median(send), 0};
    report("open 8192 x 8192 to histogram", costs([](const auto& m) { return m.open; }), {"reading and summing 256 MiB", 6}, sum);
    report("open it and its coarsest tile, first time", costs([](const auto& m) { return m.coarse; }), {"reading and summing 256 MiB", 3}, sum);
    report("its coarsest tile again", costs([](const auto& m) { return m.again; }), {"ZFP of one tile", 1.5}, zfp);
    // In processor time the threads do not matter: 12 tiles are 12 tiles.
    report("12 full-resolution tiles, ZFP 11", costs([](const auto& m) { return m.tiles; }), {"12 tiles x ZFP / threads", 1.1},
           Cost{12 * zfp.time / settings.threads, 12 * zfp.cpu});
    report("12 full-resolution tiles, uncompressed", costs([](const auto& m) { return Cost{least(m.plain), 0}; }),
           {"sending their bytes over loopback", 2.5}, sending);
    report("the same, the medians of all tries", costs([](const auto& m) { return Cost{median(m.plain), 0}; }),
           {"sending their bytes over loopback", 2.5}, sending_median);
    report("the same, decoded by the C++ client", costs([](const auto& m) { return m.decoded; }), {"sending their bytes over loopback", 0}, sending);
    std::vector<double> memory;
    for (const auto& one : measured) memory.push_back(one.memory);
    report_value("memory after opening it, highest", "MiB", memory);
}

} // namespace cubelink::bench
