#pragma once
/// What a client requires of a vector overlay: the message, checked against the image. Pure functions.

#include "rpc/icd/messages.hpp"
#include "server/session/image.hpp"
#include "server/session/requirements.hpp"

#include <cstdint>
#include <string>

namespace cubelink::server {

/// Tiles of one overlay; uncompressed they take half a megabyte each.
inline constexpr std::int64_t max_vector_tiles = 1 << 18;

inline constexpr const char* vector_topic = "carta.vector.overlay.tile.data";

/// Whether the message takes the overlay away: it asks for neither component.
inline bool clears_vectors(const icd::SetVectorOverlayParameters& message) { return message.stokes_intensity() == -1 && message.stokes_angle() == -1; }
/// Throws BadArguments that names the field, CallError for what this image does not have. Not for messages that clear.
VectorRequirement checked_vectors(const icd::SetVectorOverlayParameters& message, const Image& image);
/// Why this image has no such vectors, a sentence; empty if it has.
std::string why_no_vectors(const Image& image, const VectorRequirement& requirement);
/// Whether both mean the same tiles, in whatever order.
bool same_vectors(VectorRequirement a, const VectorRequirement& b);

} // namespace cubelink::server
