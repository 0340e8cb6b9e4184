/// Images that are larger than memory, or than what the server may take of it.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/watcher.hpp"
#include "tests/bench/images/workloads.hpp"

namespace cubelink::bench {

void sparse_cube(const Settings& settings) {
    constexpr std::int64_t side = 4096, depth = 16384;
    const auto path = settings.file("sparse.fits");
    make_cube(path, side, side, depth, 1);
    Cost sum;
    std::vector<Cost> open(settings.programs.size());
    std::vector<double> memory(settings.programs.size());
    for (int round = 0; round < 3; ++round) {
        sum.keep_best(sum_limit(path, side * side * 4, settings.threads));
        for (std::size_t i = 0; i < open.size(); ++i) {
            const auto server = settings.start(settings.programs[i]);
            Watcher watcher(*server);
            open[i].keep_best(repeat(*server, 1, [&] { return watcher.open("sparse.fits", 0); }));
            memory[i] = mebibytes(server->highest_resident());
        }
    }
    report("open a sparse cube of 1.1 TB to histogram", open, {"reading and summing one plane", 6}, sum);
    report_value("memory with it open, highest", "MiB", memory, 160);
}

void plane_beyond_the_limit(const Settings& settings) {
    constexpr std::int64_t side = 16384;
    const auto path = settings.file("huge.fits");
    make_cube(path, side, side, 1, 1);
    Cost sum = sum_limit(path, side * side * 4, settings.threads);
    std::vector<Cost> open;
    std::vector<double> memory;
    for (const auto& program : settings.programs) {
        const auto server = settings.start(program, {"--memory-limit", "512M"});
        Watcher watcher(*server);
        open.push_back(repeat(*server, 1, [&] { return watcher.open("huge.fits", 0); }));
        watcher.tiles(0, {0}, "ZFP", 11);
        watcher.tiles(0, twelve_tiles(6), "ZFP", 11);
        memory.push_back(mebibytes(server->highest_resident()));
        sum.keep_best(sum_limit(path, side * side * 4, settings.threads));
    }
    report("open 16384 x 16384 under 512M to histogram", open, {"reading and summing 1 GiB", 6}, sum);
    report_value("memory after its coarse and its full tiles, highest", "MiB", memory, 512);
}

} // namespace cubelink::bench
