/// crowd_bench [OPTION…]
///
/// A hundred users of one server on one cube of 2 GiB, of one server or of two in turns: how long their actions take, from when they were
/// due to the last message that they cause, and what the server needs for it.

#include "tests/bench/images/crowd.hpp"
#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/settings.hpp"

#include <cstdio>

using namespace cubelink::bench;

namespace {

constexpr int side = 1024, rounds = 4;
constexpr std::size_t cursor_answer = 10'600; // bytes of x, y and z profiles with 512 channels

void run(const Settings& settings) {
    const auto path = settings.file("cube.fits");
    make_cube(path, side, side, settings.depth, settings.depth);
    const auto count = settings.programs.size();
    const auto plane = std::int64_t{side} * side * 4;
    std::vector<std::unique_ptr<ServerProcess>> servers;
    std::vector<std::unique_ptr<Crowd>> crowds;
    std::vector<Samples> cursor_alone, channel_alone;
    std::vector<double> fresh;
    for (const auto& program : settings.programs) {
        servers.push_back(settings.start(program));
        fresh.push_back(mebibytes(servers.back()->resident()));
        Crowd one(*servers.back(), "cube.fits", side, settings.depth, 1);
        one.act(6);
        cursor_alone.push_back(one.cursor());
        channel_alone.push_back(one.channel());
        crowds.push_back(std::make_unique<Crowd>(*servers.back(), "cube.fits", side, settings.depth, settings.users));
    }
    PlainCalls plain;
    Samples calls;
    Cost sum, zfp;
    for (int round = 0; round < rounds; ++round) {
        for (int i = 0; i < 100; ++i) calls.push_back(plain.time(cursor_answer));
        sum.keep_best(sum_limit(path, plane, settings.threads));
        zfp.keep_best(zfp_limit(path, side));
        for (auto& crowd : crowds) crowd->act(settings.seconds / rounds);
    }
    std::vector<Samples> cursor, channel;
    std::vector<double> done, highest, anonymous, cpu, cost;
    for (std::size_t i = 0; i < count; ++i) {
        cursor.push_back(crowds[i]->cursor());
        channel.push_back(crowds[i]->channel());
        const auto actions = static_cast<double>(cursor[i].size() + channel[i].size());
        done.push_back(actions / crowds[i]->seconds());
        highest.push_back(mebibytes(servers[i]->highest_resident()));
        anonymous.push_back(mebibytes(servers[i]->anonymous()));
        cpu.push_back(100 * crowds[i]->server_cpu() / crowds[i]->seconds());
        cost.push_back(1e3 * crowds[i]->server_cpu() / actions);
    }
    const std::vector<Cost> call(count, {median(calls), 0}), change(count, {4 * zfp.time / settings.threads + 2 * sum.time, 0});
    report_median("cursor of one user alone", cursor_alone, {"a call with such an answer"}, call);
    report_median("channel and 4 tiles of one user alone", channel_alone, {"4 x ZFP / threads + 2 x plane"}, change);
    report_median("cursor: x, y and z profiles", cursor, {"a call with such an answer"}, call);
    report_median("channel and 4 tiles", channel, {"4 x ZFP / threads + 2 x plane"}, change);
    report_value("actions that were done", "a second", done);
    report_value("memory of the server when fresh", "MiB", fresh);
    report_value("memory of the server, highest", "MiB", highest);
    report_value("memory of the server now, without pages of files", "MiB", anonymous);
    report_value("processor of the server", "% of one core", cpu);
    report_value("processor of the server", "ms an action", cost);
}

int usage() {
    std::fprintf(stderr,
                 "usage: crowd_bench [OPTION...]\n%s"
                 "  --users N          (default: 100)\n"
                 "  --channels N       of the cube of 1024 x 1024 floats (default: 512, which makes 2 GiB)\n"
                 "  --seconds N        (default: 20)\n",
                 settings_usage);
    return 2;
}

} // namespace

int main(int argc, char** argv) try {
    Settings settings;
    std::vector<std::string> rest;
    if (!read_settings(argc, argv, settings, rest) || !rest.empty()) return usage();
    std::printf("%s\n%d threads, %d users, %d channels, %.0f s; times in ms\n", settings.names().c_str(), settings.threads, settings.users, settings.depth,
                settings.seconds);
    print_head("crowd", settings.programs.size());
    run(settings);
} catch (const std::exception& error) {
    std::fprintf(stderr, "crowd_bench: %s\n", error.what());
    return 1;
}
