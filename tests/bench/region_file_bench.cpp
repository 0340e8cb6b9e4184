// Region files without a server: 20,000 regions of five kinds, written and read in both formats and both kinds of coordinates. The limit is a loop that does
// nothing but parse the numbers of the same text. Processor time of one thread, the best of five.
//
//     region_file_bench [REGIONS]

#include "platform/os.hpp"
#include "tests/imaging/regions/file_samples.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>

using namespace cubelink::imaging;
using cubelink::platform::os;

namespace {

/// Milliseconds.
double best_of_five(const std::function<void()>& work) {
    double best = 1e300;
    for (int i = 0; i < 5; ++i) {
        const auto begin = os().thread_cpu_time();
        work();
        best = std::min(best, std::chrono::duration<double, std::milli>(os().thread_cpu_time() - begin).count());
    }
    return best;
}

std::vector<FileRegion> make_regions(int count) {
    std::vector<FileRegion> regions(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        auto& region = regions[static_cast<std::size_t>(i)];
        const double x = static_cast<float>(i % 977 + 0.3 * (i % 7)), y = i % 771, angle = i % 90;
        switch (i % 5) {
        case 0: region.shape = {RegionType::rectangle, {{x, y}, {10.5, 20}}, angle}; break;
        case 1: region.shape = {RegionType::ellipse, {{x, y}, {10.5, 20}}, angle}; break;
        case 2: region.shape = {RegionType::polygon, {{x, y}, {x + 3, y}, {x + 3, y + 4}, {x, y + 5}}, 0}; break;
        case 3: region.shape = {RegionType::point, {{x, y}}, 0}; break;
        default: region.shape = {RegionType::ellipse, {{x, y}, {7, 7}}, 0};
        }
        region.style.name = "region " + std::to_string(i);
    }
    return regions;
}

double sum_of_numbers(const std::string& text) {
    double sum = 0;
    for (const char *at = text.data(), *end = at + text.size(); at < end;) {
        double value = 0;
        const auto parsed = std::from_chars(at, end, value);
        if (parsed.ec == std::errc()) sum += value;
        at = std::max(parsed.ptr, at + 1);
    }
    return sum;
}

} // namespace

int main(int argc, char** argv) {
    const auto regions = make_regions(argc > 1 ? std::atoi(argv[1]) : 20000);
    const auto sky = samples::sky_image("ICRS", 30, "RA---SIN", "DEC--SIN");
    std::printf("%zu regions         write      read   numbers alone  read ÷ that\n", regions.size());
    for (const auto format : {RegionFormat::crtf, RegionFormat::ds9}) {
        for (const auto coordinates : {RegionCoordinates::pixel, RegionCoordinates::world}) {
            WrittenRegions written;
            const double write = best_of_five([&] { written = write_regions(regions, format, coordinates, sky.image, "bench"); });
            const auto text = samples::joined(written);
            const double read = best_of_five([&] { read_regions(text, format, sky.image); });
            double sum = 0;
            const double limit = best_of_five([&] { sum += sum_of_numbers(text); });
            std::printf("%-4s %-5s %7.2f MB %7.1f ms %7.1f ms %10.1f ms %10.1f%s\n", format == RegionFormat::ds9 ? "DS9" : "CRTF",
                        coordinates == RegionCoordinates::world ? "world" : "pixel", static_cast<double>(text.size()) / 1e6, write, read, limit, read / limit,
                        sum == 0 ? " ?" : "");
        }
    }
    return 0;
}
