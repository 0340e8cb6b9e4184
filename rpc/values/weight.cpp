#include "rpc/values/weight.hpp"

namespace cubelink::rpc {

namespace {

/// Beyond the value itself.
std::size_t beyond(const Value& value) {
    if (const auto* text = value.get_if<std::string>()) return text->size();
    if (const auto* bytes = value.get_if<Bytes>()) return bytes->size();
    if (const auto* extension = value.get_if<Extension>()) return extension->data.size();
    if (const auto* array = value.get_if<Array>()) return weight(*array);
    if (const auto* map = value.get_if<Map>()) return weight(*map);
    return 0;
}

} // namespace

std::size_t encoding_cost(const Value& value, std::size_t limit) {
    constexpr std::size_t each = 8, shared = 4096; // bytes from that size on are not copied
    std::size_t sum = each;
    const auto add = [&](const Value& part) {
        if (sum <= limit) sum += encoding_cost(part, limit - sum);
    };
    if (const auto* text = value.get_if<std::string>()) sum += text->size();
    else if (const auto* bytes = value.get_if<Bytes>()) sum += bytes->size() < shared ? bytes->size() : 0;
    else if (const auto* array = value.get_if<Array>()) {
        for (const auto& element : *array) {
            if (sum > limit) break;
            add(element);
        }
    } else if (const auto* map = value.get_if<Map>()) {
        for (const auto& [key, element] : *map) {
            if (sum > limit) break;
            add(key);
            add(element);
        }
    }
    return sum;
}

std::size_t weight(const Value& value) { return sizeof(Value) + beyond(value); }

std::size_t weight(const Array& values) {
    std::size_t sum = values.size() * sizeof(Value);
    for (const auto& value : values) sum += beyond(value);
    return sum;
}

std::size_t weight(const Map& values) {
    std::size_t sum = values.size() * sizeof(Map::Entry);
    for (const auto& [key, value] : values) sum += beyond(key) + beyond(value);
    return sum;
}

} // namespace cubelink::rpc
