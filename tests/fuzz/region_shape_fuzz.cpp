/// Regions of any shape: masks stay within the image and hold together, conversions between images are shapes or nothing, lines have boxes or a reason.
///
/// Input: a type, numbers of images, then numbers of three bytes each: a mantissa and an exponent, so that few bytes reach from slivers to the limits of floats.
// link: cubelink_imaging

#include "imaging/base/image_error.hpp"
#include "imaging/regions/conversion.hpp"
#include "imaging/regions/line_profile.hpp"
#include "imaging/regions/mask.hpp"
#include "tests/imaging/regions/sample_wcs.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>

using namespace cubelink::imaging;

// wcslib 7.12 loses 64 bytes when it refuses a linear transformation.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:linset\n"; }

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

class Bytes {
public:
    Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
    unsigned next() { return size_ == 0 ? 0 : (--size_, *data_++); }
    bool empty() const { return size_ == 0; }
    double number() {
        const int mantissa = static_cast<int>(next() << 8 | next()) - 32768;
        const auto kind = next();
        if (kind < 200) return mantissa / (kind < 100 ? 256.0 : 2.0);
        return std::ldexp(static_cast<double>(mantissa), static_cast<int>(kind - 226) * 5);
    }

private:
    const std::uint8_t* data_;
    std::size_t size_;
};

const std::vector<std::shared_ptr<const Wcs>>& images() {
    static const std::vector<std::shared_ptr<const Wcs>> list{
        test::wcs_of({.crval1 = 0.01, .crval2 = 20}),
        test::wcs_of({.projection = "AIT", .crval1 = 0, .crval2 = 0, .cdelt1 = -3, .cdelt2 = 3}),
        test::wcs_of({.projection = "SIN", .radesys = "FK4", .crval1 = 0, .crval2 = 89.99, .turn = 77, .equinox = 1950}),
        test::wcs_of({.lon = "GLON", .lat = "GLAT", .projection = "CAR", .crval1 = 120, .crval2 = 0, .cdelt1 = -1, .cdelt2 = 2}),
    };
    return list;
}

void check_mask(const PixelMask& mask, const ImageShape& image) {
    std::size_t count = 0;
    const PixelRun* before = nullptr;
    for (const auto& run : mask.runs()) {
        require(run.x0 >= 0 && run.x0 < run.x1 && run.x1 <= image.width && run.y >= 0 && run.y < image.height);
        require(before == nullptr || before->y < run.y || (before->y == run.y && before->x1 < run.x0)); // neighbours would be one run
        before = &run;
        count += static_cast<std::size_t>(run.length());
    }
    require(count == mask.count());
}

/// Long lines take long, and show nothing that shorter ones don't; the longest have an error.
bool is_worthwhile(const Shape& line) {
    double sum = 0;
    for (std::size_t i = 0; i + 1 < line.points.size(); ++i) sum += std::hypot(line.points[i + 1].x - line.points[i].x, line.points[i + 1].y - line.points[i].y);
    return sum < 2000 || sum > 2.0 * static_cast<double>(max_line_boxes);
}

void use(const Shape& shape, const ImageShape& image, const Wcs* from, const Wcs& to, int width) {
    if (is_closed(shape.type) || shape.type == RegionType::point) check_mask(mask_of(shape, image), image);
    if (is_line(shape.type) && is_worthwhile(shape)) {
        try {
            const auto sampling = sample_line(shape, width, from);
            require(!sampling.boxes.empty() && sampling.boxes.size() <= max_line_boxes);
            const auto read = [](const PixelMask&, std::span<float> out) { std::fill(out.begin(), out.end(), 1.0F); };
            for (const float value : line_profile(std::span(sampling.boxes).first(std::min<std::size_t>(sampling.boxes.size(), 500)), image, read))
                require(std::isnan(value) || value == 1.0F);
        } catch (const ImageError&) { // too long
        }
    }
    if (!from) return;
    if (const auto there = convert(shape, *from, to)) {
        require(why_invalid(*there).empty());
        if (is_closed(there->type)) check_mask(mask_of(*there, image), image);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Bytes bytes(data, size);
    Shape shape;
    shape.type = static_cast<RegionType>(bytes.next() % 18);
    const auto from = bytes.next() % 5, to = bytes.next() % 4, lengths = bytes.next(), width = bytes.next();
    const ImageShape image{1 + static_cast<std::int64_t>(lengths % 16) * 16, 1 + static_cast<std::int64_t>(lengths / 16) * 16, 1, 1};
    shape.rotation = bytes.number();
    while (!bytes.empty() && shape.points.size() < 200) {
        const double x = bytes.number();
        shape.points.push_back({x, bytes.number()});
    }
    if (!why_invalid(shape).empty()) return 0;
    use(shape, image, from < 4 ? images()[from].get() : nullptr, *images()[to], 1 + static_cast<int>(width % 20));
    return 0;
}
