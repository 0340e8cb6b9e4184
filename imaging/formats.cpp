#include "imaging/formats.hpp"

#include "imaging/fits/fits_format.hpp"

namespace cubelink::imaging {

const FormatRegistry& formats() {
    static const FormatRegistry all = [] {
        FormatRegistry registry;
        registry.add(fits_format());
        return registry;
    }();
    return all;
}

} // namespace cubelink::imaging
