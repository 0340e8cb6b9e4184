/// Planes of an expression over two cubes beside those of one of them.

#include "imaging/expressions/open_expression.hpp"
#include "imaging/base/budget_cache.hpp"
#include "tests/bench/computed/in_process.hpp"
#include "tests/bench/images/computed/comparison.hpp"

namespace cubelink::bench {

using namespace imaging;

void compute_expressions(const Settings& settings) {
    const auto one = open_cube(settings);
    const ImageShape shape = one.source->shape();
    BudgetCache budget(std::size_t{1} << 30);
    OpenOptions options;
    options.threads = settings.threads;
    options.budget = &budget;
    const auto resolve = [&](const std::string& name) { return open_cube(settings, name.c_str()); };
    std::vector<float> plane(static_cast<std::size_t>(shape.plane_size()));
    const auto read = [&](const ImageSource& source, int channel) {
        return measure([&] { source.read({0, 0, shape.width, shape.height}, {channel, 0}, plane, settings.threads, CancelToken()); });
    };
    struct Case {
        const char* expression;
        double target;
    };
    for (const Case& what : {Case{"'cube.fits' + 'cube-b.fits'", 2.5}, Case{"'cube.fits' + 1", 0}, Case{"sqrt('cube.fits') * log('cube-b.fits' + 2)", 0},
                             Case{"iif('cube.fits' > 0.5, 'cube.fits', 'cube-b.fits')", 0}}) {
        const auto image = open_expression(what.expression, resolve, options);
        Comparison comparison(1);
        for (int turn = 0; turn < 60; ++turn) {
            const int channel = turn * 7 % settings.depth;
            comparison.add_limit(read(*one.source, channel));
            comparison.add(0, read(*image.source, channel));
        }
        comparison.print(std::string("a plane of ") + what.expression, {"a plane of cube.fits", what.target});
    }
}

} // namespace cubelink::bench
