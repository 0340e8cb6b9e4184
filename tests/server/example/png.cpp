#include "tests/server/example/png.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace cubelink::example {

namespace {

void put_big_endian(std::string& out, std::uint32_t number) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
}

std::uint32_t crc(std::string_view bytes) {
    static const auto table = [] {
        std::array<std::uint32_t, 256> entries{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t c = i;
            for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
            entries[i] = c;
        }
        return entries;
    }();
    std::uint32_t c = ~0u;
    for (const unsigned char byte : bytes) c = table[(c ^ byte) & 0xff] ^ (c >> 8);
    return ~c;
}

std::uint32_t adler(std::string_view bytes) {
    std::uint32_t a = 1, b = 0;
    for (const unsigned char byte : bytes) {
        a = (a + byte) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

void put_chunk(std::string& out, std::string_view type, std::string_view data) {
    put_big_endian(out, static_cast<std::uint32_t>(data.size()));
    const std::string body = std::string(type) + std::string(data);
    out += body;
    put_big_endian(out, crc(body));
}

/// A zlib stream of stored blocks.
std::string stored(std::string_view data) {
    constexpr std::size_t block = 65535;
    std::string out = "\x78\x01";
    for (std::size_t at = 0; at < data.size(); at += block) {
        const auto size = std::min(block, data.size() - at);
        const auto length = static_cast<std::uint16_t>(size), inverse = static_cast<std::uint16_t>(~length);
        out += static_cast<char>(at + size == data.size());
        for (const auto number : {length, inverse}) {
            out += static_cast<char>(number & 0xff);
            out += static_cast<char>(number >> 8);
        }
        out += data.substr(at, size);
    }
    put_big_endian(out, adler(data));
    return out;
}

} // namespace

std::string png(unsigned width, unsigned height, const std::function<Colour(unsigned, unsigned)>& colour_at) {
    std::string pixels;
    for (unsigned y = 0; y < height; ++y) {
        pixels += '\0'; // no filter
        for (unsigned x = 0; x < width; ++x) {
            const auto colour = colour_at(x, y);
            for (const auto component : {colour.red, colour.green, colour.blue}) pixels += static_cast<char>(component);
        }
    }
    std::string header;
    put_big_endian(header, width);
    put_big_endian(header, height);
    header += std::string("\x08\x02\x00\x00\x00", 5); // 8 bits, RGB, deflate, adaptive filters, not interlaced
    std::string out = "\x89PNG\r\n\x1a\n";
    put_chunk(out, "IHDR", header);
    put_chunk(out, "IDAT", stored(pixels));
    put_chunk(out, "IEND", {});
    return out;
}

std::string picture(bool alternative) {
    constexpr unsigned size = 96;
    return png(size, size, [&](unsigned x, unsigned y) {
        const int dx = static_cast<int>(x) - 48, dy = static_cast<int>(y) - 48;
        const auto ramp = static_cast<std::uint8_t>(x * 255 / (size - 1));
        if (dx * dx + dy * dy < 32 * 32) return alternative ? Colour{40, 110, 200} : Colour{230, 120, 30};
        return alternative ? Colour{20, ramp, 60} : Colour{20, 30, ramp};
    });
}

} // namespace cubelink::example
