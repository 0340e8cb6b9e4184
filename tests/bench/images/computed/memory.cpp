/// Memory of the server while images are computed under a --memory-limit of 256 MiB: a fresh server for each.

#include "tests/bench/images/computed/computing_session.hpp"
#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/workloads.hpp"

#include <cmath>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

constexpr double limit_mib = 256;
/// What a server of this many threads may take beside what it counts: code, stacks, buffers of connections, what the C library keeps.
constexpr double beside_mib = 64;

} // namespace

void computed_memory(const Settings& settings) {
    const std::int64_t side = settings.side, depth = settings.depth;
    for (const char* name : {"cube.fits", "cube-b.fits"}) make_cube(settings.file(name), side, side, depth, depth);
    make_image(settings.file("large-source.fits"), 4096, 4096, 0.05, [](double x, double y) {
        return 2 * std::exp(-0.5 * ((x - 2000) * (x - 2000) / 90000 + (y - 2100) * (y - 2100) / 40000));
    });
    const auto count = settings.programs.size();
    const auto row = [&](const char* name, const char* file, const std::function<void(ComputingSession&)>& work) {
        std::vector<double> anonymous(count), counted(count);
        for (std::size_t i = 0; i < count; ++i) {
            const auto server = settings.start(settings.programs[i], {"--memory-limit", "256M"});
            ComputingSession session(*server);
            session.open(file, 0);
            const MemoryWatch watch(*server);
            try {
                work(session);
                session.wire().drain(0.3);
            } catch (const std::exception& error) {
                std::printf("%s: %s\n", name, error.what());
            }
            anonymous[i] = watch.anonymous() / (1 << 20);
            counted[i] = watch.counted() / (1 << 20);
        }
        report_value(std::string(name) + ": memory, highest", "MiB", anonymous, limit_mib + beside_mib);
        report_value("  counted by the server", "MiB", counted, limit_mib);
    };
    const double end = static_cast<double>(side - 10);
    row("file open", "cube.fits", [](ComputingSession&) {});
    row("moments 0, 1, 2", "cube.fits", [](ComputingSession& session) {
        session.compute("carta.moment.request", Map{{"file_id", 0}, {"moments", Array{0, 1, 2}}, {"region_id", -1}, {"rest_freq", 1.42e9}});
    });
    row("all 13 moments", "cube.fits", [](ComputingSession& session) {
        session.compute("carta.moment.request",
                        Map{{"file_id", 0}, {"moments", Array{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}, {"region_id", -1}, {"rest_freq", 1.42e9},
                            {"mask", "Include"}, {"pixel_range", Map{{"min", 1e-6}, {"max", 10}}}});
    });
    row("position-velocity image, polyline x 20", "cube.fits", [&](ComputingSession& session) {
        const auto line = session.region(0, "POLYLINE", Array{point(10, 10), point(end, end / 2), point(10, end)});
        session.compute("carta.pv.request", Map{{"file_id", 0}, {"region_id", line}, {"width", 20}});
    });
    row("preview rebinned by 4 x 4 x 4", "cube.fits", [&](ComputingSession& session) {
        const auto line = session.region(0, "LINE", Array{point(10, 10), point(end, end / 2)});
        Map preview{{"preview_id", 1}, {"region_id", -1}, {"rebin_xy", 4}, {"rebin_z", 4}, {"compression_type", "ZFP"}, {"image_compression_quality", 11}};
        session.compute("carta.pv.request", Map{{"file_id", 0}, {"region_id", line}, {"width", 3}, {"preview_settings", std::move(preview)}});
    });
    row("a Gaussian on 4096 x 4096, with images", "large-source.fits", [](ComputingSession& session) {
        Array fixed(6, false);
        fixed.push_back(true);
        Map gaussian{{"center", point(1980, 2120)}, {"amp", 1.5}, {"fwhm", point(700, 500)}, {"pa", 80}};
        session.compute("carta.fitting.request", Map{{"file_id", 0}, {"initial_values", Array{std::move(gaussian)}}, {"fixed_params", fixed}, {"region_id", -1},
                                                     {"create_model_image", true}, {"create_residual_image", true}});
    });
    row("\"a\" + \"b\", 20 channels", "cube.fits", [&](ComputingSession& session) {
        session.open("\"cube.fits\" + \"cube-b.fits\"", 1, true);
        for (std::int64_t channel = 1; channel <= 20; ++channel) session.change_channel(1, channel % depth, 2);
    });
    row("saving the cube", "cube.fits", [](ComputingSession& session) {
        session.compute("carta.save.file", Map{{"file_id", 0}, {"output_file_directory", ""}, {"output_file_name", "saved.fits"}, {"output_file_type", "FITS"},
                                               {"overwrite", true}, {"rest_freq", std::nan("")}});
    });
    row("saving \"a\" + \"b\"", "cube.fits", [](ComputingSession& session) {
        session.open("\"cube.fits\" + \"cube-b.fits\"", 1, true);
        session.compute("carta.save.file", Map{{"file_id", 1}, {"output_file_directory", ""}, {"output_file_name", "saved.fits"}, {"output_file_type", "FITS"},
                                               {"overwrite", true}, {"rest_freq", std::nan("")}});
    });
    std::remove(settings.file("saved.fits").c_str());
}

} // namespace cubelink::bench
