#include "imaging/render/colouring.hpp"

#include <algorithm>

namespace cubelink::imaging {

Colouring::Colouring(const Look& look) : limits_(look.limits), blank_(look.blank), table_(look.map->colours) {
    if (look.inverted) std::reverse(table_.begin(), table_.end());
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

} // namespace cubelink::imaging
