// Expressions over FITS files for check_numpy.py and check_casacore.py.
//
// expression_dump FOLDER THREADS: reads expressions, one a line, from standard input; names in them are files in FOLDER. Writes for each a
// line "image WIDTH HEIGHT DEPTH STOKES UNIT" and the pixels as float64, or a line "error MESSAGE".

#include "imaging/expressions/open_expression.hpp"
#include "imaging/formats.hpp"

#include "imaging/base/budget_cache.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

using namespace cubelink::imaging;

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const std::string folder = argv[1];
    const int threads = std::atoi(argv[2]);
    BudgetCache budget(std::size_t(1) << 30);
    OpenOptions options;
    options.budget = &budget;
    options.threads = threads;
    const auto resolve = [&](const std::string& name) { return formats().open(folder + "/" + name, "", options); };
    for (std::string line; std::getline(std::cin, line);) {
        try {
            const auto image = open_expression(line, resolve, options);
            const ImageShape shape = image.source->shape();
            std::vector<double> pixels;
            for (std::int32_t stokes = 0; stokes < shape.stokes; ++stokes) {
                for (std::int32_t channel = 0; channel < shape.depth; ++channel) {
                    std::vector<double> plane(std::size_t(shape.plane_size()));
                    image.source->read64({0, 0, shape.width, shape.height}, {channel, stokes}, plane, threads, {});
                    pixels.insert(pixels.end(), plane.begin(), plane.end());
                }
            }
            std::cout << "image " << shape.width << ' ' << shape.height << ' ' << shape.depth << ' ' << shape.stokes << ' '
                      << image.info.bunit << '\n';
            std::cout.write(reinterpret_cast<const char*>(pixels.data()), std::streamsize(pixels.size() * sizeof(double)));
        } catch (const std::exception& error) {
            std::cout << "error " << error.what() << '\n';
        }
        std::cout.flush();
    }
    return 0;
}
