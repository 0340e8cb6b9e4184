#include "imaging/fits/tile_decoders.hpp"

#include "imaging/fits/big_endian.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fitsio.h>
#include <limits>
#include <memory>
#include <string>
#include <zlib.h>

namespace cubelink::imaging {

namespace {

/// Reads bits, most significant first; throws DamagedTile at the end of the input.
class BitReader {
public:
    explicit BitReader(std::span<const std::byte> in) : in_(in) {}

    std::uint32_t take(int count) { // ≤ 32
        fill(count);
        have_ -= count;
        return static_cast<std::uint32_t>((bits_ >> have_) & ((std::uint64_t{1} << count) - 1));
    }

    /// Counts zero bits up to the next 1 bit, and skips that too.
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

void rice_decode(std::span<const std::byte> in, std::span<std::int32_t> out, int block, int bytes, const CancelToken& cancel) {
    if (block < 1 || block > 4096 || (bytes != 1 && bytes != 2 && bytes != 4)) throw DamagedTile("Rice parameters out of range");
    const int choice_bits = bytes == 1 ? 3 : bytes == 2 ? 4 : 5, direct = bytes == 1 ? 6 : bytes == 2 ? 14 : 25, width = bytes * 8;
    BitReader reader(in);
    std::uint32_t last = cut(reader.take(width), bytes);
    constexpr std::size_t between_looks = 1 << 20;
    for (std::size_t i = 0, look = 0; i < out.size();) {
        if (i >= look) {
            cancel.throw_if_cancelled();
            look = i + between_looks;
        }
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

InflatedPixels gzip_decode(std::span<const std::byte> in, std::size_t pixels, std::size_t width, bool shuffled, const CancelToken& cancel) {
    constexpr std::size_t step = 4 << 20;        // inflated at once: the time until cancelling is noticed
    constexpr std::size_t best_compression = 1100; // deflate's is 1032
    if (pixels / best_compression > in.size() + 64) throw DamagedTile("the compressed data are too short for its pixels");
    const std::size_t longest = std::min(pixels * 8, in.size() * best_compression + 65536);
    // One byte more than there should be, to see whether there is more.
    std::size_t capacity = std::min(pixels * width, longest) + 1;
    auto out = make_pixels<std::byte>(capacity);
    z_stream z{};
    if (inflateInit2(&z, 15 + 32) != Z_OK) throw DamagedTile("zlib can't be started");
    const auto end_stream = [](z_stream* stream) { inflateEnd(stream); };
    const std::unique_ptr<z_stream, decltype(end_stream)> ended_at_exit(&z, end_stream);
    std::size_t fed = 0, done = 0;
    int status = Z_OK;
    while (status == Z_OK) {
        cancel.throw_if_cancelled();
        if (done == capacity) {
            if (capacity > longest) break;
            auto larger = make_pixels<std::byte>(longest + 1);
            std::memcpy(larger.get(), out.get(), done);
            out = std::move(larger);
            capacity = longest + 1;
        }
        const std::size_t feed = std::min<std::size_t>(in.size() - fed, 1U << 30), room = std::min(capacity - done, step);
        z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data() + fed));
        z.avail_in = static_cast<uInt>(feed);
        z.next_out = reinterpret_cast<Bytef*>(out.get() + done);
        z.avail_out = static_cast<uInt>(room);
        status = inflate(&z, Z_NO_FLUSH);
        fed += feed - z.avail_in;
        done += room - z.avail_out;
    }
    if (status == Z_OK) throw DamagedTile("the gzipped data are longer than " + std::to_string(pixels) + " pixels of any type");
    // Data without an end of stream are accepted only if they have the length that the header says.
    if (status != Z_STREAM_END && !(status == Z_BUF_ERROR && done == pixels * width)) throw DamagedTile("the gzipped data are damaged or too short");
    const std::size_t found = pixels == 0 ? 0 : done / pixels;
    if (done != found * pixels || (found != 1 && found != 2 && found != 4 && found != 8))
        throw DamagedTile("its " + std::to_string(done) + " inflated bytes fit no type of number for " + std::to_string(pixels) + " pixels");
    if (shuffled && found > 1) {
        auto sorted = make_pixels<std::byte>(done);
        for (std::size_t plane = 0; plane < found; ++plane) {
            for (std::size_t i = 0; i < pixels; ++i) sorted[i * found + plane] = out[plane * pixels + i];
        }
        out = std::move(sorted);
    }
    return {std::move(out), done, found};
}

namespace {

constexpr std::size_t hcompress_header = 25;

int bit_planes(std::span<const std::byte> in) {
    int planes = 0;
    for (std::size_t i = 22; i < hcompress_header; ++i) planes = std::max(planes, std::to_integer<int>(in[i]));
    return planes;
}

/// Bytes that cfitsio's decoder may read beyond the end of its input.
std::size_t hcompress_padding(std::span<const std::byte> in, std::int64_t width, std::int64_t height) {
    const auto pixels = static_cast<std::size_t>(width * height);
    // A quarter of a byte per pixel and plane; up to three times that where a side is so short that halving it rounds up all the way.
    const std::size_t per_plane = std::min(width, height) >= 64 ? pixels / 2 : pixels;
    return per_plane * (static_cast<std::size_t>(bit_planes(in)) + 1) + 4096;
}

} // namespace

std::size_t hcompress_memory(std::span<const std::byte> in, std::int64_t width, std::int64_t height) {
    if (in.size() < hcompress_header) return 0;
    return in.size() + hcompress_padding(in, width, height) + (static_cast<std::size_t>(width * height) + 8) * sizeof(LONGLONG);
}

void hcompress_decode(std::span<const std::byte> in, std::span<std::int32_t> out, std::int64_t width, std::int64_t height, bool smooth, bool wide) {
    // cfitsio's decoder takes no length and trusts the sizes in its input. So these are checked, and the input is followed by as many zeros
    // as the decoder can read: each bit plane takes at most 6 bits for a code and 4 for its bits, per 2 × 2 pixels, on all levels.
    if (in.size() < hcompress_header || in[0] != std::byte{0xdd} || in[1] != std::byte{0x99}) throw DamagedTile("not an H-transform");
    const auto word = [&](std::size_t at) { return big_endian<std::uint32_t>(in.data() + at); };
    // The rows of the transform are its slow axis.
    if (word(2) != static_cast<std::uint32_t>(height) || word(6) != static_cast<std::uint32_t>(width))
        throw DamagedTile("the size within the H-transform is not the tile's");
    if (bit_planes(in) > (wide ? 62 : 31)) throw DamagedTile("the H-transform has too many bit planes");
    const std::size_t pixels = out.size();
    std::vector<unsigned char> input(in.size() + hcompress_padding(in, width, height), 0);
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
