// PV_REQUEST, STOP_PV_CALC, STOP_PV_PREVIEW and CLOSE_PV_PREVIEW.

#include "server/handlers/context.hpp"
#include "server/tasks/images/pv_preview.hpp"

#include <algorithm>
#include <cmath>

namespace cubelink::server {

namespace {

/// Pixels and channels that a preview averages at most.
constexpr std::int32_t max_rebin = 4096;

std::string why_no_pixels(const Image& image) {
    try {
        image.source->check_unchanged();
    } catch (const imaging::ImageError& error) { return std::string(error.what()) + "; open it again."; }
    return {};
}

/// The channels that are meant; sets `why` if there are none. Beyond the axis there is nothing, which is no error.
imaging::ChannelRange channels_of(const icd::PvRequest& request, const Image& image, std::string& why) {
    const auto depth = static_cast<std::int32_t>(image.shape().depth);
    if (!request.has_spectral_range()) return {0, depth};
    const auto min = request.spectral_range().min(), max = request.spectral_range().max();
    const auto text = "spectral_range: channels " + std::to_string(min) + " to " + std::to_string(max);
    if (min > max) why = text + " are none: the first is above the last.";
    else if (max < 0 || min >= depth) why = text + " are not in the image, which has " + std::to_string(depth) + ".";
    return {std::max(min, 0), max < depth ? max + 1 : depth};
}

float quality_of(float asked, float otherwise) { return std::isfinite(asked) && asked > 0 ? std::clamp(asked, 1.0F, 32.0F) : otherwise; }

std::string check_settings(const icd::PvPreviewSettings& settings, const Session& session, PvPreviewWish& wish) {
    wish.preview_id = settings.preview_id();
    wish.rebin_xy = std::max(settings.rebin_xy(), 1);
    wish.rebin_z = std::max(settings.rebin_z(), 1);
    if (settings.rebin_xy() < 0 || settings.rebin_xy() > max_rebin || settings.rebin_z() < 0 || settings.rebin_z() > max_rebin)
        return "preview_settings: rebin_xy and rebin_z must be 1 to " + std::to_string(max_rebin) + ".";
    wish.image_quality = quality_of(settings.image_compression_quality(), wish.image_quality);
    wish.animation_quality = quality_of(settings.animation_compression_quality(), wish.animation_quality);
    if (settings.region_id() == 0 || settings.region_id() == image_region) return {};
    const auto region = session.region(settings.region_id());
    if (!region) return "preview_settings.region_id: there is no region with id " + std::to_string(settings.region_id()) + ".";
    const auto type = region->state->shape.type;
    if (!imaging::is_closed(type))
        return "preview_settings.region_id: region " + std::to_string(settings.region_id()) + " is a " + std::string(name_of(type)) + ", not a closed region.";
    wish.part = region->state;
    return {};
}

void request_pv(const HandlerContext& context, const CommandCall<icd::PvRequest>& c) {
    const auto& request = *c.request;
    const auto fail = [&](const std::string& why) { answer_pv_failure(c.call, why); };
    const auto image = c.session->image(request.file_id());
    if (!image) return fail("No file with id " + std::to_string(request.file_id()) + " is open.");
    const auto region = c.session->region(request.region_id());
    if (!region) return fail("There is no region with id " + std::to_string(request.region_id()) + ".");
    const auto type = region->state->shape.type;
    if (!imaging::is_line(type))
        return fail("Region " + std::to_string(request.region_id()) + " is a " + std::string(name_of(type)) +
                    ": position-velocity images are made along lines and polylines.");
    if (request.width() < 1 || request.width() > imaging::max_line_width)
        return fail("width: expected 1 to " + std::to_string(imaging::max_line_width) + ", got " + std::to_string(request.width()) + ".");
    if (const auto why = imaging::why_no_spectral_axis(image->info); !why.empty()) return fail(why);
    std::string why;
    PvPreviewWish wish;
    wish.pv = {c.session, image, region->state, request.region_id(), c.connection(), request.width(), channels_of(request, *image, why),
               request.reverse(), request.keep(), c.call};
    if (why.empty()) why = why_no_pixels(*image);
    if (why.empty() && request.has_preview_settings()) why = check_settings(request.preview_settings(), *c.session, wish);
    if (!why.empty()) return fail(why);
    if (request.has_preview_settings()) start_pv_preview(std::move(wish));
    else start_position_velocity(context.files, std::move(wish.pv));
}

} // namespace

void register_position_velocity(HandlerContext& context) {
    on_command<icd::PvRequest>(
        context, [&context](const CommandCall<icd::PvRequest>& c) { request_pv(context, c); },
        [](Command& command, const CommandCall<icd::PvRequest>& c) {
            command.touch(image_id(c.request->file_id()));
            command.touch(region_id(c.request->region_id()));
            if (c.request->preview_settings().region_id() > 0) command.touch(region_id(c.request->preview_settings().region_id()));
        },
        rpc::AnswerOrder::when_done);
    on_command<icd::StopPvCalc>(context, [](const CommandCall<icd::StopPvCalc>& c) {
        acknowledge(c.call);
        c.session->stop_calculations(CalculationKind::position_velocity, c.request->file_id());
    });
    on_command<icd::StopPvPreview>(context, [](const CommandCall<icd::StopPvPreview>& c) {
        acknowledge(c.call);
        stop_pv_preview(*c.session, c.connection(), c.request->preview_id());
    });
    on_command<icd::ClosePvPreview>(context, [](const CommandCall<icd::ClosePvPreview>& c) {
        acknowledge(c.call);
        close_pv_preview(*c.session, c.connection(), c.request->preview_id());
    });
}

} // namespace cubelink::server
