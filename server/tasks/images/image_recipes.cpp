#include "server/tasks/images/image_recipes.hpp"

#include "server/tasks/images/expressions.hpp"
#include "server/tasks/images/fitting_images.hpp"
#include "server/tasks/images/moment_images.hpp"
#include "server/tasks/images/position_velocity.hpp"
#include "server/tasks/images/remote_file.hpp"
#include "server/tasks/images/stokes_files.hpp"

#include "imaging/formats.hpp"
#include "rpc/values/convert.hpp"

#include <limits>
#include <string_view>

namespace cubelink::server {

namespace {

/// Recipes within recipes, at most: a moment of a residual of an expression … is deep.
constexpr int max_depth = 32;

imaging::OpenedImage make_of_file(const rpc::Map& recipe, const MakeContext& context) {
    icd::OpenFile request;
    request.set_directory(text_of_recipe(recipe, "directory"));
    request.set_file(text_of_recipe(recipe, "file"));
    request.set_hdu(text_of_recipe(recipe, "hdu"));
    request.set_support_aips_beam(flag_of_recipe(recipe, "support_aips_beam"));
    return open_image_file(context, request).image;
}

/// A kind a line.
struct Kind {
    std::string_view name;
    ImageMaker make;
};
constexpr Kind kinds[] = {
    {"file", make_of_file},
    {"expression", make_of_expression},
    {"fit_model", make_fit_model},
    {"fit_residual", make_fit_residual},
    {"moment", make_moment},
    {"position_velocity", make_position_velocity},
    {"remote_file", make_of_remote_file},
    {"stokes_files", make_of_stokes_files},
};

const rpc::Value& field_of(const rpc::Map& recipe, const char* field) {
    const auto* value = recipe.find(field);
    if (!value) throw PathError(std::string("What an image was made from is incomplete: there is no \"") + field + "\".");
    return *value;
}

template <class T>
const T& typed(const rpc::Map& recipe, const char* field) {
    const auto* value = field_of(recipe, field).get_if<T>();
    if (!value) throw PathError(std::string("What an image was made from can't be read: \"") + field + "\" is of another type.");
    return *value;
}

} // namespace

std::string text_of_recipe(const rpc::Map& recipe, const char* field) { return typed<std::string>(recipe, field); }
std::int64_t integer_of_recipe(const rpc::Map& recipe, const char* field) { return rpc::from_value<std::int64_t>(rpc::Value(field_of(recipe, field)), rpc::Path(field)); }
double number_of_recipe(const rpc::Map& recipe, const char* field) {
    const auto& value = field_of(recipe, field);
    if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
    return rpc::from_value<double>(rpc::Value(value), rpc::Path(field));
}
bool flag_of_recipe(const rpc::Map& recipe, const char* field) { return typed<bool>(recipe, field); }
const rpc::Map& map_of_recipe(const rpc::Map& recipe, const char* field) { return typed<rpc::Map>(recipe, field); }

imaging::OpenedImage make_image(const rpc::Map& recipe, const MakeContext& context) {
    if (context.depth > max_depth) throw PathError("An image was made from images that were made from images, more than " + std::to_string(max_depth) + " times.");
    MakeContext deeper = context;
    ++deeper.depth;
    const auto name = text_of_recipe(recipe, "kind");
    for (const auto& kind : kinds)
        if (kind.name == name) return kind.make(recipe, deeper);
    throw PathError("This server can't make images of the kind \"" + name + "\".");
}

rpc::Map recipe_of(const Image& image) {
    if (!image.recipe.empty()) return image.recipe;
    return {{"kind", "file"}, {"directory", image.directory}, {"file", image.file}, {"hdu", image.info.hdu}, {"support_aips_beam", image.support_aips_beam}};
}

} // namespace cubelink::server
