#include "clients/cli/png.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <zlib.h>

namespace cubelink::cli {
namespace {

std::string big_endian(std::uint32_t number) {
    return {static_cast<char>(number >> 24), static_cast<char>(number >> 16), static_cast<char>(number >> 8), static_cast<char>(number)};
}

/// PNG specification, 5.3: length, type, data, CRC of type and data.
std::string chunk(std::string_view type, const std::string& data) {
    const auto body = std::string(type) + data;
    const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
    return big_endian(static_cast<std::uint32_t>(data.size())) + body + big_endian(static_cast<std::uint32_t>(crc));
}

std::pair<float, float> limits_of(const std::vector<float>& values, double percentile) {
    std::vector<float> finite;
    for (const float value : values)
        if (std::isfinite(value)) finite.push_back(value);
    if (finite.empty()) return {0, 1};
    const auto at = [&](double part) {
        const auto place = std::llround(part * static_cast<double>(finite.size() - 1));
        std::nth_element(finite.begin(), finite.begin() + place, finite.end());
        return finite[static_cast<std::size_t>(place)];
    };
    const double outside = (100 - percentile) / 200;
    const float low = at(outside);
    return {low, at(1 - outside)};
}

double stretched(double x, const std::string& stretch) {
    if (stretch == "sqrt") return std::sqrt(x);
    if (stretch == "log") return std::log1p(1000 * x) / std::log1p(1000.0);
    if (stretch == "asinh") return std::asinh(10 * x) / std::asinh(10.0);
    return x;
}

} // namespace

std::string grey_png(const std::vector<float>& values, std::int32_t width, std::int32_t height, const Rendering& rendering) {
    const auto [low, high] = limits_of(values, rendering.percentile);
    const double span = static_cast<double>(high) - static_cast<double>(low);
    std::string raw;
    raw.reserve((static_cast<std::size_t>(width) * 2 + 1) * static_cast<std::size_t>(height));
    for (std::int32_t y = height - 1; y >= 0; --y) {
        raw += '\0'; // no filter
        for (std::int32_t x = 0; x < width; ++x) {
            const float value = values[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)];
            if (std::isnan(value)) {
                raw.append(2, '\0');
                continue;
            }
            double part = span > 0 ? std::clamp((static_cast<double>(value) - static_cast<double>(low)) / span, 0.0, 1.0) : 0.0;
            part = stretched(part, rendering.stretch);
            if (rendering.inverted) part = 1 - part;
            raw += static_cast<char>(std::lround(part * 255));
            raw += '\xFF';
        }
    }
    auto size = ::compressBound(static_cast<uLong>(raw.size()));
    std::string data(size, '\0');
    if (::compress2(reinterpret_cast<Bytef*>(data.data()), &size, reinterpret_cast<const Bytef*>(raw.data()), static_cast<uLong>(raw.size()), 6) != Z_OK)
        throw std::runtime_error("the picture could not be compressed");
    data.resize(size);
    // 8 bits, grey with alpha, deflate, adaptive filters, not interlaced.
    const auto header = big_endian(static_cast<std::uint32_t>(width)) + big_endian(static_cast<std::uint32_t>(height)) + std::string("\x08\x04\0\0\0", 5);
    return "\x89PNG\r\n\x1A\n" + chunk("IHDR", header) + chunk("IDAT", data) + chunk("IEND", "");
}

} // namespace cubelink::cli
