/// What is computed of small images: the round trip of a client, beside a call to a server that does nothing.

#include "tests/bench/images/computed/comparison.hpp"
#include "tests/bench/images/computed/computing_session.hpp"
#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/watcher.hpp"
#include "tests/bench/images/workloads.hpp"

#include <cmath>
#include <stdexcept>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

double tile(WireSession& session, std::int64_t file_id, std::int64_t code) {
    const auto start = Clock::now();
    session.start("carta.add.required.tiles",
                  {Map{{"file_id", file_id}, {"tiles", Array{code}}, {"compression_type", "ZFP"}, {"compression_quality", 11}}});
    session.wait_until([&](const WireSession::Message& message) {
        if (message.error) throw std::runtime_error("tiles were refused: " + rpc::brief(message.body, 200));
        return message.topic == "carta.raster.tile.sync" && is_true(message.body, "end_sync") && number_at(message.body, "file_id") == static_cast<double>(file_id);
    });
    return seconds_since(start);
}

} // namespace

void small_requests(const Settings& settings) {
    make_cube(settings.file("small.fits"), 64, 64, 64, 64);
    make_cube(settings.file("small-b.fits"), 64, 64, 64, 64);
    make_image(settings.file("source.fits"), 1024, 1024, 0.05, [](double x, double y) {
        return 2 * std::exp(-0.5 * ((x - 490) * (x - 490) + (y - 515) * (y - 515)) / 2500);
    });
    PlainCalls plain;
    const auto count = settings.programs.size();
    Comparison moments(count), everything(count), velocity(count), expression(count), residual(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto server = settings.start(settings.programs[i]);
        ComputingSession session(*server);
        session.open("small.fits", 0);
        const auto line = session.region(0, "LINE", Array{point(5, 5), point(58, 50)});
        const auto ask = [&](Comparison& into, const char* method, Map request) {
            for (int turn = 0; turn < 25; ++turn) {
                into.add_limit({plain.time(20000), 0});
                const auto computed = session.compute(method, request);
                into.add(i, computed.cost);
                session.close_images_of(computed.answer);
            }
        };
        ask(moments, "carta.moment.request", Map{{"file_id", 0}, {"moments", Array{0, 1, 2}}, {"region_id", -1}, {"rest_freq", 1.42e9}});
        ask(everything, "carta.moment.request",
            Map{{"file_id", 0}, {"moments", Array{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}, {"region_id", -1}, {"rest_freq", 1.42e9}, {"mask", "Include"},
                {"pixel_range", Map{{"min", 1e-6}, {"max", 10}}}});
        ask(velocity, "carta.pv.request", Map{{"file_id", 0}, {"region_id", line}, {"width", 3}});
        session.close(0);
        for (int turn = 0; turn < 15; ++turn) {
            expression.add_limit(session.open("small.fits", 0));
            expression.add(i, session.open("\"small.fits\" + \"small-b.fits\"", 1, true));
            session.close(0);
            session.close(1);
        }
        session.open("source.fits", 0);
        Map gaussian{{"center", point(480, 520)}, {"amp", 1.5}, {"fwhm", point(120, 110)}, {"pa", 0}};
        Array fixed(6, false);
        fixed.push_back(true);
        const auto fit = session.compute("carta.fitting.request", Map{{"file_id", 0}, {"initial_values", Array{gaussian}}, {"fixed_params", fixed}, {"region_id", -1},
                                                                       {"create_model_image", true}, {"create_residual_image", true}});
        session.wire().drain(0.3);
        const auto made = images_of(fit.answer);
        if (made.size() != 2) throw std::runtime_error("a fit has made " + std::to_string(made.size()) + " images, not 2");
        const auto codes = twelve_tiles(2);
        for (const auto& code : codes) {
            const auto number = *code.get_if<std::int64_t>();
            residual.add_limit({tile(session.wire(), 0, number), 0});
            residual.add(i, {tile(session.wire(), made[1], number), 0});
        }
    }
    moments.print("moments 0, 1, 2 of 64 x 64 x 64", {"a call with 20 kB", 0});
    everything.print("all 13 moments of it", {"a call with 20 kB", 0});
    velocity.print("position-velocity image of it", {"a call with 20 kB", 0});
    expression.print("open \"a\" + \"b\" of two of them to histogram", {"opening one", 0});
    residual.print("a tile of a residual image of 1024 x 1024", {"the same of the image", 0});
}

} // namespace cubelink::bench
