#pragma once
/// Images from what they were made of: files, and results of sessions that are restored.
///
/// A recipe is a map with "kind" and what that kind needs, all of it: images that it was made from stand in it as recipes, regions as shapes. It is saved with
/// the session. Kinds: "file" {directory, file, hdu, support_aips_beam}, and those of the table in image_recipes.cpp.

#include "server/tasks/open_file.hpp"

#include "imaging/source/format.hpp"

#include <cstdint>
#include <string>

namespace cubelink::server {

/// Makes an image again. Its header is known at once; pixels that take long are computed when they are first read (imaging/source/deferred_image.hpp), and
/// that may use settings and budget later on. Blocks: by a job. Throws what says why not, fit for the client.
using ImageMaker = imaging::OpenedImage (*)(const rpc::Map& recipe, const MakeContext& context);
imaging::OpenedImage make_image(const rpc::Map& recipe, const MakeContext& context);

/// The recipe of an image that is open: that of its file, if it is of one.
rpc::Map recipe_of(const Image& image);

/// A field of a recipe; throws PathError that names it.
std::string text_of_recipe(const rpc::Map& recipe, const char* field);
std::int64_t integer_of_recipe(const rpc::Map& recipe, const char* field);
double number_of_recipe(const rpc::Map& recipe, const char* field); // NaN for null
bool flag_of_recipe(const rpc::Map& recipe, const char* field);
/// A recipe within it.
const rpc::Map& map_of_recipe(const rpc::Map& recipe, const char* field);

} // namespace cubelink::server
