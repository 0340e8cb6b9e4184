// Contours of a raw plane for check_contours.py, which holds them against contourpy and numpy.
//
// contour_dump FILE WIDTH HEIGHT LEVELS SMOOTHING FACTOR BAND_PIXELS THREADS CHUNK DECIMATION COMPRESSION: little-endian float32, LEVELS separated by
// commas. Writes for each chunk: float64 progress; int32 level, decimation, number of starts, number of bytes; the starts (int32), the bytes.

#include "imaging/analysis/contour.hpp"
#include "imaging/analysis/contour_encoding.hpp"
#include "imaging/source/memory_image.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>

using namespace cubelink::imaging;

namespace {

template <class T>
void put(const T* values, std::size_t n) {
    if (n > 0 && std::fwrite(values, sizeof(T), n, stdout) != n) std::exit(1);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 12) return 2;
    const std::string file = argv[1];
    BudgetCache budget(std::size_t(1) << 30);
    MemoryImage image({std::atoll(argv[2]), std::atoll(argv[3]), 1, 1}, budget);
    const auto pixels = image.plane({});
    std::ifstream(file, std::ios::binary).read(reinterpret_cast<char*>(pixels.data()), std::streamsize(pixels.size_bytes()));

    ContourSpec spec;
    std::istringstream levels(argv[4]);
    for (std::string level; std::getline(levels, level, ',');) spec.levels.push_back(std::strtod(level.c_str(), nullptr));
    spec.smoothing = static_cast<Smoothing>(std::atoi(argv[5]));
    spec.factor = std::atoi(argv[6]);
    spec.band_pixels = std::size_t(std::atoll(argv[7]));
    spec.chunk_vertices = std::size_t(std::atoll(argv[9]));
    const double extent = double(std::max(image.shape().width, image.shape().height)) + 2 * spec.factor;
    Contouring contouring(image, {}, spec, budget);
    std::mutex mutex;
    const bool done = contouring.advance(std::atoi(argv[8]), {}, [&](ContourChunk&& chunk) {
        const auto encoded = VertexEncoder().encode(chunk.vertices, extent, std::atoi(argv[10]), std::atoi(argv[11]), {});
        const std::lock_guard lock(mutex);
        put(&chunk.progress, 1);
        const std::int32_t numbers[] = {std::int32_t(chunk.level), encoded.decimation, std::int32_t(chunk.starts.size()), std::int32_t(encoded.data.size())};
        put(numbers, 4);
        put(chunk.starts.data(), chunk.starts.size());
        put(encoded.data.data(), encoded.data.size());
        return true;
    });
    return done ? 0 : 1;
}
