// What is shown: SET_IMAGE_CHANNELS, ADD_REQUIRED_TILES, REMOVE_REQUIRED_TILES, CHANNEL_MAP_FLOW_CONTROL.

#include "server/handlers/context.hpp"

#include "rpc/icd/messages.hpp"
#include "server/products/tile_set.hpp"
#include "server/tasks/animation.hpp"

#include <algorithm>

namespace cubelink::server {

namespace {

/// Channels times tiles that one message of a channel map may ask for.
constexpr std::size_t max_map_tiles = 16384;

template <class Repeated>
std::span<const std::int32_t> span_of(const Repeated& field) {
    return {field.data(), static_cast<std::size_t>(field.size())};
}

TileRequest tiles_of(const CommandCall<icd::SetImageChannels>& c, const Image& image) {
    const auto& asked = c.request->required_tiles();
    TileRequest tiles;
    tiles.connection = c.connection();
    tiles.tiles = checked_tiles(span_of(asked.tiles()), image.shape(), "required_tiles.tiles");
    if (!tiles.tiles.empty()) tiles.format = TileFormat::checked(asked.compression_type(), asked.compression_quality());
    return tiles;
}

std::string wrong_plane(const icd::SetImageChannels& request, const Image& image) {
    if (!image.has_channel(request.channel()))
        return image.info.name + ": channel " + std::to_string(request.channel()) + " does not exist (the image has " +
               std::to_string(image.shape().depth) + ").";
    return image.info.name + ": stokes " + std::to_string(request.stokes()) + " does not exist (the image has " + std::to_string(image.shape().stokes) +
           ").";
}

/// The channels of the range that exist.
std::pair<std::int32_t, std::int32_t> checked_range(const icd::IntBounds& range, const Image& image, const char* field) {
    if (range.min() > range.max() || !image.has_channel(range.min()) || !image.has_channel(range.max()))
        throw rpc::BadArguments(std::string(field) + ": " + std::to_string(range.min()) + " to " + std::to_string(range.max()) +
                                " is no range of channels of this image (it has " + std::to_string(image.shape().depth) + ")");
    return {range.min(), range.max()};
}

void set_channels(const CommandCall<icd::SetImageChannels>& c) {
    const auto& request = *c.request;
    const auto image = c.session->require_unchanged_image(request.file_id());
    auto tiles = tiles_of(c, *image);
    const imaging::PlaneId plane{request.channel(), request.stokes()};
    const bool exists = image->has_channel(plane.channel) && image->has_stokes(plane.stokes);

    std::pair<std::int32_t, std::int32_t> wanted{0, -1}, shown;
    const bool map_tiles = request.channel_map_enabled() && request.has_channel_range();
    if (map_tiles) {
        wanted = checked_range(request.channel_range(), *image, "channel_range");
        shown = request.has_current_range() ? checked_range(request.current_range(), *image, "current_range") : wanted;
        if (static_cast<std::size_t>(request.required_tiles().current_tiles_size()) > max_tiles_per_request)
            throw rpc::BadArguments("required_tiles.current_tiles: more than " + std::to_string(max_tiles_per_request) + " tiles");
        if (tiles.tiles.size() * static_cast<std::size_t>(wanted.second - wanted.first + 1) > max_map_tiles)
            throw rpc::BadArguments("channel_range: more than " + std::to_string(max_map_tiles) + " tiles at once");
    }
    require_room_for_tiles(*c.session, tiles.tiles.size() * static_cast<std::size_t>(std::max(wanted.second - wanted.first + 1, 1)));
    if (exists) {
        acknowledge(c.call);
        c.session->show_plane(image, plane, request.channel_map_enabled());
    } else {
        c.call->fail(rpc::Error{rpc::code::method_failed, wrong_plane(request, *image), {}, true});
        c.session->report(Severity::error, {"channels"}, wrong_plane(request, *image));
    }
    if (!request.channel_map_enabled()) c.session->channel_maps.leave(c.connection(), image->file_id);
    if (map_tiles) {
        const auto& view = request.required_tiles().current_tiles();
        c.session->channel_maps.show(c.connection(), image->file_id, {shown.first, shown.second, {view.begin(), view.end()}});
        tiles.current_plane = false;
        for (auto channel = wanted.first; channel <= wanted.second; ++channel) {
            tiles.plane = {channel, image->plane.stokes};
            send_tiles(c.session, image, tiles);
        }
        return;
    }
    tiles.plane = image->plane;
    send_tiles(c.session, image, std::move(tiles));
}

/// Whether a newer change of channel makes the older one pointless: not if it is to the same one, whose tiles may have been asked for by the
/// older one or between the two.
bool overtakes(const icd::SetImageChannels& newer, const icd::SetImageChannels& older) {
    if (newer.channel_map_enabled() || older.channel_map_enabled()) return false;
    return newer.channel() != older.channel() || newer.stokes() != older.stokes();
}

/// A request for tiles, and the tiles that were asked for by earlier requests for the same view which it has replaced in the queue.
struct ViewRequest {
    std::shared_ptr<const icd::AddRequiredTiles> message;
    std::vector<std::int32_t> earlier;
    std::size_t size() const { return static_cast<std::size_t>(message->tiles_size()) + earlier.size(); }
};

/// Those of the codes that the image has tiles for.
std::vector<std::int32_t> existing_tiles(const std::vector<std::int32_t>& codes, const Image& image) {
    std::vector<std::int32_t> existing;
    for (const auto code : codes) {
        const auto tile = imaging::decode_tile_code(code);
        if (tile && imaging::tile_geometry(*tile, image.shape().width, image.shape().height)) existing.push_back(code);
    }
    return existing;
}

void add_tiles(const SessionPtr& session, const rpc::CallPtr& call, const ViewRequest& view) {
    const auto& request = *view.message;
    const auto image = session->require_unchanged_image(request.file_id());
    const auto earlier = existing_tiles(view.earlier, *image);
    const auto checked = [&](std::span<const std::int32_t> codes) {
        TileRequest tiles;
        tiles.connection = call->peer()->id();
        tiles.plane = image->plane;
        tiles.tiles = checked_tiles(codes, image->shape(), "tiles");
        if (!tiles.tiles.empty()) tiles.format = TileFormat::checked(request.compression_type(), request.compression_quality());
        require_room_for_tiles(*session, tiles.tiles.size());
        return tiles;
    };
    // Only the newest view counts for an animation, and it is answered by the animation's tiles.
    if (const auto animation = animation_of(*session)) {
        auto tiles = checked(span_of(request.tiles()));
        if (animation->set_view(tiles.connection, image->file_id, {std::move(tiles.tiles), tiles.format})) return acknowledge(call);
    }
    TileRequest tiles;
    try {
        std::vector<std::int32_t> all(request.tiles().begin(), request.tiles().end());
        all.insert(all.end(), earlier.begin(), earlier.end());
        tiles = checked(all);
    } catch (const rpc::CallError& error) {
        if (earlier.empty()) throw;
        call->fail(error.error());
        // The earlier requests have been answered: what is wrong with this one is no reason not to send their tiles.
        try {
            send_tiles(session, image, checked(earlier));
        } catch (const rpc::CallError&) {} // they would have been refused too
        return;
    }
    acknowledge(call);
    send_tiles(session, image, std::move(tiles));
}

void register_tiles(HandlerContext& context) {
    icd::on<icd::AddRequiredTiles>(context.methods, [&context](const rpc::CallPtr& call, std::shared_ptr<const icd::AddRequiredTiles> request) {
        const auto session = session_of(context, *call);
        if (static_cast<std::size_t>(request->tiles_size()) > max_tiles_per_request)
            throw rpc::BadArguments("tiles: " + std::to_string(request->tiles_size()) + " tiles at once, the limit is " +
                                    std::to_string(max_tiles_per_request));
        auto view = std::make_shared<ViewRequest>(ViewRequest{request, {}});
        Command command;
        command.call = call;
        command.touch(image_id(request->file_id()));
        command.key = "view:" + std::to_string(call->peer()->id()) + ":" + std::to_string(request->file_id());
        command.payload = view;
        command.overtakes = [view](const Command& waiting) {
            const auto& older = *std::static_pointer_cast<const ViewRequest>(waiting.payload);
            if (older.message->compression_type() != view->message->compression_type() ||
                older.message->compression_quality() != view->message->compression_quality() || older.size() + view->size() > max_tiles_per_request)
                return false;
            // The client expects those tiles too, and will not ask again.
            view->earlier.insert(view->earlier.end(), older.earlier.begin(), older.earlier.end());
            view->earlier.insert(view->earlier.end(), older.message->tiles().begin(), older.message->tiles().end());
            return true;
        };
        command.run = [session, call, view] { add_tiles(session, call, *view); };
        session->queue().push(std::move(command));
    });
    // Nothing is kept of what a client shows, so there is nothing to take away.
    on_command<icd::RemoveRequiredTiles>(context, [](const CommandCall<icd::RemoveRequiredTiles>& c) {
        c.session->require_image(c.request->file_id());
        acknowledge(c.call);
    });
    // The page sends it after each set of tiles, in channel maps and outside of them.
    on_command<icd::ChannelMapFlowControl>(context, [](const CommandCall<icd::ChannelMapFlowControl>& c) {
        if (c.session->image(c.request->file_id())) c.session->channel_maps.answered(c.connection(), c.request->file_id(), c.request->received_channel());
        acknowledge(c.call);
    });
}

} // namespace

void register_view(HandlerContext& context) {
    on_command<icd::SetImageChannels>(context, set_channels, [](Command& command, const CommandCall<icd::SetImageChannels>& c) {
        command.touch(image_id(c.request->file_id()));
        command.barrier = true;
        command.key = "channels:" + std::to_string(c.connection()) + ":" + std::to_string(c.request->file_id());
        command.payload = c.request;
        command.overtakes = [request = c.request](const Command& older) {
            return overtakes(*request, *std::static_pointer_cast<const icd::SetImageChannels>(older.payload));
        };
    });
    register_tiles(context);
}

} // namespace cubelink::server
