#pragma once
/// Images computed from others by an expression (docs/expressions.md): the recipe "expression" {directory, expression, support_aips_beam}:
/// names in which are files in that folder.

#include "server/tasks/images/image_recipes.hpp"

namespace cubelink::server {

/// Of an OPEN_FILE with lel_expr.
rpc::Map expression_recipe(const icd::OpenFile& request);

/// An ImageMaker. A name that is no file but ends in [HDU] is a file's name and one of its HDUs: 'a.fits[1]', 'a.fits[SCI]'.
imaging::OpenedImage make_of_expression(const rpc::Map& recipe, const MakeContext& context);

/// Computes now what an expression needs of whole images, mean(a) for instance, with progress, instead of at the first read. Nothing for
/// other images. Throws as reads do.
void prepare_expression(const imaging::OpenedImage& image, const MakeContext& context);

} // namespace cubelink::server
