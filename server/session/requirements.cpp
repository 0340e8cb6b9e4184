#include "server/session/requirements.hpp"

#include <algorithm>
#include <type_traits>

namespace cubelink::server {

namespace {

bool is_empty(const Requirements& requirements) {
    return std::visit([](const auto& list) { return list.empty(); }, requirements);
}

/// First and one past the last key of a kind for a region of an image.
RequirementKey first_of(std::int32_t file_id, std::int32_t region_id, RequirementKind kind) { return {file_id, region_id, kind, 0}; }
bool same_place(const RequirementKey& a, const RequirementKey& b) {
    return a.file_id == b.file_id && a.region_id == b.region_id && a.kind == b.kind;
}

/// Adds to `list` what of `more` it does not have, in order, up to max_requirements.
void join(Requirements& list, const Requirements& more) {
    std::visit(
        [&](auto& into) {
            const auto* from = std::get_if<std::remove_reference_t<decltype(into)>>(&more);
            if (!from) return;
            for (const auto& one : *from)
                if (into.size() < max_requirements && std::find(into.begin(), into.end(), one) == into.end()) into.push_back(one);
        },
        list);
}

void join(std::map<RequirementKey, Requirements>& table, RequirementKey key, const Requirements& list) {
    key.connection = 0;
    if (const auto [it, added] = table.try_emplace(key, list); !added) join(it->second, list);
}

template <class T>
constexpr RequirementKind kind_of = std::is_same_v<T, SpatialRequirement>     ? RequirementKind::spatial
                                    : std::is_same_v<T, SpectralRequirement>  ? RequirementKind::spectral
                                    : std::is_same_v<T, HistogramRequirement> ? RequirementKind::histogram
                                    : std::is_same_v<T, StatsRequirement>     ? RequirementKind::statistics
                                    : std::is_same_v<T, ContourRequirement>   ? RequirementKind::contours
                                    : std::is_same_v<T, VectorRequirement>    ? RequirementKind::vector_overlay
                                                                              : std::is_same_v<T, PvPreviewRequirement> ? RequirementKind::pv_preview
                                                                              : RequirementKind::viewport;

/// Previews and pushed views are only of use to the client that asked for them.
bool outlives_connection(RequirementKind kind) { return kind != RequirementKind::pv_preview && kind != RequirementKind::viewport; }

/// Erases what is required for one region, file by file: there are many regions, and few files.
void erase_region(std::map<RequirementKey, Requirements>& table, std::int32_t region_id) {
    for (auto it = table.begin(); it != table.end();) {
        const auto file_id = it->first.file_id;
        it = table.lower_bound({file_id, region_id, RequirementKind{}, 0});
        while (it != table.end() && it->first.file_id == file_id && it->first.region_id == region_id) it = table.erase(it);
        while (it != table.end() && it->first.file_id == file_id)
            it = file_id == INT32_MAX ? table.end() : table.lower_bound({file_id + 1, INT32_MIN, RequirementKind{}, 0});
    }
}

} // namespace

std::string_view name_of(RequirementKind kind) {
    switch (kind) {
    case RequirementKind::spatial: return "spatial";
    case RequirementKind::spectral: return "spectral";
    case RequirementKind::histogram: return "histogram";
    case RequirementKind::statistics: return "statistics";
    case RequirementKind::contours: return "contours";
    case RequirementKind::vector_overlay: return "vector overlay";
    case RequirementKind::pv_preview: return "pv preview";
    case RequirementKind::viewport: return "viewport";
    }
    return "";
}

bool RequirementTable::set(const RequirementKey& key, Requirements requirements) {
    if (is_empty(requirements)) return active_.erase(key) > 0;
    const auto [it, added] = active_.try_emplace(key, requirements);
    if (added) return true;
    if (it->second == requirements) return false;
    it->second = std::move(requirements);
    return true;
}

const Requirements* RequirementTable::find(const RequirementKey& key) const {
    const auto it = active_.find(key);
    return it == active_.end() ? nullptr : &it->second;
}

void RequirementTable::remove_image(std::int32_t file_id) {
    std::erase_if(active_, [&](const auto& entry) { return entry.first.file_id == file_id; });
    std::erase_if(left_, [&](const auto& entry) { return entry.first.file_id == file_id; });
}

void RequirementTable::revise_image(std::int32_t file_id, const std::function<void(const RequirementKey&, Requirements&)>& change) {
    for (auto* table : {&active_, &left_}) {
        for (auto& [key, list] : *table)
            if (key.file_id == file_id) change(key, list);
        std::erase_if(*table, [](const auto& entry) { return is_empty(entry.second); });
    }
}

void RequirementTable::remove_region(std::int32_t region_id) {
    erase_region(active_, region_id);
    erase_region(left_, region_id);
}

template <class T>
std::vector<RequirementTable::Group<T>> RequirementTable::groups(std::int32_t file_id, std::int32_t region_id) const {
    std::vector<Group<T>> groups;
    const auto first = first_of(file_id, region_id, kind_of<T>);
    for (auto it = active_.lower_bound(first); it != active_.end() && same_place(it->first, first); ++it) {
        const auto& list = std::get<std::vector<T>>(it->second);
        auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& one) { return one.requirements == list; });
        if (group == groups.end()) group = groups.insert(groups.end(), {list, {}});
        group->connections.push_back(it->first.connection);
    }
    return groups;
}

template std::vector<RequirementTable::Group<SpatialRequirement>> RequirementTable::groups(std::int32_t, std::int32_t) const;
template std::vector<RequirementTable::Group<SpectralRequirement>> RequirementTable::groups(std::int32_t, std::int32_t) const;
template std::vector<RequirementTable::Group<HistogramRequirement>> RequirementTable::groups(std::int32_t, std::int32_t) const;
template std::vector<RequirementTable::Group<StatsRequirement>> RequirementTable::groups(std::int32_t, std::int32_t) const;
template std::vector<RequirementTable::Group<ContourRequirement>> RequirementTable::groups(std::int32_t, std::int32_t) const;
template std::vector<RequirementTable::Group<VectorRequirement>> RequirementTable::groups(std::int32_t, std::int32_t) const;
template std::vector<RequirementTable::Group<PvPreviewRequirement>> RequirementTable::groups(std::int32_t, std::int32_t) const;
template std::vector<RequirementTable::Group<ViewportRequirement>> RequirementTable::groups(std::int32_t, std::int32_t) const;

std::vector<std::int32_t> RequirementTable::regions(std::int32_t file_id, RequirementKind kind) const {
    std::vector<std::int32_t> list;
    for (auto it = active_.lower_bound({file_id, INT32_MIN, RequirementKind{}, 0}); it != active_.end() && it->first.file_id == file_id; ++it)
        if (it->first.kind == kind && (list.empty() || list.back() != it->first.region_id)) list.push_back(it->first.region_id);
    return list;
}

void RequirementTable::connection_lost(std::uint64_t connection) {
    for (auto it = active_.begin(); it != active_.end();) {
        if (it->first.connection != connection) {
            ++it;
            continue;
        }
        if (outlives_connection(it->first.kind)) join(left_, it->first, it->second);
        it = active_.erase(it);
    }
}

void RequirementTable::connection_closed(std::uint64_t connection) {
    std::erase_if(active_, [&](const auto& entry) { return entry.first.connection == connection; });
}

std::vector<RequirementKey> RequirementTable::inherit(std::uint64_t heir) {
    std::vector<RequirementKey> keys;
    const auto has_contours = [&](std::int32_t file_id) {
        return std::any_of(active_.begin(), active_.end(), [&](const auto& entry) {
            return entry.first.file_id == file_id && entry.first.kind == RequirementKind::contours && entry.first.connection == heir;
        });
    };
    for (auto& [place, list] : std::exchange(left_, {})) {
        auto key = place;
        key.connection = heir;
        if (key.kind == RequirementKind::contours && has_contours(key.file_id)) continue; // one list an image, whatever its region
        if (active_.try_emplace(key, std::move(list)).second) keys.push_back(key);
    }
    return keys;
}

std::vector<std::pair<RequirementKey, Requirements>> RequirementTable::saved() const {
    auto joined = left_;
    for (const auto& [key, list] : active_)
        if (outlives_connection(key.kind)) join(joined, key, list);
    return {joined.begin(), joined.end()};
}

void RequirementTable::restore(RequirementKey key, Requirements requirements) {
    if (!is_empty(requirements)) join(left_, key, requirements);
}

} // namespace cubelink::server
