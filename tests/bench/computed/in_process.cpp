#include "tests/bench/computed/in_process.hpp"

#include "imaging/formats.hpp"
#include "tests/bench/images/fits_file.hpp"

#include <ctime>

namespace cubelink::bench {

namespace {
double process_cpu() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}
} // namespace

Cost measure(const std::function<void()>& work) {
    const double cpu = process_cpu();
    const auto start = Clock::now();
    work();
    return {seconds_since(start), process_cpu() - cpu};
}

imaging::OpenedImage open_cube(const Settings& settings, const char* name) {
    make_cube(settings.file(name), settings.side, settings.side, settings.depth, settings.depth);
    return imaging::formats().open(settings.file(name), "");
}

std::int64_t cube_bytes(const Settings& settings) { return std::int64_t{4} * settings.side * settings.side * settings.depth; }

} // namespace cubelink::bench
