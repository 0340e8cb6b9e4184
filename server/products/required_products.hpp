#pragma once
/// What the products that follow from each requirement of a list have in common: those of the image and those of regions.

#include "server/products/kinds.hpp"
#include "server/products/requirement_text.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace cubelink::server {

/// A text of bounded length that differs if the text does, for all that can happen by chance: products of long lists would each keep all of it.
inline std::string brief(std::string text) {
    if (text.size() <= 64) return text;
    const auto first = std::hash<std::string>()(text), length = text.size();
    text += '#';
    return std::to_string(length) + "-" + std::to_string(first) + "-" + std::to_string(std::hash<std::string>()(text));
}

/// make(product, requirement) for each requirement of type T that there is for a region of the image, with a product whose region, part, audience and slot
/// are set.
template <class T, class Make>
void for_each_requirement(const ProductContext& context, const Image& image, std::int32_t region_id, Make&& make) {
    for (const auto& group : context.session.requirements().groups<T>(image.file_id, region_id)) {
        const auto list = brief(text_of(group.requirements));
        for (std::size_t i = 0; i < group.requirements.size(); ++i) {
            Product product;
            product.region_id = region_id;
            product.part = std::to_string(i) + "/" + list;
            product.audience = pubsub::Audience::required_by(group.connections);
            product.slot = slot_of(group, static_cast<std::int64_t>(i));
            make(std::move(product), group.requirements[i]);
        }
    }
}

} // namespace cubelink::server
