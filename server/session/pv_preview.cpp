#include "server/session/pv_preview.hpp"

#include "server/session/session.hpp"

namespace cubelink::server {

std::uint64_t PvPreview::next_preview() { return next_number(); }

} // namespace cubelink::server
