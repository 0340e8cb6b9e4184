#include "imaging/source/image_info.hpp"

#include <algorithm>

namespace cubelink::imaging {

const HeaderEntry* ImageInfo::find(const std::string& entry_name) const {
    const auto found = std::find_if(header.begin(), header.end(), [&](const HeaderEntry& entry) { return entry.name == entry_name; });
    return found == header.end() ? nullptr : &*found;
}

} // namespace cubelink::imaging
