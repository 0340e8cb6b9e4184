/// How soon what is computed stops: from STOP_MOMENT_CALC, STOP_PV_CALC, STOP_FITTING, CLOSE_FILE to the answer, and until the server is idle.

#include "tests/bench/images/computed/computing_session.hpp"
#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/workloads.hpp"

#include <cmath>
#include <stdexcept>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

struct Stopped {
    std::vector<Samples> answers, idle;
};

} // namespace

void stopping(const Settings& settings) {
    // Of holes mostly, so that it costs no disk; 8 GiB, so that nothing ends before it is stopped.
    make_cube(settings.file("sparse-8g.fits"), 2048, 2048, 512, 1);
    make_image(settings.file("large-source.fits"), 4096, 4096, 0.05, [](double x, double y) {
        return 2 * std::exp(-0.5 * ((x - 2000) * (x - 2000) / 90000 + (y - 2100) * (y - 2100) / 40000));
    });
    one_scan(settings.file("sparse-8g.fits"), std::int64_t{4} * 2048 * 2048 * 512, settings.threads); // so that it is in the page cache
    const auto count = settings.programs.size();
    const auto measure = [&](const char* name, const char* file, const char* method, const std::function<Map(ComputingSession&)>& request, const char* stop) {
        Stopped stopped{std::vector<Samples>(count), std::vector<Samples>(count)};
        for (std::size_t i = 0; i < count; ++i) {
            const auto server = settings.start(settings.programs[i]);
            ComputingSession session(*server);
            session.open(file, 0);
            const auto what = request(session);
            int missed = 0;
            for (int turn = 0; turn < 20; ++turn) {
                const double time = session.stop(method, what, stop, Map{{"file_id", 0}}, 0.01 + 0.013 * turn);
                if (time < 0) {
                    ++missed;
                    continue;
                }
                stopped.answers[i].push_back(time);
                stopped.idle[i].push_back(time + session.time_to_idle());
                if (std::string(stop) == "carta.close.file") session.open(file, 0);
            }
            if (missed > 15) throw std::runtime_error(std::string(name) + " ends before it can be stopped");
        }
        const std::vector<Cost> allowed(count, {0.1, 0});
        report_worst(std::string(name) + ": to its answer", stopped.answers, {"what is allowed", 1}, allowed);
        report_worst("  and until the server is idle", stopped.idle, {"what is allowed", 1}, allowed);
    };
    const auto stops = [&](const char* name, const char* file, const char* method, const std::function<Map(ComputingSession&)>& request, const char* stop) {
        try {
            measure(name, file, method, request, stop);
        } catch (const std::exception& error) { // the others are measured all the same
            std::printf("%s: %s\n", name, error.what());
        }
    };
    const auto moments = [](const Array& which) {
        return [which](ComputingSession&) {
            return Map{{"file_id", 0}, {"moments", which}, {"region_id", -1}, {"rest_freq", 1.42e9}, {"mask", "Include"}, {"pixel_range", Map{{"min", 0}, {"max", 10}}}};
        };
    };
    const auto cut = [](ComputingSession& session) {
        const auto line = session.region(0, "POLYLINE", Array{point(10, 10), point(2000, 1000), point(10, 2000)});
        return Map{{"file_id", 0}, {"region_id", line}, {"width", 20}};
    };
    const auto fit = [](ComputingSession&) {
        Array components, fixed;
        for (int k = 0; k < 3; ++k) {
            components.push_back(Map{{"center", point(1500 + 500 * k, 2300)}, {"amp", 1.0}, {"fwhm", point(400, 300)}, {"pa", 20 * k}});
            for (int j = 0; j < 6; ++j) fixed.push_back(false);
        }
        fixed.push_back(false);
        return Map{{"file_id", 0}, {"initial_values", components}, {"fixed_params", fixed}, {"region_id", -1}};
    };
    const auto save = [](ComputingSession&) {
        return Map{{"file_id", 0}, {"output_file_directory", ""}, {"output_file_name", "stopped.fits"}, {"output_file_type", "FITS"}, {"overwrite", true},
                   {"rest_freq", std::nan("")}};
    };
    stops("STOP_MOMENT_CALC, moments 0, 1, 2", "sparse-8g.fits", "carta.moment.request", moments({0, 1, 2}), "carta.stop.moment.calc");
    stops("STOP_MOMENT_CALC, all 13", "sparse-8g.fits", "carta.moment.request", moments({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}), "carta.stop.moment.calc");
    stops("STOP_PV_CALC", "sparse-8g.fits", "carta.pv.request", cut, "carta.stop.pv.calc");
    stops("STOP_FITTING", "large-source.fits", "carta.fitting.request", fit, "carta.stop.fitting");
    stops("CLOSE_FILE while it is saved", "sparse-8g.fits", "carta.save.file", save, "carta.close.file");
}

} // namespace cubelink::bench
