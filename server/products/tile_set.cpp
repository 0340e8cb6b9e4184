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
#include <chrono>
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

/// So many are encoded for the wire within a millisecond or two.
constexpr std::size_t few_tiles = 16;

/// What a set counts beyond its tiles.
constexpr std::size_t set_overhead = 16;

class TileSet final : public PreparedTiles, public std::enable_shared_from_this<TileSet> {
public:
    enum class Sent { now, later };

    TileSet(SessionPtr session, ImagePtr image, TileRequest request, Sent when = Sent::now)
        : session_(std::move(session)), image_(std::move(image)), request_(std::move(request)), audience_(pubsub::Audience::view_of(request_.connection)),
          set_id_(next_number()), board_(board_of(*session_)), held_(when == Sent::later), postponed_(held_) {
        if (!held_) number();
        for (const auto& connection : session_->connections())
            if (connection->id() == request_.connection) viewer_ = connection->receiver();
        for (const auto& tile : request_.tiles) geometry_.push_back(*imaging::tile_geometry(tile, image_->shape().width, image_->shape().height));
        session_->tiles_under_way += request_.tiles.size() + set_overhead;
    }
    ~TileSet() override {
        if (map_set_ && !finished_) session_->channel_maps.ended(request_.connection, image_->file_id, request_.plane.channel, false);
        session_->tiles_under_way -= request_.tiles.size() + set_overhead;
        if (ended_) ended_(begun_at_, TileSetEnd::given_up);
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
        make_all();
        board_.when_settled(plane_, Rank::spatial_profile, [self = shared_from_this()] {
            self->data_settled_ = true;
            self->flush();
        });
    }

    void start_ahead() {
        divide();
        postponed_ = false;
        post([self = shared_from_this()](const JobContext& context) { self->make_ahead(context); });
    }

    bool send(std::uint64_t generation, Ended ended) override {
        bool make = false;
        {
            const std::lock_guard lock(mutex_);
            if (finished_) return false;
            number();
            generation_ = generation;
            begun_at_ = std::chrono::steady_clock::now();
            held_ = false;
            make = postponed_;
            ended_ = std::move(ended);
        }
        if (make) {
            divide(); // it may have been long ago
            make_all();
        }
        // A command is short: to encode many tiles for the wire is a job's.
        board_.when_settled(plane_, Rank::spatial_profile, [self = shared_from_this()] {
            self->data_settled_ = true;
            if (self->request_.tiles.size() <= few_tiles) self->flush();
            else self->post([self](const JobContext&) { self->flush(); });
        });
        return true;
    }

private:
    void number() {
        sync_id_ = session_->next_sync_id();
        plane_ = board_.plane(image_->number);
        generation_ = plane_.view();
    }

    void make_all() {
        post_runner(direct_);
        if (!from_pyramid_.groups.empty())
            board_.when_computed(plane_, Rank::pyramid, [self = shared_from_this()] { self->post_runner(self->from_pyramid_); });
    }

    /// What all tiles need is made by one job, not by the first runner while the others wait for it; then the tiles.
    void make_ahead(const JobContext& context) {
        {
            const std::lock_guard lock(mutex_);
            if (finished_ || unwanted() || stale()) return;
        }
        // The histogram of a large plane is that of a sample, unless the tiles need all of the plane.
        const bool whole_plane = !from_pyramid_.groups.empty() || !is_slow(session_->cache(), *image_, request_.plane);
        try {
            auto memory = session_->cache().reserve(request_.tiles.size() * tile_bytes, request_.cancel);
            {
                const std::lock_guard lock(mutex_);
                if (finished_) return;
                memory_ = std::move(memory);
            }
            if (!whole_plane) {
                imaging::cached_sampled_histogram(session_->cache(), *image_->source, image_->hdu, request_.plane, context.threads, context.cancel);
            } else {
                // Held, so that the planes of other frames do not evict it before its tiles have been made.
                auto pyramid = imaging::cached_pyramid(session_->cache(), *image_->source, image_->hdu, request_.plane, context.threads, context.cancel);
                imaging::cached_histogram(session_->cache(), *image_->source, image_->hdu, request_.plane, context.threads, context.cancel);
                const std::lock_guard lock(mutex_);
                if (finished_) return;
                pyramid_ = std::move(pyramid);
            }
        } catch (const imaging::Cancelled&) {
            throw;
        } catch (const std::exception&) {
            // There is no memory for it, or the file can't be read, which will be said if the plane is shown.
            bool make = false;
            {
                const std::lock_guard lock(mutex_);
                postponed_ = true;
                make = !held_;
            }
            if (make) make_all();
            return;
        }
        post_runner(direct_);
        post_runner(from_pyramid_);
    }

    /// Tiles that are made in the same way: groups of indices, each of which is made by one job.
    struct Work {
        std::vector<std::vector<std::size_t>> groups{};
        std::size_t next = 0;
        bool fanned_out = false;
    };

    /// Which tiles are cut from the plane's pyramid, and which are made from the source without waiting for it.
    void divide() {
        const auto& source = *image_->source;
        direct_ = from_pyramid_ = {};
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
        if (request_.cancel.cancelled()) return true;
        if (held_) return false;
        if (!request_.current_plane) return !session_->channel_maps.shows(request_.connection, image_->file_id, request_.plane.channel);
        return !board_.is_newest(plane_);
    }
    /// Whether it has left the view of the channel map.
    bool left_view(std::size_t index) const {
        return !request_.current_plane && !session_->channel_maps.shows_tile(request_.connection, image_->file_id, imaging::encode_tile_code(request_.tiles[index]));
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

    /// What is made ahead is bounded by the budget.
    bool room() const { return held_ || !viewer_ || viewer_->outbox().has_room(tile_bytes); }

    /// A client may never read on: the image owns what waits for that, and lets it go when it is closed.
    void wait_for_room(std::function<void()> then) {
        viewer_->outbox().when_room(tile_bytes, [place = Parking::park(image_->waiting, shared_from_this()), then = std::move(then)] {
            if (const auto self = place->take()) then();
        });
    }

    /// Nothing more is sent of it.
    void finish(std::unique_lock<std::mutex> lock, TileSetEnd end = TileSetEnd::given_up) {
        finished_ = true;
        ready_.clear();
        memory_ = {};
        pyramid_.reset();
        const auto ended = std::exchange(ended_, nullptr);
        const auto begun = begun_at_;
        const bool complete = end == TileSetEnd::sent || (end == TileSetEnd::failed && begun_);
        lock.unlock();
        if (map_set_) session_->channel_maps.ended(request_.connection, image_->file_id, request_.plane.channel, complete);
        if (ended) ended(begun, end);
    }

    /// Makes one group of tiles, and sees to it that there are jobs for the rest.
    void run(Work& work, const JobContext& context) {
        {
            std::unique_lock lock(mutex_);
            if (finished_) return;
            if (unwanted() || (!begun_ && stale())) return finish(std::move(lock));
            skip_what_left(work);
            if (work.next >= work.groups.size()) {
                if (skipped_ == request_.tiles.size()) finish(std::move(lock));
                return;
            }
        }
        // Tiles are not made faster than they are read: a client on a slow line gets them late, and is not disconnected as one that has stopped reading.
        if (!room()) return wait_for_room([this, &work] { post_runner(work); });
        std::shared_ptr<const imaging::PlanePyramid> pyramid;
        if (&work == &from_pyramid_) {
            // Not cancelled with the set: the plane is likely to be asked for again, and the scheduler's token stops it when the file is closed.
            {
                const std::lock_guard lock(mutex_);
                pyramid = pyramid_;
            }
            if (!pyramid)
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
            if (index == 0) {
                ready_.push_front(std::move(message));
                coarsest_ready_ = true;
            } else {
                ready_.push_back(std::move(message));
            }
        }
        flush();
    }

    /// Sends what is ready and may go. The lock is held meanwhile: begin, tiles and end leave in order.
    void flush() {
        std::unique_lock lock(mutex_);
        if (finished_ || ready_.empty()) return;
        if (unwanted() || (!begun_ && stale())) return finish(std::move(lock));
        if (!data_settled_) return;
        if (!begun_ && !coarsest_ready_ && skipped_ == 0 && direct_.groups.empty()) return; // it costs no more than the others, and comes first
        const auto count = request_.tiles.size() - skipped_;
        while (!ready_.empty()) {
            if (!room()) {
                if (flush_waits_.exchange(true)) return;
                lock.unlock();
                return wait_for_room([this] {
                    flush_waits_ = false;
                    post([self = shared_from_this()](const JobContext&) { self->flush(); });
                });
            }
            if (!begun_) {
                begun_at_ = std::chrono::steady_clock::now();
                sync(false);
            }
            begun_ = true;
            ready_.front()->set_sync_id(sync_id_);
            session_->publish(std::move(ready_.front()), delivery(), audience_);
            ready_.pop_front();
            ++sent_;
        }
        if (sent_ == count) {
            sync(true);
            finish(std::move(lock), TileSetEnd::sent);
        }
    }

    void fail(const std::exception& error) {
        std::unique_lock lock(mutex_);
        if (!held_) { // else its plane may never be shown; if it is, another set is made
            lock.unlock();
            session_->report_failure(*image_, error, "tiles");
            lock.lock();
        }
        if (finished_) return;
        // What has begun can't be completed any more; its end tells the client that nothing more comes.
        if (begun_) sync(true);
        finish(std::move(lock), TileSetEnd::failed);
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
        how.set_key = tile_set_key(request_.connection, *image_);
        how.generation = generation_;
        return how;
    }

    const SessionPtr session_;
    const ImagePtr image_;
    const TileRequest request_;
    const pubsub::Audience audience_;
    const std::uint64_t set_id_;
    ProductBoard& board_; // lives as long as the session
    std::vector<imaging::TileGeometry> geometry_;
    std::shared_ptr<pubsub::Receiver> viewer_; // of the connection whose view it is; null if that has gone


    std::mutex mutex_;
    std::int32_t sync_id_ = 0;     // this and the next two: const once it is to be sent
    ProductBoard::Plane plane_;
    std::uint64_t generation_ = 0;
    std::atomic<bool> held_;       // its plane is not shown yet
    bool postponed_;               // its tiles are not made before that
    imaging::Reservation memory_{}; // for tiles that are made ahead, until they have been sent
    std::shared_ptr<const imaging::PlanePyramid> pyramid_{}; // the same
    Ended ended_{};
    std::chrono::steady_clock::time_point begun_at_{};
    Work direct_, from_pyramid_; // the groups are const once they have been divided and jobs posted
    std::size_t sent_ = 0;
    std::atomic<bool> data_settled_{false}; // the plane's histogram and profiles have been published: tiles may be
    std::atomic<bool> flush_waits_{false};  // flush() is called again when there is room
    bool begun_ = false, finished_ = false, coarsest_ready_ = false;
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

std::shared_ptr<PreparedTiles> prepare_tiles(const SessionPtr& session, const ImagePtr& image, TileRequest request, bool ahead) {
    if (request.tiles.empty() || !session->anyone_listens(tile_topic, pubsub::Audience::view_of(request.connection))) return nullptr;
    auto set = std::make_shared<TileSet>(session, image, std::move(request), TileSet::Sent::later);
    if (ahead) set->start_ahead();
    return set;
}

std::string tile_set_key(std::uint64_t connection, const Image& image) {
    return "tiles:" + std::to_string(connection) + ":" + std::to_string(image.number);
}

} // namespace cubelink::server
