// Pixels are lanes of vectors that the compiler maps onto registers of any width; channels are the inner loop, so that sums stay in registers.

#include "imaging/analysis/moments/moment_kernels.hpp"

#include <cmath>
#include <cstring>
#include <limits>

namespace cubelink::imaging::kernels {

namespace {

constexpr double blank = std::numeric_limits<double>::quiet_NaN();

/// Eight pixels.
constexpr std::size_t lanes = 8;
using Doubles = double __attribute__((vector_size(64)));
using Longs = std::int64_t __attribute__((vector_size(64)));

template <class T>
struct Lanes;
template <>
struct Lanes<float> {
    using Values = float __attribute__((vector_size(32)));
    using Bits = std::int32_t __attribute__((vector_size(32)));
    using Keys = std::int32_t __attribute__((vector_size(64)));
    static constexpr std::int32_t magnitude = 0x7fffffff, infinity = 0x7f800000;
};
template <>
struct Lanes<double> {
    using Values = Doubles;
    using Bits = Longs;
    using Keys = Longs;
    static constexpr std::int64_t magnitude = 0x7fffffffffffffff, infinity = 0x7ff0000000000000;
};

/// The three versions of a kernel, whose body is Body::run.
template <class Body, class... Args>
void run_plain(const Args&... args) {
    Body::run(args...);
}
template <class Body, class... Args>
CUBELINK_TARGET_AVX2 void run_avx2(const Args&... args) {
    Body::run(args...);
}
template <class Body, class... Args>
CUBELINK_TARGET_AVX512 void run_avx512(const Args&... args) {
    Body::run(args...);
}
template <class Body, class... Args>
void run(SimdLevel level, const Args&... args) {
    using Kernel = void (*)(const Args&...);
    choose<Kernel>(run_plain<Body, Args...>, run_avx2<Body, Args...>, run_avx512<Body, Args...>, level)(args...);
}

// Vectors are handed over by reference: how they are passed by value depends on the instruction set.
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
template <class T>
[[gnu::always_inline]] inline void load_finite(const T* from, typename Lanes<T>::Values& values, typename Lanes<T>::Bits& finite) {
    typename Lanes<T>::Bits bits;
    load(from, bits);
    finite = (bits & Lanes<T>::magnitude) < Lanes<T>::infinity;
    values = reinterpret_cast<typename Lanes<T>::Values>(bits & finite);
}

template <class T>
struct KeepRange {
    [[gnu::always_inline]] static inline void run(T* const& values, const std::size_t& n, const T& low, const T& high, const bool& inside) {
        for (std::size_t i = 0; i < n; ++i) {
            const bool within = (values[i] >= low) & (values[i] <= high);
            values[i] = within == inside ? values[i] : std::numeric_limits<T>::quiet_NaN();
        }
    }
};

template <class T, bool with_coordinates>
struct AddWeighted {
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, const double* const& coordinates, const WeightedSums<T>& sums) {
        typename Lanes<T>::Values values;
        typename Lanes<T>::Bits finite, count;
        Doubles sum, by_coordinate{}, by_square{};
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += lanes) {
            load(sums.count + pixel, count);
            load(sums.sum + pixel, sum);
            if constexpr (with_coordinates) {
                load(sums.by_coordinate + pixel, by_coordinate);
                load(sums.by_square + pixel, by_square);
            }
            const T* from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                load_finite<T>(from, values, finite);
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
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, const double* const& widths, double* const& integral) {
        typename Lanes<T>::Values values;
        typename Lanes<T>::Bits finite;
        Doubles sum;
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += lanes) {
            load(integral + pixel, sum);
            const T* from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                load_finite<T>(from, values, finite);
                sum += __builtin_convertvector(values, Doubles) * widths[channel];
            }
            store(sum, integral + pixel);
        }
    }
};

template <class T>
struct AddExtremes {
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, const Index<T>& first, const Extremes<T>& extremes) {
        typename Lanes<T>::Values values, min, max;
        typename Lanes<T>::Bits finite, at_min, at_max;
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += lanes) {
            load(extremes.min + pixel, min);
            load(extremes.max + pixel, max);
            load(extremes.at_min + pixel, at_min);
            load(extremes.at_max + pixel, at_max);
            const T* from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                load_finite<T>(from, values, finite);
                const typename Lanes<T>::Bits here = at_min * 0 + (first + static_cast<Index<T>>(channel));
                const typename Lanes<T>::Bits less = (values < min) & finite, greater = (values > max) & finite;
                select(less, values, min);
                select(less, here, at_min);
                select(greater, values, max);
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
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, const Spread& spread) {
        typename Lanes<T>::Values values;
        typename Lanes<T>::Bits finite;
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += lanes) {
            Doubles count, mean, m2;
            load(spread.count + pixel, count);
            load(spread.mean + pixel, mean);
            load(spread.m2 + pixel, m2);
            typename Lanes<T>::Bits new_count = {};
            Doubles sum = {}, squares = {};
            const T* from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                load_finite<T>(from, values, finite);
                new_count -= finite;
                sum += __builtin_convertvector(values, Doubles);
            }
            const Doubles n = __builtin_convertvector(new_count, Doubles);
            const Doubles least_one = n + reinterpret_cast<Doubles>(reinterpret_cast<Longs>(n * 0 + 1) & (n < 1)); // no division by 0
            const Doubles new_mean = sum / least_one;
            from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                load_finite<T>(from, values, finite);
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

template <class T>
struct AddDeviations {
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, const double* const& means, double* const& deviations) {
        typename Lanes<T>::Values values;
        typename Lanes<T>::Bits finite;
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += lanes) {
            Doubles mean, sum;
            load(means + pixel, mean);
            load(deviations + pixel, sum);
            const T* from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                load_finite<T>(from, values, finite);
                const Doubles difference = __builtin_convertvector(values, Doubles) - mean;
                const Longs mask = __builtin_convertvector(finite, Longs) & Lanes<double>::magnitude;
                sum += reinterpret_cast<Doubles>(reinterpret_cast<Longs>(difference) & mask);
            }
            store(sum, deviations + pixel);
        }
    }
};

/// Bits of a value as an integer that sorts as it does, and back.
template <class Keys, class Element>
[[gnu::always_inline]] inline void turn_key(Keys& key, Element magnitude) {
    key ^= (key >> (8 * sizeof(Element) - 1)) & magnitude;
}

/// The smallest key that half of the values do not exceed, by halving the interval of keys in all lanes at once.
template <class T>
struct FindMedians {
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, Index<T>* const& keys, double* const& medians, const CancelToken& cancel) {
        using Keys = typename Lanes<T>::Keys;
        using Element = Index<T>;
        constexpr std::size_t width = sizeof(Keys) / sizeof(Element);
        constexpr Element absent = std::numeric_limits<Element>::max();
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += width) {
            cancel.throw_if_cancelled();
            Keys count = {}, low = count + absent, high = count + std::numeric_limits<Element>::min();
            for (std::size_t channel = 0; channel < block.channels; ++channel) {
                Keys key;
                load(block.values + channel * block.pixels + pixel, key);
                const Keys finite = (key & Lanes<T>::magnitude) < Lanes<T>::infinity;
                turn_key(key, Lanes<T>::magnitude);
                count -= finite;
                const Keys kept = (key & finite) | (~finite & absent);
                store(kept, keys + channel * width);
                const Keys less = kept < low, greater = (key > high) & finite;
                select(less, kept, low);
                select(greater, key, high);
            }
            const Keys needed = (count + 1) >> 1;
            for (;;) {
                Element open[width];
                const Keys is_open = low < high;
                store(is_open, open);
                Element any = 0;
                for (std::size_t i = 0; i < width; ++i) any |= open[i];
                if (any == 0) break;
                const Keys middle = (low & high) + ((low ^ high) >> 1);
                Keys reached = {};
                const Element* from = keys;
                for (std::size_t channel = 0; channel < block.channels; ++channel, from += width) {
                    Keys key;
                    load(from, key);
                    reached -= key <= middle;
                }
                const Keys enough = reached >= needed, more = ~enough & is_open, above = middle + 1;
                select(enough, middle, high);
                select(more, above, low);
            }
            // Of an even number the next one counts too, which may be equal.
            Keys reached = {}, next = reached + absent;
            for (std::size_t channel = 0; channel < block.channels; ++channel) {
                Keys key;
                load(keys + channel * width, key);
                reached -= key <= low;
                const Keys above = (key > low) & (key < next);
                select(above, key, next);
            }
            const Keys two = ((count & 1) == 0) & (reached <= needed);
            Keys second = low;
            select(two, next, second);
            turn_key(low, Lanes<T>::magnitude);
            turn_key(second, Lanes<T>::magnitude);
            T first_values[width], second_values[width];
            Element counts[width];
            store(low, first_values);
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
    [[gnu::always_inline]] static inline void run(const ValueBlock<T>& block, const double* const& coordinates, const double* const& sums,
                                                  double* const& found) {
        typename Lanes<T>::Values values;
        typename Lanes<T>::Bits finite;
        for (std::size_t pixel = 0; pixel < block.pixels; pixel += lanes) {
            Doubles total;
            load(sums + pixel, total);
            // Sums below 0: the same with all signs turned.
            Doubles sign = total * 0 + 1;
            const Longs negative = total < 0;
            select(negative, -sign, sign);
            const Doubles half = total * sign / 2;
            Doubles running = {}, previous = {}, at = {};
            at += blank;
            Longs any = {}, done = total == 0;
            const T* from = block.values + pixel;
            for (std::size_t channel = 0; channel < block.channels; ++channel, from += block.pixels) {
                load_finite<T>(from, values, finite);
                const Longs present = __builtin_convertvector(finite, Longs);
                const Doubles value = __builtin_convertvector(values, Doubles) * sign, next = running + value;
                const Longs hit = present & ~done & (next >= half);
                const Doubles here = sign * 0 + coordinates[channel];
                const Doubles between = previous + (here - previous) * ((half - running) / value);
                Doubles place = here;
                select(any, between, place);
                select(hit, place, at);
                done |= hit;
                running = next;
                select(present, here, previous);
                any |= present;
            }
            store(at, found + pixel);
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
void add_deviations(const ValueBlock<T>& block, const double* means, double* deviations, SimdLevel level) {
    run<AddDeviations<T>>(level, block, means, deviations);
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
template void add_deviations(const ValueBlock<float>&, const double*, double*, SimdLevel);
template void add_deviations(const ValueBlock<double>&, const double*, double*, SimdLevel);
template void find_medians(const ValueBlock<float>&, Index<float>*, double*, const CancelToken&, SimdLevel);
template void find_medians(const ValueBlock<double>&, Index<double>*, double*, const CancelToken&, SimdLevel);
template void find_half_coordinates(const ValueBlock<float>&, const double*, const double*, double*, SimdLevel);
template void find_half_coordinates(const ValueBlock<double>&, const double*, const double*, double*, SimdLevel);

} // namespace cubelink::imaging::kernels
