/// An expression over two cubes beside one of them: opening, and channels with twelve tiles of full resolution. And a hypercube of four files.

#include "tests/bench/images/computed/comparison.hpp"
#include "tests/bench/images/computed/computing_session.hpp"
#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/workloads.hpp"

#include <bit>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

int full_layer(std::int64_t side) { return static_cast<int>(std::bit_width(static_cast<std::uint64_t>((side + 255) / 256 - 1))); }

} // namespace

void expressions(const Settings& settings) {
    const std::int64_t side = settings.side, depth = settings.depth;
    for (const char* name : {"cube.fits", "cube-b.fits"}) make_cube(settings.file(name), side, side, depth, depth);
    struct Case {
        const char* name;
        const char* expression;
        double target;
    };
    const auto count = settings.programs.size();
    for (const Case& what : {Case{"\"a\" + \"b\"", "\"cube.fits\" + \"cube-b.fits\"", 2.5}, Case{"\"a\" + 1", "\"cube.fits\" + 1", 0},
                             Case{"sqrt(\"a\") * log(\"b\" + 2)", "sqrt(\"cube.fits\") * log(\"cube-b.fits\" + 2)", 0},
                             Case{"iif(\"a\" > 0.5, \"a\", \"b\")", "iif(\"cube.fits\" > 0.5, \"cube.fits\", \"cube-b.fits\")", 0}}) {
        Comparison opening(count), channels(count);
        for (std::size_t i = 0; i < count; ++i) {
            const auto server = settings.start(settings.programs[i]);
            ComputingSession session(*server);
            for (int round = 0; round < 5; ++round) {
                opening.add_limit(session.open("cube.fits", 0));
                opening.add(i, session.open(what.expression, 1, true));
                if (round == 4) break;
                session.close(0);
                session.close(1);
            }
            session.wire().drain(0.2);
            for (int turn = 0; turn < 40; ++turn) {
                const std::int64_t channel = 1 + turn * 7 % (depth - 1);
                channels.add_limit(session.change_channel(0, channel, full_layer(side)));
                session.wire().drain(0.02);
                channels.add(i, session.change_channel(1, channel, full_layer(side)));
                session.wire().drain(0.02);
            }
        }
        opening.print(std::string("open ") + what.name + " to histogram", {"the same of a", 0});
        channels.print("  channel with twelve tiles and histogram", {"the same of a", what.target});
    }
}

void hypercube(const Settings& settings) {
    const std::int64_t side = settings.side, depth = settings.depth / 8 + 1;
    Array files;
    for (const char* type : {"I", "Q", "U", "V"}) {
        const auto name = std::string("pol-") + type + ".fits";
        make_cube(settings.file(name), side, side, depth, depth);
        files.push_back(Map{{"directory", ""}, {"file", name}, {"polarization_type", type}});
    }
    const auto count = settings.programs.size();
    Comparison opening(count), channels(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto server = settings.start(settings.programs[i]);
        ComputingSession session(*server);
        for (int round = 0; round < 7; ++round) {
            opening.add_limit(session.open("pol-I.fits", 0));
            const double cpu = server->cpu();
            const auto start = Clock::now();
            const auto ack = session.wire().call("carta.concat.stokes.files", {Map{{"stokes_files", files}, {"file_id", 1}}});
            if (!is_true(ack, "success")) throw std::runtime_error("CONCAT_STOKES_FILES: " + rpc::brief(at(ack, "message"), 300));
            opening.add(i, {seconds_since(start), server->cpu() - cpu});
            session.wire().drain(0.1);
            if (round == 6) break;
            session.close(0);
            session.close(1);
        }
        for (int turn = 0; turn < 30; ++turn) {
            const std::int64_t channel = 1 + turn % (depth - 1);
            channels.add_limit(session.change_channel(0, channel, full_layer(side)));
            session.wire().drain(0.02);
            channels.add(i, session.change_channel(1, channel, full_layer(side)));
            session.wire().drain(0.02);
        }
    }
    opening.print("four files as one, to its acknowledgement", {"opening one, to its histogram", 0});
    channels.print("  channel with twelve tiles and histogram", {"the same of one file", 0});
}

} // namespace cubelink::bench
