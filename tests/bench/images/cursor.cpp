/// Profiles at the cursor: from sending SET_CURSOR until its answer and all that it causes have come. Beside each, a plain call with an
/// answer of as many bytes.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

#include <random>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

constexpr int tries = 400;

struct Case {
    const char* name;
    const char* file;
    int side;
    bool spatial, spectral;
    double allowed; // seconds; or 2.5 times a plain call, if that is more
};

class Pointer {
public:
    Pointer(const ServerProcess& server, const Case& what) : case_(what), session_(server.port()) {
        session_.open(what.file, 0);
        Array axes, spectra;
        if (what.spatial) axes = {Map{{"coordinate", "x"}}, Map{{"coordinate", "y"}}};
        if (what.spectral) spectra = {Map{{"coordinate", "z"}, {"stats_types", Array{"Sum"}}}};
        session_.call("carta.set.spatial.requirements", {Map{{"file_id", 0}, {"region_id", 0}, {"spatial_profiles", axes}}});
        if (what.spectral) session_.call("carta.set.spectral.requirements", {Map{{"file_id", 0}, {"region_id", 0}, {"spectral_profiles", spectra}}});
        session_.drain(0.3); // what the requirements cause
        for (int i = 0; i < 20; ++i) move();
    }

    double move() {
        const int x = anywhere(), y = anywhere();
        const auto received = session_.received_bytes();
        const auto start = Clock::now();
        const auto id = session_.start("carta.set.cursor", {Map{{"file_id", 0}, {"point", Map{{"x", x}, {"y", y}}}}});
        bool answered = false, value = false, spectrum = !case_.spectral;
        session_.wait_until([&](const WireSession::Message& message) {
            if (message.id == id) answered = true;
            if (message.topic == "carta.spatial.profile.data" && number_at(message.body, "x") == x && number_at(message.body, "y") == y) value = true;
            if (message.topic == "carta.spectral.profile.data" && number_at(message.body, "progress") >= 1) spectrum = true;
            return answered && value && spectrum;
        });
        const double time = seconds_since(start);
        answer_bytes_ = static_cast<std::size_t>(session_.received_bytes() - received);
        return time;
    }

    /// The server's own call with an answer of that size: pixels, as they are.
    double read() {
        const auto rows = std::max<std::int64_t>(1, static_cast<std::int64_t>(answer_bytes_) / 4 / case_.side);
        const auto width = std::min<std::int64_t>(case_.side, static_cast<std::int64_t>(answer_bytes_) / 4 / rows);
        return session_.time_call("image.read", {0, Array{0, width}, Array{0, rows}, Array{0, 1}});
    }

    std::size_t answer_bytes() const { return answer_bytes_; }

private:
    int anywhere() { return std::uniform_int_distribution<int>(0, case_.side - 1)(random_); }

    Case case_;
    WireSession session_;
    std::mt19937 random_{7};
    std::size_t answer_bytes_ = 0;
};

} // namespace

void cursor(const Settings& settings) {
    make_cube(settings.file("large.fits"), 8192, 8192, 1, 1);
    make_cube(settings.file("cube.fits"), 1024, 1024, 512, 512);
    PlainCalls plain;
    for (const Case& what : {Case{"8192 x 8192: x, y and value", "large.fits", 8192, true, false, 0.4e-3},
                             Case{"1024 x 1024, plane in the cache: x, y and value", "cube.fits", 1024, true, false, 0.25e-3},
                             Case{"cube of 512 channels: x, y, z and value", "cube.fits", 1024, true, true, 0.4e-3},
                             Case{"cube of 512 channels: z and value", "cube.fits", 1024, false, true, 0.4e-3}}) {
        std::vector<std::unique_ptr<ServerProcess>> servers;
        std::vector<std::unique_ptr<Pointer>> pointers;
        for (const auto& program : settings.programs) {
            servers.push_back(settings.start(program));
            pointers.push_back(std::make_unique<Pointer>(*servers.back(), what));
        }
        std::vector<Samples> samples(pointers.size()), reads(pointers.size());
        Samples calls;
        for (int i = 0; i < tries; ++i) {
            calls.push_back(plain.time(pointers.back()->answer_bytes()));
            for (std::size_t k = 0; k < pointers.size(); ++k) {
                samples[k].push_back(pointers[k]->move());
                reads[k].push_back(pointers[k]->read());
            }
        }
        const std::vector<Cost> call(samples.size(), {median(calls), 0}), allowed(samples.size(), {std::max(what.allowed, 2.5 * median(calls)), 0});
        report_median(what.name, samples, {"what is allowed", 1}, allowed);
        report("the same", medians(samples), {"a call of the example server with such an answer"}, call);
        report("the same", medians(samples), {"image.read of as many bytes"}, medians(reads));
    }
}

} // namespace cubelink::bench
