#include "imaging/tables/views/row_test.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <type_traits>
#include <utility>

namespace cubelink::imaging {

namespace {

/// Keeps the bits of rows for which `passes(row)` holds. Rows whose bit is clear already are asked only where all of 64 are asked at once.
template <class Passes>
void keep_if(std::size_t rows, std::span<std::uint64_t> bits, Passes&& passes) {
    for (std::size_t word = 0; word * 64 < rows; ++word) {
        if (bits[word] == 0) continue;
        const auto first = word * 64, count = std::min<std::size_t>(64, rows - first);
        std::uint64_t kept = 0;
        for (std::size_t i = 0; i < count; ++i) kept |= std::uint64_t{passes(first + i)} << i;
        bits[word] &= kept;
    }
}

/// The same for what is dear to ask: only rows whose bit is set.
template <class Passes>
void keep_set_if(std::span<std::uint64_t> bits, std::size_t rows, Passes&& passes) {
    for (std::size_t word = 0; word * 64 < rows; ++word)
        for (auto left = bits[word]; left != 0; left &= left - 1) {
            const auto i = static_cast<std::size_t>(std::countr_zero(left));
            if (const auto row = word * 64 + i; row < rows && !passes(row)) bits[word] &= ~(std::uint64_t{1} << i);
        }
}

std::uint64_t nulls_of_word(std::span<const std::byte> nulls, std::size_t word) {
    std::uint64_t bits = 0;
    if (word * 8 < nulls.size()) std::memcpy(&bits, nulls.data() + word * 8, std::min<std::size_t>(8, nulls.size() - word * 8));
    return bits; // little-endian machines only, as everywhere
}

/// A condition as a closed interval in the column's own type.
template <class T>
struct Interval {
    T low{}, high{};
    bool empty = false, negated = false;
};

template <class T>
Interval<T> interval_of(Comparison comparison, long double value, long double secondary) {
    Interval<T> interval;
    // long double holds every double and every 64-bit integer exactly.
    long double low = -std::numeric_limits<long double>::infinity(), high = std::numeric_limits<long double>::infinity();
    bool above = false, below = false; // whether the ends themselves are left out
    const long double first = std::is_floating_point_v<T> ? static_cast<long double>(static_cast<T>(value)) : value;
    const long double second = std::is_floating_point_v<T> ? static_cast<long double>(static_cast<T>(secondary)) : secondary;
    switch (comparison) {
    case Comparison::not_equal: interval.negated = true; [[fallthrough]];
    case Comparison::equal: low = high = first; break;
    case Comparison::less: high = first, below = true; break;
    case Comparison::less_or_equal: high = first; break;
    case Comparison::greater: low = first, above = true; break;
    case Comparison::greater_or_equal: low = first; break;
    case Comparison::range_open: low = first, high = second, above = below = true; break;
    case Comparison::range_closed: low = first, high = second; break;
    }
    interval.empty = std::isnan(value) || (comparison >= Comparison::range_open && std::isnan(secondary));
    if (interval.empty) return interval;
    if constexpr (std::is_floating_point_v<T>) {
        interval.low = static_cast<T>(low), interval.high = static_cast<T>(high);
        const auto infinity = std::numeric_limits<T>::infinity();
        if ((above && interval.low == infinity) || (below && interval.high == -infinity)) interval.empty = true;
        if (above) interval.low = std::nextafter(interval.low, infinity);
        if (below) interval.high = std::nextafter(interval.high, -infinity);
    } else {
        low = above ? std::floor(low) + 1 : std::ceil(low);
        high = below ? std::ceil(high) - 1 : std::floor(high);
        const long double least = std::numeric_limits<T>::min(), most = std::numeric_limits<T>::max();
        if (low > most || high < least || low > high) interval.empty = true;
        else interval.low = static_cast<T>(std::max(low, least)), interval.high = static_cast<T>(std::min(high, most));
    }
    if (interval.low > interval.high) interval.empty = true;
    return interval;
}

template <class T>
class NumberTest final : public RowTest {
public:
    NumberTest(std::size_t column, Interval<T> interval) : column_(column), interval_(interval) {}

    std::string key() const override {
        std::string text = "n" + std::to_string(column_) + (interval_.negated ? "!" : "") + (interval_.empty ? "-" : "") + ":";
        text.append(reinterpret_cast<const char*>(&interval_.low), sizeof(T));
        text.append(reinterpret_cast<const char*>(&interval_.high), sizeof(T));
        return text;
    }

    void apply(const Table& table, std::size_t chunk, std::span<std::uint64_t> bits, const CancelToken&) const override {
        const auto& column = *table.columns[column_];
        const auto values = column.values<T>(chunk);
        const auto [low, high, empty, negated] = interval_;
        if (empty) {
            if (!negated) std::fill(bits.begin(), bits.end(), 0);
            return;
        }
        const auto nulls = column.null_bits(chunk);
        for (std::size_t word = 0; word * 64 < values.size(); ++word) {
            if (bits[word] == 0) continue;
            const auto first = word * 64, count = std::min<std::size_t>(64, values.size() - first);
            std::uint64_t within = 0;
            for (std::size_t i = 0; i < count; ++i) within |= (std::uint64_t{values[first + i] >= low} & std::uint64_t{values[first + i] <= high}) << i;
            if (!nulls.empty()) within &= ~nulls_of_word(nulls, word);
            bits[word] &= negated ? ~within : within;
        }
    }

private:
    const std::size_t column_;
    const Interval<T> interval_;
};

class MissingTest final : public RowTest {
public:
    explicit MissingTest(std::size_t column) : column_(column) {}
    std::string key() const override { return "m" + std::to_string(column_); }
    void apply(const Table& table, std::size_t chunk, std::span<std::uint64_t> bits, const CancelToken&) const override {
        const auto& column = *table.columns[column_];
        const auto nulls = column.null_bits(chunk);
        const auto by_nulls = [&] {
            for (std::size_t word = 0; word < bits.size(); ++word) bits[word] &= nulls_of_word(nulls, word);
        };
        if (!has_numbers(column.info.type)) return by_nulls();
        with_numbers(column, chunk, [&](const auto& values) {
            using T = std::remove_cvref_t<decltype(values[0])>;
            if constexpr (std::is_floating_point_v<T>) keep_if(values.size(), bits, [&](std::size_t row) { return std::isnan(values[row]); });
            else by_nulls();
        });
    }

private:
    const std::size_t column_;
};

class Combination final : public RowTest {
public:
    enum class Kind { all, any, none };
    Combination(Kind kind, std::vector<RowTestPtr> tests) : kind_(kind), tests_(std::move(tests)) {}

    std::string key() const override {
        std::string text = kind_ == Kind::all ? "&" : kind_ == Kind::any ? "|" : "~";
        for (const auto& test : tests_) {
            const auto one = test->key();
            text += std::to_string(one.size()) + ":" + one;
        }
        return text;
    }

    void apply(const Table& table, std::size_t chunk, std::span<std::uint64_t> bits, const CancelToken& cancel) const override {
        if (kind_ == Kind::all) {
            for (const auto& test : tests_) {
                cancel.throw_if_cancelled();
                test->apply(table, chunk, bits, cancel);
            }
            return;
        }
        std::vector<std::uint64_t> left(bits.begin(), bits.end()), passing(bits.size(), 0), one(bits.size());
        for (const auto& test : tests_) {
            cancel.throw_if_cancelled();
            one = left; // rows that have passed need not be asked again
            test->apply(table, chunk, one, cancel);
            for (std::size_t i = 0; i < one.size(); ++i) passing[i] |= one[i], left[i] &= ~one[i];
        }
        for (std::size_t i = 0; i < bits.size(); ++i) bits[i] &= kind_ == Kind::any ? passing[i] : ~passing[i];
    }

private:
    const Kind kind_;
    const std::vector<RowTestPtr> tests_;
};

std::string bytes_of(std::initializer_list<double> numbers) {
    std::string text;
    for (const auto number : numbers) text.append(reinterpret_cast<const char*>(&number), sizeof number);
    return text;
}

/// What a pair of columns of numbers has to fulfil.
template <class Passes>
class PairTest final : public RowTest {
public:
    PairTest(std::string key, std::size_t first, std::size_t second, Passes passes) : key_(std::move(key)), first_(first), second_(second), passes_(passes) {}
    std::string key() const override { return key_; }
    void apply(const Table& table, std::size_t chunk, std::span<std::uint64_t> bits, const CancelToken&) const override {
        const auto &first = *table.columns[first_], &second = *table.columns[second_];
        for (const auto* column : {&first, &second})
            if (const auto nulls = column->null_bits(chunk); !nulls.empty())
                for (std::size_t word = 0; word < bits.size(); ++word) bits[word] &= ~nulls_of_word(nulls, word);
        with_numbers(first, chunk, [&](const auto& a) {
            with_numbers(second, chunk, [&](const auto& b) {
                keep_set_if(bits, a.size(), [&](std::size_t row) { return passes_(static_cast<double>(a[row]), static_cast<double>(b[row])); });
            });
        });
    }

private:
    const std::string key_;
    const std::size_t first_, second_;
    const Passes passes_;
};

} // namespace

RowTestPtr compare_numbers(const Table& table, std::size_t column, Comparison comparison, long double value, long double secondary) {
    const auto make = [&]<class T>(T) -> RowTestPtr { return std::make_shared<NumberTest<T>>(column, interval_of<T>(comparison, value, secondary)); };
    switch (table.info.columns[column].type) {
    case ColumnType::int8: return make(std::int8_t{});
    case ColumnType::uint16: return make(std::uint16_t{});
    case ColumnType::int16: return make(std::int16_t{});
    case ColumnType::uint32: return make(std::uint32_t{});
    case ColumnType::int32: return make(std::int32_t{});
    case ColumnType::uint64: return make(std::uint64_t{});
    case ColumnType::int64: return make(std::int64_t{});
    case ColumnType::float32: return make(float{});
    case ColumnType::float64: return make(double{});
    default: return make(std::uint8_t{});
    }
}

RowTestPtr is_missing(std::size_t column) { return std::make_shared<MissingTest>(column); }

RowTestPtr all_of(std::vector<RowTestPtr> tests) { return std::make_shared<Combination>(Combination::Kind::all, std::move(tests)); }
RowTestPtr any_of(std::vector<RowTestPtr> tests) { return std::make_shared<Combination>(Combination::Kind::any, std::move(tests)); }
RowTestPtr none_of(std::vector<RowTestPtr> tests) { return std::make_shared<Combination>(Combination::Kind::none, std::move(tests)); }

RowTestPtr within_cone(std::size_t longitude_column, std::size_t latitude_column, double longitude, double latitude, double radius) {
    constexpr double radian = std::numbers::pi / 180;
    const double cosine = std::cos(latitude * radian), haversine = std::pow(std::sin(std::min(radius, 180.0) * radian / 2), 2);
    const auto passes = [=](double lon, double lat) {
        // Most rows of a catalog are outside of the band of latitudes.
        if (!(std::abs(lat - latitude) <= radius) || !std::isfinite(lon)) return false;
        const auto dlat = std::sin((lat - latitude) * radian / 2), dlon = std::sin((lon - longitude) * radian / 2);
        return dlat * dlat + cosine * std::cos(lat * radian) * dlon * dlon <= haversine;
    };
    return std::make_shared<PairTest<decltype(passes)>>("c" + std::to_string(longitude_column) + "," + std::to_string(latitude_column) + ":" +
                                                            bytes_of({longitude, latitude, radius}),
                                                        longitude_column, latitude_column, passes);
}

RowTestPtr within_box(std::size_t x_column, std::size_t y_column, double x_min, double x_max, double y_min, double y_max) {
    const auto passes = [=](double x, double y) { return x >= x_min && x <= x_max && y >= y_min && y <= y_max; };
    return std::make_shared<PairTest<decltype(passes)>>("b" + std::to_string(x_column) + "," + std::to_string(y_column) + ":" +
                                                            bytes_of({x_min, x_max, y_min, y_max}),
                                                        x_column, y_column, passes);
}

} // namespace cubelink::imaging
