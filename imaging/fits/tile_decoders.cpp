#include "imaging/fits/tile_decoders.hpp"

#include "imaging/fits/big_endian.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fitsio.h>
#include <limits>
#include <zlib.h>

namespace cubelink::imaging {

namespace {

/// Bits from the most significant end; past the end it throws.
class BitReader {
public:
    explicit BitReader(std::span<const std::byte> in) : in_(in) {}

    std::uint32_t take(int count) { // ≤ 32
        fill(count);
        have_ -= count;
        return static_cast<std::uint32_t>((bits_ >> have_) & ((std::uint64_t{1} << count) - 1));
    }

    /// The number of zeros up to the next one, which is taken too.
    std::uint32_t zeros() {
        std::uint32_t count = 0;
        for (;;) {
            const std::uint64_t window = have_ == 0 ? 0 : bits_ & ((std::uint64_t{1} << have_) - 1);
            if (window != 0) {
                const int lead = have_ - (64 - std::countl_zero(window));
                have_ -= lead + 1;
                return count + static_cast<std::uint32_t>(lead);
            }
            count += static_cast<std::uint32_t>(have_);
            have_ = 0;
            fill(1);
        }
    }

private:
    void fill(int count) {
        while (have_ < count) {
            if (at_ >= in_.size()) throw DamagedTile("the compressed data end too early");
            bits_ = bits_ << 8 | std::to_integer<std::uint64_t>(in_[at_++]);
            have_ += 8;
        }
    }
    std::span<const std::byte> in_;
    std::size_t at_ = 0;
    std::uint64_t bits_ = 0;
    int have_ = 0;
};

std::uint32_t cut(std::uint32_t value, int bytes) {
    // Differences wrap around in the width of the pixel.
    if (bytes == 1) return value & 0xff;
    if (bytes == 2) return static_cast<std::uint32_t>(static_cast<std::int32_t>(static_cast<std::int16_t>(value)));
    return value;
}

int big_short(std::span<const std::byte> in, std::size_t index) { return static_cast<std::int16_t>(big_endian<std::uint16_t>(in.data() + 2 * index)); }

} // namespace

void rice_decode(std::span<const std::byte> in, std::span<std::int32_t> out, int block, int bytes) {
    if (block < 1 || block > 4096 || (bytes != 1 && bytes != 2 && bytes != 4)) throw DamagedTile("Rice parameters out of range");
    const int choice_bits = bytes == 1 ? 3 : bytes == 2 ? 4 : 5, direct = bytes == 1 ? 6 : bytes == 2 ? 14 : 25, width = bytes * 8;
    BitReader reader(in);
    std::uint32_t last = cut(reader.take(width), bytes);
    for (std::size_t i = 0; i < out.size();) {
        const std::size_t end = std::min(out.size(), i + static_cast<std::size_t>(block));
        const int shift = static_cast<int>(reader.take(choice_bits)) - 1;
        for (; i < end; ++i) {
            if (shift >= 0) {
                std::uint32_t code = 0;
                if (shift == direct) {
                    code = reader.take(width);
                } else {
                    code = reader.zeros() << shift;
                    if (shift > 0) code |= reader.take(shift);
                }
                const std::uint32_t difference = (code & 1) != 0 ? ~(code >> 1) : code >> 1;
                last = cut(last + difference, bytes);
            }
            out[i] = static_cast<std::int32_t>(last);
        }
    }
}

void plio_decode(std::span<const std::byte> in, std::span<std::int32_t> out) {
    const std::size_t words = in.size() / 2;
    if (words < 3) throw DamagedTile("the pixel list is too short");
    std::size_t first = 3, length = 0;
    if (big_short(in, 2) > 0) {
        length = static_cast<std::size_t>(big_short(in, 2));
    } else {
        if (words < 5) throw DamagedTile("the pixel list is too short");
        length = static_cast<std::size_t>((std::max(big_short(in, 4), 0) << 15) + std::max(big_short(in, 3), 0));
        first = static_cast<std::size_t>(std::max(big_short(in, 1), 0));
    }
    std::fill(out.begin(), out.end(), 0);
    std::size_t at = 0;
    std::uint32_t value = 1;
    for (std::size_t i = first; i < std::min(length, words) && at < out.size(); ++i) {
        const auto word = static_cast<std::uint32_t>(big_short(in, i)) & 0xffff;
        const std::uint32_t code = word >> 12, data = word & 4095;
        const std::size_t run = std::min<std::size_t>(data, out.size() - at);
        switch (code) {
        case 0: at += run; break;
        case 1:
            if (i + 1 >= words) throw DamagedTile("the pixel list ends too early");
            value = (static_cast<std::uint32_t>(big_short(in, i + 1)) << 12) + data;
            ++i;
            break;
        case 2: value += data; break;
        case 3: value -= data; break;
        case 4:
            std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(at), run, static_cast<std::int32_t>(value));
            at += run;
            break;
        case 5:
            at += run;
            if (run == data && run > 0) out[at - 1] = static_cast<std::int32_t>(value);
            break;
        case 6:
        case 7:
            value = code == 6 ? value + data : value - data;
            out[at++] = static_cast<std::int32_t>(value);
            break;
        default: throw DamagedTile("the pixel list has an unknown code");
        }
    }
}

std::vector<std::byte> gzip_decode(std::span<const std::byte> in, std::size_t size, std::size_t shuffled) {
    if (size / 1100 > in.size() + 64) throw DamagedTile("the compressed data are too short for its pixels");
    std::vector<std::byte> out(size);
    z_stream z{};
    if (inflateInit2(&z, 15 + 32) != Z_OK) throw DamagedTile("zlib can't be started");
    std::size_t fed = 0, done = 0;
    int status = Z_OK;
    while (status == Z_OK && done < size) {
        const std::size_t feed = std::min<std::size_t>(in.size() - fed, 1U << 30), room = std::min<std::size_t>(size - done, 1U << 30);
        z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data() + fed));
        z.avail_in = static_cast<uInt>(feed);
        z.next_out = reinterpret_cast<Bytef*>(out.data() + done);
        z.avail_out = static_cast<uInt>(room);
        status = inflate(&z, Z_NO_FLUSH);
        fed += feed - z.avail_in;
        done += room - z.avail_out;
    }
    inflateEnd(&z);
    if (done != size) throw DamagedTile("the gzipped data are damaged or too short");
    if (shuffled <= 1) return out;
    std::vector<std::byte> pixels(size);
    const std::size_t count = size / shuffled;
    for (std::size_t plane = 0; plane < shuffled; ++plane) {
        for (std::size_t i = 0; i < count; ++i) pixels[i * shuffled + plane] = out[plane * count + i];
    }
    return pixels;
}

void hcompress_decode(std::span<const std::byte> in, std::span<std::int32_t> out, std::int64_t width, std::int64_t height, bool smooth, bool wide) {
    // cfitsio's decoder takes no length, and trusts what its input says of itself. So the input is checked, and followed by as many zeros
    // as the decoder can ask for: each bit plane takes at most 6 bits for a code and 4 for its bits, per 2 × 2 pixels, on all levels.
    constexpr std::size_t header = 25;
    if (in.size() < header || in[0] != std::byte{0xdd} || in[1] != std::byte{0x99}) throw DamagedTile("not a H-transform");
    const auto word = [&](std::size_t at) { return big_endian<std::uint32_t>(in.data() + at); };
    // The rows of the transform are its slow axis.
    if (word(2) != static_cast<std::uint32_t>(height) || word(6) != static_cast<std::uint32_t>(width))
        throw DamagedTile("the size within the H-transform is not the tile's");
    int planes = 0;
    for (std::size_t i = 22; i < 25; ++i) planes = std::max(planes, std::to_integer<int>(in[i]));
    if (planes > (wide ? 62 : 31)) throw DamagedTile("the H-transform has too many bit planes");
    const std::size_t pixels = out.size();
    // A quarter of a byte per pixel and plane; up to three times that where a side is so short that halving it rounds up all the way.
    const std::size_t per_plane = std::min(width, height) >= 64 ? pixels / 2 : pixels;
    std::vector<unsigned char> input(in.size() + per_plane * (static_cast<std::size_t>(planes) + 1) + 4096, 0);
    std::transform(in.begin(), in.end(), input.begin(), [](std::byte byte) { return std::to_integer<unsigned char>(byte); });
    int nx = 0, ny = 0, scale = 0, status = 0;
    if (wide) {
        std::vector<LONGLONG> values(pixels + 8);
        fits_hdecompress64(input.data(), smooth ? 1 : 0, values.data(), &ny, &nx, &scale, &status);
        // It leaves packed 32-bit numbers at the beginning.
        if (status == 0) std::memcpy(out.data(), values.data(), out.size_bytes());
    } else {
        std::vector<int> values(pixels + 8);
        fits_hdecompress(input.data(), smooth ? 1 : 0, values.data(), &ny, &nx, &scale, &status);
        if (status == 0) std::copy_n(values.begin(), pixels, out.begin());
    }
    if (status != 0) {
        fits_clear_errmsg(); // cfitsio keeps its messages for the whole process
        throw DamagedTile("the H-transform can't be decoded");
    }
}

std::span<const float> dither_numbers() {
    static const auto numbers = [] {
        std::array<float, 10000> result{};
        double seed = 1;
        for (float& number : result) {
            const double product = 16807.0 * seed;
            seed = product - 2147483647.0 * static_cast<double>(static_cast<std::int64_t>(product / 2147483647.0));
            number = static_cast<float>(seed / 2147483647.0);
        }
        return result;
    }();
    return numbers;
}

} // namespace cubelink::imaging
