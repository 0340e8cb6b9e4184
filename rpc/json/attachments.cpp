#include "rpc/json/attachments.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>

namespace cubelink::rpc {

namespace {

constexpr std::string_view key_prefix = "wslink_bin";

std::atomic<std::uint64_t> next_number{0};

void collect_numbers(const Value& value, std::vector<std::uint64_t>& numbers) {
    if (const auto* text = value.get_if<std::string>()) {
        if (const auto number = attachment_number(*text)) numbers.push_back(*number);
    } else if (const auto* array = value.get_if<Array>()) {
        for (const Value& element : *array) collect_numbers(element, numbers);
    } else if (const auto* map = value.get_if<Map>()) {
        for (const auto& [key, element] : *map) collect_numbers(element, numbers);
    }
}

} // namespace

std::optional<std::uint64_t> attachment_number(std::string_view text) {
    if (text.size() <= key_prefix.size() || !text.starts_with(key_prefix)) return std::nullopt;
    const std::string_view digits = text.substr(key_prefix.size());
    if (!std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
    std::uint64_t number = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ec != std::errc()) return UINT64_MAX;
    return number;
}

std::string ReceivedAttachments::announce(const Value* keys) {
    const auto* list = keys ? keys->get_if<Array>() : nullptr;
    if (!list) return "an attachment header needs a list of keys in args";
    for (std::size_t i = 0; i < list->size(); ++i) {
        const auto* key = (*list)[i].get_if<std::string>();
        if (!key || !attachment_number(*key))
            return "attachment header, args[" + std::to_string(i) + "]: expected wslink_bin<digits>, got " + brief((*list)[i]);
        announced_.push_back(*key);
        bytes_ += cost(*key);
        awaited_bytes_ += cost(*key);
    }
    return {};
}

void ReceivedAttachments::receive(Bytes bytes) {
    std::string key = std::move(announced_.front());
    announced_.pop_front();
    bytes_ += bytes.size();
    const std::size_t key_cost = cost(key);
    awaited_bytes_ -= key_cost;
    const auto [position, is_new] = received_.try_emplace(std::move(key));
    if (!is_new) bytes_ -= position->second.size() + key_cost; // sent again: the newer takes its place
    position->second = std::move(bytes);
}

void ReceivedAttachments::replace_keys_in(Value& value) {
    if (received_.empty()) return;
    if (const auto* text = value.get_if<std::string>()) {
        if (!text->starts_with(key_prefix)) return;
        const auto position = received_.find(*text);
        if (position == received_.end()) return;
        bytes_ -= position->second.size() + cost(position->first);
        value = std::move(position->second);
        received_.erase(position);
    } else if (auto* array = value.get_if<Array>()) {
        for (Value& element : *array) replace_keys_in(element);
    } else if (auto* map = value.get_if<Map>()) {
        for (auto& [key, element] : *map) replace_keys_in(element);
    }
}

std::string AttachmentKeys::take() {
    if (!looked_) {
        looked_ = true;
        collect_numbers(message_, avoid_);
        std::sort(avoid_.begin(), avoid_.end());
    }
    std::uint64_t number;
    do {
        number = next_number.fetch_add(1, std::memory_order_relaxed);
    } while (std::binary_search(avoid_.begin(), avoid_.end(), number));
    return std::string(key_prefix) + std::to_string(number);
}

} // namespace cubelink::rpc
