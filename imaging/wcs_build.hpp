#pragma once
/// From a header to wcslib's structure. Any thread (one at a time inside: wcslib's parsers share state).

#include "imaging/header.hpp"

#include <memory>
#include <string>
#include <vector>

struct wcsprm;

namespace cubelink::imaging {

struct WcsDeleter {
    void operator()(wcsprm* wcs) const;
};
using WcsPointer = std::unique_ptr<wcsprm, WcsDeleter>;

/// Fixed and set; nullptr if the header's world coordinates can't be used. `lengths`: NAXISn.
WcsPointer build_wcs(const Header& header, const std::vector<std::int64_t>& lengths);

/// A copy of its own for another thread; nullptr if memory is short.
WcsPointer copy_wcs(const wcsprm& wcs);

} // namespace cubelink::imaging
