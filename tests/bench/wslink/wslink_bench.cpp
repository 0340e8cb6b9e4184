/// The wslink server's speed, beside that of a bare epoll server which sends the same frames (tests/bench/epoll_floor.cpp), measured in
/// turns: floor, ours, floor, ours… Both servers are pinned to one core and the client to another.
///
///     wslink_bench [--rounds N] [--seconds S] [--only TEXT] [--floor PROGRAM] [--server PROGRAM]
///
/// Prints for each workload the medians of both, their ratio, and the ratio to reach. "by processor time" compares what the two server
/// processes have used of their core for the same work: on a busy machine it says more than the clock. Exit status 1 if a target was missed.

#include "tests/bench/wslink/child.hpp"
#include "tests/bench/wslink/raw_client.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace cubelink::bench;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto secret = "bench";

struct Measured {
    double value = 0;          // in the workload's unit
    double processor_time = 0; // of the server, for one operation
};

/// What a workload is told about the server it measures.
struct Target {
    Child& server;
    bool floor;
    double seconds;
};

struct Workload {
    std::string name, unit;
    double target;      // ratio to the floor; of times: floor ÷ ours
    double least = 0;   // a value to reach, instead of a ratio
    bool time = false;  // less is better
    std::function<Measured(const Target&)> run;
};

double since(Clock::time_point begun) { return std::chrono::duration<double>(Clock::now() - begun).count(); }

/// A connection that has said hello; the floor takes that for a message to echo.
std::unique_ptr<RawClient> connect(const Target& target, bool json = false) {
    auto client = std::make_unique<RawClient>(target.server.port());
    client->hello(json, secret);
    return client;
}

Measured in_flight(const Target& target, RawClient& client, const std::string& request, unsigned count, unsigned frames, double scale) {
    client.keep_in_flight(request, count, frames, target.seconds / 10); // caches and branch predictors of both sides
    const double before = target.server.processor_time();
    const auto run = client.keep_in_flight(request, count, frames, target.seconds);
    const auto answers = static_cast<double>(run.answers);
    return {answers / run.seconds * scale, (target.server.processor_time() - before) / answers};
}

Workload echo(const std::string& name, std::size_t size, unsigned count, double target, bool json = false) {
    const std::string payload(size, 'x');
    const auto request = json ? client_frame(true, json_request("rpc:c0:1", "bench.echo", '"' + payload + '"'))
                              : client_frame(false, msgpack_request("rpc:c0:1", "bench.echo", size > 1000 ? pack_bytes(payload) : pack_text(payload), 1));
    return {name, "calls/s", target, 0, false, [=](const Target& to) { return in_flight(to, *connect(to, json), request, count, 1, 1); }};
}

/// How our reply of `size` bytes lies on the wire.
std::vector<std::size_t> frames_of_reply(const Child& server, const std::string& request, bool json) {
    RawClient client(server.port());
    client.hello(json, secret);
    return client.frames_of_answer(request);
}

Workload reply(const std::string& name, const Child& ours, std::uint32_t size, bool json, double target) {
    const auto request = json ? client_frame(true, json_request("rpc:c0:1", "bench.blob", std::to_string(size)))
                              : client_frame(false, msgpack_request("rpc:c0:1", "bench.blob", pack_number(size), 1));
    const auto sizes = frames_of_reply(ours, request, json);
    std::string text = "!frames";
    for (const auto frame : sizes) text += ' ' + std::to_string(frame);
    return {name, "MB/s", target, 0, false, [=](const Target& to) {
                return in_flight(to, *connect(to, json), to.floor ? client_frame(true, text) : request, 1, static_cast<unsigned>(sizes.size()), size * 1e-6);
            }};
}

Workload publications(const std::string& name, std::uint32_t size, std::uint32_t count, bool in_bytes, double target, double least) {
    const auto request = client_frame(false, msgpack_request("rpc:c0:1", "bench.publish", pack_text("bench.topic") + pack_number(size) + pack_number(count), 3));
    // The map around the bytes, the id and the chunk's header: what one publication of ours has on the wire beside its bytes.
    const auto text = client_frame(true, "!send " + std::to_string(count) + ' ' + std::to_string(size + 80));
    return {name, in_bytes ? "MB/s" : "/s", target, least, false, [=](const Target& to) {
                const auto client = connect(to);
                const auto once = [&] {
                    client->send(to.floor ? text : request);
                    client->receive(count + (to.floor ? 0 : 1));
                };
                once();
                const double before = to.server.processor_time();
                const auto begun = Clock::now();
                double sent = 0;
                do {
                    once();
                    sent += count;
                } while (since(begun) < to.seconds);
                return Measured{sent / since(begun) * (in_bytes ? size * 1e-6 : 1), (to.server.processor_time() - before) / sent};
            }};
}

Workload fan_out(const std::string& name, std::uint32_t size, std::size_t listeners, double target) {
    const auto request = client_frame(false, msgpack_request("rpc:c0:1", "bench.publish", pack_text("bench.topic") + pack_number(size) + pack_number(1), 3));
    const auto text = client_frame(true, "!all " + std::to_string(size + 80));
    return {name, "ms", target, 0, true, [=](const Target& to) {
                std::vector<std::unique_ptr<RawClient>> clients;
                for (std::size_t i = 0; i < listeners; ++i) clients.push_back(connect(to));
                const auto once = [&] {
                    const auto begun = Clock::now();
                    clients.front()->send(to.floor ? text : request);
                    for (std::size_t i = 0; i < listeners; ++i) clients[i]->receive(i == 0 && !to.floor ? 2 : 1);
                    return since(begun) * 1e3;
                };
                once();
                const double before = to.server.processor_time();
                std::vector<double> times;
                for (const auto begun = Clock::now(); since(begun) < to.seconds;) times.push_back(once());
                const double used = (to.server.processor_time() - before) / static_cast<double>(times.size());
                std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
                return Measured{times[times.size() / 2], used};
            }};
}

Workload connecting(const std::string& name, double target) {
    return {name, "/s", target, 0, false, [](const Target& to) {
                const double before = to.server.processor_time();
                const auto begun = Clock::now();
                double count = 0;
                for (; since(begun) < to.seconds; ++count) connect(to)->close();
                return Measured{count / since(begun), (to.server.processor_time() - before) / count};
            }};
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values.empty() ? 0 : values[values.size() / 2];
}

std::string shown(double value) {
    char text[32];
    std::snprintf(text, sizeof text, value < 100 ? "%.2f" : "%.0f", value);
    return text;
}

/// Measures one workload in turns and prints its line. False: its target was missed.
bool measure(const Workload& workload, Child& floor, Child& ours, unsigned rounds, double seconds) {
    std::vector<double> values[2], times[2];
    for (unsigned i = 0; i < rounds; ++i) {
        for (const bool is_floor : {true, false}) {
            const auto measured = workload.run({is_floor ? floor : ours, is_floor, seconds});
            values[is_floor].push_back(measured.value);
            times[is_floor].push_back(measured.processor_time);
        }
    }
    const double base = median(values[1]), own = median(values[0]);
    const double ratio = workload.time ? base / own : own / base;
    const double by_time = median(times[1]) / median(times[0]);
    const bool good = workload.least > 0 ? own >= workload.least : ratio >= workload.target;
    std::printf("%-38s %11s %11s %-8s %6.2f %9.2f   %s%-9s %s\n", workload.name.c_str(), shown(base).c_str(), shown(own).c_str(), workload.unit.c_str(), ratio, by_time,
                "≥ ", workload.least > 0 ? (shown(workload.least) + workload.unit).c_str() : shown(workload.target).c_str(), good ? "" : "MISSED");
    std::fflush(stdout);
    return good;
}

bool within(const char* name, double value, double limit, const char* unit) {
    std::printf("%-38s %11s %11s %-8s %6s %9s   ≤ %-9s %s\n", name, "", shown(value).c_str(), unit, "", "", shown(limit).c_str(), value <= limit ? "" : "MISSED");
    return value <= limit;
}

bool memory(const std::vector<std::string>& command, int core) {
    Child server(command, core);
    const auto fresh = static_cast<double>(server.memory());
    constexpr std::size_t count = 500;
    bool good = within("memory, fresh", fresh * 1e-6, 15, "MB");
    std::vector<std::unique_ptr<RawClient>> clients;
    const Target target{server, false, 0};
    // What the first connections bring with them (tables, code that is read in) is none of a client's.
    for (std::size_t i = 0; i < 20; ++i) clients.push_back(connect(target));
    const auto before = static_cast<double>(server.memory());
    for (std::size_t i = 0; i < count; ++i) clients.push_back(connect(target));
    good &= within("memory, an idle client", (static_cast<double>(server.memory()) - before) / count * 1e-3, 20, "kB");
    return good;
}

double load() {
    double value = 0;
    return ::getloadavg(&value, 1) == 1 ? value : 0;
}

} // namespace

int main(int argc, char** argv) {
    unsigned rounds = 5;
    double seconds = 0.3;
    const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    std::string only, floor_program = here / "epoll_floor", server_program = here.parent_path() / "wslink_example_server";
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string name = argv[i], value = argv[i + 1];
        if (name == "--rounds") rounds = static_cast<unsigned>(std::max(1, std::atoi(value.c_str())));
        else if (name == "--seconds") seconds = std::atof(value.c_str());
        else if (name == "--only") only = value;
        else if (name == "--floor") floor_program = value;
        else if (name == "--server") server_program = value;
        else {
            std::fprintf(stderr, "no such option: %s\n", argv[i]);
            return 2;
        }
    }
    try {
        const auto all = cores();
        const int server_core = all.size() > 1 ? all[0] : -1, client_core = all.size() > 1 ? all[1] : -1;
        std::printf("%s; load %.1f; %u rounds of %.2f s\n", all.size() > 1 ? "server and client on a core each" : "ONE CORE ONLY: server and client share it", load(),
                    rounds, seconds);
        std::printf("%-38s %11s %11s %-8s %6s %9s   %s\n", "", "floor", "ours", "", "ratio", "by proc.", "target");
        const std::vector<std::string> command{server_program, "--port", "0", "--authKey", secret};
        Child floor({floor_program}, server_core), ours(command, server_core);
        pin(client_core);

        const std::vector<Workload> workloads{
            echo("echo 50 B, 1 in flight", 50, 1, 0.8),
            echo("echo 50 B, 64 in flight", 50, 64, 0.35),
            echo("echo 64 KiB, 64 in flight", 65536, 64, 0.6),
            reply("reply 1 MiB, generation 2", ours, 1 << 20, false, 0.9),
            reply("reply 16 MiB, generation 2", ours, 16 << 20, false, 0.9),
            reply("reply 1 MiB, generation 1", ours, 1 << 20, true, 0.85),
            reply("reply 16 MiB, generation 1", ours, 16 << 20, true, 0.85),
            publications("publications of 100 B", 100, 200'000, false, 0, 1e6),
            publications("publications of 256 KiB", 256 << 10, 1000, true, 0.9, 0),
            fan_out("fan-out of 256 KiB to 20", 256 << 10, 20, 1 / 1.3),
            connecting("connect + hello + close", 0.8),
            echo("echo 50 B, 1 in flight, generation 1", 50, 1, 0, true),
            echo("echo 50 B, 64 in flight, generation 1", 50, 64, 0, true),
            echo("echo 64 KiB text, 64, generation 1", 65536, 64, 0, true),
        };
        bool good = true;
        for (const auto& workload : workloads) {
            if (workload.name.find(only) != std::string::npos) good &= measure(workload, floor, ours, rounds, seconds);
        }
        if (std::string("memory").find(only) != std::string::npos) good &= memory(command, server_core);
        std::printf("load %.1f\n", load());
        return good ? 0 : 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
}
