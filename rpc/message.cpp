#include "rpc/message.hpp"

#include "rpc/dialect.hpp"

#include <atomic>
#include <charconv>
#include <string_view>

namespace cubelink::rpc {

namespace {

std::string next_publication_id(const std::string& topic) {
    static std::atomic<std::uint64_t> count{0};
    char number[24] = ":";
    char* const end = std::to_chars(number + 1, number + sizeof number, count.fetch_add(1, std::memory_order_relaxed)).ptr;
    constexpr std::string_view prefix = "publish:";
    std::string id;
    id.reserve(prefix.size() + topic.size() + static_cast<std::size_t>(end - number));
    return id.append(prefix).append(topic).append(number, static_cast<std::size_t>(end - number));
}

} // namespace

Publication::Publication(std::string topic, BodyPtr body)
    : topic_(std::move(topic)), body_(std::move(body)), id_(next_publication_id(topic_)) {}

EncodedPtr Publication::encoded_for(const Dialect& dialect) const {
    const std::uint32_t key = dialect.encoding_key();
    // Held while encoding: other threads that need these bytes wait for them instead of encoding again.
    const platform::MutexLock lock(mutex_);
    for (const auto& [known, encoded] : cache_)
        if (known == key) return encoded;
    auto encoded = dialect.encode(*this);
    cache_.push_back({key, encoded});
    return encoded;
}

} // namespace cubelink::rpc
