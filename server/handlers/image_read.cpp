#include "server/handlers/image_read.hpp"

#include "rpc/values/convert.hpp"
#include "rpc/error.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

namespace cubelink::server {

namespace {

/// Pixels that are read at once: the time until a client that has gone is noticed.
constexpr std::int64_t band_pixels = 1 << 20;

/// Distance between two requested pixels above which the pixels between them are not read.
constexpr std::int64_t far_apart = 4096;

template <class T>
void read(const imaging::ImageSource& source, const imaging::Rect& rect, imaging::PlaneId plane, std::span<T> out, int threads,
          const imaging::CancelToken& cancel) {
    if constexpr (std::is_same_v<T, std::int64_t>) source.read_int64(rect, plane, out, threads, cancel);
    else if constexpr (std::is_same_v<T, double>) source.read64(rect, plane, out, threads, cancel);
    else source.read(rect, plane, out, threads, cancel);
}

template <class T>
class BlockReader {
public:
    BlockReader(const Image& image, const BlockRequest& request, int threads, const imaging::CancelToken& cancel, const std::function<bool()>& abandoned)
        : image_(image), request_(request), threads_(threads), cancel_(cancel), abandoned_(abandoned),
          values_(static_cast<std::size_t>(request.values())) {}

    std::vector<T> read_all() {
        T* out = values_.data();
        for (auto s = request_.stokes.from; s < request_.stokes.to; s += request_.stokes.step) {
            const auto stokes = static_cast<std::int32_t>(s);
            if (read_as_spectrum(stokes, out)) {
                out += request_.channel.count();
                continue;
            }
            for (auto c = request_.channel.from; c < request_.channel.to; c += request_.channel.step)
                out = read_plane({static_cast<std::int32_t>(c), stokes}, out);
        }
        return std::move(values_);
    }

private:
    /// All channels of one pixel have a quicker way.
    bool read_as_spectrum(std::int32_t stokes, T* out) const {
        if constexpr (std::is_same_v<T, float>) {
            if (request_.x.count() != 1 || request_.y.count() != 1 || request_.channel.step != 1 || request_.channel.count() < 2) return false;
            for (auto from = request_.channel.from; from < request_.channel.to; from += 1024) {
                check();
                const auto n = std::min<std::int64_t>(1024, request_.channel.to - from);
                image_.source->read_spectrum(request_.x.from, request_.y.from, stokes, static_cast<std::int32_t>(from),
                                             {out + (from - request_.channel.from), static_cast<std::size_t>(n)}, cancel_);
            }
            return true;
        } else {
            (void)stokes, (void)out;
            return false;
        }
    }

    T* read_plane(imaging::PlaneId plane, T* out) {
        const auto& x = request_.x;
        const auto& y = request_.y;
        const auto width = x.to - x.from;
        if (x.step == 1 && y.step == 1) {
            const auto rows = std::max<std::int64_t>(1, band_pixels / width);
            for (auto y0 = y.from; y0 < y.to; y0 += rows) {
                check();
                const imaging::Rect rect{x.from, y0, x.to, std::min(y.to, y0 + rows)};
                read<T>(*image_.source, rect, plane, {out, static_cast<std::size_t>(rect.size())}, threads_, cancel_);
                out += rect.size();
            }
            return out;
        }
        // Pieces of a row that begin with a requested pixel; far apart, the pixels one by one where that is quicker.
        const bool one_by_one = x.step > (image_.source->capabilities().random_access ? far_apart : band_pixels);
        const auto at_once = one_by_one ? 1 : std::min(width, std::max<std::int64_t>(1, band_pixels / x.step) * x.step);
        row_.resize(static_cast<std::size_t>(at_once));
        for (auto line = y.from; line < y.to; line += y.step) {
            for (auto from = x.from; from < x.to; from += one_by_one ? x.step : at_once) {
                check();
                const imaging::Rect piece{from, line, std::min(x.to, from + at_once), line + 1};
                read<T>(*image_.source, piece, plane, std::span<T>(row_).first(static_cast<std::size_t>(piece.width())), threads_, cancel_);
                for (std::int64_t i = 0; i < piece.width(); i += x.step) *out++ = row_[static_cast<std::size_t>(i)];
            }
        }
        return out;
    }

    void check() const {
        cancel_.throw_if_cancelled();
        if (abandoned_()) throw imaging::Cancelled();
    }

    const Image& image_;
    const BlockRequest& request_;
    const int threads_;
    const imaging::CancelToken& cancel_;
    const std::function<bool()>& abandoned_;
    std::vector<T> values_, row_;
};

template <class T>
rpc::Bytes bytes_of(const Image& image, const BlockRequest& request, int threads, const imaging::CancelToken& cancel,
                    const std::function<bool()>& abandoned) {
    return rpc::Bytes::take(BlockReader<T>(image, request, threads, cancel, abandoned).read_all());
}

} // namespace

AxisRange checked_range(const rpc::Value& value, std::int64_t length, const char* name, const std::function<bool(std::int64_t)>& or_index) {
    const auto complain = [&](const std::string& what) -> AxisRange { throw rpc::BadArguments(std::string(name) + ": " + what); };
    const std::string whole = "[0, " + std::to_string(length) + ")";
    if (value.is_null()) return {0, length, 1};
    if (value.is<std::int64_t>() || value.is<double>()) {
        const auto index = rpc::from_value<std::int64_t>(rpc::Value(value), rpc::Path(name));
        if ((index < 0 || index >= length) && !(or_index && or_index(index))) return complain(std::to_string(index) + " is not in " + whole);
        return {index, index + 1, 1};
    }
    const auto parts = rpc::from_value<std::vector<std::int64_t>>(rpc::Value(value), rpc::Path(name));
    if (parts.size() != 2 && parts.size() != 3) return complain("expected [from, to] or [from, to, step]");
    AxisRange range{parts[0], parts[1], parts.size() == 3 ? parts[2] : 1};
    if (range.step < 1) return complain("the step must be at least 1");
    if (or_index && or_index(range.from) && range.to == range.from + 1) return {range.from, range.to, 1};
    if (range.from < 0 || range.to > length) return complain("[" + std::to_string(range.from) + ", " + std::to_string(range.to) + ") is not within " + whole);
    if (range.from >= range.to) return complain("the range [" + std::to_string(range.from) + ", " + std::to_string(range.to) + ") is empty");
    range.step = std::min(range.step, range.to - range.from);
    return range;
}

rpc::Value read_block(const Image& image, const BlockRequest& request, int threads, const imaging::CancelToken& cancel,
                      const std::function<bool()>& abandoned) {
    // Integers of 8 and 16 bits, and floats, are exact as float32, those of 32 bits as float64; those of 64 bits only as they are.
    using imaging::Int64Kind;
    const auto& capabilities = image.source->capabilities();
    const bool doubles = capabilities.prefers_double;
    const auto int64 = request.stokes.to <= image.shape().stokes ? capabilities.int64 : Int64Kind::none;
    rpc::Map block{{"shape", rpc::Array{request.stokes.count(), request.channel.count(), request.y.count(), request.x.count()}},
                   {"dtype", int64 == Int64Kind::with_sign ? "<i8" : int64 == Int64Kind::without_sign ? "<u8" : doubles ? "<f8" : "<f4"}};
    block["data"] = int64 != Int64Kind::none ? bytes_of<std::int64_t>(image, request, threads, cancel, abandoned)
                    : doubles                ? bytes_of<double>(image, request, threads, cancel, abandoned)
                                             : bytes_of<float>(image, request, threads, cancel, abandoned);
    block["axes"] = rpc::Array{"stokes", "channel", "y", "x"};
    block["unit"] = image.info.bunit;
    return block;
}

} // namespace cubelink::server
