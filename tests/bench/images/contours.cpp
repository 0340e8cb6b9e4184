/// Contours of an 8192² plane at five levels, from sending SET_CONTOUR_PARAMETERS until each level has ended, with the page's parameters. Beside
/// them, the two things that can't be spared: zstd over the same bytes, and reading the plane.

#include "platform/os.hpp"
#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

#include <chrono>
#include <zstd.h>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

constexpr std::int64_t side = 8192;

struct Case {
    const char* name;
    const char* smoothing;
    std::vector<double> levels; // of noise from 0 to 1, over a gradient along x from 0 to 0.82
};

struct Contours {
    double time = 0;
    std::vector<std::string> chunks; // compressed vertices
};

Contours ask(WireSession& session, const Case& what) {
    // Others first, so that these are not the same again.
    session.call("carta.set.contour.parameters", {Map{{"file_id", 0}}});
    session.drain(0.1);
    Array levels(what.levels.begin(), what.levels.end());
    Contours contours;
    const auto start = Clock::now();
    session.start("carta.set.contour.parameters",
                  {Map{{"file_id", 0}, {"levels", levels}, {"smoothing_mode", what.smoothing}, {"smoothing_factor", 4}, {"decimation_factor", 4},
                       {"compression_level", 8}, {"contour_chunk_size", 100000}}});
    std::size_t ended = 0;
    session.wait_until([&](const WireSession::Message& message) {
        if (message.error) throw std::runtime_error("contours were refused");
        if (message.topic != "carta.contour.image.data") return false;
        for (const auto& set : *at(message.body, "contour_sets").get_if<Array>())
            if (const auto* bytes = at(set, "raw_coordinates").get_if<rpc::Bytes>()) contours.chunks.emplace_back(bytes->text());
        if (number_at(message.body, "progress") >= 1) ++ended;
        return ended == what.levels.size();
    });
    contours.time = seconds_since(start);
    return contours;
}

/// zstd of level 8 over what the chunks hold, on one thread.
Cost compression_cost(const std::vector<std::string>& chunks, std::size_t& bytes) {
    Cost cost{0, 0};
    bytes = 0;
    std::string plain, again;
    for (const auto& chunk : chunks) {
        plain.resize(ZSTD_getFrameContentSize(chunk.data(), chunk.size()));
        if (ZSTD_isError(ZSTD_decompress(plain.data(), plain.size(), chunk.data(), chunk.size()))) throw std::runtime_error("a chunk can't be decompressed");
        again.resize(ZSTD_compressBound(plain.size()));
        const auto start = Clock::now();
        const auto cpu = platform::os().thread_cpu_time();
        if (ZSTD_isError(ZSTD_compress(again.data(), again.size(), plain.data(), plain.size(), 8))) throw std::runtime_error("zstd failed");
        cost.time += seconds_since(start);
        cost.cpu += std::chrono::duration<double>(platform::os().thread_cpu_time() - cpu).count();
        bytes += plain.size();
    }
    return cost;
}

} // namespace

void contours(const Settings& settings) {
    make_cube(settings.file("large.fits"), side, side, 1, 1);
    for (const Case& what : {Case{"unsmoothed, high peaks", "NoSmoothing", {1.72, 1.74, 1.76, 1.78, 1.8}},
                             Case{"Gaussian 4, high peaks", "GaussianBlur", {1.42, 1.44, 1.46, 1.48, 1.5}},
                             Case{"unsmoothed, through the noise", "NoSmoothing", {1.66, 1.68, 1.7, 1.72, 1.74}},
                             Case{"Gaussian 4, through the noise", "GaussianBlur", {1.3, 1.32, 1.34, 1.36, 1.38}}}) {
        std::vector<std::unique_ptr<ServerProcess>> servers;
        std::vector<std::unique_ptr<WireSession>> sessions;
        for (const auto& program : settings.programs) {
            servers.push_back(settings.start(program));
            sessions.push_back(std::make_unique<WireSession>(servers.back()->port()));
            sessions.back()->open("large.fits", 0);
            sessions.back()->drain(0.3);
        }
        std::vector<Samples> samples(sessions.size());
        std::vector<Cost> best(sessions.size());
        Cost scan, zstd;
        std::size_t bytes = 0;
        for (int i = 0; i < 3; ++i) {
            scan.keep_best(sum_limit(settings.file("large.fits"), side * side * 4, settings.threads));
            Contours last;
            for (std::size_t k = 0; k < sessions.size(); ++k) {
                const double cpu = servers[k]->cpu();
                last = ask(*sessions[k], what);
                samples[k].push_back(last.time);
                best[k].keep_best({last.time, servers[k]->cpu() - cpu});
            }
            zstd.keep_best(compression_cost(last.chunks, bytes));
        }
        auto costs = medians(samples);
        for (std::size_t k = 0; k < costs.size(); ++k) costs[k].cpu = best[k].cpu;
        const Cost allowed{1.5 * zstd.time / settings.threads + 8 * scan.time, 1.5 * zstd.cpu + 8 * scan.cpu};
        report(std::string(what.name) + ", " + std::to_string(bytes / 8 / 1000) + "k vertices", costs, {"1.5 x zstd / threads + 8 x scan", 1}, allowed);
        report("the same", costs, {"zstd / threads"}, Cost{zstd.time / settings.threads, zstd.cpu});
        report("the same", costs, {"scan"}, scan);
    }
}

} // namespace cubelink::bench
