// Pixels are lanes of vectors that the compiler maps onto registers of any width; channels are the inner loop, so that sums stay in registers.

#include "imaging/analysis/moments/moment_kernels.hpp"

#include <cmath>
#include <cstring>
#include <limits>

namespace cubelink::imaging::kernels {

namespace {

constexpr double blank = std::numeric_limits<double>::quiet_NaN();

/// Registers that are filled side by side where all channels of a tile are gone through: by the time that the next ones come, a channel's cache line is
/// no longer near.
constexpr std::size_t at_once = 2;

/// As many pixels as a register of `bytes` holds as doubles (Values, Bits), or as it holds as T (Keys).
template <class T, int bytes>
struct Lanes {
    using Integer = Index<T>;
    static constexpr std::size_t count = bytes / sizeof(double);
    typedef double Doubles __attribute__((vector_size(bytes)));
    typedef std::int64_t Longs __attribute__((vector_size(bytes)));
    typedef T Values __attribute__((vector_size(count * sizeof(T))));
    typedef Integer Bits __attribute__((vector_size(count * sizeof(T))));
    typedef Integer Keys __attribute__((vector_size(bytes)));
    typedef T KeyValues __attribute__((vector_size(bytes)));
    static constexpr Integer magnitude = std::numeric_limits<Integer>::max();
    static constexpr Integer infinity = sizeof(T) == 8 ? static_cast<Integer>(0x7ff0000000000000) : static_cast<Integer>(0x7f800000);
};

/// The three versions of a kernel, whose body is Body::run for registers of so many bytes.
template <class Body, class... Args>
void run_plain(const Args&... args) {
    Body::template run<16>(args...);
}
template <class Body, class... Args>
CUBELINK_TARGET_AVX2 void run_avx2(const Args&... args) {
    Body::template run<32>(args...);
}
template <class Body, class... Args>
CUBELINK_TARGET_AVX512 void run_avx512(const Args&... args) {
    Body::template run<64>(args...);
}
template <class Body, class... Args>
void run(SimdLevel level, const Args&... args) {
    using Kernel = void (*)(const Args&...);
    choose<Kernel>(run_plain<Body, Args...>, run_avx2<Body, Args...>, run_avx512<Body, Args...>, level)(args...);
}

// Vectors are handed over by reference: how they are passed by value depends on the instruction set. And no comparison is combined with another one
// by & or |: GCC 12 makes single elements of that where a function's instruction set is not the file's.
template <class Vector, class Element>
[[gnu::always_inline]] inline void load(const Element* from, Vector& vector) {
    std::memcpy(&vector, from, sizeof vector);
}
template <class Vector, class Element>
[[gnu::always_inline]] inline void store(const Vector& vector, Element* to) {
    std::memcpy(to, &vector, sizeof vector);
}
template <class Vector, class Mask>
[[gnu::always_inline]] inline void select(const Mask& mask, const Vector& chosen, Vector& target) {
    target = reinterpret_cast<Vector>((reinterpret_cast<Mask>(chosen) & mask) | (reinterpret_cast<Mask>(target) & ~mask));
}
/// Finite values, 0 for others, and which they are.
template <class L, class T>
[[gnu::always_inline]] inline void load_finite(const T* from, typename L::Values& values, typename L::Bits& finite) {
    typename L::Bits bits;
    load(from, bits);
    finite = (bits & L::magnitude) < L::infinity;
    values = reinterpret_cast<typename L::Values>(bits & finite);
}

template <class T>
struct KeepRange {
    template <int bytes>
    [[gnu::always_inline]] static inline void run(T* const& values, const std::size_t& n, const T& low, const T& high, const bool& inside) {
        for (std::size_t i = 0; i < n; ++i) {
            const bool within = (values[i] >= low) & (values[i] <= high);
            values[i] = within == inside ? values[i] : std::numeric_limits<T>::quiet_NaN();
        }
    }
};

template <class T, bool with_coordinates>
struct AddWeighted {
    template <int bytes>
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, const double* const& coordinates, const WeightedSums<T>& sums) {
        using L = Lanes<T, bytes>;
        using Doubles [[maybe_unused]] = typename L::Doubles;
        using Longs [[maybe_unused]] = typename L::Longs;
        typename L::Values values;
        typename L::Bits finite, count;
        Doubles sum, by_coordinate{}, by_square{};
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += L::count) {
            load(sums.count + pixel, count);
            load(sums.sum + pixel, sum);
            if constexpr (with_coordinates) {
                load(sums.by_coordinate + pixel, by_coordinate);
                load(sums.by_square + pixel, by_square);
            }
            const T* from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                load_finite<L>(from, values, finite);
                count -= finite;
                const Doubles wide = __builtin_convertvector(values, Doubles);
                sum += wide;
                if constexpr (with_coordinates) {
                    const Doubles weighted = wide * coordinates[channel];
                    by_coordinate += weighted;
                    by_square += weighted * coordinates[channel];
                }
            }
            store(count, sums.count + pixel);
            store(sum, sums.sum + pixel);
            if constexpr (with_coordinates) {
                store(by_coordinate, sums.by_coordinate + pixel);
                store(by_square, sums.by_square + pixel);
            }
        }
    }
};

template <class T>
struct AddIntegral {
    template <int bytes>
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, const double* const& widths, double* const& integral) {
        using L = Lanes<T, bytes>;
        using Doubles [[maybe_unused]] = typename L::Doubles;
        using Longs [[maybe_unused]] = typename L::Longs;
        typename L::Values values;
        typename L::Bits finite;
        Doubles sum;
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += L::count) {
            load(integral + pixel, sum);
            const T* from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                load_finite<L>(from, values, finite);
                sum += __builtin_convertvector(values, Doubles) * widths[channel];
            }
            store(sum, integral + pixel);
        }
    }
};

template <class T>
struct AddExtremes {
    template <int bytes>
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, const Index<T>& first, const Extremes<T>& extremes) {
        using L = Lanes<T, bytes>;
        using Doubles [[maybe_unused]] = typename L::Doubles;
        using Longs [[maybe_unused]] = typename L::Longs;
        typename L::Values values, min, max;
        typename L::Bits finite, at_min, at_max;
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += L::count) {
            load(extremes.min + pixel, min);
            load(extremes.max + pixel, max);
            load(extremes.at_min + pixel, at_min);
            load(extremes.at_max + pixel, at_max);
            const T* from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                load_finite<L>(from, values, finite);
                const typename L::Bits here = typename L::Bits{} + (first + static_cast<Index<T>>(channel));
                typename L::Values low = typename L::Values{} + std::numeric_limits<T>::infinity(), high = -low;
                select(finite, values, low);
                select(finite, values, high);
                const typename L::Bits less = low < min, greater = high > max;
                select(less, low, min);
                select(less, here, at_min);
                select(greater, high, max);
                select(greater, here, at_max);
            }
            store(min, extremes.min + pixel);
            store(max, extremes.max + pixel);
            store(at_min, extremes.at_min + pixel);
            store(at_max, extremes.at_max + pixel);
        }
    }
};

template <class T>
struct AddSpread {
    template <int bytes>
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, const Spread& spread) {
        using L = Lanes<T, bytes>;
        using Doubles [[maybe_unused]] = typename L::Doubles;
        using Longs [[maybe_unused]] = typename L::Longs;
        typename L::Values values;
        typename L::Bits finite;
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += L::count) {
            Doubles count, mean, m2;
            load(spread.count + pixel, count);
            load(spread.mean + pixel, mean);
            load(spread.m2 + pixel, m2);
            typename L::Bits new_count = {};
            Doubles sum = {}, squares = {};
            const T* from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                load_finite<L>(from, values, finite);
                new_count -= finite;
                sum += __builtin_convertvector(values, Doubles);
            }
            const Doubles n = __builtin_convertvector(new_count, Doubles);
            const Doubles least_one = n + reinterpret_cast<Doubles>(reinterpret_cast<Longs>(Doubles{} + 1) & (n < 1)); // no division by 0
            const Doubles new_mean = sum / least_one;
            from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                load_finite<L>(from, values, finite);
                const Doubles difference = __builtin_convertvector(values, Doubles) - new_mean;
                const Longs mask = __builtin_convertvector(finite, Longs);
                const Doubles kept = reinterpret_cast<Doubles>(reinterpret_cast<Longs>(difference) & mask);
                squares += kept * kept;
            }
            const Doubles total = count + least_one; // of pixels without a new value: not used
            const Doubles delta = new_mean - mean, share = n / total;
            const Longs any = n > 0;
            select(any, mean + delta * share, mean);
            select(any, m2 + squares + delta * delta * count * share, m2);
            store(count + n, spread.count + pixel);
            store(mean, spread.mean + pixel);
            store(m2, spread.m2 + pixel);
        }
    }
};

template <class T, bool with_squares>
struct AddDeviations {
    template <int bytes>
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, const double* const& means, double* const& deviations, double* const& squares) {
        using L = Lanes<T, bytes>;
        using Doubles [[maybe_unused]] = typename L::Doubles;
        using Longs [[maybe_unused]] = typename L::Longs;
        typename L::Values values;
        typename L::Bits finite;
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += at_once * L::count) {
            Doubles mean[at_once], sum[at_once], sum_of_squares[at_once];
            for (std::size_t k = 0; k < at_once; ++k) {
                load(means + pixel + k * L::count, mean[k]);
                load(deviations + pixel + k * L::count, sum[k]);
                if constexpr (with_squares) load(squares + pixel + k * L::count, sum_of_squares[k]);
            }
            const T* from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                for (std::size_t k = 0; k < at_once; ++k) {
                    load_finite<L>(from + k * L::count, values, finite);
                    const Doubles difference = __builtin_convertvector(values, Doubles) - mean[k];
                    const Longs mask = __builtin_convertvector(finite, Longs) & std::numeric_limits<std::int64_t>::max();
                    const Doubles kept = reinterpret_cast<Doubles>(reinterpret_cast<Longs>(difference) & mask);
                    sum[k] += kept;
                    if constexpr (with_squares) sum_of_squares[k] += kept * kept;
                }
            }
            for (std::size_t k = 0; k < at_once; ++k) {
                store(sum[k], deviations + pixel + k * L::count);
                if constexpr (with_squares) store(sum_of_squares[k], squares + pixel + k * L::count);
            }
        }
    }
};

/// Bits of a value as an integer that sorts as it does, and back.
template <class Keys, class Element>
[[gnu::always_inline]] inline void turn_key(Keys& key, Element magnitude) {
    key ^= (key >> (8 * sizeof(Element) - 1)) & magnitude;
}

template <class Keys>
[[gnu::always_inline]] inline bool any_above_zero(const Keys& keys) {
    for (std::size_t i = 0; i < sizeof(Keys) / sizeof(keys[0]); ++i)
        if (keys[i] > 0) return true;
    return false;
}

/// The key in the middle, in all lanes at once: an interval of keys that holds it is narrowed, by the place where the counts at its ends say that it
/// should be, and each third time by halves.
template <class T>
struct FindMedians {
    template <int bytes>
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, Index<T>* const& keys, double* const& medians, const CancelToken& cancel) {
        using L = Lanes<T, bytes>;
        using Keys = typename L::Keys;
        using Values = typename L::KeyValues;
        using Element = Index<T>;
        constexpr std::size_t width = sizeof(Keys) / sizeof(Element);
        constexpr Element absent = std::numeric_limits<Element>::max();
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += width) {
            cancel.throw_if_cancelled();
            Keys count = {}, low = count + absent, high = count + std::numeric_limits<Element>::min();
            for (std::size_t channel = 0; channel < block.channels; ++channel) {
                Keys key;
                load(block.values + channel * block.pixels + pixel, key);
                const Keys finite = (key & L::magnitude) < L::infinity;
                turn_key(key, L::magnitude);
                count -= finite;
                const Keys kept = (key & finite) | (~finite & absent);
                store(kept, keys + channel * width);
                Keys present = high;
                select(finite, key, present);
                const Keys less = kept < low, greater = present > high;
                select(less, kept, low);
                select(greater, present, high);
            }
            // `below` keys are at most `low`, fewer than half; `up_to` at most `high`, half or more.
            const Keys none = count == 0, needed = (count + 1) >> 1;
            Keys below = {}, up_to = count;
            low -= 1;
            select(none, needed, low); // 0 and 0: nothing to do
            select(none, needed, high);
            for (int round = 0;; ++round) {
                const Keys adjacent = high - 1 <= low;
                Keys inside = up_to - below - 1;
                select(adjacent, Keys{}, inside);
                if (!any_above_zero(inside)) break;
                const Keys is_open = inside > 0;
                Keys middle = (low & high) + ((low ^ high) >> 1);
                if (round % 3 != 2) {
                    Keys low_bits = low, high_bits = high;
                    turn_key(low_bits, L::magnitude);
                    turn_key(high_bits, L::magnitude);
                    const Values a = reinterpret_cast<Values>(low_bits), b = reinterpret_cast<Values>(high_bits);
                    const Values share = (__builtin_convertvector(needed - below, Values) - T(0.5)) / __builtin_convertvector(up_to - below, Values);
                    middle = reinterpret_cast<Keys>(a + (b - a) * share);
                    turn_key(middle, L::magnitude);
                }
                // Within the interval, whatever rounding and overflow have made of it.
                const Keys least = low + 1, most = high - 1;
                const Keys too_low = middle < least, too_high = middle > most;
                select(too_low, least, middle);
                select(too_high, most, middle);
                Keys reached = {};
                const Element* from = keys;
                for (std::size_t channel = 0; channel < block.channels; ++channel, from += width) {
                    Keys key;
                    load(from, key);
                    reached -= key <= middle;
                }
                // Lanes that are done stay as they are.
                const Keys enough = reached >= needed;
                Keys new_low = middle, new_below = reached, new_high = high, new_up_to = up_to;
                select(enough, low, new_low);
                select(enough, below, new_below);
                select(enough, middle, new_high);
                select(enough, reached, new_up_to);
                select(is_open, new_low, low);
                select(is_open, new_below, below);
                select(is_open, new_high, high);
                select(is_open, new_up_to, up_to);
            }
            // The next key above `low` is the one in the middle. Of an even number the next after it counts too, which may be equal.
            const Keys no_key = Keys{} + absent;
            Keys first = no_key, second = no_key, reached = {};
            for (std::size_t channel = 0; channel < block.channels; ++channel) {
                Keys key;
                load(keys + channel * width, key);
                const Keys too_low = key <= low;
                select(too_low, no_key, key);
                const Keys less = key < first;
                select(less, key, first);
            }
            for (std::size_t channel = 0; channel < block.channels; ++channel) {
                Keys key;
                load(keys + channel * width, key);
                const Keys too_low = key <= first;
                reached -= too_low;
                select(too_low, no_key, key);
                const Keys less = key < second;
                select(less, key, second);
            }
            const Keys odd = (count & 1) != 0, equal = reached > needed;
            select(odd, first, second);
            select(equal, first, second);
            turn_key(first, L::magnitude);
            turn_key(second, L::magnitude);
            T first_values[width], second_values[width];
            Element counts[width];
            store(first, first_values);
            store(second, second_values);
            store(count, counts);
            for (std::size_t i = 0; i < width; ++i) {
                const double a = first_values[i], b = second_values[i];
                medians[pixel + i] = counts[i] > 0 ? a + (b - a) / 2 : blank;
            }
        }
    }
};

template <class T>
struct FindHalfCoordinates {
    template <int bytes>
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, const double* const& coordinates, const double* const& sums,
                                                  double* const& found) {
        using L = Lanes<T, bytes>;
        using Doubles [[maybe_unused]] = typename L::Doubles;
        using Longs [[maybe_unused]] = typename L::Longs;
        typename L::Values values;
        typename L::Bits finite;
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += at_once * L::count) {
            const Doubles nowhere = Doubles{} - std::numeric_limits<double>::infinity();
            Doubles sign[at_once], half[at_once], running[at_once], previous[at_once], at[at_once];
            Longs any[at_once], done[at_once];
            for (std::size_t k = 0; k < at_once; ++k) {
                Doubles total;
                load(sums + pixel + k * L::count, total);
                // Sums below 0: the same with all signs turned.
                sign[k] = Doubles{} + 1;
                const Longs negative = total < 0;
                select(negative, -sign[k], sign[k]);
                half[k] = total * sign[k] / 2;
                running[k] = previous[k] = Doubles{};
                at[k] = Doubles{} + blank;
                any[k] = Longs{};
                done[k] = total == 0;
            }
            const T* from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                const Doubles here = Doubles{} + coordinates[channel];
                for (std::size_t k = 0; k < at_once; ++k) {
                    load_finite<L>(from + k * L::count, values, finite);
                    const Longs present = __builtin_convertvector(finite, Longs);
                    const Doubles value = __builtin_convertvector(values, Doubles) * sign[k], next = running[k] + value;
                    Doubles reached = nowhere;
                    select(present, next, reached);
                    select(done[k], nowhere, reached);
                    const Longs hit = reached >= half[k];
                    const Doubles between = previous[k] + (here - previous[k]) * ((half[k] - running[k]) / value);
                    Doubles place = here;
                    select(any[k], between, place);
                    select(hit, place, at[k]);
                    done[k] |= hit;
                    running[k] = next;
                    select(present, here, previous[k]);
                    any[k] |= present;
                }
            }
            for (std::size_t k = 0; k < at_once; ++k) store(at[k], found + pixel + k * L::count);
        }
    }
};

} // namespace

template <class T>
void keep_range(T* values, std::size_t n, T low, T high, bool inside, SimdLevel level) {
    run<KeepRange<T>>(level, values, n, low, high, inside);
}
template <class T>
void add_weighted(const ValueBlock<T>& block, const double* coordinates, const WeightedSums<T>& sums, SimdLevel level) {
    if (sums.by_coordinate != nullptr) run<AddWeighted<T, true>>(level, block, coordinates, sums);
    else run<AddWeighted<T, false>>(level, block, coordinates, sums);
}
template <class T>
void add_integral(const ValueBlock<T>& block, const double* widths, double* integral, SimdLevel level) {
    run<AddIntegral<T>>(level, block, widths, integral);
}
template <class T>
void add_extremes(const ValueBlock<T>& block, Index<T> first, const Extremes<T>& extremes, SimdLevel level) {
    run<AddExtremes<T>>(level, block, first, extremes);
}
template <class T>
void add_spread(const ValueBlock<T>& block, const Spread& spread, SimdLevel level) {
    run<AddSpread<T>>(level, block, spread);
}
template <class T>
void add_deviations(const ValueBlock<T>& block, const double* means, double* deviations, double* squares, SimdLevel level) {
    if (squares != nullptr) run<AddDeviations<T, true>>(level, block, means, deviations, squares);
    else run<AddDeviations<T, false>>(level, block, means, deviations, squares);
}
template <class T>
void find_medians(const ValueBlock<T>& block, Index<T>* keys, double* medians, const CancelToken& cancel, SimdLevel level) {
    run<FindMedians<T>>(level, block, keys, medians, cancel);
}
template <class T>
void find_half_coordinates(const ValueBlock<T>& block, const double* coordinates, const double* sums, double* found, SimdLevel level) {
    run<FindHalfCoordinates<T>>(level, block, coordinates, sums, found);
}

template void keep_range(float*, std::size_t, float, float, bool, SimdLevel);
template void keep_range(double*, std::size_t, double, double, bool, SimdLevel);
template void add_weighted(const ValueBlock<float>&, const double*, const WeightedSums<float>&, SimdLevel);
template void add_weighted(const ValueBlock<double>&, const double*, const WeightedSums<double>&, SimdLevel);
template void add_integral(const ValueBlock<float>&, const double*, double*, SimdLevel);
template void add_integral(const ValueBlock<double>&, const double*, double*, SimdLevel);
template void add_extremes(const ValueBlock<float>&, Index<float>, const Extremes<float>&, SimdLevel);
template void add_extremes(const ValueBlock<double>&, Index<double>, const Extremes<double>&, SimdLevel);
template void add_spread(const ValueBlock<float>&, const Spread&, SimdLevel);
template void add_spread(const ValueBlock<double>&, const Spread&, SimdLevel);
template void add_deviations(const ValueBlock<float>&, const double*, double*, double*, SimdLevel);
template void add_deviations(const ValueBlock<double>&, const double*, double*, double*, SimdLevel);
template void find_medians(const ValueBlock<float>&, Index<float>*, double*, const CancelToken&, SimdLevel);
template void find_medians(const ValueBlock<double>&, Index<double>*, double*, const CancelToken&, SimdLevel);
template void find_half_coordinates(const ValueBlock<float>&, const double*, const double*, double*, SimdLevel);
template void find_half_coordinates(const ValueBlock<double>&, const double*, const double*, double*, SimdLevel);

} // namespace cubelink::imaging::kernels
