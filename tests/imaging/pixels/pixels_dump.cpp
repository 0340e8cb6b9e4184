// What the pixel work makes of a raw file, for a comparison with numpy (check_pixels.py).
//
//     pixels_dump FILE WIDTH HEIGHT DEPTH COMMAND …
//
// FILE: big-endian float32. Answers are little-endian binary on the standard output: float32 for pixels, float64 for numbers.
//     mip M KEEP                 channel 0 averaged by M; KEEP bytes for the pyramid
//     tile CODE QUALITY          channel 0: decoded again after ZFP
//     histogram CH BINS [MIN MAX]  min, max, bin width, first centre, mean, standard deviation, counts …
//     statistics CH              the ten of the interface, in its order of types without NanCount's place: see kTypes
//     profile x|y X Y START END MIP
//     spectrum X Y

#include "imaging/pixels/histogram.hpp"
#include "imaging/pixels/pyramid.hpp"
#include "imaging/pixels/spatial_profile.hpp"
#include "imaging/pixels/spectral_profile.hpp"
#include "imaging/pixels/statistics.hpp"
#include "imaging/pixels/tile_codec.hpp"
#include "tests/imaging/pixels/raw_source.hpp"

#include <cstdio>
#include <cstdlib>

using namespace cubelink::imaging;

namespace {

constexpr StatsType kTypes[] = {StatsType::num_pixels, StatsType::nan_count, StatsType::sum, StatsType::mean, StatsType::rms,
                                StatsType::sigma,      StatsType::sum_sq,    StatsType::min, StatsType::max,  StatsType::extrema};

template <class T>
void put(const std::vector<T>& values) {
    if (!values.empty()) std::fwrite(values.data(), sizeof(T), values.size(), stdout);
}

int run(int argc, char** argv) {
    const auto number = [&](int i) { return i < argc ? std::atoll(argv[i]) : 0; };
    const auto real = [&](int i) { return i < argc ? std::atof(argv[i]) : 0.0; };
    if (argc < 6) return 2;
    const test::RawSource source(argv[1], {number(2), number(3), number(4), 1});
    const std::string command = argv[5];
    const CancelToken cancel;
    const std::int64_t w = number(2), h = number(3);

    PyramidOptions options;
    options.threads = 2;
    const PlaneId plane{command == "histogram" || command == "statistics" ? std::int32_t(number(6)) : 0, 0};
    if (command == "mip") {
        options.max_bytes = std::size_t(number(7));
        options.keep_below = 0;
    }
    const auto pyramid = PlanePyramid::build(source, plane, options, cancel);

    if (command == "mip") {
        const std::int64_t mip = number(6);
        std::vector<float> out(std::size_t(((w + mip - 1) / mip) * ((h + mip - 1) / mip)));
        pyramid->read(source, {0, 0, w, h}, mip, out, cancel);
        put(out);
    } else if (command == "tile") {
        const auto id = decode_tile_code(std::int32_t(number(6)));
        const auto tile = id ? tile_geometry(*id, w, h) : std::nullopt;
        if (!tile) return 3;
        std::vector<float> pixels(std::size_t(tile->width) * std::size_t(tile->height));
        pyramid->read_tile(source, *tile, pixels, cancel);
        put(decode_tile(encode_tile(pixels, tile->width, tile->height, TileCompression::zfp, float(real(7))), tile->width, tile->height));
    } else if (command == "histogram") {
        HistogramSpec spec;
        spec.num_bins = std::int32_t(number(7));
        if (argc > 9) spec.bounds = HistogramBounds{real(8), real(9)};
        const Histogram r = plane_histogram(source, plane, pyramid->summary(), spec, 2, cancel, pyramid.get());
        std::vector<double> out{r.bounds.min, r.bounds.max, r.bin_width, r.first_bin_center, r.mean, r.std_dev};
        out.insert(out.end(), r.bins.begin(), r.bins.end());
        put(out);
    } else if (command == "statistics") {
        std::vector<double> out;
        for (StatsType type : kTypes) out.push_back(statistic(type, pyramid->summary()));
        put(out);
    } else if (command == "profile") {
        const SpatialProfileSpec spec{*argv[6] == 'x' ? ProfileAxis::x : ProfileAxis::y, number(9), number(10), number(11)};
        put(spatial_profile(source, plane, number(7), number(8), spec, cancel, pyramid.get()));
    } else if (command == "spectrum") {
        put(spectral_profile(source, number(6), number(7), 0, cancel));
    } else {
        return 2;
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
