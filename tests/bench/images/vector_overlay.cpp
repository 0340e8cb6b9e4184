/// Polarization vectors of an image of I, Q and U, from the request to the last tile, beside reading and summing the three planes.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/server_process.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

#include <cmath>
#include <fstream>
#include <stdexcept>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

constexpr std::int64_t side = 8192, plane_bytes = side * side * 4;

/// A cube whose third axis is stokes: I, Q, U.
void make_stokes_image(const std::string& path) {
    make_cube(path, side, side, 3, 3);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    std::string header(static_cast<std::size_t>(fits_header_size), ' ');
    file.read(header.data(), fits_header_size);
    for (const char* text : {"CTYPE3  = 'STOKES  '", "CRVAL3  =                  1.0", "CDELT3  =                  1.0"}) {
        std::string card(text);
        const auto at = header.find(card.substr(0, 10));
        if (at == std::string::npos) throw std::runtime_error(path + " has no third axis");
        card.resize(80, ' ');
        header.replace(at, 80, card);
    }
    file.seekp(0);
    file.write(header.data(), fits_header_size);
    if (!file) throw std::runtime_error("cannot write " + path);
}

class Overlay {
public:
    explicit Overlay(const ServerProcess& server) : server_(server), session_(server.port()) { session_.open("iqu.fits", 0); }

    Cost time(int mip) {
        return repeat(server_, 3, [&] {
            Map request{{"file_id", 0}, {"smoothing_factor", mip}, {"stokes_intensity", 1}, {"stokes_angle", 1}, {"threshold", std::nan("")}, {"debiasing", true}};
            request["q_error"] = 1e-9 * ++count_; // the same would not be sent again
            const auto start = Clock::now();
            session_.start("carta.set.vector.overlay.parameters", {std::move(request)});
            session_.wait_until([](const WireSession::Message& message) {
                if (message.error) throw std::runtime_error("the server refuses the vector overlay");
                return message.topic == "carta.vector.overlay.tile.data" && number_at(message.body, "progress") >= 1;
            });
            return seconds_since(start);
        });
    }

private:
    const ServerProcess& server_;
    WireSession session_;
    int count_ = 0;
};

} // namespace

void vector_overlay(const Settings& settings) {
    const auto path = settings.file("iqu.fits");
    make_stokes_image(path);
    std::vector<std::unique_ptr<ServerProcess>> servers;
    std::vector<std::unique_ptr<Overlay>> overlays;
    for (const auto& program : settings.programs) {
        servers.push_back(settings.start(program));
        overlays.push_back(std::make_unique<Overlay>(*servers.back()));
    }
    Cost limit;
    constexpr int mips[] = {4, 5, 16};
    std::vector<std::vector<Cost>> times(std::size(mips), std::vector<Cost>(overlays.size()));
    for (int round = 0; round < 3; ++round) {
        limit.keep_best(sum_limit(path, 3 * plane_bytes, settings.threads));
        for (std::size_t m = 0; m < std::size(mips); ++m) {
            for (std::size_t k = 0; k < overlays.size(); ++k) times[m][k].keep_best(overlays[k]->time(mips[m]));
        }
    }
    for (std::size_t m = 0; m < std::size(mips); ++m)
        report("vectors of 8192 x 8192, blocks of " + std::to_string(mips[m]), times[m], {"reading and summing I, Q and U"}, limit);
}

} // namespace cubelink::bench
