#include "imaging/fits/raw_image.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "platform/os.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

namespace cubelink::imaging {

namespace {

// Small enough for the second-level cache: the copy out of the page cache is converted while it is still there.
constexpr std::size_t staging_size = 256 << 10;

/// Shorter runs of neighbouring pixels are read through the mapping.
constexpr std::size_t short_run = 16 << 10; // bytes

/// Of pixels that are so close (polarizations, or parts of complex numbers, lie side by side) all that is between is read along.
constexpr std::int64_t close_step = 8;

/// Long runs that lie near each other are read together, with what lies between, by one pread() for as many as the staging holds. Measured, for a box of 324 × 324
/// in 512 channels of 1024 × 1024 in the page cache: 71 ms of the processor, 101 ms by a pread() for each run, 122 ms through the mapping, whose pages
/// are touched once and then are too many to be kept. Short runs are left to the mapping: the spectrum of a small region that is dragged finds their pages mapped.
constexpr std::size_t long_run = 1 << 10, near_gap = 4 << 10; // bytes

/// This thread's, kept: to allocate and clear it anew costs as much as to read a tile.
std::span<std::byte> thread_staging() {
    thread_local const auto staging = std::make_unique_for_overwrite<std::byte[]>(staging_size);
    return {staging.get(), staging_size};
}

/// Neighbouring pixels in the file.
struct Run {
    std::int64_t first = 0; // pixels from the first of the data
    std::size_t count = 0;
    std::size_t at = 0;     // where its values go, in values from the beginning of the output; runs of one part are packed
};

/// Whether the runs are in the page cache, as far as a sample of them tells.
template <class RunAt>
bool is_cached(int descriptor, std::int64_t offset, std::size_t pixel_size, RunAt run_at, std::int64_t from, std::int64_t to) {
    constexpr std::int64_t samples = 4;
    for (std::int64_t i = 0; i < samples; ++i) {
        const Run run = run_at(from + (to - from - 1) * i / (samples - 1));
        std::byte byte{};
        const iovec part{&byte, 1};
        if (platform::os().preadv2(descriptor, &part, 1, offset + run.first * static_cast<std::int64_t>(pixel_size), RWF_NOWAIT) != 1) return false;
        if (to - from == 1) break;
    }
    return true;
}

/// Copies pixels through the mapping.
struct MappedPixels {
    const MappedFile& mapping;
    int descriptor;
    std::int64_t offset;
    std::size_t size; // of a pixel

    void copy(std::int64_t first, std::size_t count, std::byte* to) const {
        const std::byte* from = mapping.data() + static_cast<std::size_t>(first) * size;
        if (count != 1) std::memcpy(to, from, count * size);
        else if (size == 4) std::memcpy(to, from, 4);
        else if (size == 8) std::memcpy(to, from, 8);
        else std::memcpy(to, from, size);
    }

    /// `count` neighbouring pixels as they lie in the file.
    const std::byte* look(std::int64_t first, std::size_t, std::span<std::byte>) const { return mapping.data() + static_cast<std::size_t>(first) * size; }

    /// Begins to load what will be looked at soon into the processor's caches: rows of an image lie on pages of their own, across which the
    /// processor does not look ahead itself.
    void announce(std::int64_t first, std::size_t count) const {
        constexpr std::size_t line = 64, most = 1024;
        const std::byte* at = mapping.data() + static_cast<std::size_t>(first) * size;
        for (std::size_t i = 0; i < std::min(count * size, most); i += line) __builtin_prefetch(at + i);
    }

    /// Where some of the runs are not in the page cache, has all of them read at once: faults would wait for one page after the other.
    /// Measured: a column of 8192 rows takes 0.55 s by faults, 0.5 s by pread(), 0.13 s by pread() on 16 threads, 0.1 s this way.
    template <class RunAt>
    void prefetch(RunAt run_at, std::int64_t from, std::int64_t to) const {
        if (is_cached(descriptor, offset, size, run_at, from, to)) return;
        constexpr std::size_t near = 16 << 10; // what lies between is read along
        std::size_t begin = 0, end = 0;
        for (std::int64_t i = from; i < to; ++i) {
            const Run run = run_at(i);
            const std::size_t at = static_cast<std::size_t>(run.first) * size, run_end = at + run.count * size;
            if (end > begin && at >= begin && at <= end + near) {
                end = std::max(end, run_end);
                continue;
            }
            if (end > begin) mapping.prefetch(begin, end - begin);
            begin = at;
            end = run_end;
        }
        if (end > begin) mapping.prefetch(begin, end - begin);
    }
};

/// Copies pixels by pread().
struct FilePixels {
    const FileHandle& file;
    std::int64_t offset;
    std::size_t size;

    void copy(std::int64_t first, std::size_t count, std::byte* to) const {
        file.read_all(offset + first * static_cast<std::int64_t>(size), {to, count * size});
    }
    /// `room`: for count · size bytes, at least.
    const std::byte* look(std::int64_t first, std::size_t count, std::span<std::byte> room) const {
        copy(first, count, room.data());
        return room.data();
    }
    void announce(std::int64_t, std::size_t) const {}
    template <class RunAt>
    void prefetch(RunAt, std::int64_t, std::int64_t) const {}
};

/// Moves every step-th pixel to the front.
template <std::size_t size>
void pack(std::byte* pixels, std::size_t count, std::size_t step) {
    for (std::size_t i = 1; i < count; ++i) {
        std::array<std::byte, size> pixel;
        std::memcpy(pixel.data(), pixels + i * step * size, size);
        std::memcpy(pixels + i * size, pixel.data(), size);
    }
}

void pack(std::size_t size, std::byte* pixels, std::size_t count, std::size_t step) {
    if (size == 1) pack<1>(pixels, count, step);
    else if (size == 2) pack<2>(pixels, count, step);
    else if (size == 4) pack<4>(pixels, count, step);
    else pack<8>(pixels, count, step);
}

std::size_t bytes_of(const Layout& layout) {
    std::size_t pixels = 1;
    for (const std::int64_t length : layout.lengths) pixels *= static_cast<std::size_t>(length);
    return pixels * size_of(layout.type);
}

} // namespace

RawImage::RawImage(std::shared_ptr<const FileHandle> data, std::shared_ptr<const FileHandle> original, std::int64_t offset, Layout layout)
    : data_(std::move(data)), original_(std::move(original)), offset_(offset), layout_(std::move(layout)), pixel_size_(size_of(layout_.type)),
      capabilities_(capabilities_of(layout_)), mapping_(data_->descriptor(), offset_, bytes_of(layout_)) {
    capabilities_.random_access = true;
    capabilities_.depth_contiguous = layout_.step_depth == 1 && layout_.shape.depth > 1;
}

/// body(pixels) with pixels from the mapping; with those from the file if there is none, or if it failed while it was read.
template <class Body>
void RawImage::with_pixels(Way way, Body&& body) const {
    if (const auto mapping = way == Way::mapping ? mapping_.get() : nullptr) {
        body(MappedPixels{*mapping, data_->descriptor(), offset_, pixel_size_});
        if (!mapping->failed()) {
            original_->check_descriptor();
            return;
        }
        mapping_.replace(mapping);
    }
    body(FilePixels{*data_, offset_, pixel_size_});
    original_->check_descriptor();
}

/// All runs run_at(0…count - 1): they fill `out` without a gap, in their order.
template <class Out, class Converter, class RunAt>
void RawImage::read_runs(std::int64_t count, RunAt run_at, std::span<Out> out, int threads, const CancelToken& cancel, Converter convert, Way way) const {
    const std::int64_t per_part = std::clamp<std::int64_t>((1 << 16) / static_cast<std::int64_t>(std::max<std::size_t>(out.size() / static_cast<std::size_t>(count), 1)), 16, 8192);
    with_pixels(way, [&](const auto& pixels) {
        parallel_for(threads, (count + per_part - 1) / per_part, cancel, [&](std::int64_t part, int) {
            const std::int64_t from = part * per_part, to = std::min(from + per_part, count);
            pixels.prefetch(run_at, from, to);
            const auto staging = thread_staging();
            const std::size_t room = staging.size() / pixel_size_;
            std::size_t filled = 0;
            Out* target = out.data() + run_at(from).at;
            const auto flush = [&] {
                convert(staging.data(), target, filled, layout_.scaling);
                target += filled;
                filled = 0;
            };
            for (std::int64_t i = from; i < to; ++i) {
                Run run = run_at(i);
                while (run.count > 0) {
                    if (filled == room) flush();
                    const std::size_t now = std::min(run.count, room - filled);
                    pixels.copy(run.first, now, staging.data() + filled * pixel_size_);
                    filled += now;
                    run.first += static_cast<std::int64_t>(now);
                    run.count -= now;
                }
            }
            flush();
        });
    });
    mapping_.touched(static_cast<std::size_t>(count));
}

/// Pixels that lie one after the other.
template <class Out, class Converter>
void RawImage::read_sequence(std::int64_t first, std::span<Out> out, Converter convert) const {
    const auto staging = thread_staging();
    const std::size_t at_once = staging.size() / pixel_size_;
    for (std::size_t done = 0; done < out.size(); done += at_once) {
        const std::size_t part = std::min(at_once, out.size() - done);
        data_->read_all(offset_ + (first + static_cast<std::int64_t>(done)) * static_cast<std::int64_t>(pixel_size_), staging.first(part * pixel_size_));
        convert(staging.data(), out.data() + done, part, layout_.scaling);
    }
}

/// Pixels that lie `step` apart.
template <class Out, class Converter>
void RawImage::read_strided(std::int64_t first, std::int64_t step, std::span<Out> out, Converter convert) const {
    const auto staging = thread_staging();
    const auto stride = static_cast<std::size_t>(step);
    const std::size_t at_once = staging.size() / pixel_size_ / stride;
    for (std::size_t done = 0; done < out.size(); done += at_once) {
        const std::size_t part = std::min(at_once, out.size() - done);
        const std::int64_t from = first + static_cast<std::int64_t>(done) * step;
        data_->read_all(offset_ + from * static_cast<std::int64_t>(pixel_size_), staging.first(((part - 1) * stride + 1) * pixel_size_));
        pack(pixel_size_, staging.data(), part, stride);
        convert(staging.data(), out.data() + done, part, layout_.scaling);
    }
}

template <class Out, class Converter>
void RawImage::read_as(const Rect& rect, PlaneId plane, std::span<Out> out, int threads, const CancelToken& cancel, Converter convert) const {
    check_request(layout_.shape, rect, plane, out.size());
    if (out.empty()) return;
    const std::int64_t base = start_of(plane.channel, plane.stokes) + rect.y0 * layout_.step_y + rect.x0 * layout_.step_x;
    const std::int64_t width = rect.width(), height = rect.height();
    const auto at_once = static_cast<std::int64_t>(staging_size / pixel_size_);
    const bool rows = layout_.step_x == 1 || width == 1;
    if (rows && (layout_.step_y == width || height == 1)) {
        const std::int64_t total = rect.size(), parts = (total + at_once - 1) / at_once;
        parallel_for(threads, parts, cancel, [&](std::int64_t part, int) {
            const std::int64_t from = part * at_once, count = std::min(at_once, total - from);
            read_sequence(base + from, out.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(count)), convert);
        });
        original_->check_descriptor();
    } else if (!rows && layout_.step_x <= close_step && static_cast<std::size_t>(width * layout_.step_x) * pixel_size_ > short_run) {
        parallel_for(threads, height, cancel, [&](std::int64_t y, int) {
            read_strided(base + y * layout_.step_y, layout_.step_x, out.subspan(static_cast<std::size_t>(y * width), static_cast<std::size_t>(width)), convert);
        });
        original_->check_descriptor();
    } else if (!rows) {
        const auto pixel = [&](std::int64_t i) {
            return Run{base + i / width * layout_.step_y + i % width * layout_.step_x, 1, static_cast<std::size_t>(i)};
        };
        read_runs(rect.size(), pixel, out, threads, cancel, convert);
    } else if (static_cast<std::size_t>(width) * pixel_size_ <= short_run) {
        const auto row = [&](std::int64_t y) { return Run{base + y * layout_.step_y, static_cast<std::size_t>(width), static_cast<std::size_t>(y * width)}; };
        read_runs(height, row, out, threads, cancel, convert);
    } else {
        parallel_for(threads, height, cancel, [&](std::int64_t y, int) {
            read_sequence(base + y * layout_.step_y, out.subspan(static_cast<std::size_t>(y * width), static_cast<std::size_t>(width)), convert);
        });
        original_->check_descriptor();
    }
}

void RawImage::read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const {
    read_as(rect, plane, out, threads, cancel, float_converter(layout_.type, layout_.scaling));
}

void RawImage::read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const {
    read_as(rect, plane, out, threads, cancel, double_converter(layout_.type, layout_.scaling));
}

void RawImage::read_int64(const Rect& rect, PlaneId plane, std::span<std::int64_t> out, int threads, const CancelToken& cancel) const {
    if (capabilities_.int64 == Int64Kind::none) return ImageSource::read_int64(rect, plane, out, threads, cancel);
    const std::uint64_t flip = capabilities_.int64 == Int64Kind::without_sign ? std::uint64_t{1} << 63 : 0;
    read_as(rect, plane, out, threads, cancel, [flip](const std::byte* in, std::int64_t* to, std::size_t count, const Scaling&) {
        for (std::size_t i = 0; i < count; ++i) {
            std::uint64_t bits;
            std::memcpy(&bits, in + i * sizeof bits, sizeof bits);
            to[i] = static_cast<std::int64_t>(__builtin_bswap64(bits) ^ flip);
        }
    });
}

void RawImage::read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                             const CancelToken& cancel) const {
    check_spectrum_request(layout_.shape, x, y, stokes, from, out.size());
    if (out.empty()) return;
    const auto convert = float_converter(layout_.type, layout_.scaling);
    const std::int64_t first = x * layout_.step_x + y * layout_.step_y + start_of(from, stokes), step = layout_.step_depth;
    if (step <= 1) return read_runs(1, [&](std::int64_t) { return Run{first, out.size(), 0}; }, out, 1, cancel, convert);
    const auto channel = [&](std::int64_t i) { return Run{first + i * step, 1, static_cast<std::size_t>(i)}; };
    const auto count = static_cast<std::int64_t>(out.size());
    const bool apart = static_cast<std::size_t>(step) * pixel_size_ >= TouchedWindows::window;
    const auto in_plane = static_cast<std::size_t>(x * layout_.step_x + y * layout_.step_y) * pixel_size_;
    const bool by_pread = apart && count > 1 && !spectra_.is_worth_mapping(in_plane, from == 0) &&
                          is_cached(data_->descriptor(), offset_, pixel_size_, channel, 0, count);
    read_runs(count, channel, out, 1, cancel, convert, by_pread ? Way::pread : Way::mapping);
}

void RawImage::read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const {
    check_box_request(layout_.shape, rect, channels, stokes, out.size());
    if (out.empty()) return;
    const std::int64_t width = rect.width(), height = rect.height();
    const bool short_rows = layout_.step_x == 1 && layout_.step_y != width && static_cast<std::size_t>(width) * pixel_size_ <= short_run;
    if (!short_rows || capabilities_.depth_contiguous) return ImageSource::read_box(rect, channels, stokes, out, threads, cancel);
    const std::int64_t base = start_of(channels.from, stokes) + rect.y0 * layout_.step_y + rect.x0;
    const auto row = [&](std::int64_t i) {
        return Run{base + i / height * layout_.step_depth + i % height * layout_.step_y, static_cast<std::size_t>(width), static_cast<std::size_t>(i * width)};
    };
    read_runs(height * channels.count(), row, out, threads, cancel, float_converter(layout_.type, layout_.scaling));
}

void RawImage::read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                           const CancelToken& cancel) const {
    check_masked_request(layout_.shape, mask, channels, stokes, out.size());
    if (out.empty()) return;
    const auto convert = float_converter(layout_.type, layout_.scaling);
    const bool rows = layout_.step_x == 1;
    // Of one channel, relative to its beginning.
    std::vector<Run> runs;
    runs.reserve(rows ? mask.runs().size() : mask.count());
    std::size_t at = 0;
    for (const PixelRun& run : mask.runs()) {
        const std::int64_t first = run.y * layout_.step_y + run.x0 * layout_.step_x;
        if (rows) runs.push_back({first, static_cast<std::size_t>(run.length()), at});
        for (std::int64_t i = 0; !rows && i < run.length(); ++i) runs.push_back({first + i * layout_.step_x, 1, at + static_cast<std::size_t>(i)});
        at += static_cast<std::size_t>(run.length());
    }
    const auto of_channel = static_cast<std::int64_t>(runs.size());
    const std::int64_t base = start_of(channels.from, stokes);
    if (capabilities_.depth_contiguous && !rows) {
        // The channels of a pixel are neighbours: some pixels' spectra at a time, turned around.
        const auto depth = static_cast<std::size_t>(channels.count());
        const std::size_t at_once = std::clamp<std::size_t>((std::size_t{1} << 18) / depth, 1, runs.size());
        const auto spectra = make_pixels<float>(at_once * depth);
        for (std::size_t begin = 0; begin < runs.size(); begin += at_once) {
            const std::size_t pixels = std::min(at_once, runs.size() - begin);
            const auto spectrum = [&](std::int64_t i) {
                return Run{base + runs[begin + static_cast<std::size_t>(i)].first, depth, static_cast<std::size_t>(i) * depth};
            };
            read_runs(static_cast<std::int64_t>(pixels), spectrum, std::span(spectra.get(), pixels * depth), threads, cancel, convert);
            for (std::size_t channel = 0; channel < depth; ++channel) {
                for (std::size_t i = 0; i < pixels; ++i) out[channel * mask.count() + begin + i] = spectra[i * depth + channel];
            }
        }
        return;
    }
    const auto nth = [&](std::int64_t i) {
        const std::int64_t channel = i / of_channel;
        const Run& run = runs[static_cast<std::size_t>(i % of_channel)];
        return Run{base + channel * layout_.step_depth + run.first, run.count, static_cast<std::size_t>(channel) * mask.count() + run.at};
    };
    read_runs(of_channel * channels.count(), nth, out, threads, cancel, convert);
}

/// Runs of neighbouring pixels, run_at(channel, 0…runs - 1): if they are long, lie near each other and in the page cache, reads them by pread(). False if not.
template <class Out, class Converter, class RunAt>
bool RawImage::read_near_runs(std::int64_t runs, std::int64_t depth, RunAt run_at, std::span<Out> out, const CancelToken& cancel, Converter convert) const {
    if (out.size() / static_cast<std::size_t>(depth) * pixel_size_ < static_cast<std::size_t>(runs) * long_run) return false;
    const auto end_of = [](const Run& run) { return run.first + static_cast<std::int64_t>(run.count); };
    const auto gap = static_cast<std::int64_t>(near_gap / pixel_size_);
    for (std::int64_t i = 1; i < runs; ++i) {
        const std::int64_t between = run_at(0, i).first - end_of(run_at(0, i - 1));
        if (between < 0 || between > gap) return false;
    }
    const auto nth = [&](std::int64_t i) { return run_at(i / runs, i % runs); };
    if (!is_cached(data_->descriptor(), offset_, pixel_size_, nth, 0, runs * depth)) return false;
    const auto staging = thread_staging();
    const auto room = static_cast<std::int64_t>(staging.size() / pixel_size_);
    Out* target = out.data();
    const auto read = [&](std::int64_t first, std::int64_t count) {
        data_->read_all(offset_ + first * static_cast<std::int64_t>(pixel_size_), staging.first(static_cast<std::size_t>(count) * pixel_size_));
    };
    const auto take = [&](std::int64_t at, std::size_t count) {
        convert(staging.data() + static_cast<std::size_t>(at) * pixel_size_, target, count, layout_.scaling);
        target += count;
    };
    for (std::int64_t channel = 0; channel < depth; ++channel) {
        cancel.throw_if_cancelled();
        for (std::int64_t i = 0; i < runs;) {
            Run run = run_at(channel, i);
            while (static_cast<std::int64_t>(run.count) > room) {
                read(run.first, room);
                take(0, static_cast<std::size_t>(room));
                run.first += room;
                run.count -= static_cast<std::size_t>(room);
            }
            const std::int64_t begin = run.first;
            std::int64_t end = end_of(run), next = i + 1;
            for (; next < runs && end_of(run_at(channel, next)) - begin <= room; ++next) end = end_of(run_at(channel, next));
            read(begin, end - begin);
            take(0, run.count);
            for (++i; i < next; ++i) {
                const Run other = run_at(channel, i);
                take(other.first - begin, other.count);
            }
        }
    }
    original_->check_descriptor();
    return true;
}

template <class Out, class Converter>
void RawImage::read_pixels_as(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<Out> out, const CancelToken& cancel,
                              Converter convert) const {
    check_runs_request(layout_.shape, runs, channels, stokes, out.size());
    cancel.throw_if_cancelled();
    if (out.empty()) return;
    const std::int64_t depth = channels.count(), of_channel = static_cast<std::int64_t>(runs.size()), base = start_of(channels.from, stokes);
    const auto run_at = [&](std::int64_t channel, std::size_t i) {
        const PixelRun& run = runs[i];
        return Run{base + channel * layout_.step_depth + run.y * layout_.step_y + run.x0 * layout_.step_x, static_cast<std::size_t>(run.length()), 0};
    };
    if (layout_.step_x == 1) {
        const auto run_of = [&](std::int64_t channel, std::int64_t i) { return run_at(channel, static_cast<std::size_t>(i)); };
        if (read_near_runs(of_channel, depth, run_of, out, cancel, convert)) return;
    }
    const auto staging = thread_staging();
    const std::size_t room = staging.size() / pixel_size_;
    with_pixels(Way::mapping, [&](const auto& pixels) {
        if (layout_.step_x == 1) {
            constexpr int ahead = 6;                 // runs
            constexpr std::size_t worth_a_call = 24; // pixels; shorter runs are converted together
            pixels.prefetch([&](std::int64_t i) { return run_at(i / of_channel, static_cast<std::size_t>(i % of_channel)); }, 0, of_channel * depth);
            Out* target = out.data();
            std::size_t filled = 0;
            const auto flush = [&] {
                if (filled == 0) return;
                convert(staging.data(), target, filled, layout_.scaling);
                target += filled;
                filled = 0;
            };
            std::int64_t channel_ahead = 0;
            std::size_t run_ahead = 0;
            const auto announce_next = [&] {
                if (channel_ahead == depth) return;
                const Run run = run_at(channel_ahead, run_ahead);
                pixels.announce(run.first, run.count);
                if (++run_ahead == runs.size()) ++channel_ahead, run_ahead = 0;
            };
            for (int i = 0; i < ahead; ++i) announce_next();
            for (std::int64_t channel = 0; channel < depth; ++channel) {
                for (std::size_t i = 0; i < runs.size(); ++i) {
                    announce_next();
                    Run run = run_at(channel, i);
                    if (run.count < worth_a_call) {
                        if (filled + run.count > room) flush();
                        pixels.copy(run.first, run.count, staging.data() + filled * pixel_size_);
                        filled += run.count;
                        continue;
                    }
                    flush();
                    while (run.count > 0) {
                        const std::size_t now = std::min(run.count, room);
                        convert(pixels.look(run.first, now, staging), target, now, layout_.scaling);
                        target += now;
                        run.first += static_cast<std::int64_t>(now);
                        run.count -= now;
                    }
                }
            }
            flush();
            return;
        }
        // Pixels that are no neighbours in the file; the channels of a pixel may be.
        const auto pixels_of_channel = out.size() / static_cast<std::size_t>(depth);
        const bool spectra = layout_.step_depth == 1;
        std::vector<Out> spectrum(spectra ? static_cast<std::size_t>(depth) : 1);
        std::size_t at = 0;
        for (const PixelRun& run : runs) {
            for (std::int64_t x = run.x0; x < run.x1; ++x, ++at) {
                const std::int64_t first = base + run.y * layout_.step_y + x * layout_.step_x;
                for (std::int64_t channel = 0; channel < depth; channel += static_cast<std::int64_t>(spectrum.size())) {
                    for (std::size_t done = 0; done < spectrum.size();) {
                        const std::size_t now = std::min(spectrum.size() - done, room);
                        const std::int64_t from = first + channel * layout_.step_depth + static_cast<std::int64_t>(done);
                        convert(pixels.look(from, now, staging), spectrum.data() + done, now, layout_.scaling);
                        done += now;
                    }
                    for (std::size_t i = 0; i < spectrum.size(); ++i) out[(static_cast<std::size_t>(channel) + i) * pixels_of_channel + at] = spectrum[i];
                }
            }
            cancel.throw_if_cancelled();
        }
    });
    mapping_.touched(static_cast<std::size_t>(of_channel * depth));
}

void RawImage::read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                           const CancelToken& cancel) const {
    read_pixels_as(runs, channels, stokes, out, cancel, float_converter(layout_.type, layout_.scaling));
}

void RawImage::read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                             const CancelToken& cancel) const {
    read_pixels_as(runs, channels, stokes, out, cancel, double_converter(layout_.type, layout_.scaling));
}

} // namespace cubelink::imaging
