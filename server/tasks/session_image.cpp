#include "server/tasks/session_image.hpp"

#include "rpc/icd/register.hpp"
#include "server/tasks/file_messages.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

namespace cubelink::server {

/// Of memory for a byte of header: it is kept as it stands, as entries of the acknowledgement, and as that goes out. Measured: 6.2.
constexpr std::size_t memory_for_a_byte_of_header = 7;

imaging::Reservation reserve_header(imaging::BudgetCache& budget, const imaging::OpenedImage& opened, const imaging::CancelToken& cancel) {
    return budget.reserve(opened.cards.size() * memory_for_a_byte_of_header, cancel);
}

icd::FileInfo generated_file_info(const std::string& name, const imaging::ImageInfo& info) {
    icd::FileInfo file;
    file.set_name(name);
    file.set_type(icd::CASA);
    file.set_size(info.file_size);
    file.set_date(info.file_date);
    return file;
}

ImagePtr make_session_image(SessionImageParts parts) {
    auto image = std::make_shared<Image>(parts.file_id);
    image->memory = std::move(parts.memory);
    image->directory = std::move(parts.directory);
    image->file = std::move(parts.file);
    image->support_aips_beam = parts.support_aips_beam;
    image->recipe = std::move(parts.recipe);
    image->info = std::move(parts.opened.info);
    image->hdu = static_cast<std::int32_t>(std::strtol(image->info.hdu.c_str(), nullptr, 10));
    image->wcs = std::move(parts.opened.wcs);
    image->cards = std::move(parts.opened.cards);
    const auto& types = image->info.stokes_types;
    const bool known = std::any_of(types.begin(), types.end(), [](int type) { return type != 0; });
    image->source = std::make_shared<imaging::PolarizationSource>(std::move(parts.opened.source), known ? types : std::vector<int>());

    icd::OpenFileAck ack;
    ack.set_success(true);
    ack.set_file_id(image->file_id);
    *ack.mutable_file_info() = std::move(parts.file_info);
    ack.mutable_file_info()->add_hdu_list(image->info.hdu);
    fill(*ack.mutable_file_info_extended(), image->info);
    fill_beams(ack, image->info);
    ack.set_file_feature_flags(icd::CUBE_HISTOGRAMS);
    image->acknowledgement = icd::make_body(std::move(ack));
    return image;
}

} // namespace cubelink::server
