/// Region files of both formats: whatever the text says, reading ends with valid regions and sentences, and what was read survives being written in either
/// format.
///
/// Input: the first byte chooses the format and the image, the rest is the text.
// link: cubelink_imaging

#include "imaging/regions/region_file.hpp"
#include "tests/imaging/regions/file_samples.hpp"

#include <array>
#include <cmath>
#include <cstdlib>

using namespace cubelink::imaging;

// wcslib 7.12 loses 64 bytes when it refuses a linear transformation.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:linset\n"; }

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

bool same(double a, double b) { return static_cast<float>(a) == static_cast<float>(b); }

/// Where a float can hold the pixels and what is added to them.
bool is_tame(const Shape& shape) {
    for (const auto& p : shape.points)
        for (const double v : {p.x, p.y})
            if (v != 0 && (std::abs(v) < 1e-3 || std::abs(v) > 1e7)) return false;
    return std::abs(shape.rotation) < 1e4;
}

void require_round_trip(const ReadRegions& read, RegionFormat format, const RegionFileImage& image) {
    const auto written = write_regions(read.regions, format, RegionCoordinates::pixel, image, "fuzz");
    require(written.written == read.regions.size() && written.problems.count() == 0);
    const auto again = read_regions(samples::joined(written), format, image);
    require(again.problems.count() == 0 || again.regions.size() == read.regions.size());
    for (std::size_t i = 0; i < read.regions.size(); ++i) {
        const auto &a = read.regions[i], &b = again.regions[i];
        require(a.shape.type == b.shape.type && a.shape.points.size() == b.shape.points.size());
        require(relevant_style(a.shape.type, a.style) == b.style);
        if (!is_tame(a.shape) || a.shape.type == RegionType::ann_vector) continue;
        for (std::size_t k = 0; k < a.shape.points.size(); ++k)
            require(same(a.shape.points[k].x, b.shape.points[k].x) && same(a.shape.points[k].y, b.shape.points[k].y));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto sky = samples::sky_image("FK5", 30, "RA---SIN", "DEC--SIN");
    static const auto cut = samples::region_image({"LTV1    = -100.0", "LTM1_1  = 0.5"});
    static const std::array<const RegionFileImage*, 2> images{&sky.image, &cut.image};
    if (size == 0) return 0;
    const auto format = data[0] % 2 ? RegionFormat::ds9 : RegionFormat::crtf;
    const auto& image = *images[data[0] / 2 % images.size()];
    const auto read = read_regions({reinterpret_cast<const char*>(data) + 1, size - 1}, format, image);
    for (const auto& region : read.regions) require(why_invalid(region.shape).empty());
    require(read.problems.text().size() < 100'000);
    for (const auto other : {RegionFormat::crtf, RegionFormat::ds9}) {
        require_round_trip(read, other, image);
        if (!image.wcs || !image.wcs->celestial_plane()) continue;
        const auto world = write_regions(read.regions, other, RegionCoordinates::world, image, "fuzz");
        read_regions(samples::joined(world), other, image);
    }
    return 0;
}
