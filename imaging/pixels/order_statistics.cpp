#include "imaging/pixels/order_statistics.hpp"

#include "imaging/pixels/mask_windows.hpp"
#include "imaging/pixels/pixel_bands.hpp"
#include "platform/mutex.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace cubelink::imaging {

namespace {

constexpr std::size_t kSorted = std::size_t(1) << 16;  // so many keys are sorted
constexpr std::size_t kWords = std::size_t(1) << 16;   // values of 16 bits
constexpr std::size_t kTables = 32;                    // of kWords counts, at most, in a pass and thread
constexpr std::size_t kTableMemory = std::size_t(64) << 20;

std::uint64_t selected_pixels(const ImageSource& source, const PixelSelection& pixels) {
    const auto of_plane = pixels.mask != nullptr ? static_cast<std::uint64_t>(pixels.mask->count()) : static_cast<std::uint64_t>(source.shape().plane_size());
    return of_plane * static_cast<std::uint64_t>(std::max(0, pixels.channels.count()));
}

std::size_t tables_at_once(std::size_t threads) { return std::clamp<std::size_t>(kTableMemory / (threads * kWords * sizeof(std::uint32_t)), 4, kTables); }

template <class T>
bool is_finite(T x) {
    return std::abs(x) < std::numeric_limits<T>::infinity();
}

/// Passes over the selected pixels, in any order.
template <class T>
class ValuePasses {
public:
    ValuePasses(const ImageSource& source, const PixelSelection& pixels, const ThreadShare& threads, const CancelToken& cancel, const std::function<void()>& progress)
        : source_(source), pixels_(pixels), threads_(threads), cancel_(cancel), progress_(progress) {
        if (pixels.mask != nullptr) windows_.emplace(source, MaskList(&pixels_.mask, 1));
        const std::uint64_t count = selected_pixels(source, pixels);
        if (count > pixels.keep) return;
        auto kept = make_pixels<T>(static_cast<std::size_t>(count));
        std::atomic<std::size_t> filled{0};
        read([&](std::span<const T> values, int) {
            const auto finite = static_cast<std::size_t>(std::count_if(values.begin(), values.end(), is_finite<T>));
            std::copy_if(values.begin(), values.end(), kept.get() + filled.fetch_add(finite, std::memory_order_relaxed), is_finite<T>);
        });
        kept_size_ = filled;
        kept_ = std::move(kept);
    }

    std::size_t threads() const { return threads_.slots(); }
    /// Nothing if they were not kept.
    std::optional<std::span<const T>> kept() const { return kept_ ? std::optional(std::span<const T>(kept_.get(), kept_size_)) : std::nullopt; }

    /// visit(values, thread)
    template <class Visit>
    void run(Visit&& visit) const {
        if (!kept_) return read(visit);
        constexpr std::size_t piece = kWords;
        parallel_for(threads_, static_cast<std::int64_t>((kept_size_ + piece - 1) / piece), cancel_, [&](std::int64_t index, int thread) {
            const std::size_t from = static_cast<std::size_t>(index) * piece;
            visit(std::span<const T>(kept_.get() + from, std::min(piece, kept_size_ - from)), thread);
        });
        if (progress_) progress_();
    }

private:
    template <class Visit>
    void read(Visit&& visit) const {
        if (windows_) {
            for (std::int32_t channel = pixels_.channels.from; channel < pixels_.channels.to; ++channel) {
                visit_masks<T>(source_, *windows_, {channel, pixels_.stokes}, {}, threads_, cancel_,
                               [&](std::size_t, std::span<const T> values, int thread) { visit(values, thread); });
                if (progress_) progress_();
            }
            return;
        }
        const Rect plane{0, 0, source_.shape().width, source_.shape().height};
        for (const ChannelRange channels : channels_at_once(source_, plane, pixels_.channels)) {
            visit_bands<T>(source_, PixelBands(source_, plane, channels, pixels_.stokes), threads_, cancel_,
                           [&](std::int64_t, std::span<const T> values, int thread) { visit(values, thread); });
            if (progress_) progress_();
        }
    }

    const ImageSource& source_;
    const PixelSelection pixels_;
    const ThreadShare threads_;
    const CancelToken& cancel_;
    const std::function<void()>& progress_;
    std::optional<MaskWindows> windows_;
    Pixels<T> kept_;
    std::size_t kept_size_ = 0;
};

/// Keys are integers in the order of the values. nullopt: the value does not count.
struct FloatKeys {
    using Value = float;
    using Key = std::uint32_t;
    bool operator()(float x, Key& key) const {
        const auto bits = std::bit_cast<std::uint32_t>(x);
        key = bits ^ (bits >> 31 ? 0xffffffffU : 0x80000000U);
        return is_finite(x);
    }
    double value(Key key) const { return std::bit_cast<float>(key ^ (key >> 31 ? 0x80000000U : 0xffffffffU)); }
};

constexpr std::uint64_t kSign = std::uint64_t(1) << 63;

struct DoubleKeys {
    using Value = double;
    using Key = std::uint64_t;
    bool operator()(double x, Key& key) const {
        const auto bits = std::bit_cast<std::uint64_t>(x);
        key = bits >> 63 ? ~bits : bits ^ kSign;
        return is_finite(x);
    }
    double value(Key key) const { return std::bit_cast<double>(key >> 63 ? key ^ kSign : ~key); }
};

/// |x − median|. The sign, which is always the same, makes room for a bit that counts.
template <class T>
struct DeviationKeys {
    using Value = T;
    using Key = std::uint64_t;
    double median = 0;
    bool operator()(T x, Key& key) const {
        key = std::bit_cast<std::uint64_t>(std::abs(double(x) - median)) << 1;
        return is_finite(x);
    }
    double value(Key key) const { return std::bit_cast<double>(key >> 1); }
};

/// Counts of words of 16 bits, by one thread. Two tables in turn: neighbouring pixels of the same value would otherwise wait for each other.
class WordCounts {
public:
    void count(std::size_t word, std::size_t table) { ++counts_[table * kWords + word]; }
    /// To be called before at most `n` counts.
    void prepare(std::size_t n) {
        if (counts_.empty()) counts_.resize(2 * kWords);
        if (pending_ + n > std::numeric_limits<std::uint32_t>::max()) {
            totals_.resize(kWords);
            add_to(totals_);
            std::fill(counts_.begin(), counts_.end(), 0);
            pending_ = 0;
        }
        pending_ += n;
    }
    void finish(std::vector<std::uint64_t>& sums) const {
        add_to(sums);
        for (std::size_t i = 0; i < totals_.size(); ++i) sums[i] += totals_[i];
    }

private:
    void add_to(std::vector<std::uint64_t>& sums) const {
        if (!counts_.empty())
            for (std::size_t i = 0; i < kWords; ++i) sums[i] += std::uint64_t(counts_[i]) + counts_[kWords + i];
    }
    std::vector<std::uint32_t> counts_;
    std::vector<std::uint64_t> totals_;
    std::size_t pending_ = 0;
};

[[noreturn]] void pixels_changed() { throw ImageError("the pixels of the image changed while they were counted"); }

/// Finds the keys at given places of the sorted keys of all selected pixels.
template <class Keys>
class KeySelection {
public:
    using Key = typename Keys::Key;
    using Value = typename Keys::Value;

    KeySelection(const ValuePasses<Value>& passes, const Keys& keys) : passes_(passes), keys_(keys) {
        if (const auto kept = passes.kept(); kept && kept->size() <= kSorted) {
            for (const Value x : *kept)
                if (Key key; keys(x, key)) sorted_.push_back(key);
            std::sort(sorted_.begin(), sorted_.end());
            count_ = sorted_.size();
            return;
        }
        std::vector<WordCounts> partial(passes.threads());
        passes.run([&](std::span<const Value> values, int thread) {
            auto& counts = partial[static_cast<std::size_t>(thread)];
            counts.prepare(values.size());
            for (std::size_t i = 0; i < values.size(); ++i)
                if (Key key; keys_(values[i], key)) counts.count(static_cast<std::size_t>(key >> (key_bits - 16)), i & 1);
        });
        leading_.resize(kWords);
        for (const auto& counts : partial) counts.finish(leading_);
        for (const std::uint64_t n : leading_) count_ += n;
    }

    std::uint64_t count() const { return count_; }

    /// `ranks`: ascending, different, below count().
    std::vector<Key> at(const std::vector<std::uint64_t>& ranks) {
        std::vector<Key> found(ranks.size());
        if (leading_.empty()) {
            std::transform(ranks.begin(), ranks.end(), found.begin(), [&](std::uint64_t rank) { return sorted_[static_cast<std::size_t>(rank)]; });
            return found;
        }
        std::vector<Group> groups(1);
        for (std::size_t i = 0; i < ranks.size(); ++i) groups[0].wanted.push_back({ranks[i], i});
        groups[0].count = count_;
        groups = split(groups[0], leading_, key_bits - 16);
        for (int shift = key_bits - 16; !groups.empty(); shift -= 16) {
            std::uint64_t total = 0;
            for (const Group& group : groups) total += group.count;
            if (shift == 0 || total <= kSorted) {
                finish(groups, shift, shift == 0 ? std::vector<Key>() : gather(groups, shift, static_cast<std::size_t>(total)), found);
                break;
            }
            groups = refine(groups, shift);
        }
        return found;
    }

private:
    static constexpr int key_bits = 8 * sizeof(Key);

    /// The keys with these leading bits.
    struct Group {
        Key prefix = 0; // key >> shift
        std::uint64_t count = 0;
        struct Wanted {
            std::uint64_t rank; // within the group
            std::size_t index;  // of the result
        };
        std::vector<Wanted> wanted; // ascending ranks
    };

    /// The groups with 16 more leading bits that hold what is wanted.
    static std::vector<Group> split(const Group& group, const std::vector<std::uint64_t>& counts, int shift) {
        std::vector<Group> parts;
        std::uint64_t before = 0;
        auto wanted = group.wanted.begin();
        for (std::size_t word = 0; word < kWords && wanted != group.wanted.end(); before += counts[word++]) {
            if (wanted->rank - before >= counts[word]) continue;
            Group part;
            part.prefix = static_cast<Key>((shift == key_bits - 16 ? 0 : group.prefix << 16) | word);
            part.count = counts[word];
            for (; wanted != group.wanted.end() && wanted->rank - before < counts[word]; ++wanted) part.wanted.push_back({wanted->rank - before, wanted->index});
            parts.push_back(std::move(part));
        }
        if (wanted != group.wanted.end()) pixels_changed();
        return parts;
    }

    /// Finds the group of a key by its first word, then among those that share it.
    class Lookup {
    public:
        Lookup(std::span<const Group> groups, int shift) : groups_(groups), shift_(shift), first_(kWords, none) {
            for (std::size_t i = groups.size(); i-- > 0;) first_[leading(groups[i].prefix)] = static_cast<std::uint16_t>(i);
        }
        std::size_t find(Key key) const {
            std::size_t i = first_[static_cast<std::size_t>(key >> (key_bits - 16))];
            if (i == none) return none;
            const Key prefix = key >> shift_;
            for (; i < groups_.size() && groups_[i].prefix < prefix; ++i) {}
            return i < groups_.size() && groups_[i].prefix == prefix ? i : none;
        }
        static constexpr std::uint16_t none = 0xffff;

    private:
        std::size_t leading(Key prefix) const { return static_cast<std::size_t>(prefix >> (key_bits - 16 - shift_)); }
        std::span<const Group> groups_; // ascending prefixes
        int shift_;
        std::vector<std::uint16_t> first_;
    };

    std::vector<Group> refine(const std::vector<Group>& groups, int shift) const {
        std::vector<Group> parts;
        const std::size_t at_once = tables_at_once(passes_.threads());
        for (std::size_t from = 0; from < groups.size(); from += at_once) {
            const auto some = std::span(groups).subspan(from, std::min(at_once, groups.size() - from));
            const Lookup lookup(some, shift);
            std::vector<std::vector<std::uint32_t>> partial(passes_.threads());
            std::vector<std::vector<std::uint64_t>> totals(some.size(), std::vector<std::uint64_t>(kWords));
            std::vector<std::size_t> pending(partial.size());
            platform::Mutex mutex;
            const auto add_up = [&](std::vector<std::uint32_t>& counts) {
                const platform::MutexLock lock(mutex);
                for (std::size_t i = 0; i < counts.size(); ++i) totals[i / kWords][i % kWords] += counts[i];
                std::fill(counts.begin(), counts.end(), 0);
            };
            passes_.run([&](std::span<const Value> values, int thread) {
                auto& counts = partial[static_cast<std::size_t>(thread)];
                auto& waiting = pending[static_cast<std::size_t>(thread)];
                if (counts.empty()) counts.resize(some.size() * kWords);
                if (waiting + values.size() > std::numeric_limits<std::uint32_t>::max()) {
                    add_up(counts);
                    waiting = 0;
                }
                waiting += values.size();
                for (const Value x : values) {
                    Key key;
                    if (!keys_(x, key)) continue;
                    const std::size_t group = lookup.find(key);
                    if (group != Lookup::none) ++counts[group * kWords + static_cast<std::size_t>(key >> (shift - 16) & 0xffff)];
                }
            });
            for (auto& counts : partial) add_up(counts);
            for (std::size_t i = 0; i < some.size(); ++i) {
                auto more = split(some[i], totals[i], shift - 16);
                std::move(more.begin(), more.end(), std::back_inserter(parts));
            }
        }
        return parts;
    }

    /// All keys of the groups, sorted.
    std::vector<Key> gather(const std::vector<Group>& groups, int shift, std::size_t total) const {
        const Lookup lookup(groups, shift);
        std::vector<Key> all(total);
        std::atomic<std::size_t> filled{0};
        passes_.run([&](std::span<const Value> values, int) {
            for (const Value x : values) {
                Key key;
                if (!keys_(x, key) || lookup.find(key) == Lookup::none) continue;
                const std::size_t at = filled.fetch_add(1, std::memory_order_relaxed);
                if (at < total) all[at] = key;
            }
        });
        if (filled != total) pixels_changed();
        std::sort(all.begin(), all.end());
        return all;
    }

    static void finish(const std::vector<Group>& groups, int shift, const std::vector<Key>& all, std::vector<Key>& found) {
        std::size_t before = 0;
        for (const Group& group : groups) {
            for (const auto& wanted : group.wanted) found[wanted.index] = shift == 0 ? group.prefix : all[before + static_cast<std::size_t>(wanted.rank)];
            before += static_cast<std::size_t>(group.count);
        }
    }

    const ValuePasses<Value>& passes_;
    const Keys keys_;
    std::vector<std::uint64_t> leading_; // empty: all are in sorted_
    std::vector<Key> sorted_;
    std::uint64_t count_ = 0;
};

/// Where a percentile lies among n sorted values.
struct Place {
    std::uint64_t below = 0, above = 0;
    double weight = 0; // of the value above

    Place(double percent, std::uint64_t n) {
        const double at = double(n - 1) * (percent / 100);
        below = std::min(static_cast<std::uint64_t>(std::floor(at)), n - 1);
        above = std::min(below + 1, n - 1);
        weight = above == below ? 0 : at - double(below);
    }
};

/// As numpy: exact at both ends, and monotonic.
double interpolate(double a, double b, double weight) {
    const double difference = b - a;
    if (difference == 0 || weight == 0) return a;
    if (!std::isfinite(difference)) return a * (1 - weight) + b * weight;
    return weight >= 0.5 ? b - difference * (1 - weight) : a + difference * weight;
}

template <class Keys>
std::vector<double> percentiles_of(KeySelection<Keys>& selection, const Keys& keys, std::span<const double> percents) {
    const std::uint64_t n = selection.count();
    if (n == 0) return std::vector<double>(percents.size(), std::numeric_limits<double>::quiet_NaN());
    std::vector<std::uint64_t> ranks;
    for (const double percent : percents) {
        const Place place(percent, n);
        ranks.push_back(place.below);
        ranks.push_back(place.above);
    }
    std::sort(ranks.begin(), ranks.end());
    ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
    const auto found = selection.at(ranks);
    const auto value = [&](std::uint64_t rank) {
        return keys.value(found[static_cast<std::size_t>(std::lower_bound(ranks.begin(), ranks.end(), rank) - ranks.begin())]);
    };
    std::vector<double> values;
    for (const double percent : percents) {
        const Place place(percent, n);
        values.push_back(interpolate(value(place.below), value(place.above), place.weight));
    }
    return values;
}

template <class Keys>
OrderStatistics order_statistics_by(const Keys& keys, const ImageSource& source, const PixelSelection& pixels, std::span<const double> percents, bool with_mad,
                                    const ThreadShare& threads, const CancelToken& cancel, const std::function<void()>& progress) {
    using Value = typename Keys::Value;
    constexpr double median[] = {50};
    const ValuePasses<Value> passes(source, pixels, threads, cancel, progress);
    KeySelection<Keys> selection(passes, keys);
    OrderStatistics result;
    result.count = static_cast<std::int64_t>(selection.count());
    std::vector<double> all(percents.begin(), percents.end());
    if (with_mad) all.push_back(median[0]);
    result.percentiles = percentiles_of(selection, keys, all);
    result.mad = std::numeric_limits<double>::quiet_NaN();
    if (!with_mad) return result;
    const DeviationKeys<Value> deviations{result.percentiles.back()};
    result.percentiles.pop_back();
    KeySelection<DeviationKeys<Value>> of_deviations(passes, deviations);
    result.mad = percentiles_of(of_deviations, deviations, median).front();
    return result;
}

} // namespace

OrderStatistics order_statistics(const ImageSource& source, const PixelSelection& pixels, std::span<const double> percents, bool with_mad,
                                 const ThreadShare& threads, const CancelToken& cancel, const std::function<void()>& progress) {
    if (percents.size() > kMaxPercentiles)
        throw std::invalid_argument(std::to_string(percents.size()) + " percentiles at once, the limit is " + std::to_string(kMaxPercentiles));
    for (const double percent : percents)
        if (!(percent >= 0 && percent <= 100)) throw std::invalid_argument("a percentile is between 0 and 100");
    if (source.capabilities().prefers_double) return order_statistics_by(DoubleKeys{}, source, pixels, percents, with_mad, threads, cancel, progress);
    return order_statistics_by(FloatKeys{}, source, pixels, percents, with_mad, threads, cancel, progress);
}

std::size_t order_statistics_bytes(const ImageSource& source, const PixelSelection& pixels, const ThreadShare& threads) {
    const std::size_t slots = threads.slots();
    std::size_t bytes = static_cast<std::size_t>(std::min<std::uint64_t>(selected_pixels(source, pixels), pixels.keep)) * sizeof(double);
    bytes += slots * kWords * (2 * sizeof(std::uint32_t) + sizeof(std::uint64_t)); // WordCounts
    const std::size_t tables = tables_at_once(slots);
    bytes += tables * kWords * (slots * sizeof(std::uint32_t) + sizeof(std::uint64_t)) + 2 * kSorted * sizeof(double);
    if (pixels.mask != nullptr) return bytes + MaskWindows::bytes_needed(source, MaskList(&pixels.mask, 1), slots, 0);
    return bytes + slots * sizeof(double) * Bands::cut({0, 0, source.shape().width, source.shape().height}, 32, band_target(source)).largest();
}

} // namespace cubelink::imaging
