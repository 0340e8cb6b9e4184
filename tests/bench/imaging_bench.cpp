// The pixel work without a server or a network: named workloads, each with its ratio to the machine's own limit measured in the same run.
//
//     cubelink_imaging_bench [FOLDER [SIDE]]     a file of SIDE² floats (8192) and a cube are made in FOLDER (/tmp), and removed

#include "imaging/pixels/histogram.hpp"
#include "imaging/base/parallel.hpp"
#include "imaging/pixels/pyramid_cache.hpp"
#include "imaging/pixels/spectral_profile.hpp"
#include "imaging/pixels/tile_codec.hpp"
#include "imaging/render/encode.hpp"
#include "tests/bench/images/limits.hpp"
#include "tests/imaging/pixels/raw_source.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>

#include <unistd.h>

namespace {

using namespace cubelink;
using namespace cubelink::imaging;

/// Smooth structure, noise, a blank border: like a mosaic.
void write_image(const std::string& path, std::int64_t side, std::int64_t depth) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) throw ImageError(path + " can't be written");
    std::uint32_t state = 12345;
    std::vector<std::uint32_t> row(static_cast<std::size_t>(side));
    for (std::int64_t z = 0; z < depth; ++z) {
        for (std::int64_t y = 0; y < side; ++y) {
            for (std::int64_t x = 0; x < side; ++x) {
                float noise = 0;
                for (int k = 0; k < 4; ++k) {
                    state = state * 1664525u + 1013904223u;
                    noise += float(state >> 8) * 0x1p-24f - 0.5f;
                }
                const bool border = x < side / 64 || y < side / 64;
                const float value = border ? NAN : noise + 3 * std::exp(-1e-5f * float((x - side / 2) * (x - side / 2) + (y - side / 2) * (y - side / 2)));
                row[std::size_t(x)] = __builtin_bswap32(std::bit_cast<std::uint32_t>(value));
            }
            std::fwrite(row.data(), 4, row.size(), file);
        }
    }
    std::fclose(file);
}

double best(int tries, const std::function<void()>& work) {
    double least = HUGE_VAL;
    for (int i = 0; i < tries; ++i) {
        const auto begun = std::chrono::steady_clock::now();
        work();
        least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
    }
    return least;
}

void report(const char* workload, double time, double limit, double allowed) {
    std::printf("%-58s %9.3f ms  %6.2f x limit  (at most %.2f)%s\n", workload, time * 1e3, time / limit, allowed, time <= allowed * limit ? "" : "  MISSED");
}

void measure_image(const std::string& path, std::int64_t side, int threads) {
    write_image(path, side, 1);
    const test::RawSource source(path, {side, side, 1, 1});
    const std::int64_t bytes = side * side * 4;
    const CancelToken cancel;
    const double read = bench::read_time(path, 0, bytes, threads), sum = bench::read_and_sum_time(path, 0, bytes, threads);
    const double zfp = bench::zfp_tile_time(path, (side / 2) * side * 4, side, 11);
    std::printf("limits: read %.1f ms, read and sum %.1f ms, ZFP %.3f ms a tile\n", read * 1e3, sum * 1e3, zfp * 1e3);

    PyramidOptions options;
    options.threads = threads;
    std::shared_ptr<const PlanePyramid> pyramid;
    report("pyramid and statistics", best(3, [&] { pyramid.reset(), pyramid = PlanePyramid::build(source, {}, options, cancel); }), sum, 6);
    Histogram histogram;
    const double with_histogram = best(3, [&] {
        pyramid.reset();
        pyramid = PlanePyramid::build(source, {}, options, cancel);
        histogram = plane_histogram(source, {}, pyramid->summary(), {}, threads, cancel, pyramid.get());
    });
    report("pyramid, statistics and histogram", with_histogram, sum, 6);

    const auto encode = [&](const TileId& id, float quality) {
        const auto tile = tile_geometry(id, side, side);
        std::vector<float> pixels(std::size_t(tile->width * tile->height));
        pyramid->read_tile(source, *tile, pixels, cancel);
        return encode_tile(pixels, tile->width, tile->height, TileCompression::zfp, quality).data.size();
    };
    std::size_t size = 0;
    report("coarsest tile, the first time", best(3, [&] {
               pyramid = PlanePyramid::build(source, {}, options, cancel);
               size += encode({0, 0, 0}, 11);
           }), sum, 3);
    report("coarsest tile, again", best(20, [&] { size += encode({0, 0, 0}, 11); }), zfp, 1.5);
    const int layer = max_layer(side, side);
    report("12 full-resolution tiles, quality 11", best(20, [&] {
               parallel_for(threads, 12, cancel, [&](std::int64_t i, int) {
                   encode({layer, std::int32_t(side / 512 - 2 + i % 4), std::int32_t(side / 512 - 1 + i / 4)}, 11);
               });
           }), 12 * zfp / threads, 1.1);
    if (size == 0) std::abort();
}

/// Pictures of 1920 × 1080 pixels of the same file: how many a second, of the whole plane, of a part at full resolution, and as files.
void measure_pictures(const std::string& path, std::int64_t side, int threads) {
    const test::RawSource source(path, {side, side, 1, 1});
    const CancelToken cancel;
    const PictureSize size{1920, 1080};
    BudgetCache cache(std::size_t(1) << 30);
    cached_pyramid(cache, source, 0, {}, threads, cancel);
    Look look;
    look.map = find_colour_map("Inferno");
    look.limits = {-0.5, 3};
    const auto row = [](const char* workload, double time) { std::printf("%-58s %9.3f ms  %6.1f a second\n", workload, time * 1e3, 1 / time); };
    Picture picture;
    const auto draw = [&](const Framing& framing) { picture = draw_plane(cache, source, 0, {}, size, framing, look, threads, cancel); };
    const auto whole = fitting(source.shape(), size);
    const Framing part{double(side) / 2, double(side) / 2, 1};
    row("picture of 1920 x 1080, whole plane", best(20, [&] { draw(whole); }));
    row("picture of 1920 x 1080, full resolution", best(20, [&] { draw(part); }));
    look.stretch = Stretch::asinh;
    row("picture of 1920 x 1080, full resolution, asinh", best(20, [&] { draw(part); }));
    for (const Encoding& encoding : {Encoding{PictureFormat::jpeg, 60}, Encoding{PictureFormat::jpeg, 95}, Encoding{PictureFormat::png, {}}, Encoding{PictureFormat::webp, 80}}) {
        std::size_t bytes = 0;
        const double time = best(3, [&] { draw(part), bytes = encode(picture, encoding, cancel).size(); });
        row(("the same as " + std::string(name_of(encoding.format)) + " " + (encoding.quality ? std::to_string(*encoding.quality) : "") + ", " + std::to_string(bytes >> 10) + " KiB").c_str(), time);
    }
}

void measure_cube(const std::string& path, std::int64_t side, std::int64_t depth, int threads) {
    write_image(path, side, depth);
    const test::RawSource source(path, {side, side, depth, 1});
    const CancelToken cancel;
    const std::int64_t plane = side * side * 4;
    const double sum = bench::read_and_sum_time(path, plane, plane, threads);
    const double zfp = bench::zfp_tile_time(path, plane, side, 11);
    const double reads = bench::small_reads_time(path, 0, plane, int(depth));

    std::int32_t channel = 0;
    const double change = best(20, [&] {
        channel = std::int32_t((channel + 1) % depth);
        PyramidOptions options;
        options.threads = threads;
        const auto pyramid = PlanePyramid::build(source, {channel, 0}, options, cancel);
        plane_histogram(source, {channel, 0}, pyramid->summary(), {}, threads, cancel, pyramid.get());
        parallel_for(threads, 12, cancel, [&](std::int64_t i, int) {
            const auto tile = tile_geometry({max_layer(side, side), std::int32_t(i % 4), std::int32_t(i / 4)}, side, side);
            std::vector<float> pixels(std::size_t(tile->width * tile->height));
            pyramid->read_tile(source, *tile, pixels, cancel);
            encode_tile(pixels, tile->width, tile->height, TileCompression::zfp, 11);
        });
    });
    report("channel change of a cube of 1024 x 1024, 12 tiles", change, 1.2 * 12 * zfp / threads + 2 * sum, 1);
    report("cursor spectrum", best(20, [&] { spectral_profile(source, side / 2, side / 3, 0, cancel); }), reads, 3);
}

} // namespace

int main(int argc, char** argv) {
    try {
        const std::string path = std::string(argc > 1 ? argv[1] : "/tmp") + "/cubelink_imaging_bench." + std::to_string(::getpid());
        const int threads = int(std::max(1u, std::thread::hardware_concurrency()));
        std::printf("%d threads, %s\n", threads, simd_level() == SimdLevel::avx512 ? "AVX-512" : simd_level() == SimdLevel::avx2 ? "AVX2" : "no SIMD");
        const struct Remove {
            std::string path;
            ~Remove() { ::unlink(path.c_str()); }
        } remove{path};
        measure_image(path, argc > 2 ? std::atoll(argv[2]) : 8192, threads);
        measure_pictures(path, argc > 2 ? std::atoll(argv[2]) : 8192, threads);
        measure_cube(path, 1024, 64, threads);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
