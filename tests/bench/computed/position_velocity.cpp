/// position_velocity() beside bare reads of rows, and cuts of a preview's cube.

#include "imaging/analysis/position_velocity/position_velocity.hpp"
#include "imaging/analysis/position_velocity/preview_cube.hpp"
#include "tests/bench/computed/in_process.hpp"
#include "tests/bench/images/computed/comparison.hpp"
#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/limits.hpp"

#include <cmath>

namespace cubelink::bench {

using namespace imaging;

void compute_position_velocity(const Settings& settings) {
    const auto image = open_cube(settings);
    const ImageShape shape = image.source->shape();
    BudgetCache budget(std::size_t{2} << 30);
    const double length = std::min(1000.0, 0.98 * settings.side), middle = settings.side / 2.0;
    for (const double degrees : {0.0, 30.0}) {
        const double dx = length / 2 * std::cos(degrees * M_PI / 180), dy = length / 2 * std::sin(degrees * M_PI / 180);
        Shape line;
        line.type = RegionType::line;
        line.points = {{middle - dx, middle - dy}, {middle + dx, middle + dy}};
        const auto sampling = sample_line(line, 3, nullptr);
        const PositionVelocity what{sampling.boxes, {0, static_cast<std::int32_t>(shape.depth)}};
        std::vector<float> out(static_cast<std::size_t>(what.width() * what.height()));
        const auto rows = std::min(shape.height, static_cast<std::int64_t>(std::ceil(2 * dy + 3)));
        Comparison comparison(1);
        for (int round = 0; round < 9; ++round) {
            comparison.add_limit(measure([&] {
                strided_reads_time(settings.file("cube.fits"), fits_header_size + (shape.height - rows) / 2 * shape.width * 4, rows * shape.width * 4,
                                   shape.plane_size() * 4, settings.depth, settings.threads);
            }));
            comparison.add(0, measure([&] { position_velocity(*image.source, what, out, budget, settings.threads, CancelToken()); }));
        }
        comparison.print(degrees == 0 ? "1000 pixels x 3, along a row" : "1000 pixels x 3, tilted by 30 degrees", {"bare reads of its rows", 2.5});

        PreviewCubeSpec spec;
        spec.rect = {0, 0, shape.width, shape.height};
        spec.channels = {0, static_cast<std::int32_t>(shape.depth)};
        spec.rebin_xy = spec.rebin_z = 2;
        const PreviewCube preview(*image.source, spec, budget, settings.threads, CancelToken());
        for (auto& point : line.points) point = spec.grid().from_image(point);
        const auto boxes = sample_line(line, 3, nullptr).boxes;
        std::vector<float> cut(boxes.size() * static_cast<std::size_t>(spec.depth()));
        Comparison cuts(1);
        cuts.set_limit({0.05, 0});
        for (int round = 0; round < 50; ++round) cuts.add(0, measure([&] { preview.cut(boxes, false, cut, settings.threads, CancelToken()); }));
        cuts.print("  cut of a preview rebinned by 2 x 2 x 2", {"a twentieth of a second", 1});
    }
}

} // namespace cubelink::bench
