// START_ANIMATION, STOP_ANIMATION, ANIMATION_FLOW_CONTROL.

#include "server/handlers/context.hpp"

#include "rpc/icd/messages.hpp"
#include "server/tasks/animation.hpp"

#include <stdexcept>

namespace cubelink::server {

namespace {

/// Asked for where a client leaves the rate out.
constexpr std::int32_t default_frame_rate = 5;

/// An image has at most 4 stokes and 5 computed polarizations; a client may list some of them twice.
constexpr int max_stokes_indices = 64;

Frame frame_of(const icd::AnimationFrame& frame) { return {frame.channel(), frame.stokes()}; }

/// What the client is told of an animation that can't begin.
using Refused = std::invalid_argument;

std::int32_t checked_rate(std::int32_t rate) {
    if (rate == 0) return default_frame_rate;
    if (rate < 0 || rate > max_frame_rate)
        throw Refused("frame_rate: " + std::to_string(rate) + " is not between 1 and " + std::to_string(max_frame_rate) +
                      " frames a second");
    return rate;
}

FrameSequence checked_frames(const icd::StartAnimation& request, const Image& image) {
    if (request.stokes_indices_size() > max_stokes_indices)
        throw Refused("stokes_indices: " + std::to_string(request.stokes_indices_size()) + " at once, the limit is " +
                      std::to_string(max_stokes_indices));
    const FrameSequence frames({frame_of(request.first_frame()),
                                frame_of(request.last_frame()),
                                frame_of(request.start_frame()),
                                frame_of(request.delta_frame()),
                                request.looping(),
                                request.reverse(),
                                {request.stokes_indices().begin(), request.stokes_indices().end()}});
    const auto require_channel = [&](const char* field, std::int32_t channel) {
        if (!image.has_channel(channel))
            throw Refused(std::string(field) + ".channel: " + std::to_string(channel) + " does not exist (the image has " +
                          std::to_string(image.shape().depth) + ")");
    };
    const auto require_stokes = [&](const char* field, std::int32_t index) {
        if (const auto stokes = frames.stokes_of({0, index}); !image.has_stokes(stokes))
            throw Refused(std::string(field) + ".stokes: the image has no stokes " + std::to_string(stokes));
    };
    if (frames.along_stokes()) {
        require_channel("start_frame", request.start_frame().channel());
        require_stokes("last_frame", request.last_frame().stokes()); // then there are not many
        for (auto stokes = request.first_frame().stokes(); stokes <= request.last_frame().stokes(); ++stokes)
            require_stokes("first_frame", stokes);
    } else {
        require_channel("first_frame", request.first_frame().channel());
        require_channel("last_frame", request.last_frame().channel());
        require_stokes("start_frame", request.start_frame().stokes());
    }
    return frames;
}

/// The image that plays, then the open ones that are matched to it; their views follow by ADD_REQUIRED_TILES.
std::vector<AnimatedImage> checked_images(const CommandCall<icd::StartAnimation>& c, const ImagePtr& image, const FrameSequence& frames) {
    const auto& request = *c.request;
    const auto& asked = request.required_tiles();
    AnimatedView view;
    view.tiles =
        checked_tiles({asked.tiles().data(), static_cast<std::size_t>(asked.tiles().size())}, image->shape(), "required_tiles.tiles");
    if (!view.tiles.empty()) view.format = TileFormat::checked(asked.compression_type(), asked.compression_quality());
    std::vector<AnimatedImage> images{{image, std::move(view), {}}};
    for (const auto& [file_id, list] : request.matched_frames()) {
        const auto matched = c.session->image(file_id);
        if (!matched || matched == image) continue;
        // Numbers beyond the last frame are never looked at.
        const auto useful =
            std::min<std::int64_t>(list.frame_numbers_size(), std::int64_t{frames.range().last.channel} - frames.range().first.channel + 1);
        images.push_back(
            {matched,
             {},
             {list.frame_numbers().begin(), list.frame_numbers().begin() + static_cast<int>(std::max<std::int64_t>(useful, 0))}});
    }
    return images;
}

void refuse(const rpc::CallPtr& call, const std::string& why) {
    icd::StartAnimationAck ack;
    ack.set_message(why);
    icd::answer(call, std::move(ack));
}

void start_animation(const HandlerContext& context, const CommandCall<icd::StartAnimation>& c) {
    std::shared_ptr<Animation> animation;
    try {
        const auto image = c.session->require_unchanged_image(c.request->file_id());
        const auto rate = checked_rate(c.request->frame_rate());
        auto frames = checked_frames(*c.request, *image);
        auto images = checked_images(c, image, frames);
        animation = std::make_shared<Animation>(c.session, c.connection(), std::move(images), std::move(frames), rate, context.later);
    } catch (const rpc::CallError& error) {
        return refuse(c.call, error.error().message);
    } catch (const Refused& error) {
        return refuse(c.call, error.what());
    }
    icd::StartAnimationAck ack;
    ack.set_success(true);
    ack.set_animation_id(animation->id());
    icd::answer(c.call, std::move(ack));
    animation->start();
}

/// Stops what plays of that file, if anything does.
void stop(const Session& session, std::int32_t file_id) {
    if (const auto animation = animation_of(session); animation && animation->plays(file_id)) animation->stop();
}

} // namespace

void register_animation(HandlerContext& context) {
    on_command<icd::StartAnimation>(
        context, [&context](const CommandCall<icd::StartAnimation>& c) { start_animation(context, c); },
        [](Command& command, const CommandCall<icd::StartAnimation>& c) {
            command.touch(image_id(c.request->file_id()));
            // More than can be open need not be waited for.
            if (c.request->matched_frames().size() <= ObjectRegistry::limit_of(ObjectKind::image))
                for (const auto& matched : c.request->matched_frames()) command.touch(image_id(matched.first));
            command.barrier = true;
            command.on_dropped = [call = c.call] { refuse(call, "The file was closed."); };
        });
    // Acts when it arrives, and once more in its turn, on an animation whose start is waiting ahead of it.
    icd::on<icd::StopAnimation>(context.methods, [&context](const rpc::CallPtr& call, const icd::StopAnimation& request) {
        const auto session = session_of(context, *call);
        const auto file_id = request.file_id();
        stop(*session, file_id);
        Command command;
        command.call = call;
        command.touch(image_id(file_id));
        command.urgent = true;
        command.run = [session, call, file_id] {
            stop(*session, file_id);
            acknowledge(call);
        };
        session->queue().push(std::move(command));
    });
    icd::on<icd::AnimationFlowControl>(context.methods, [&context](const rpc::CallPtr& call, const icd::AnimationFlowControl& request) {
        const auto animation = animation_of(*session_of(context, *call));
        // CARTA's page leaves the animation's id 0.
        const bool meant = animation && animation->connection() == call->peer()->id() &&
                           (request.animation_id() == 0 || request.animation_id() == animation->id());
        if (meant) animation->received(request.file_id(), frame_of(request.received_frame()));
        acknowledge(call);
    });
}

} // namespace cubelink::server
