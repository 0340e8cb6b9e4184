#include "pubsub/subscription.hpp"

#include <algorithm>
#include <cmath>

namespace cubelink::pubsub {

using rpc::Array;
using rpc::BadArguments;
using rpc::Map;
using rpc::Value;

namespace {

/// "imageBounds" → "image_bounds": filters may name fields as JavaScript does.
std::string snake_case(std::string_view name) {
    std::string result;
    for (const char c : name) {
        if (c >= 'A' && c <= 'Z') {
            if (!result.empty()) result += '_';
            result += static_cast<char>(c - 'A' + 'a');
        } else {
            result += c;
        }
    }
    return result;
}

/// What a filter costs to keep and to compare: its values, and the bytes of its texts. Stops counting beyond `limit`.
std::size_t weight(const Value& value, std::size_t limit) {
    std::size_t sum = 1;
    const auto add = [&](const Value& part) { sum = sum > limit ? sum : sum + weight(part, limit - std::min(sum, limit)); };
    if (const auto* text = value.get_if<std::string>()) sum += text->size();
    if (const auto* bytes = value.get_if<rpc::Bytes>()) sum += bytes->size();
    if (const auto* extension = value.get_if<rpc::Extension>()) sum += extension->data.size();
    if (const auto* array = value.get_if<Array>()) std::for_each(array->begin(), array->end(), add);
    if (const auto* map = value.get_if<Map>()) {
        for (const auto& [key, element] : *map) {
            add(key);
            add(element);
        }
    }
    return sum;
}

/// Whether an integer and a float are the same number. Exact: beyond 2^53 most integers are no floats.
bool same_number(const Value& integer, const Value& real) {
    const auto* d = real.get_if<double>();
    if (!d || std::trunc(*d) != *d) return false;
    if (const auto* i = integer.get_if<std::int64_t>()) return *d >= -0x1p63 && *d < 0x1p63 && static_cast<std::int64_t>(*d) == *i;
    if (const auto* u = integer.get_if<std::uint64_t>()) return *d >= 0 && *d < 0x1p64 && static_cast<std::uint64_t>(*d) == *u;
    return false;
}

} // namespace

bool same_value(const Value& a, const Value& b) {
    if (a.storage().index() != b.storage().index()) return same_number(a, b) || same_number(b, a);
    if (const auto* x = a.get_if<Array>()) {
        const auto& y = *b.get_if<Array>();
        return std::equal(x->begin(), x->end(), y.begin(), y.end(), same_value);
    }
    if (const auto* x = a.get_if<Map>()) {
        const auto& y = *b.get_if<Map>();
        if (x->size() != y.size()) return false;
        return std::all_of(x->begin(), x->end(), [&](const Map::Entry& entry) {
            return std::any_of(y.begin(), y.end(), [&](const Map::Entry& other) {
                return same_value(entry.first, other.first) && same_value(entry.second, other.second);
            });
        });
    }
    return a == b;
}

const Map* Fields::map() const {
    if (!value_) {
        try {
            value_ = publication_.body() ? publication_.body()->value() : Value();
        } catch (const std::exception&) {
            value_ = Value(); // cannot be seen as a value: no filter matches it
        }
    }
    return value_->get_if<Map>();
}

void Subscription::subscribe(std::string topic, const Value& filter) {
    if (topic.empty()) throw BadArguments("topic: must not be empty");
    if (topic.size() > 256) throw BadArguments("topic: longer than 256 bytes");
    Entry entry{std::move(topic), {}, false, filter.is_null() ? Value(Map{}) : filter};
    const auto* fields = entry.filter.get_if<Map>();
    if (!fields) throw BadArguments("filter: expected a map, got " + rpc::brief(filter));
    for (const auto& [key, value] : *fields) {
        const auto* name = key.get_if<std::string>();
        if (!name) throw BadArguments("filter: names of fields are strings, got " + rpc::brief(key));
        if (*name == "view") {
            const auto* view = value.get_if<std::string>();
            if (!view || *view != "any") throw BadArguments("filter.view: expected \"any\", got " + rpc::brief(value));
            entry.any_view = true;
        } else {
            entry.fields.append(*name, value);
        }
    }
    if (weight(entry.filter, filter_limit) > filter_limit) throw BadArguments("filter: too large, at most " + std::to_string(filter_limit) + " bytes");
    selective_ = true;
    const bool known = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& other) {
        return other.topic == entry.topic && same_value(other.filter, entry.filter);
    });
    if (known) return;
    if (entries_.size() >= limit) throw BadArguments("topic: too many subscriptions, at most " + std::to_string(limit));
    entries_.push_back(std::move(entry));
}

bool Subscription::unsubscribe(std::string_view topic) {
    return std::erase_if(entries_, [&](const Entry& entry) { return entry.topic == topic; }) > 0;
}

Value Subscription::list() const {
    Array result;
    for (const auto& entry : entries_) result.push_back(Map{{"topic", entry.topic}, {"filter", entry.filter}});
    return result;
}

bool Subscription::Entry::matches(std::string_view of_topic, Address address) const {
    return topic == of_topic && address != Address::excluded && (address != Address::if_any_view || any_view);
}

bool Subscription::may_accept(std::string_view topic, Address address) const {
    if (!selective_) return address == Address::addressed;
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.matches(topic, address); });
}

bool Subscription::accepts(std::string_view topic, Address address, const Fields& fields) const {
    if (!selective_) return address == Address::addressed;
    const auto matches = [&](const Entry& entry) {
        if (!entry.matches(topic, address)) return false;
        if (entry.fields.empty()) return true;
        const Map* map = fields.map();
        if (!map) return false;
        return std::all_of(entry.fields.begin(), entry.fields.end(), [&](const Map::Entry& wanted) {
            const auto& name = *wanted.first.get_if<std::string>();
            const Value* value = map->find(name);
            if (!value) value = map->find(snake_case(name));
            return value && same_value(*value, wanted.second);
        });
    };
    return std::any_of(entries_.begin(), entries_.end(), matches);
}

} // namespace cubelink::pubsub
