/// image_bench [--server PROGRAM] [--folder FOLDER] [--threads N] [WORKLOAD…]
///
/// Times what a client sees through the socket, beside what the machine could do at best, measured in the same run. Makes its files (some
/// 3.5 GB on disk) in FOLDER and leaves them there for the next run. A ratio above its target is marked; timings on a busy machine mean little.

#include "clients/cpp/client.hpp"
#include "rpc/msgpack/chunking.hpp"
#include "rpc/msgpack/msgpack_writer.hpp"
#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/limits.hpp"
#include "tests/bench/images/server_process.hpp"
#include "tests/bench/wslink/raw_client.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

using namespace cubelink;
using client::Client;
using rpc::Array;
using rpc::Map;
using rpc::Value;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Settings {
    std::string program = "build/release/server/cubelink";
    std::string folder = "/tmp/cubelink-bench";
    int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    std::string file(const char* name) const { return folder + "/" + name; }
};

const Value& at(const Value& value, const char* name) {
    static const Value none;
    const auto* map = value.get_if<Map>();
    const auto* found = map ? map->find(name) : nullptr;
    return found ? *found : none;
}

/// A client that counts what is published.
class Watcher {
public:
    explicit Watcher(const bench::ServerProcess& server) : client_(server.url(), bench::ServerProcess::secret) {
        client_.listen("carta.region.histogram.data", [this](const Value&) { note("histogram"); });
        client_.listen("carta.raster.tile.data", [this](const Value& message) {
            if (const auto* tiles = at(message, "tiles").get_if<Array>())
                for (std::size_t i = 0; i < tiles->size(); ++i) note("tile");
        });
        client_.listen("carta.raster.tile.sync", [this](const Value& message) {
            if (const auto* end = at(message, "end_sync").get_if<bool>(); end && *end) note("end");
        });
        client_.listen("carta.spectral.profile.data", [this](const Value& message) {
            const auto* progress = at(message, "progress").get_if<double>();
            if (progress && *progress >= 1) note("spectrum");
        });
        client_.call("carta.register.viewer", {Map{}}).get();
    }

    Value call(const char* method, Map arguments) { return client_.call(method, {std::move(arguments)}).get(); }
    void reset() {
        std::lock_guard lock(mutex_);
        seen_.clear();
    }
    void wait_for(const std::string& what, int count) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, std::chrono::seconds(120), [&] { return seen_[what] >= count; }))
            throw std::runtime_error("waited in vain for " + what);
    }
    double open(const char* file, int id, bool with_histogram = true) {
        reset();
        const auto start = Clock::now();
        const auto ack = call("carta.open.file", Map{{"file", file}, {"file_id", id}});
        const auto* success = at(ack, "success").get_if<bool>();
        if (!success || !*success) throw std::runtime_error(std::string(file) + " was not opened");
        if (with_histogram) wait_for("histogram", 1);
        return seconds_since(start);
    }
    double tiles(int id, const Array& codes, const char* compression, int quality) {
        reset();
        const auto start = Clock::now();
        call("carta.add.required.tiles",
             Map{{"file_id", id}, {"tiles", codes}, {"compression_type", compression}, {"compression_quality", quality}});
        wait_for("tile", static_cast<int>(codes.size()));
        return seconds_since(start);
    }

private:
    void note(const char* what) {
        std::lock_guard lock(mutex_);
        ++seen_[what];
        changed_.notify_all();
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, int> seen_;
    Client client_;
};

Array twelve_tiles(int layer) {
    Array codes;
    for (std::int64_t y = 0; y < 3; ++y)
        for (std::int64_t x = 0; x < 4; ++x) codes.push_back(static_cast<std::int64_t>(layer) << 24 | y << 12 | x);
    return codes;
}

/// A client that reads as the other side of the sending limit does, passing over the bytes: what a client makes of them is not the server's.
class Reader {
public:
    Reader(const bench::ServerProcess& server, const char* file) : raw_(server.port()) {
        raw_.hello(false, bench::ServerProcess::secret);
        raw_.send(request("carta.register.viewer", Map{}));
        raw_.receive(1);
        raw_.send(request("carta.open.file", Map{{"file", file}, {"file_id", 0}}));
        raw_.receive(2); // the acknowledgement and the histogram
    }
    double tiles(const Array& codes) {
        const auto frame = request("carta.add.required.tiles",
                                   Map{{"file_id", 0}, {"tiles", codes}, {"compression_type", "NONE"}, {"compression_quality", 0}});
        const auto start = Clock::now();
        raw_.send(frame);
        raw_.receive(codes.size() + 3); // and the answer, and where the set begins and ends
        return seconds_since(start);
    }

private:
    static std::string request(const char* method, Map argument) {
        rpc::MsgpackWriter writer;
        writer.value(Value(std::move(argument)));
        const auto packed = writer.finish();
        std::string bytes;
        for (const auto& part : packed->frames[0].parts) bytes += part.text();
        return bench::client_frame(false, bench::msgpack_request("rpc:c0:0", method, std::string_view(bytes).substr(rpc::ChunkHeader::size), 1));
    }
    bench::RawClient raw_;
};

double least(const std::vector<double>& times) { return *std::min_element(times.begin(), times.end()); }
double median(std::vector<double> times) {
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
    return times[times.size() / 2];
}

/// What something took, or a limit: the best of some tries, and processor time.
struct Cost {
    double time = 1e300, cpu = 1e300;
    void keep_best(const Cost& other) {
        time = std::min(time, other.time);
        cpu = std::min(cpu, other.cpu);
    }
};

/// Limits are measured before and after the server, and the better ones count.
Cost sum_limit(const std::string& path, std::int64_t bytes, int threads) {
    Cost cost;
    cost.time = bench::read_and_sum_time(path, bench::fits_header_size, bytes, threads, &cost.cpu);
    return cost;
}
Cost zfp_limit(const std::string& path, std::int64_t width) {
    Cost cost;
    cost.time = bench::zfp_tile_time(path, bench::fits_header_size, width, 11, &cost.cpu);
    return cost;
}

/// `limit.cpu` 0: not comparable. `target` 0: none.
void report(const char* name, const Cost& cost, const char* limit_name, const Cost& limit, double target) {
    const double ratio = cost.time / limit.time;
    std::printf("%-42s %9.2f ms  %6.2f x %-34s (%8.2f ms)", name, cost.time * 1e3, ratio, limit_name, limit.time * 1e3);
    if (target > 0) std::printf("  to reach: %.2f%s", target, ratio > target ? "  ABOVE" : "");
    if (limit.cpu > 0) std::printf("   processor: %.2f ms, %.2f x", cost.cpu * 1e3, cost.cpu / limit.cpu);
    std::printf("\n");
    std::fflush(stdout);
}

void report_memory(const bench::ServerProcess& server, const char* name, double target_mib) {
    const double highest = static_cast<double>(server.highest_resident()) / (1 << 20);
    std::printf("%-44s %9.1f MiB highest, %.1f MiB now, %.1f MiB of it not file pages", name, highest,
                static_cast<double>(server.resident()) / (1 << 20), static_cast<double>(server.anonymous()) / (1 << 20));
    if (target_mib > 0) std::printf("   to reach: %.0f%s", target_mib, highest > target_mib ? "   ABOVE" : "");
    std::printf("\n");
    std::fflush(stdout);
}

/// The best time of some tries, and the server's processor time of one on average.
Cost repeat(const bench::ServerProcess& server, int tries, const std::function<double()>& work) {
    Cost cost;
    const double before = server.cpu();
    for (int i = 0; i < tries; ++i) cost.time = std::min(cost.time, work());
    cost.cpu = (server.cpu() - before) / tries;
    return cost;
}

void large_image(const Settings& settings) {
    constexpr std::int64_t side = 8192;
    const auto path = settings.file("large.fits");
    bench::make_cube(path, side, side, 1, 1);
    const std::vector<std::string> options = {"--threads", std::to_string(settings.threads)};
    Cost sum, zfp, open, coarse, again, tiles, decoded;
    std::vector<double> plain, send;
    for (int i = 0; i < 3; ++i) { // a fresh server each time: its caches would answer the second
        sum.keep_best(sum_limit(path, side * side * 4, settings.threads));
        zfp.keep_best(zfp_limit(path, side));
        bench::ServerProcess server(settings.program, settings.folder, options);
        Watcher watcher(server);
        open.keep_best(repeat(server, 1, [&] { return watcher.open("large.fits", 0); }));
        if (i == 2) report_memory(server, "memory after opening it", 0);
        const auto codes = twelve_tiles(5);
        tiles.keep_best(repeat(server, 20, [&] { return watcher.tiles(0, codes, "ZFP", 11); }));
        decoded.keep_best(repeat(server, 100, [&] { return watcher.tiles(0, codes, "NONE", 0); }));
        Reader reader(server, "large.fits");
        for (int turn = 0; turn < 5; ++turn) {
            const auto times = bench::one_way_send_times(12 * 256 * 256 * 4);
            send.insert(send.end(), times.begin(), times.end());
            for (std::size_t k = 0; k < times.size(); ++k) plain.push_back(reader.tiles(codes));
        }
        bench::ServerProcess other(settings.program, settings.folder, options);
        Watcher first(other);
        coarse.keep_best(repeat(other, 1, [&] {
            const auto start = Clock::now();
            first.open("large.fits", 0, false);
            first.tiles(0, {0}, "ZFP", 11);
            return seconds_since(start);
        }));
        again.keep_best(repeat(other, 20, [&] { return first.tiles(0, {0}, "ZFP", 11); }));
    }
    report("open 8192 x 8192 to histogram", open, "reading and summing 256 MiB", sum, 6);
    report("open it and its coarsest tile, first time", coarse, "reading and summing 256 MiB", sum, 3);
    report("its coarsest tile again", again, "ZFP of one tile", zfp, 1.5);
    // In processor time the threads do not matter: 12 tiles are 12 tiles.
    report("12 full-resolution tiles, ZFP 11", tiles, "12 tiles x ZFP / threads", {12 * zfp.time / settings.threads, 12 * zfp.cpu}, 1.1);
    report("12 full-resolution tiles, uncompressed", {least(plain)}, "sending their bytes over loopback", {least(send), 0}, 2.5);
    report("the same, the medians of all tries", {median(plain)}, "sending their bytes over loopback", {median(send), 0}, 2.5);
    report("the same, decoded by the C++ client", decoded, "sending their bytes over loopback", {least(send), 0}, 0);
}

void cube(const Settings& settings) {
    constexpr std::int64_t side = 1024, depth = 512;
    const auto path = settings.file("cube.fits");
    bench::make_cube(path, side, side, depth, depth);
    const std::int64_t plane = side * side * 4;
    Cost sum, zfp, change, spectrum;
    double reads = 1e300, echo = 1e300;
    bench::ServerProcess server(settings.program, settings.folder, {"--threads", std::to_string(settings.threads)});
    Watcher watcher(server);
    watcher.open("cube.fits", 0);
    const auto codes = twelve_tiles(2);
    int channel = 1, x = 10;
    for (int i = 0; i < 3; ++i) {
        sum.keep_best(sum_limit(path, plane, settings.threads));
        zfp.keep_best(zfp_limit(path, side));
        reads = std::min(reads, bench::small_reads_time(path, bench::fits_header_size + plane / 2, plane, depth));
        change.keep_best(repeat(server, 20, [&] {
            watcher.reset();
            const auto start = Clock::now();
            Map tiles{{"file_id", 0}, {"tiles", codes}, {"compression_type", "ZFP"}, {"compression_quality", 11}};
            watcher.call("carta.set.image.channels", Map{{"file_id", 0}, {"channel", channel++}, {"stokes", 0}, {"required_tiles", tiles}});
            watcher.wait_for("end", 1);
            return seconds_since(start);
        }));
        echo = std::min(echo, repeat(server, 50, [&] {
                                  const auto start = Clock::now();
                                  watcher.call("carta.remove.required.tiles", Map{{"file_id", 0}});
                                  return seconds_since(start);
                              }).time);
        watcher.reset();
        watcher.call("carta.set.spectral.requirements",
                     Map{{"file_id", 0}, {"region_id", 0}, {"spectral_profiles", Array{Map{{"coordinate", "z"}, {"stats_types", Array{"Sum"}}}}}});
        if (i > 0) watcher.wait_for("spectrum", 1); // where the cursor was left
        spectrum.keep_best(repeat(server, 20, [&] {
            watcher.reset();
            const auto start = Clock::now();
            watcher.call("carta.set.cursor", Map{{"file_id", 0}, {"point", Map{{"x", x++}, {"y", 500}}}});
            watcher.wait_for("spectrum", 1);
            return seconds_since(start);
        }));
        // The cursor's profiles would come with every channel.
        watcher.call("carta.set.spectral.requirements", Map{{"file_id", 0}, {"region_id", 0}, {"spectral_profiles", Array{}}});
    }
    report("channel change with 12 tiles", change, "1.2 x 12 x ZFP / threads + 2 x plane",
           {1.2 * 12 * zfp.time / settings.threads + 2 * sum.time, 1.2 * 12 * zfp.cpu + 2 * sum.cpu}, 1);
    report("cursor spectrum of 512 channels", spectrum, "3 x 512 preads of 4 bytes + a call", {3 * reads + echo, 0}, 1);
    report_memory(server, "memory after it", 0);
}

void sparse_cube(const Settings& settings) {
    constexpr std::int64_t side = 4096, depth = 16384;
    const auto path = settings.file("sparse.fits");
    bench::make_cube(path, side, side, depth, 1);
    Cost sum, open;
    for (int i = 0; i < 3; ++i) {
        sum.keep_best(sum_limit(path, side * side * 4, settings.threads));
        bench::ServerProcess server(settings.program, settings.folder, {"--threads", std::to_string(settings.threads)});
        Watcher watcher(server);
        open.keep_best(repeat(server, 1, [&] { return watcher.open("sparse.fits", 0); }));
        if (i == 2) report_memory(server, "memory with a cube of 1.1 TB open", 160);
    }
    report("open a sparse cube of 1.1 TB to histogram", open, "reading and summing one plane", sum, 6);
}

void plane_beyond_the_limit(const Settings& settings) {
    constexpr std::int64_t side = 16384;
    const auto path = settings.file("huge.fits");
    bench::make_cube(path, side, side, 1, 1);
    const auto sum = sum_limit(path, side * side * 4, settings.threads);
    bench::ServerProcess server(settings.program, settings.folder, {"--threads", std::to_string(settings.threads), "--memory-limit", "512M"});
    Watcher watcher(server);
    const auto open = repeat(server, 1, [&] { return watcher.open("huge.fits", 0); });
    report("open 16384 x 16384 under 512M to histogram", open, "reading and summing 1 GiB", sum, 6);
    watcher.tiles(0, {0}, "ZFP", 11);
    watcher.tiles(0, twelve_tiles(6), "ZFP", 11);
    report_memory(server, "memory after its coarse and its full tiles", 512);
}

} // namespace

int main(int argc, char** argv) try {
    const std::map<std::string, void (*)(const Settings&)> workloads = {
        {"large-image", large_image}, {"cube", cube}, {"sparse-cube", sparse_cube}, {"beyond-the-limit", plane_beyond_the_limit}};
    Settings settings;
    std::vector<std::string> chosen;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--server" && i + 1 < argc) settings.program = argv[++i];
        else if (word == "--folder" && i + 1 < argc) settings.folder = argv[++i];
        else if (word == "--threads" && i + 1 < argc) settings.threads = std::max(1, std::atoi(argv[++i]));
        else if (workloads.count(word)) chosen.push_back(word);
        else {
            std::fprintf(stderr, "usage: image_bench [--server PROGRAM] [--folder FOLDER] [--threads N] [WORKLOAD...]\nworkloads:");
            for (const auto& [name, work] : workloads) std::fprintf(stderr, " %s", name.c_str());
            std::fprintf(stderr, "\n");
            return 2;
        }
    }
    std::filesystem::create_directories(settings.folder);
    for (const auto& [name, work] : workloads) {
        if (!chosen.empty() && std::find(chosen.begin(), chosen.end(), name) == chosen.end()) continue;
        std::printf("%s\n", name.c_str());
        work(settings);
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "image_bench: %s\n", error.what());
    return 1;
}
