#include "server/tasks/images/moment_file.hpp"

#include "imaging/fits/saved_image.hpp"

#include <set>
#include <utility>

namespace cubelink::server {

MomentFile::MomentFile(const Jail& jail, const MomentFileRequest& request, std::uint64_t bytes)
    : program_(request.program), writer_(jail, request.directory, request.name, request.options) {
    writer_.reserve(bytes);
}

std::string MomentFile::write(std::span<const imaging::Moment> moments, std::span<const GeneratedImage> images, imaging::BudgetCache& budget, const TaskContext& context,
                              std::function<void(double)> progress) {
    std::size_t cards = 0;
    for (const GeneratedImage& image : images) cards += image.opened.cards.size();
    const auto reserved = budget.reserve(cards * memory_of_card_byte, context.cancel);

    imaging::FitsFile file;
    file.add_empty_primary();
    imaging::SaveSelection selection;
    selection.date = date_of_now();
    std::set<std::string> warnings; // most are of all moments
    for (std::size_t i = 0; i < images.size(); ++i) {
        const auto& opened = images[i].opened;
        const auto& shape = opened.source->shape();
        selection.part = {{0, 0, shape.width, shape.height}, {0, shape.depth, 1}, {0, shape.stokes, 1}, nullptr};
        selection.extension_name = imaging::moment_suffix(moments[i]);
        selection.history = {program_ + ": saved from " + images[i].name};
        for (std::string& warning : imaging::add_saved_image(file, {opened.source, opened.info, opened.cards, opened.wcs.get()}, selection)) warnings.insert(std::move(warning));
    }
    write_fits(file, writer_, budget, context, std::move(progress));
    std::string said;
    for (const std::string& warning : warnings) said += (said.empty() ? "" : " ") + warning;
    return said;
}

} // namespace cubelink::server
