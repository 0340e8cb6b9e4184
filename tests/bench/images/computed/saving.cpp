/// SAVE_FILE, from sending to the answer, beside `cp` of the same file to the same folder; both until the file is on disk.

#include "tests/bench/images/computed/comparison.hpp"
#include "tests/bench/images/computed/computing_session.hpp"
#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/workloads.hpp"

#include <cmath>
#include <filesystem>
#include <spawn.h>
#include <stdexcept>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

/// Removes a file, and waits until the disk has nothing to do for it.
void remove(const std::string& path) {
    std::filesystem::remove(path);
    ::sync();
}

/// `cp`, and fsync of what it has written. A copy of blocks, not a second name for them.
Cost copy(const std::string& from, const std::string& to) {
    remove(to);
    const auto start = Clock::now();
    std::string words[] = {"cp", "--reflink=never", from, to};
    char* argv[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
    pid_t pid = 0;
    if (posix_spawnp(&pid, "cp", nullptr, nullptr, argv, environ) != 0) throw std::runtime_error("cp can't be started");
    int status = 0;
    rusage usage{};
    if (wait4(pid, &status, 0, &usage) != pid || status != 0) throw std::runtime_error("cp has failed");
    const int file = ::open(to.c_str(), O_RDONLY);
    const bool synced = file >= 0 && fsync(file) == 0;
    ::close(file);
    if (!synced) throw std::runtime_error("cannot sync " + to);
    const Cost cost{seconds_since(start), static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                                              1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)};
    remove(to);
    return cost;
}

Map request(int file_id, const char* name) {
    return Map{{"file_id", file_id},        {"output_file_directory", ""},  {"output_file_name", name}, {"output_file_type", "FITS"},
               {"keep_degenerate", true},   {"rest_freq", std::nan("")},    {"overwrite", true}};
}

} // namespace

void saving(const Settings& settings) {
    const auto path = settings.file("cube.fits"), small = settings.file("small.fits"), saved = settings.file("saved.fits");
    const std::int64_t side = settings.side, depth = settings.depth;
    make_cube(path, side, side, depth, depth);
    make_cube(small, 64, 64, 64, 64);
    const auto count = settings.programs.size();
    std::vector<std::unique_ptr<ServerProcess>> servers;
    std::vector<std::unique_ptr<ComputingSession>> sessions;
    std::vector<std::int64_t> squares;
    for (const auto& program : settings.programs) {
        servers.push_back(settings.start(program));
        sessions.push_back(std::make_unique<ComputingSession>(*servers.back()));
        sessions.back()->open("cube.fits", 0);
        sessions.back()->open("small.fits", 1);
        const double middle = static_cast<double>(side) / 2, radius = 0.2 * static_cast<double>(side);
        squares.push_back(sessions.back()->region(0, "ELLIPSE", Array{point(middle, middle), point(radius, radius)}));
    }
    Comparison whole(count), overwritten(count), part(count), few(count);
    const auto save = [&](std::size_t i, Map what, bool over) {
        if (!over) remove(saved);
        return sessions[i]->compute("carta.save.file", std::move(what)).cost;
    };
    for (int round = 0; round < 5; ++round) {
        whole.add_limit(copy(path, settings.file("copied.fits")));
        for (std::size_t i = 0; i < count; ++i) whole.add(i, save(i, request(0, "saved.fits"), false));
        for (std::size_t i = 0; i < count; ++i) {
            auto stride = request(0, "saved.fits");
            stride["channels"] = Array{0, depth - 1, 8};
            few.add(i, save(i, std::move(stride), false));
            auto region = request(0, "saved.fits");
            region["region_id"] = squares[i];
            part.add(i, save(i, std::move(region), false));
        }
    }
    const Cost all = whole.median_cost(count - 1);
    few.set_limit({all.time / 8, all.cpu / 8});
    part.set_limit({all.time * 0.16, all.cpu * 0.16});
    Comparison little(count), little_again(count);
    for (int round = 0; round < 9; ++round) {
        little.add_limit(copy(small, settings.file("copied.fits")));
        for (std::size_t i = 0; i < count; ++i) {
            little.add(i, save(i, request(1, "saved.fits"), false));
            little_again.add(i, save(i, request(1, "saved.fits"), true));
        }
    }
    little_again.set_limit(little.median_cost(count - 1));
    whole.print("save a cube", {"cp and fsync", 1 / 0.6});
    few.print("every eighth channel of it", {"an eighth of the whole's", 0});
    part.print("an ellipse of 0.4 of its side", {"0.16 of the whole's", 0});
    little.print("save a cube of 64 x 64 x 64", {"cp and fsync", 0});
    little_again.print("the same over the one before", {"as a new file", 0});
    std::filesystem::remove(saved);
}

} // namespace cubelink::bench
