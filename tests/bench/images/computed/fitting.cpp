/// FITTING_REQUEST of one Gaussian to an image of 1000², from sending to the answer; beside one scan of it with exp of each pixel.

#include "tests/bench/images/computed/comparison.hpp"
#include "tests/bench/images/computed/computing_session.hpp"
#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/limits.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/workloads.hpp"

#include <cmath>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

constexpr std::int64_t side = 1000;

double gaussian(double dx, double dy, double sx, double sy) { return std::exp(-0.5 * (dx * dx / sx / sx + dy * dy / sy / sy)); }

Map component(double x, double y, double amplitude, double major, double minor, double angle) {
    return Map{{"center", point(x, y)}, {"amp", amplitude}, {"fwhm", point(major, minor)}, {"pa", angle}};
}

Map request(Array components, bool images, const char* solver) {
    Array fixed(6 * components.size(), false);
    fixed.push_back(true); // the offset
    return Map{{"file_id", 0},         {"initial_values", std::move(components)}, {"fixed_params", std::move(fixed)},  {"region_id", -1},
               {"offset", 0},          {"solver", solver},                        {"create_model_image", images}, {"create_residual_image", images}};
}

} // namespace

void fitting(const Settings& settings) {
    const auto path = settings.file("gaussian.fits"), three_path = settings.file("gaussians.fits");
    make_image(path, side, side, 0.05, [](double x, double y) { return 2 * gaussian(x - 490, y - 515, 60, 90); });
    make_image(three_path, side, side, 0.05, [](double x, double y) {
        return 2 * gaussian(x - 300, y - 300, 40, 60) + gaussian(x - 700, y - 350, 50, 50) + 1.5 * gaussian(x - 500, y - 700, 80, 30);
    });
    const Array one{component(480, 525, 1.5, 180, 120, 10)}; // widths are of half the maximum
    const Array three{component(310, 290, 1.5, 120, 110, 5), component(690, 360, 1.2, 100, 130, 0), component(510, 690, 1.2, 150, 90, 80)};
    const double unknown = std::nan("");
    const Array automatic{component(unknown, unknown, unknown, unknown, unknown, unknown)};
    struct Case {
        const char* name;
        const char* file;
        Map request;
        double target;
    };
    const auto count = settings.programs.size();
    for (const Case& what : {Case{"one Gaussian", "gaussian.fits", request(one, false, "Cholesky"), 60},
                             Case{"the same, QR", "gaussian.fits", request(one, false, "Qr"), 60},
                             Case{"the same, with model and residual", "gaussian.fits", request(one, true, "Cholesky"), 0},
                             Case{"the same, initial values found", "gaussian.fits", request(automatic, false, "Cholesky"), 0},
                             Case{"three Gaussians", "gaussians.fits", request(three, false, "Cholesky"), 0}}) {
        Comparison comparison(count);
        std::vector<std::unique_ptr<ServerProcess>> servers;
        std::vector<std::unique_ptr<ComputingSession>> sessions;
        for (const auto& program : settings.programs) {
            servers.push_back(settings.start(program));
            sessions.push_back(std::make_unique<ComputingSession>(*servers.back()));
            sessions.back()->open(what.file, 0);
        }
        for (int round = 0; round < 9; ++round) {
            Cost scan;
            scan.time = read_and_exp_time(settings.file(what.file), fits_header_size, side * side * 4, settings.threads, &scan.cpu);
            comparison.add_limit(scan);
            for (std::size_t i = 0; i < count; ++i) {
                const auto computed = sessions[i]->compute("carta.fitting.request", what.request);
                comparison.add(i, computed.cost);
                sessions[i]->close_images_of(computed.answer);
            }
        }
        comparison.print(std::string(what.name) + ", 1000 x 1000", {"scan with exp", what.target});
    }
}

} // namespace cubelink::bench
