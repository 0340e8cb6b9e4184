#include "imaging/render/colouring.hpp"

#include <algorithm>
#include <limits>

namespace cubelink::imaging {

Colouring::Colouring(const Look& look) : limits_(look.limits) {
    std::copy(look.map->colours.begin(), look.map->colours.end(), table_.begin());
    if (look.inverted) std::reverse(table_.begin(), table_.begin() + blank);
    table_[blank] = look.blank;
    if (look.stretch == Stretch::linear) return;
    const auto colour_of = [&](double t) { return static_cast<int>(stretched(t, look.stretch) * 255 + 0.5); };
    begins_.assign(256, 0);
    for (int i = 1; i < 256; ++i) {
        // The smallest double whose colour is i or more: stretches do not decrease.
        double below = begins_[static_cast<std::size_t>(i - 1)], above = 1;
        for (int step = 0; step < 100; ++step) {
            const double middle = below + (above - below) / 2;
            if (middle <= below || middle >= above) break;
            (colour_of(middle) >= i ? above : below) = middle;
        }
        begins_[static_cast<std::size_t>(i)] = above;
    }
    first_.resize(bins + 1);
    for (int b = 0; b <= bins; ++b) first_[static_cast<std::size_t>(b)] = static_cast<std::uint8_t>(colour_of(static_cast<double>(b) / bins));
}

void Colouring::colour(std::span<const float> values, Rgba* out) const {
    if (!begins_.empty() || !(limits_.high > limits_.low)) {
        for (const float value : values) *out++ = (*this)(value);
        return;
    }
    // Places in the table first: a loop that the compiler can make wide.
    constexpr std::size_t at_once = 512;
    constexpr float largest = std::numeric_limits<float>::max();
    std::array<std::int32_t, at_once> places;
    const double low = limits_.low, range = limits_.high - limits_.low;
    for (std::size_t from = 0; from < values.size(); from += at_once) {
        const std::size_t n = std::min(at_once, values.size() - from);
        const float* const some = values.data() + from;
        for (std::size_t i = 0; i < n; ++i) {
            const bool good = some[i] >= -largest && some[i] <= largest;
            const double t = ((good ? some[i] : 0) - low) / range;
            const double clamped = t < 0 ? 0 : t > 1 ? 1 : t;
            const auto place = static_cast<std::int32_t>(clamped * 255 + 0.5);
            places[i] = good ? place : static_cast<std::int32_t>(blank);
        }
        for (std::size_t i = 0; i < n; ++i) out[from + i] = table_[static_cast<std::size_t>(places[i])];
    }
}

} // namespace cubelink::imaging
