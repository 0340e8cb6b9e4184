#include "server/tasks/images/stokes_files.hpp"

#include "server/tasks/images/image_recipes.hpp"

#include "imaging/fits/stokes_hypercube.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace cubelink::server {

Opening opening_of_stokes_files(const StokesFiles& files, std::int32_t file_id) {
    std::vector<int> types;
    for (const auto& file : files) types.push_back(static_cast<int>(file.polarization_type()));
    try {
        imaging::check_polarizations(types); // and so that they are few
    } catch (const imaging::ImageError& error) { throw PathError(std::string("The files can't be joined: ") + error.what() + "."); }
    std::vector<icd::StokesFile> sorted(files.begin(), files.end());
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.polarization_type() < b.polarization_type(); });
    std::vector<std::string> names;
    rpc::Array list;
    for (const auto& file : sorted) {
        if (file.file().empty()) throw PathError("No file name was given for one of the polarizations.");
        names.push_back(last_part_of(file.file()));
        list.emplace_back(rpc::Map{
            {"directory", file.directory()}, {"file", file.file()}, {"hdu", file.hdu()}, {"polarization_type", static_cast<int>(file.polarization_type())}});
    }
    Opening opening;
    opening.request.set_file_id(file_id);
    opening.request.set_directory(sorted.front().directory());
    opening.request.set_file(imaging::hypercube_name(names, types));
    opening.recipe = {{"kind", "stokes_files"}, {"files", std::move(list)}};
    return opening;
}

imaging::OpenedImage make_of_stokes_files(const rpc::Map& recipe, const MakeContext& context) {
    const auto* found = recipe.find("files");
    const auto* list = found ? found->get_if<rpc::Array>() : nullptr;
    if (!list) throw PathError("What an image was made from is incomplete: there are no \"files\".");
    std::vector<int> types;
    std::vector<std::string> names;
    for (const auto& entry : *list) {
        const auto* file = entry.get_if<rpc::Map>();
        if (!file) throw PathError("What an image was made from can't be read: an entry of \"files\" is of another type.");
        const auto type = integer_of_recipe(*file, "polarization_type");
        types.push_back(type >= 0 && type < 100 ? static_cast<int>(type) : 0);
        names.push_back(last_part_of(text_of_recipe(*file, "file")));
    }
    imaging::check_polarizations(types); // how many there can be, before any is opened
    std::vector<imaging::StokesPart> parts;
    for (std::size_t i = 0; i < list->size(); ++i) {
        const auto& file = *(*list)[i].get_if<rpc::Map>();
        icd::OpenFile request;
        request.set_directory(text_of_recipe(file, "directory"));
        request.set_file(text_of_recipe(file, "file"));
        request.set_hdu(text_of_recipe(file, "hdu"));
        MakeContext part = context;
        const double done = static_cast<double>(i), all = static_cast<double>(list->size());
        if (context.progress) part.progress = [&context, done, all](double of_part) { context.progress((done + of_part) / all); };
        parts.push_back({open_image_file(part, request).image, types[i]});
        // Files of one name in several folders are told apart.
        if (std::count(names.begin(), names.end(), names[i]) > 1 && !request.directory().empty())
            parts.back().image.info.name = request.directory() + "/" + request.file();
    }
    return imaging::join_polarizations(std::move(parts), imaging::hypercube_name(names, types), &context.budget);
}

} // namespace cubelink::server
