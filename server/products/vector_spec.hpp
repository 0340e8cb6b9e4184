#pragma once
/// What a requirement of vectors means for the plane that is shown. For the files of the vector overlay only.

#include "imaging/analysis/vector_field.hpp"
#include "server/session/image.hpp"

namespace cubelink::server {

/// Of a requirement that the image has (why_no_vectors).
imaging::VectorFieldSpec vector_spec(const Image& image, const VectorRequirement& requirement);

} // namespace cubelink::server
