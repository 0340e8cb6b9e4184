#include "server/products/tile_set.hpp"

#include "imaging/pixels/pyramid_cache.hpp"
#include "pubsub/receiver.hpp"
#include "rpc/error.hpp"
#include "rpc/icd/messages.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <deque>
#include <optional>
#include <set>
#include <utility>

namespace cubelink::server {

namespace {

using Clock = std::chrono::steady_clock;

/// How long ready tiles are held back for the histogram; after that all but the last may go.
constexpr auto patience = std::chrono::milliseconds(250);

/// What a tile takes in an outbox, at most or nearly so.
constexpr std::size_t tile_bytes = 257 << 10;

/// What a set counts beyond its tiles.
constexpr std::size_t set_overhead = 16;

class TileSet : public std::enable_shared_from_this<TileSet> {
public:
    TileSet(SessionPtr session, OpenImagePtr image, TileRequest request)
        : session_(std::move(session)), image_(std::move(image)), request_(std::move(request)), sync_id_(session_->next_sync_id()),
          set_id_(next_number()), generation_(image_->generation.load()), gates_(image_->gates) {
        if (!request_.current_plane) {
            gates_ = std::make_shared<PlaneGates>();
            gates_->pyramid.open_now();
            gates_->data.open_now();
        }
        // The plane that is shown gets a pyramid in any case: if that holds its pixels, full-resolution tiles are cut from it too.
        needs_pyramid_ = !image_->source->capabilities().random_access || (request_.current_plane && imaging::pyramid_keeps_pixels(session_->cache(), *image_->source));
        for (const auto& tile : request_.tiles) needs_pyramid_ |= geometry(tile).mip > 1;
        for (const auto& connection : session_->connections())
            if (connection->id() == request_.connection) viewer_ = connection->receiver();
        session_->tiles_under_way += request_.tiles.size() + set_overhead;
    }
    ~TileSet() { session_->tiles_under_way -= request_.tiles.size() + set_overhead; }
    TileSet(const TileSet&) = delete;

    void start() {
        if (needs_pyramid_) gates_->pyramid.when_open([self = shared_from_this()] { self->post_runner(); });
        else post_runner();
        gates_->data.when_open([self = shared_from_this()] { self->flush(); });
    }

private:
    imaging::TileGeometry geometry(const imaging::TileId& tile) const {
        return *imaging::tile_geometry(tile, image_->shape().width, image_->shape().height);
    }

    bool unwanted() const {
        if (session_->closed() || image_->closed.cancelled()) return true;
        return !session_->anyone_listens("carta.raster.tile.data", request_.connection);
    }
    bool stale() const {
        if (!request_.current_plane) return !image_->channel_maps.shows(request_.connection, request_.plane.channel);
        return generation_ != image_->generation.load();
    }

    void post_runner() {
        post([self = shared_from_this()](const JobContext& context) { self->run(context); });
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

    bool room() const { return !viewer_ || viewer_->outbox().has_room(tile_bytes); }

    /// Makes one tile, and sees to it that there are jobs for the rest.
    void run(const JobContext& context) {
        {
            const std::lock_guard lock(mutex_);
            if (finished_) return;
            if (unwanted() || (!begun_ && stale())) {
                finished_ = true;
                ready_.clear();
                return;
            }
            if (next_ == request_.tiles.size()) return;
        }
        // Tiles are not made faster than they are read: a slow line gets them late, and is not taken for one that is dead.
        if (!room()) return viewer_->outbox().when_room(tile_bytes, [self = shared_from_this()] { self->post_runner(); });
        std::shared_ptr<const imaging::PlanePyramid> pyramid;
        if (needs_pyramid_) {
            // Not cancelled with the set: the plane is likely to be asked for again, and the scheduler's token stops it when the file is closed.
            pyramid = imaging::cached_pyramid(session_->cache(), *image_->source, image_->hdu, request_.plane, context.threads, context.cancel);
        }
        std::size_t index, runners = 1;
        {
            const std::lock_guard lock(mutex_);
            index = next_++;
            if (index >= request_.tiles.size()) return;
            const auto left = request_.tiles.size() - next_;
            if (!fanned_out_) {
                fanned_out_ = true;
                runners = static_cast<std::size_t>(session_->scheduler().threads());
            }
            runners = std::min(runners, left);
        }
        // One runner for each thread at first; then each posts itself again, behind the jobs of others.
        for (std::size_t i = 1; i < runners; ++i) post_runner();
        make(index, pyramid.get(), context);
        if (runners > 0) post_runner();
    }

    void make(std::size_t index, const imaging::PlanePyramid* pyramid, const JobContext& context) {
        const auto& id = request_.tiles[index];
        const auto tile = geometry(id);
        thread_local std::vector<float> cut;
        std::shared_ptr<const imaging::TilePixels> kept;
        imaging::TileView view{nullptr, tile.width, tile.width, tile.height};
        if (const auto held = pyramid ? pyramid->view(tile.rect, tile.mip) : std::nullopt) {
            view.pixels = held->pixels;
            view.stride = held->stride;
        } else if (image_->source->capabilities().random_access && !(pyramid && pyramid->holds(tile.mip))) {
            kept = imaging::cached_tile(session_->cache(), *image_->source, image_->hdu, request_.plane, tile, context.cancel);
            view.pixels = kept->pixels().data();
        } else {
            cut.resize(static_cast<std::size_t>(tile.width) * static_cast<std::size_t>(tile.height));
            pyramid->read_tile(*image_->source, tile, cut, context.cancel);
            view.pixels = cut.data();
        }
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
        if (unwanted() || (!begun_ && stale())) {
            finished_ = true;
            ready_.clear();
            return;
        }
        const auto count = request_.tiles.size();
        std::size_t may_go = count;
        if (!gates_->data.open()) may_go = Clock::now() - started_ > patience ? count - 1 : 0;
        while (!ready_.empty() && sent_ < may_go) {
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
            session_->publish(std::move(ready_.front()), delivery(), request_.connection);
            ready_.pop_front();
            ++sent_;
        }
        if (sent_ == count) {
            sync(true);
            finished_ = true;
        }
    }

    void fail(const std::exception& error) {
        session_->report_failure(*image_, error, "tiles");
        const std::lock_guard lock(mutex_);
        if (finished_) return;
        // What has begun can't be completed any more; its end tells the client that nothing more comes.
        if (begun_) sync(true);
        finished_ = true;
        ready_.clear();
    }

    void sync(bool end) {
        auto message = std::make_shared<icd::RasterTileSync>();
        message->set_file_id(image_->file_id);
        message->set_channel(request_.plane.channel);
        message->set_stokes(request_.plane.stokes);
        message->set_sync_id(sync_id_);
        message->set_animation_id(request_.animation_id);
        message->set_tile_count(static_cast<std::int32_t>(request_.tiles.size()));
        message->set_end_sync(end);
        auto how = delivery();
        how.set_begin = !end;
        how.set_end = end;
        session_->publish(std::move(message), how, request_.connection);
    }

    pubsub::Delivery delivery() const {
        pubsub::Delivery how;
        how.set_id = set_id_;
        how.set_key = "tiles:" + std::to_string(request_.connection) + ":" + std::to_string(image_->number);
        how.generation = generation_;
        return how;
    }

    const SessionPtr session_;
    const OpenImagePtr image_;
    const TileRequest request_;
    const std::int32_t sync_id_;
    const std::uint64_t set_id_, generation_;
    std::shared_ptr<PlaneGates> gates_;
    const Clock::time_point started_ = Clock::now();
    bool needs_pyramid_ = false;
    std::shared_ptr<pubsub::Receiver> viewer_; // of the connection whose view it is; null if that has gone

    std::mutex mutex_;
    std::size_t next_ = 0, sent_ = 0;
    std::atomic<bool> flush_waits_{false}; // flush() comes again when there is room
    bool fanned_out_ = false, begun_ = false, finished_ = false;
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
        throw rpc::CallError(rpc::code::method_failed, "Too many tiles of this session wait to be made: ask again when some of them have come.");
}

void send_tiles(const SessionPtr& session, const OpenImagePtr& image, TileRequest request) {
    if (request.tiles.empty() || !session->anyone_listens("carta.raster.tile.data", request.connection)) return;
    std::make_shared<TileSet>(session, image, std::move(request))->start();
}

} // namespace cubelink::server
