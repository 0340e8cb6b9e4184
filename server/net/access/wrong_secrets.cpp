#include "server/net/access/wrong_secrets.hpp"

#include "server/net/access/access.hpp"
#include "server/net/log.hpp"

#include <algorithm>

namespace cubelink::server {

void WrongSecrets::wrong(const std::string& address, Time now) {
    metrics_.wrong_secrets.fetch_add(1, std::memory_order_relaxed);
    const auto place = network_of(address);
    if (entries_.size() >= most_addresses && !entries_.contains(place)) make_room(now);
    auto& entry = entries_[place];
    const bool before = many(entry, now);
    // No more is remembered than what is forgotten within as long again.
    entry.forgotten_at = std::min(std::max(entry.forgotten_at, now) + forgiven_each, now + 2 * free_tries * forgiven_each);
    if (!before && many(entry, now)) log::warn("many wrong secrets from " + address + ": secrets from there are delayed");
}

WrongSecrets::Milliseconds WrongSecrets::wait(const std::string& address, Time now) {
    if (entries_.empty()) return Milliseconds(0);
    const auto found = entries_.find(network_of(address));
    if (found == entries_.end()) return Milliseconds(0);
    auto& entry = found->second;
    if (!many(entry, now)) {
        if (entry.forgotten_at <= now) entries_.erase(found);
        return Milliseconds(0);
    }
    entry.last_place = std::min(std::max(now + shortest_wait, entry.last_place + apart), now + longest_wait);
    metrics_.delayed_secrets.fetch_add(1, std::memory_order_relaxed);
    return std::chrono::ceil<Milliseconds>(entry.last_place - now);
}

void WrongSecrets::make_room(Time now) {
    std::erase_if(entries_, [&](const auto& entry) { return entry.second.forgotten_at <= now; });
    if (entries_.size() < most_addresses) return;
    entries_.erase(std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) { return a.second.forgotten_at < b.second.forgotten_at; }));
}

} // namespace cubelink::server
