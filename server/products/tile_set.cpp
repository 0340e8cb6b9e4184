#include "server/products/tile_set.hpp"

#include "imaging/pixels/pyramid_cache.hpp"
#include "imaging/pixels/tile_reading.hpp"
#include "pubsub/receiver.hpp"
#include "rpc/error.hpp"
#include "rpc/icd/messages.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/session_products.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <deque>
#include <optional>
#include <set>
#include <utility>

namespace cubelink::server {

namespace {

/// What a tile takes in an outbox, at most or nearly so.
constexpr std::size_t tile_bytes = 257 << 10;

/// What a set counts beyond its tiles.
constexpr std::size_t set_overhead = 16;

class TileSet : public std::enable_shared_from_this<TileSet> {
public:
    TileSet(SessionPtr session, ImagePtr image, TileRequest request)
        : session_(std::move(session)), image_(std::move(image)), request_(std::move(request)), audience_(pubsub::Audience::view_of(request_.connection)),
          sync_id_(session_->next_sync_id()), set_id_(next_number()), board_(board_of(*session_)), plane_(board_.plane(image_->number)) {
        for (const auto& connection : session_->connections())
            if (connection->id() == request_.connection) viewer_ = connection->receiver();
        for (const auto& tile : request_.tiles) geometry_.push_back(*imaging::tile_geometry(tile, image_->shape().width, image_->shape().height));
        session_->tiles_under_way += request_.tiles.size() + set_overhead;
    }
    ~TileSet() {
        if (map_set_ && !finished_) session_->channel_maps.ended(request_.connection, image_->file_id, request_.plane.channel, false);
        session_->tiles_under_way -= request_.tiles.size() + set_overhead;
    }
    TileSet(const TileSet&) = delete;

    void start() {
        divide();
        if (!request_.current_plane) {
            data_settled_ = true;
            session_->channel_maps.request(request_.connection, image_->file_id, request_.plane.channel, [self = shared_from_this()] {
                self->map_set_ = true;
                self->post_runner(self->direct_);
                self->post_runner(self->from_pyramid_);
            });
            return;
        }
        post_runner(direct_);
        if (!from_pyramid_.groups.empty())
            board_.when_computed(plane_, Rank::pyramid, [self = shared_from_this()] { self->post_runner(self->from_pyramid_); });
        board_.when_settled(plane_, Rank::spatial_profile, [self = shared_from_this()] {
            self->data_settled_ = true;
            self->flush();
        });
    }

private:
    /// Tiles that are made in the same way: groups of indices, each of which is made by one job.
    struct Work {
        std::vector<std::vector<std::size_t>> groups{};
        std::size_t next = 0;
        bool fanned_out = false;
    };

    /// Which tiles are cut from the plane's pyramid, and which are made from the source without waiting for it.
    void divide() {
        const auto& source = *image_->source;
        std::vector<std::size_t> direct, cut;
        if (imaging::pyramid_keeps_pixels(session_->cache(), source) || imaging::find_pyramid(session_->cache(), source, image_->hdu, request_.plane)) {
            for (std::size_t i = 0; i < geometry_.size(); ++i) cut.push_back(i);
        } else {
            // Those of full resolution first, and so on as long as they are ready sooner than the pyramid.
            std::vector<imaging::TileGeometry> fast;
            for (auto i = geometry_.size(); i > 0;) {
                const auto mip = geometry_[i - 1].mip;
                auto with_these = fast;
                auto end = i;
                for (; end > 0 && geometry_[end - 1].mip == mip; --end) with_these.push_back(geometry_[end - 1]);
                if (!(mip == 1 && has_random_access(*image_)) && !imaging::tiles_faster_than_pyramid(source, with_these)) break;
                fast = std::move(with_these);
                for (; i > end; --i) direct.push_back(i - 1);
            }
            std::reverse(direct.begin(), direct.end());
            for (std::size_t i = 0; i + direct.size() < geometry_.size(); ++i) cut.push_back(i);
        }
        for (const auto index : cut) from_pyramid_.groups.push_back({index});
        if (has_random_access(*image_)) {
            for (const auto index : direct) direct_.groups.push_back({index});
            return;
        }
        std::vector<imaging::TileGeometry> tiles;
        for (const auto index : direct) tiles.push_back(geometry_[index]);
        for (auto group : imaging::tiles_read_together(source, tiles)) {
            for (auto& index : group) index = direct[index];
            direct_.groups.push_back(std::move(group));
        }
    }

    bool unwanted() const {
        if (session_->closed() || image_->closed.cancelled()) return true;
        return !session_->anyone_listens(tile_topic, audience_);
    }
    bool stale() const {
        if (!request_.current_plane) return !session_->channel_maps.shows(request_.connection, image_->file_id, request_.plane.channel);
        return !board_.is_newest(plane_);
    }
    /// Whether it has left the view of the channel map.
    bool left_view(std::size_t index) const {
        return !request_.current_plane && !session_->channel_maps.shows_tile(request_.connection, image_->file_id, imaging::encode_tile_code(request_.tiles[index]));
    }

    /// Nothing more is sent. `complete`: up to its end.
    void finish(bool complete) {
        finished_ = true;
        ready_.clear();
        if (map_set_) session_->channel_maps.ended(request_.connection, image_->file_id, request_.plane.channel, complete);
    }

    void post_runner(Work& work) {
        if (work.groups.empty()) return;
        post([self = shared_from_this(), &work](const JobContext& context) { self->run(work, context); });
    }
    void post(std::function<void(const JobContext&)> work) {
        Job job;
        job.owner = session_->number();
        job.job_class = JobClass::view;
        job.group = image_->number;
        job.work = std::move(work);
        job.on_error = [self = shared_from_this()](const std::exception& error) { self->fail(error); };
        session_->scheduler().post(std::move(job));
    }

    /// Tiles of a channel map that are not in view any more are left out of a set that has not begun, groups as a whole.
    void skip_what_left(Work& work) {
        if (request_.current_plane || begun_) return;
        const auto gone = [&](const std::vector<std::size_t>& group) { return std::all_of(group.begin(), group.end(), [&](std::size_t i) { return left_view(i); }); };
        for (; work.next < work.groups.size() && gone(work.groups[work.next]); ++work.next) skipped_ += work.groups[work.next].size();
    }

    bool room() const { return !viewer_ || viewer_->outbox().has_room(tile_bytes); }

    /// Makes one group of tiles, and sees to it that there are jobs for the rest.
    void run(Work& work, const JobContext& context) {
        {
            const std::lock_guard lock(mutex_);
            if (finished_) return;
            if (unwanted() || (!begun_ && stale())) return finish(false);
            skip_what_left(work);
            if (work.next >= work.groups.size()) {
                if (skipped_ == request_.tiles.size()) finish(false);
                return;
            }
        }
        // Tiles are not made faster than they are read: a client on a slow line gets them late, and is not disconnected as one that has stopped reading.
        if (!room()) return viewer_->outbox().when_room(tile_bytes, [self = shared_from_this(), &work] { self->post_runner(work); });
        std::shared_ptr<const imaging::PlanePyramid> pyramid;
        if (&work == &from_pyramid_) {
            // Not cancelled with the set: the plane is likely to be asked for again, and the scheduler's token stops it when the file is closed.
            pyramid = imaging::cached_pyramid(session_->cache(), *image_->source, image_->hdu, request_.plane, context.threads, context.cancel);
        }
        std::size_t index, runners = 1;
        {
            const std::lock_guard lock(mutex_);
            index = work.next++;
            if (index >= work.groups.size()) return;
            const auto left = work.groups.size() - work.next;
            if (!work.fanned_out) {
                work.fanned_out = true;
                runners = static_cast<std::size_t>(session_->scheduler().threads());
            }
            runners = std::min(runners, left);
        }
        // One runner for each thread at first; then each posts itself again, behind the jobs of others.
        for (std::size_t i = 1; i < runners; ++i) post_runner(work);
        const auto& group = work.groups[index];
        if (group.size() > 1) make_together(group, context);
        else make(group.front(), pyramid.get(), context);
        if (runners > 0) post_runner(work);
    }

    void make(std::size_t index, const imaging::PlanePyramid* pyramid, const JobContext& context) {
        const auto& tile = geometry_[index];
        thread_local std::vector<float> pixels;
        std::shared_ptr<const imaging::TilePixels> kept;
        imaging::TileView view{nullptr, tile.width, tile.width, tile.height};
        if (const auto held = pyramid ? pyramid->view(tile.rect, tile.mip) : std::nullopt) {
            view.pixels = held->pixels;
            view.stride = held->stride;
        } else if (pyramid && (pyramid->holds(tile.mip) || !has_random_access(*image_))) {
            pixels.resize(static_cast<std::size_t>(tile.width) * static_cast<std::size_t>(tile.height));
            pyramid->read_tile(*image_->source, tile, pixels, context.cancel);
            view.pixels = pixels.data();
        } else {
            kept = imaging::cached_tile(session_->cache(), *image_->source, image_->hdu, request_.plane, tile, context.cancel);
            view.pixels = kept->pixels().data();
        }
        encode(index, view);
    }

    /// Tiles that are stored together are read together.
    void make_together(const std::vector<std::size_t>& group, const JobContext& context) {
        std::vector<imaging::TileGeometry> tiles;
        std::vector<std::vector<float>> pixels;
        for (const auto index : group) {
            const auto& tile = geometry_[index];
            tiles.push_back(tile);
            pixels.emplace_back(static_cast<std::size_t>(tile.width) * static_cast<std::size_t>(tile.height));
        }
        const std::vector<std::span<float>> out(pixels.begin(), pixels.end());
        imaging::read_tiles(*image_->source, request_.plane, tiles, out, context.threads, context.cancel);
        for (std::size_t i = 0; i < group.size(); ++i) encode(group[i], {pixels[i].data(), tiles[i].width, tiles[i].width, tiles[i].height});
    }

    void encode(std::size_t index, const imaging::TileView& view) {
        const auto& id = request_.tiles[index];
        const auto& tile = geometry_[index];
        auto encoded = imaging::encode_tile(view, request_.format.compression, request_.format.quality);

        auto message = std::make_shared<icd::RasterTileData>();
        message->set_file_id(image_->file_id);
        message->set_channel(request_.plane.channel);
        message->set_stokes(request_.plane.stokes);
        message->set_compression_type(static_cast<icd::CompressionType>(encoded.compression));
        message->set_compression_quality(static_cast<float>(encoded.quality));
        message->set_sync_id(sync_id_);
        message->set_animation_id(request_.animation_id);
        auto* data = message->add_tiles();
        data->set_layer(id.layer);
        data->set_x(id.x);
        data->set_y(id.y);
        data->set_width(tile.width);
        data->set_height(tile.height);
        data->set_image_data(std::move(encoded.data));
        if (!encoded.nan_encodings.empty())
            data->set_nan_encodings(encoded.nan_encodings.data(), encoded.nan_encodings.size() * sizeof(std::int32_t));
        {
            const std::lock_guard lock(mutex_);
            ready_.push_back(std::move(message));
        }
        flush();
    }

    /// Sends what is ready and may go. The lock is held meanwhile: begin, tiles and end leave in order.
    void flush() {
        const std::lock_guard lock(mutex_);
        if (finished_ || ready_.empty()) return;
        if (unwanted() || (!begun_ && stale())) return finish(false);
        if (!data_settled_) return;
        const auto count = request_.tiles.size() - skipped_;
        while (!ready_.empty()) {
            if (!room()) {
                if (!flush_waits_.exchange(true))
                    viewer_->outbox().when_room(tile_bytes, [self = shared_from_this()] {
                        self->flush_waits_ = false;
                        self->post([self](const JobContext&) { self->flush(); });
                    });
                return;
            }
            if (!begun_) sync(false);
            begun_ = true;
            session_->publish(std::move(ready_.front()), delivery(), audience_);
            ready_.pop_front();
            ++sent_;
        }
        if (sent_ == count) {
            sync(true);
            finish(true);
        }
    }

    void fail(const std::exception& error) {
        session_->report_failure(*image_, error, "tiles");
        const std::lock_guard lock(mutex_);
        if (finished_) return;
        // What has begun can't be completed any more; its end tells the client that nothing more comes.
        if (begun_) sync(true);
        finish(begun_);
    }

    void sync(bool end) {
        auto message = std::make_shared<icd::RasterTileSync>();
        message->set_file_id(image_->file_id);
        message->set_channel(request_.plane.channel);
        message->set_stokes(request_.plane.stokes);
        message->set_sync_id(sync_id_);
        message->set_animation_id(request_.animation_id);
        message->set_tile_count(static_cast<std::int32_t>(request_.tiles.size() - skipped_));
        message->set_end_sync(end);
        auto how = delivery();
        how.set_begin = !end;
        how.set_end = end;
        session_->publish(std::move(message), how, audience_);
    }

    pubsub::Delivery delivery() const {
        pubsub::Delivery how;
        how.set_id = set_id_;
        how.set_key = "tiles:" + std::to_string(request_.connection) + ":" + std::to_string(image_->number);
        how.generation = plane_.view();
        return how;
    }

    const SessionPtr session_;
    const ImagePtr image_;
    const TileRequest request_;
    const pubsub::Audience audience_;
    const std::int32_t sync_id_;
    const std::uint64_t set_id_;
    ProductBoard& board_; // lives as long as the session
    const ProductBoard::Plane plane_;
    std::vector<imaging::TileGeometry> geometry_;
    std::shared_ptr<pubsub::Receiver> viewer_; // of the connection whose view it is; null if that has gone

    std::mutex mutex_;
    Work direct_, from_pyramid_; // the groups are const once start() has divided them
    std::size_t sent_ = 0;
    std::atomic<bool> data_settled_{false}; // the plane's histogram and profiles have been published: tiles may be
    std::atomic<bool> flush_waits_{false};  // flush() is called again when there is room
    bool begun_ = false, finished_ = false;
    std::atomic<bool> map_set_{false}; // of a channel map, and counted among those that are under way
    std::size_t skipped_ = 0;          // tiles that are not sent
    std::deque<std::shared_ptr<icd::RasterTileData>> ready_;
};

} // namespace

TileFormat TileFormat::checked(int icd_compression_type, float quality) {
    if (icd_compression_type == icd::ZFP) {
        if (!std::isfinite(quality)) throw rpc::BadArguments("compression_quality: expected a finite number");
        return {imaging::TileCompression::zfp, quality};
    }
    if (icd_compression_type == icd::NONE) return {imaging::TileCompression::none, 0};
    throw rpc::CallError(rpc::code::method_failed, "Compression type " + std::to_string(icd_compression_type) + " is not supported: ask for ZFP or NONE.");
}

std::vector<imaging::TileId> checked_tiles(std::span<const std::int32_t> codes, const imaging::ImageShape& shape, const char* field) {
    if (codes.size() > max_tiles_per_request)
        throw rpc::BadArguments(std::string(field) + ": " + std::to_string(codes.size()) + " tiles at once, the limit is " +
                                std::to_string(max_tiles_per_request));
    std::vector<imaging::TileId> tiles;
    std::set<std::int32_t> seen;
    for (std::size_t i = 0; i < codes.size(); ++i) {
        const auto tile = imaging::decode_tile_code(codes[i]);
        if (!tile || !imaging::tile_geometry(*tile, shape.width, shape.height))
            throw rpc::BadArguments(std::string(field) + "[" + std::to_string(i) + "]: the image has no tile with code " + std::to_string(codes[i]) +
                                    (tile ? " (layer " + std::to_string(tile->layer) + ", x " + std::to_string(tile->x) + ", y " +
                                                std::to_string(tile->y) + ")"
                                          : ""));
        if (seen.insert(codes[i]).second) tiles.push_back(*tile);
    }
    std::stable_sort(tiles.begin(), tiles.end(), [](const auto& a, const auto& b) { return a.layer < b.layer; });
    return tiles;
}

void require_room_for_tiles(const Session& session, std::size_t tiles) {
    if (session.tiles_under_way.load() + tiles > max_tiles_under_way)
        throw rpc::CallError(rpc::code::method_failed, "Too many tiles of this session are waiting to be made: ask again when some of them have come.");
}

void send_tiles(const SessionPtr& session, const ImagePtr& image, TileRequest request) {
    if (request.tiles.empty() || !session->anyone_listens(tile_topic, pubsub::Audience::view_of(request.connection))) return;
    std::make_shared<TileSet>(session, image, std::move(request))->start();
}

} // namespace cubelink::server
