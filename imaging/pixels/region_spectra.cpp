#include "imaging/pixels/region_spectra.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/kernels/polarization.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

/// Pixels of a chunk: what is read stays in the second-level cache until it is summarised. A multiple of the parts that summarise() makes.
constexpr std::size_t chunk_pixels = 1 << 15;
/// Pixels of a band of a plane whose pixels can't be read one by one.
constexpr std::int64_t band_pixels = 1 << 18;
/// Channels that are read at once where they are neighbours in the file: a cache line of them.
constexpr std::int64_t least_block = 16;
/// Pixels of the first slice, which tells how long the next ones take.
constexpr std::int64_t first_slice_pixels = 1 << 24;

} // namespace

RegionSpectra::RegionSpectra(std::shared_ptr<const PolarizationSource> source, std::vector<std::shared_ptr<const PixelMask>> masks, std::int32_t stokes,
                             const RegionSpectraOptions& options)
    : source_(std::move(source)), masks_(std::move(masks)), stokes_(stokes), options_(options),
      depth_(static_cast<std::int32_t>(source_->shape().depth)), dropped_(masks_.size(), 0), live_(masks_.size()) {
    const auto& shape = source_->shape();
    for (const auto& mask : masks_)
        if (!mask->empty()) check_request(shape, mask->bounds(), {0, 0}, static_cast<std::size_t>(mask->bounds().size()));
    if (stokes_ < shape.stokes) {
        check_request(shape, {}, {0, stokes_}, 0);
        place_[pixels_part] = parts_++;
    } else {
        if (!is_computed_stokes(stokes_)) throw std::out_of_range("stokes " + std::to_string(stokes_) + " is outside the image");
        inputs_ = source_->inputs_of(static_cast<Polarization>(stokes_));
        for (std::size_t k = 0; k < 4; ++k)
            if (inputs_[k] >= 0 && options_.inputs) place_[k] = parts_++;
        if (options_.pixels) place_[pixels_part] = parts_++;
    }
    summaries_.resize(masks_.size() * static_cast<std::size_t>(parts_) * static_cast<std::size_t>(depth_));
    slice_ = std::max(options_.first_slice, 1);
}

std::size_t RegionSpectra::memory_of(const PixelMask& mask, const ImageSource& source, std::int32_t stokes) {
    const std::size_t parts = is_computed_stokes(stokes) ? 5 : 1;
    return static_cast<std::size_t>(source.shape().depth) * parts * sizeof(PlaneSummary) + mask.runs().size_bytes();
}

std::size_t RegionSpectra::working_memory(const ImageSource& source, std::int32_t stokes, int threads) {
    const auto& capabilities = source.capabilities();
    const std::size_t values = is_computed_stokes(stokes) ? 5 : 1, size = capabilities.prefers_double ? sizeof(double) : sizeof(float);
    const std::size_t direct = chunk_pixels * (capabilities.depth_contiguous ? least_block : 1);
    const auto band = static_cast<std::size_t>(std::max(band_pixels, source.shape().width)) * 2; // and what is selected of it
    return static_cast<std::size_t>(threads) * (capabilities.random_access ? direct : band) * values * size;
}

std::span<const PlaneSummary> RegionSpectra::part(std::size_t mask, std::size_t which) const {
    if (place_[which] < 0) return {};
    const auto depth = static_cast<std::size_t>(depth_);
    const std::size_t at = (mask * static_cast<std::size_t>(parts_) + static_cast<std::size_t>(place_[which])) * depth;
    return {summaries_.data() + at, static_cast<std::size_t>(done_)};
}

PlaneSummary& RegionSpectra::summary(std::size_t mask, std::size_t which, std::int32_t channel) {
    const auto row = mask * static_cast<std::size_t>(parts_) + static_cast<std::size_t>(place_[which]);
    return summaries_[row * static_cast<std::size_t>(depth_) + static_cast<std::size_t>(channel)];
}

void RegionSpectra::drop(std::size_t mask) {
    if (dropped_[mask] != 0) return;
    dropped_[mask] = 1;
    --live_;
    cut_ = false;
}

/// The masks' pixels in chunks, by their rows. How a mask is cut does not depend on the others.
void RegionSpectra::cut() {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < masks_.size(); ++i)
        if (dropped_[i] == 0 && !masks_[i]->empty()) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        const Rect &one = masks_[a]->bounds(), &other = masks_[b]->bounds();
        return one.y0 != other.y0 ? one.y0 < other.y0 : one.x0 < other.x0;
    });
    chunks_.clear();
    splits_ = pixels_of_channel_ = 0;
    Chunk chunk;
    const auto close = [&] {
        if (chunk.pixels > 0) chunks_.push_back(std::move(chunk));
        chunk = {};
    };
    for (const std::size_t index : order) {
        const PixelMask& mask = *masks_[index];
        pixels_of_channel_ += mask.count();
        if (chunk.pixels + mask.count() > chunk_pixels) close();
        const bool split = mask.count() > chunk_pixels;
        const auto begin_piece = [&] { chunk.pieces.push_back({index, 0, split ? ++splits_ : 0}); };
        begin_piece();
        for (PixelRun run : mask.runs()) {
            while (run.length() > 0) {
                if (chunk.pixels == chunk_pixels) {
                    close();
                    begin_piece();
                }
                PixelRun now = run;
                now.x1 = std::min(run.x1, run.x0 + static_cast<std::int64_t>(chunk_pixels - chunk.pixels));
                chunk.runs.push_back(now);
                chunk.pixels += static_cast<std::size_t>(now.length());
                chunk.pieces.back().pixels += static_cast<std::size_t>(now.length());
                run.x0 = now.x1;
            }
        }
        if (split) close();
    }
    close();
    cut_ = true;
}

/// use(which, values) for each part that is wanted. `buffer`: for the inputs and the computed pixels; read(stokes, to).
template <class Read, class Use, class T>
void RegionSpectra::with_parts(std::vector<T>& buffer, std::size_t values, const Read& read, const Use& use) const {
    if (!is_computed_stokes(stokes_) || stokes_ < source_->shape().stokes) {
        if (buffer.size() < values) buffer.resize(values);
        read(stokes_, std::span(buffer).first(values));
        return use(pixels_part, std::span<const T>(buffer).first(values));
    }
    if (buffer.size() < 5 * values) buffer.resize(5 * values);
    std::array<const T*, 4> input{};
    for (std::size_t k = 0; k < 4; ++k) {
        if (inputs_[k] < 0) continue;
        const std::span<T> to = std::span(buffer).subspan(k * values, values);
        read(inputs_[k], to);
        input[k] = to.data();
        if (place_[k] >= 0) use(k, std::span<const T>(to));
    }
    if (place_[pixels_part] < 0) return;
    const std::span<T> computed = std::span(buffer).subspan(4 * values, values);
    kernels::polarization(static_cast<Polarization>(stokes_), kernels::StokesValues<T>{input[0], input[1], input[2], input[3]}, values, computed.data());
    use(pixels_part, std::span<const T>(computed));
}

template <class T>
void RegionSpectra::read_slice(ChannelRange channels, const ThreadShare& threads, const CancelToken& cancel) {
    if (chunks_.empty()) return;
    const ImageSource& base = *source_->base();
    const auto parts = static_cast<std::size_t>(parts_);
    // Of masks that several chunks hold: merged in the order of the chunks when all are there.
    std::vector<PlaneSummary> of_pieces(splits_ * parts * static_cast<std::size_t>(channels.count()));
    const auto piece_summary = [&](const Piece& piece, std::size_t which, std::int32_t channel) -> PlaneSummary& {
        if (piece.split == 0) return summary(piece.mask, which, channel);
        const auto at = (static_cast<std::size_t>(channel - channels.from) * splits_ + piece.split - 1) * parts;
        return of_pieces[at + static_cast<std::size_t>(place_[which])];
    };
    // Small masks: several channels at a time, as long as there is enough for all threads.
    const std::int64_t fitting = static_cast<std::int64_t>(chunk_pixels / std::max<std::size_t>(pixels_of_channel_, 1));
    const std::int64_t shared = channels.count() / (4 * std::max(threads.now(), 1));
    const std::int64_t least = base.capabilities().depth_contiguous ? least_block : 1;
    const std::int64_t block = chunks_.size() > 1 ? least : std::clamp<std::int64_t>(shared, least, std::max(fitting, least));
    const std::int64_t blocks = (channels.count() + block - 1) / block, of_block = static_cast<std::int64_t>(chunks_.size());
    std::vector<std::vector<T>> buffers(threads.slots());
    parallel_for(threads, blocks * of_block, cancel, [&](std::int64_t index, int thread) {
        call_poll(thread);
        const Chunk& chunk = chunks_[static_cast<std::size_t>(index % of_block)];
        const auto from = channels.from + static_cast<std::int32_t>(index / of_block * block);
        const ChannelRange some{from, static_cast<std::int32_t>(std::min<std::int64_t>(from + block, channels.to))};
        const auto read = [&](std::int32_t stokes, std::span<T> to) {
            if constexpr (std::is_same_v<T, double>) base.read_pixels64(chunk.runs, some, stokes, to, cancel);
            else base.read_pixels(chunk.runs, some, stokes, to, cancel);
        };
        const auto use = [&](std::size_t which, std::span<const T> values) {
            for (std::int32_t channel = some.from; channel < some.to; ++channel) {
                for (const Piece& piece : chunk.pieces) {
                    piece_summary(piece, which, channel) = summarise(values.first(piece.pixels));
                    values = values.subspan(piece.pixels);
                }
            }
        };
        with_parts(buffers[static_cast<std::size_t>(thread)], chunk.pixels * static_cast<std::size_t>(some.count()), read, use);
    });
    if (splits_ == 0) return;
    for (std::int32_t channel = channels.from; channel < channels.to; ++channel) {
        for (std::size_t which = 0; which < place_.size(); ++which) {
            if (place_[which] < 0) continue;
            std::size_t last = masks_.size();
            for (const Chunk& chunk : chunks_) {
                for (const Piece& piece : chunk.pieces) {
                    if (piece.split == 0) continue;
                    PlaneSummary& whole = summary(piece.mask, which, channel);
                    if (piece.mask != last) whole = {};
                    last = piece.mask;
                    whole.merge(piece_summary(piece, which, channel));
                }
            }
        }
    }
}

template <class T>
void RegionSpectra::read_planes(ChannelRange channels, const ThreadShare& threads, const CancelToken& cancel) {
    const ImageSource& base = *source_->base();
    const auto& shape = base.shape();
    std::vector<std::size_t> live;
    Rect all{shape.width, shape.height, 0, 0};
    for (std::size_t i = 0; i < masks_.size(); ++i) {
        if (dropped_[i] != 0 || masks_[i]->empty()) continue;
        live.push_back(i);
        const Rect& bounds = masks_[i]->bounds();
        all = {std::min(all.x0, bounds.x0), std::min(all.y0, bounds.y0), std::max(all.x1, bounds.x1), std::max(all.y1, bounds.y1)};
    }
    if (live.empty()) return;
    // Bands of whole stored blocks, which are decoded as a whole.
    const std::int64_t block = std::max<std::int64_t>(base.capabilities().stored_block.height, 1);
    const std::int64_t fitting = std::max<std::int64_t>(band_pixels / all.width(), 1), rows = fitting > block ? fitting / block * block : fitting;
    struct Buffers {
        std::vector<T> planes, selected;
    };
    std::vector<Buffers> buffers(threads.slots());
    const int inner = std::max(1, threads.now() / channels.count());
    parallel_for(threads, channels.count(), cancel, [&](std::int64_t index, int thread) {
        const auto channel = channels.from + static_cast<std::int32_t>(index);
        Buffers& mine = buffers[static_cast<std::size_t>(thread)];
        for (const std::size_t mask : live)
            for (std::size_t which = 0; which < place_.size(); ++which)
                if (place_[which] >= 0) summary(mask, which, channel) = {};
        std::vector<std::span<const PixelRun>> rest;
        for (const std::size_t mask : live) rest.push_back(masks_[mask]->runs());
        for (std::int64_t y = all.y0; y < all.y1;) {
            const std::int64_t end = rows >= block ? (y + rows) / block * block : y + rows;
            const Rect band{all.x0, y, all.x1, std::min(end, all.y1)};
            y = band.y1;
            const bool selected = std::any_of(rest.begin(), rest.end(), [&](const auto& runs) { return !runs.empty() && runs.front().y < band.y1; });
            if (!selected) continue;
            cancel.throw_if_cancelled();
            call_poll(thread);
            const auto read = [&](std::int32_t stokes, std::span<T> to) {
                if constexpr (std::is_same_v<T, double>) base.read64(band, {channel, stokes}, to, inner, cancel);
                else base.read(band, {channel, stokes}, to, inner, cancel);
            };
            const auto use = [&](std::size_t which, std::span<const T> values) {
                for (std::size_t i = 0; i < live.size(); ++i) {
                    mine.selected.clear();
                    for (const PixelRun& run : rest[i]) {
                        if (run.y >= band.y1) break;
                        const T* from = values.data() + (run.y - band.y0) * band.width() + (run.x0 - band.x0);
                        mine.selected.insert(mine.selected.end(), from, from + run.length());
                    }
                    if (!mine.selected.empty()) summary(live[i], which, channel).merge(summarise(std::span<const T>(mine.selected)));
                }
            };
            with_parts(mine.planes, static_cast<std::size_t>(band.size()), read, use);
            for (auto& runs : rest)
                while (!runs.empty() && runs.front().y < band.y1) runs = runs.subspan(1);
        }
    });
}

void RegionSpectra::call_poll(int thread) {
    if (thread != 0 || poll_ == nullptr) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - polled_ < std::chrono::milliseconds(10)) return;
    polled_ = now;
    (*poll_)();
}

void RegionSpectra::advance(const ThreadShare& threads, const CancelToken& cancel, const std::function<void()>& poll) {
    using Clock = std::chrono::steady_clock;
    using Seconds = std::chrono::duration<double>;
    constexpr double fastest_growth = 16; // a slice that was quick (cached) predicts little of the next
    cancel.throw_if_cancelled();
    if (finished()) return;
    if (!cut_) cut();
    const bool direct = source_->capabilities().random_access;
    auto slice = static_cast<std::int32_t>(std::clamp<double>(slice_, 1, depth_ - done_));
    if (done_ == 0) {
        const auto most = first_slice_pixels / std::max<std::int64_t>(static_cast<std::int64_t>(pixels_of_channel_), 1);
        slice = std::min(slice, static_cast<std::int32_t>(std::clamp<std::int64_t>(most, 1, depth_)));
    }
    if (!direct || pixels_of_channel_ < chunk_pixels) slice = std::min(depth_ - done_, std::max(slice, threads.now())); // a channel is one index of the loop
    const ChannelRange channels{done_, done_ + slice};
    const auto begun = Clock::now();
    poll_ = poll ? &poll : nullptr;
    const bool wide = source_->capabilities().prefers_double;
    if (direct && wide) read_slice<double>(channels, threads, cancel);
    else if (direct) read_slice<float>(channels, threads, cancel);
    else if (wide) read_planes<double>(channels, threads, cancel);
    else read_planes<float>(channels, threads, cancel);
    done_ = channels.to;
    const double took = std::max(Seconds(Clock::now() - begun).count(), 1e-9);
    slice_ = std::max(1.0, slice * std::min(fastest_growth, Seconds(options_.slice_time).count() / took));
}

bool is_combined(StatsType type) { return type == StatsType::mean || type == StatsType::sum || type == StatsType::flux_density; }

std::vector<double> region_spectrum(const RegionSpectra& spectra, std::size_t mask, StatsType type, const FluxTermsOf& flux_terms) {
    std::vector<double> values(static_cast<std::size_t>(spectra.depth()), std::numeric_limits<double>::quiet_NaN());
    const auto& inputs = spectra.input_stokes();
    const bool computed = std::any_of(inputs.begin(), inputs.end(), [](std::int32_t stokes) { return stokes >= 0; });
    const auto value = [&](const PlaneSummary& summary, PlaneId plane) {
        return statistic(type, summary, type == StatsType::flux_density && flux_terms ? flux_terms(plane) : FluxTerms{});
    };
    if (!computed || !is_combined(type)) {
        const auto pixels = spectra.pixels(mask);
        for (std::size_t i = 0; i < pixels.size(); ++i) values[i] = value(pixels[i], {static_cast<std::int32_t>(i), spectra.stokes()});
        return values;
    }
    for (std::int32_t channel = 0; channel < spectra.done(); ++channel) {
        std::array<double, 4> of{};
        for (std::size_t k = 0; k < 4; ++k) {
            const auto pixels = spectra.input(mask, k);
            if (inputs[k] >= 0 && !pixels.empty()) of[k] = value(pixels[static_cast<std::size_t>(channel)], {channel, inputs[k]});
        }
        values[static_cast<std::size_t>(channel)] = computed_polarization(static_cast<Polarization>(spectra.stokes()), of[0], of[1], of[2], of[3]);
    }
    return values;
}

} // namespace cubelink::imaging
