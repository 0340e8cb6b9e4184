/// fit_gaussians() on 1000² pixels beside one scan with exp of each.

#include "imaging/analysis/fitting/gaussian_fit.hpp"
#include "imaging/formats.hpp"
#include "tests/bench/computed/in_process.hpp"
#include "tests/bench/images/computed/comparison.hpp"
#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/limits.hpp"

#include <cmath>

namespace cubelink::bench {

using namespace imaging;

void compute_fits(const Settings& settings) {
    constexpr std::int64_t side = 1000;
    const auto path = settings.file("gaussian.fits");
    make_image(path, side, side, 0.05, [](double x, double y) {
        return 2 * std::exp(-0.5 * ((x - 490) * (x - 490) / 3600 + (y - 515) * (y - 515) / 8100));
    });
    const auto image = formats().open(path, "");
    BudgetCache budget(std::size_t{1} << 30);
    const std::vector<GaussianComponent> start{{480, 525, 1.5, 180, 120, 10}};
    std::vector<bool> fixed(gaussian_parameters + 1, false);
    fixed.back() = true;
    for (const Decomposition decomposition : {Decomposition::cholesky, Decomposition::qr}) {
        GaussianFitOptions options;
        options.decomposition = decomposition;
        options.noise = 0.05;
        Comparison comparison(1);
        int iterations = 0;
        for (int round = 0; round < 15; ++round) {
            Cost scan;
            scan.time = read_and_exp_time(path, fits_header_size, side * side * 4, settings.threads, &scan.cpu);
            comparison.add_limit(scan);
            comparison.add(0, measure([&] {
                const CancelToken cancel;
                const FitPixels pixels(*image.source, {}, {0, 0, side, side}, nullptr, budget, settings.threads, cancel);
                iterations = fit_gaussians(pixels, start, 0, fixed, options, settings.threads, cancel).iterations;
            }));
        }
        comparison.print("one Gaussian on 1000 x 1000, " + std::to_string(iterations) + " iterations, " + (decomposition == Decomposition::qr ? "QR" : "Cholesky"),
                         {"scan with exp", 60});
    }
}

} // namespace cubelink::bench
