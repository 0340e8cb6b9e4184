#pragma once
/// Requirements as text that differs if they do, for Product::part: a list of requirements is one product, or one for each of its elements, for all
/// connections that have it. Coordinates have been checked, so that they hold no separators.

#include "server/session/requirements.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

namespace cubelink::server {

namespace detail {

inline void append(std::string& text, std::int64_t number) { text += std::to_string(number) + ","; }
inline void append(std::string& text, const std::vector<int>& numbers) {
    for (const int number : numbers) append(text, number);
}

inline void append(std::string& text, const SpatialRequirement& r) {
    text += r.coordinate + ":";
    for (const auto number : {r.start, r.end, r.mip, r.width}) append(text, number);
}
inline void append(std::string& text, const SpectralRequirement& r) {
    text += r.coordinate + ":";
    append(text, r.stats_types);
}
inline void append(std::string& text, const StatsRequirement& r) {
    text += r.coordinate + ":";
    append(text, r.stats_types);
}
inline void append(std::string& text, const HistogramRequirement& r) {
    text += r.coordinate + ":";
    for (const auto number : {r.channel, std::int32_t{r.fixed_num_bins}, r.num_bins, std::int32_t{r.fixed_bounds}}) append(text, number);
    append(text, std::bit_cast<std::int64_t>(r.min));
    append(text, std::bit_cast<std::int64_t>(r.max));
}

inline void append(std::string& text, const ContourRequirement& r) {
    for (const auto number : {r.reference_file_id, r.bounds.x_min, r.bounds.x_max, r.bounds.y_min, r.bounds.y_max, std::int32_t{r.smoothing_mode},
                              r.smoothing_factor, r.decimation_factor, r.compression_level, r.chunk_size})
        append(text, number);
    for (const double level : r.levels) append(text, std::bit_cast<std::int64_t>(level));
}

} // namespace detail

template <class T>
std::string text_of(const std::vector<T>& list) {
    std::string text;
    for (const auto& requirement : list) {
        detail::append(text, requirement);
        text += ';';
    }
    return text;
}

/// For Product::slot: connections have one list each, so what was sent for another list of theirs is replaced.
template <class Group>
std::string slot_of(const Group& group, std::int64_t index) {
    return std::to_string(group.connections.front()) + ":" + std::to_string(index);
}

} // namespace cubelink::server
