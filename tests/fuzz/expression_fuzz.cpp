/// Expressions: any text ends in a graph that can be computed, or in an error with a place within the text; names are images in memory.
// link: cubelink_imaging

#include "tests/imaging/expressions/expression_samples.hpp"

#include <cstdlib>
#include <string>

using namespace cubelink::imaging;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

samples::Images some_images() {
    samples::Images images;
    test::fill_odd(images.add("a", {5, 3, 1, 1}, "Jy/beam"), 1, 0.2);
    test::fill_odd(images.add("b", {5, 3, 1, 1}, "K", true), 2, 0.2);
    test::fill_odd(images.add("cube", {5, 3, 2, 2}), 3, 0.2);
    images.by_name["z"] = images.by_name["a"];
    images.by_name["z"].complex = ComplexParts{images.sources["a"], images.sources["b"]};
    return images;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static auto images = some_images();
    if (size > 4096) return 0;
    const std::string text(reinterpret_cast<const char*>(data), size);
    std::shared_ptr<const ExpressionImage> image;
    try {
        image = images.image(text, nullptr, 1);
    } catch (const ExpressionError& error) {
        require(error.column() >= 1 && error.column() <= static_cast<int>(size) + 1);
        require(std::string(error.what()).size() < 1000);
        return 0;
    }
    try {
        const auto pixels = samples::plane_of(*image, {});
        require(pixels.size() == 15);
        std::vector<float> spectrum(static_cast<std::size_t>(image->shape().depth));
        image->read_spectrum(2, 1, 0, 0, spectrum, {});
        require(test::same(spectrum[0], pixels[7]));
    } catch (const ImageError&) {
        // The fraction of a fractile that depends on pixels.
    }
    return 0;
}
