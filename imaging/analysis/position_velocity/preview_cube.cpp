#include "imaging/analysis/position_velocity/preview_cube.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/regions/box_pixels.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace cubelink::imaging {

namespace {

constexpr float blank = std::numeric_limits<float>::quiet_NaN();
/// Channels whose values are written together: a cache line of them.
constexpr std::int64_t together = 16;
/// Pixels of the cube in a band, and of the image that are read at once; of both where stored blocks are large.
constexpr std::int64_t band_pixels = 1 << 13, band_reads = 1 << 18, most_buffered = 1 << 22;
/// Positions whose profiles are made together.
constexpr std::int64_t positions = 16;

bool is_blank(float value) { return (std::bit_cast<std::uint32_t>(value) & 0x7f800000u) == 0x7f800000u; }

std::string size_text(std::size_t bytes) {
    const auto megabytes = static_cast<double>(bytes) / (1 << 20);
    char text[32];
    if (megabytes >= 1024) std::snprintf(text, sizeof text, "%.1f GiB", megabytes / 1024);
    else std::snprintf(text, sizeof text, "%.1f MiB", megabytes);
    return text;
}

[[noreturn]] void refuse(const PreviewCubeSpec& spec, const BudgetCache& budget, const std::string& why) {
    throw ImageError("The preview's cube of " + std::to_string(spec.width()) + " × " + std::to_string(spec.height()) + " pixels and " +
                     std::to_string(spec.depth()) + " channels takes " + size_text(spec.bytes()) + ", " + why + " the memory limit of " +
                     size_text(budget.limit()) + ". Choose a smaller region, fewer channels, or average more pixels and channels (rebin).");
}

/// What all cubes take together.
std::atomic<std::size_t> in_cubes{0};

class Share {
public:
    explicit Share(std::size_t bytes) : bytes_(bytes) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { in_cubes.fetch_sub(bytes_); }

private:
    const std::size_t bytes_;
};

/// How long a cube that has been given up may be in use by a drawing that ends.
constexpr auto share_wait = std::chrono::seconds(1);

std::shared_ptr<const void> share_for(const PreviewCubeSpec& spec, const BudgetCache& budget, const CancelToken& cancel) {
    const std::size_t bytes = spec.bytes(), all = budget.limit() / 2;
    if (bytes > all) refuse(spec, budget, "more than half of");
    const auto deadline = std::chrono::steady_clock::now() + share_wait;
    for (std::size_t others = in_cubes.load();;) {
        if (bytes + others <= all) {
            if (in_cubes.compare_exchange_weak(others, others + bytes)) return std::make_shared<const Share>(bytes);
            continue;
        }
        cancel.throw_if_cancelled();
        if (std::chrono::steady_clock::now() >= deadline)
            refuse(spec, budget, "and the other previews of this server " + size_text(others) + ": all together may take half of");
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        others = in_cubes.load();
    }
}

/// How the cube is read.
struct Plan {
    std::int64_t rows, channels; // of the cube, in one step
    std::int64_t slice;          // rows of the image that are read at once where pixels are averaged

    Plan(const PreviewCubeSpec& spec, const Capabilities& capabilities) {
        const std::int64_t width = spec.width(), bin = spec.rebin_xy, height = spec.height();
        rows = std::max<std::int64_t>(1, std::min(band_pixels / width, band_reads / (width * bin * bin)));
        slice = std::max<std::int64_t>(1, band_reads / spec.rect.width());
        const std::int64_t block = capabilities.whole_planes_only ? spec.rect.height() : capabilities.random_access ? 1 : 2 * capabilities.stored_block.height;
        if (block * spec.rect.width() <= most_buffered) { // stored blocks are decoded as a whole
            rows = std::max(rows, (block + bin - 1) / bin);
            slice = std::max(slice, block);
        }
        rows = std::min(rows, height);
        channels = std::clamp<std::int64_t>(most_buffered / (rows * width), 1, together);
    }
    std::size_t buffer(const PreviewCubeSpec& spec) const { return static_cast<std::size_t>(rows * spec.width() * channels); }
    std::size_t reads(const PreviewCubeSpec& spec) const { return static_cast<std::size_t>(std::min(slice, spec.rect.height()) * spec.rect.width()); }
};

/// Of one thread.
struct Scratch {
    std::vector<float> values, read; // of the cube, channel by channel; of the image
    std::vector<double> sums;
    std::vector<std::uint64_t> counts;
};

/// Adds the finite pixels of rows from ≤ y < to of an image's band to the sums of their blocks.
void add_blocks(const float* pixels, const Rect& band, std::int64_t from, std::int64_t to, std::int64_t bin, std::int64_t width, double* sums,
                std::uint64_t* counts) {
    for (std::int64_t y = from; y < to; ++y) {
        double* sum = sums + y / bin * width;
        std::uint64_t* count = counts + y / bin * width;
        for (std::int64_t x = 0; x < band.width(); ++sum, ++count) {
            const std::int64_t end = std::min(x + bin, band.width());
            double some = 0;
            std::uint64_t n = 0;
            for (; x < end; ++x) {
                const float value = *pixels++;
                const bool finite = !is_blank(value);
                some += finite ? static_cast<double>(value) : 0.0;
                n += finite ? 1u : 0u;
            }
            *sum += some;
            *count += n;
        }
    }
}

void read_channel(const ImageSource& source, const PreviewCubeSpec& spec, std::int64_t channel, const Rect& band, std::span<float> out, std::int64_t slice,
                  Scratch& scratch, const CancelToken& cancel) {
    const std::int64_t first = spec.channels.from + channel * spec.rebin_z;
    if (first + spec.rebin_z > spec.channels.to) return std::fill(out.begin(), out.end(), blank);
    if (spec.rebin_xy == 1 && spec.rebin_z == 1) return source.read(band, {static_cast<std::int32_t>(first), spec.stokes}, out, 1, cancel);
    scratch.sums.assign(out.size(), 0);
    scratch.counts.assign(out.size(), 0);
    for (std::int64_t i = 0; i < spec.rebin_z; ++i) {
        for (std::int64_t y = 0; y < band.height(); y += slice) {
            cancel.throw_if_cancelled();
            const Rect rows{band.x0, band.y0 + y, band.x1, std::min(band.y1, band.y0 + y + slice)};
            scratch.read.resize(static_cast<std::size_t>(rows.size()));
            source.read(rows, {static_cast<std::int32_t>(first + i), spec.stokes}, scratch.read, 1, cancel);
            add_blocks(scratch.read.data(), band, y, y + rows.height(), spec.rebin_xy, spec.width(), scratch.sums.data(), scratch.counts.data());
        }
    }
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = scratch.counts[i] == 0 ? blank : static_cast<float>(scratch.sums[i] / static_cast<double>(scratch.counts[i]));
}

Reservation reserve_for(const PreviewCubeSpec& spec, std::size_t scratch, BudgetCache& budget, const CancelToken& cancel) {
    try {
        return budget.reserve(spec.bytes() + scratch, cancel);
    } catch (const OverBudget&) {
        refuse(spec, budget, "more than is free of");
    }
}

} // namespace

PreviewCube::PreviewCube(const ImageSource& source, const PreviewCubeSpec& spec, BudgetCache& budget, const ThreadShare& threads, const CancelToken& cancel,
                         const std::function<void(double)>& progress)
    : spec_(spec) {
    if (spec.rect.size() < 1 || spec.channels.count() < 1 || spec.rebin_xy < 1 || spec.rebin_z < 1) throw std::invalid_argument("an empty preview");
    check_request(source.shape(), spec.rect, {spec.channels.from, 0}, static_cast<std::size_t>(spec.rect.size()));
    const Plan plan(spec, source.capabilities());
    const std::size_t of_thread = (plan.buffer(spec) + plan.reads(spec)) * sizeof(float) + plan.buffer(spec) / static_cast<std::size_t>(plan.channels) * 16;
    share_ = share_for(spec, budget, cancel);
    memory_ = reserve_for(spec, of_thread * threads.slots(), budget, cancel);
    const std::int64_t width = spec.width(), height = spec.height(), depth = spec.depth();
    pixels_ = make_pixels<float>(static_cast<std::size_t>(width * height * depth));
    const std::int64_t bands = (height + plan.rows - 1) / plan.rows, groups = (depth + plan.channels - 1) / plan.channels;
    std::vector<Scratch> all_scratch(threads.slots());
    std::atomic<std::int64_t> done{0};
    std::atomic<bool> blanks{false};
    parallel_for(threads, bands * groups, cancel, [&](std::int64_t index, int thread) {
        auto& scratch = all_scratch[static_cast<std::size_t>(thread)];
        const std::int64_t first = index / bands * plan.channels, channels = std::min(plan.channels, depth - first);
        const std::int64_t row = index % bands * plan.rows, rows = std::min(plan.rows, height - row);
        const Rect band{spec.rect.x0, spec.rect.y0 + row * spec.rebin_xy, spec.rect.x1, std::min(spec.rect.y1, spec.rect.y0 + (row + rows) * spec.rebin_xy)};
        const auto count = static_cast<std::size_t>(rows * width);
        scratch.values.resize(count * static_cast<std::size_t>(channels));
        for (std::int64_t i = 0; i < channels; ++i) {
            cancel.throw_if_cancelled();
            read_channel(source, spec, first + i, band, std::span(scratch.values).subspan(static_cast<std::size_t>(i) * count, count), plan.slice, scratch,
                         cancel);
        }
        if (!blanks.load(std::memory_order_relaxed) && std::any_of(scratch.values.begin(), scratch.values.end(), is_blank)) blanks.store(true);
        float* to = pixels_.get() + row * width * depth + first;
        for (std::size_t pixel = 0; pixel < count; ++pixel, to += depth)
            for (std::int64_t i = 0; i < channels; ++i) to[i] = scratch.values[static_cast<std::size_t>(i) * count + pixel];
        const auto now = done.fetch_add(1) + 1;
        if (thread == 0 && progress) progress(static_cast<double>(now) / static_cast<double>(bands * groups));
    });
    blanks_ = blanks.load();
    memory_.shrink(spec.bytes());
}

void PreviewCube::cut(std::span<const LineBox> boxes, bool reverse, std::span<float> out, const ThreadShare& threads, const CancelToken& cancel) const {
    const auto depth = static_cast<std::size_t>(spec_.depth());
    if (out.size() != boxes.size() * depth) throw std::invalid_argument("the buffer has not the size of the position-velocity image");
    const ImageShape plane{spec_.width(), spec_.height(), 1, 1};
    struct Sums {
        std::vector<double> sums;
        std::vector<std::uint32_t> counts;
        std::vector<float> means; // of some positions, one after the other
    };
    std::vector<Sums> all_sums(threads.slots());
    const auto count = static_cast<std::int64_t>(boxes.size());
    parallel_for(threads, (count + positions - 1) / positions, cancel, [&](std::int64_t index, int thread) {
        auto& mine = all_sums[static_cast<std::size_t>(thread)];
        const auto first = static_cast<std::size_t>(index * positions), some = std::min<std::size_t>(positions, boxes.size() - first);
        const auto pixels = scan_boxes(boxes.subspan(first, some), plane, cancel);
        mine.means.resize(some * depth);
        std::size_t next = 0;
        for (std::size_t i = 0; i < some; ++i) {
            mine.sums.assign(depth, 0);
            mine.counts.assign(blanks_ ? depth : 0, 0);
            std::uint32_t n = 0;
            for (; next < pixels.ends[i]; ++next) {
                const auto& run = pixels.runs[next];
                for (std::int64_t x = run.x0; x < run.x1; ++x, ++n) {
                    const float* const values = pixels_.get() + static_cast<std::size_t>(run.y * plane.width + x) * depth;
                    double* const sums = mine.sums.data();
                    if (!blanks_) {
                        for (std::size_t c = 0; c < depth; ++c) sums[c] += static_cast<double>(values[c]);
                        continue;
                    }
                    std::uint32_t* const counts = mine.counts.data();
                    for (std::size_t c = 0; c < depth; ++c) {
                        const auto bits = std::bit_cast<std::uint32_t>(values[c]);
                        const std::uint32_t finite = (bits & 0x7f800000u) != 0x7f800000u ? 1 : 0;
                        sums[c] += static_cast<double>(std::bit_cast<float>(bits & (0u - finite)));
                        counts[c] += finite;
                    }
                }
                cancel.throw_if_cancelled();
            }
            float* const means = mine.means.data() + i * depth;
            for (std::size_t c = 0; c < depth; ++c) {
                const auto of = blanks_ ? mine.counts[c] : n;
                means[c] = of == 0 ? blank : static_cast<float>(mine.sums[c] / of);
            }
        }
        if (reverse) {
            std::copy(mine.means.begin(), mine.means.end(), out.begin() + static_cast<std::ptrdiff_t>(first * depth));
            return;
        }
        for (std::size_t c = 0; c < depth; ++c)
            for (std::size_t i = 0; i < some; ++i) out[c * boxes.size() + first + i] = mine.means[i * depth + c];
    });
}

} // namespace cubelink::imaging
