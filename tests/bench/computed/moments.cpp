/// compute_moments() beside a scan of the cube.

#include "imaging/analysis/moments/moments.hpp"
#include "tests/bench/computed/in_process.hpp"
#include "tests/bench/images/computed/comparison.hpp"
#include "tests/bench/images/machine_limits.hpp"

#include <cmath>

namespace cubelink::bench {

using namespace imaging;

void compute_moment_images(const Settings& settings) {
    const auto image = open_cube(settings);
    const auto path = settings.file("cube.fits");
    const ImageShape shape = image.source->shape();
    const std::vector<Moment> three{Moment::mean, Moment::integrated, Moment::weighted_coordinate};
    std::vector<Moment> all;
    for (int i = 0; i < moment_count; ++i) all.push_back(*moment_of_number(i));
    struct Case {
        const char* name;
        const std::vector<Moment>* moments;
        double part; // of the plane
        double target;
    };
    for (const Case& what : {Case{"moments 0, 1, 2", &three, 1, 2.5}, Case{"the same in a tenth of the plane", &three, 0.1, 0}, Case{"all 13 moments", &all, 1, 8}}) {
        MomentInput input;
        input.source = image.source.get();
        input.channels = {0, static_cast<std::int32_t>(shape.depth)};
        const auto half = static_cast<std::int64_t>(std::round(std::sqrt(what.part) * static_cast<double>(shape.width) / 2));
        input.rect = {shape.width / 2 - half, shape.height / 2 - half, shape.width / 2 + half, shape.height / 2 + half};
        for (std::int64_t channel = 0; channel < shape.depth; ++channel) {
            input.coordinates.push_back(2.1 * static_cast<double>(channel));
            input.widths.push_back(2.1);
        }
        std::vector<std::vector<float>> planes(what.moments->size(), std::vector<float>(static_cast<std::size_t>(input.rect.size())));
        const std::vector<std::span<float>> out(planes.begin(), planes.end());
        Comparison comparison(1);
        for (int round = 0; round < 5; ++round) {
            const Cost scan = one_scan(path, cube_bytes(settings), settings.threads);
            comparison.add_limit({scan.time * what.part, scan.cpu * what.part});
            comparison.add(0, measure([&] { compute_moments(input, *what.moments, out, settings.threads, CancelToken()); }));
        }
        comparison.print(what.name, {what.part < 1 ? "a tenth of a scan" : "scan of the cube", what.target});
    }
}

} // namespace cubelink::bench
