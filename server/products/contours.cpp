// Contours of the plane that is shown, of the whole image or within a region.
//
// Each connection has a computation of its own, which goes on as fast as that connection reads. Chunks of one plane are one set of its outbox: those
// of a plane before are dropped there, or arrive together with what ends their levels.

#include "imaging/analysis/contour.hpp"
#include "imaging/analysis/contour_encoding.hpp"
#include "imaging/pixels/pyramid_cache.hpp"
#include "platform/mutex.hpp"
#include "rpc/icd/messages.hpp"
#include "rpc/icd/register.hpp"
#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/requirement_text.hpp"

#include <algorithm>
#include <chrono>
#include <deque>

namespace cubelink::server {

namespace {

using MessagePtr = std::shared_ptr<icd::ContourImageData>;

MessagePtr message_of(const Image& image, imaging::PlaneId plane, std::int32_t reference_file_id, double progress) {
    auto message = std::make_shared<icd::ContourImageData>();
    message->set_file_id(image.file_id);
    message->set_reference_file_id(static_cast<std::uint32_t>(reference_file_id));
    message->set_channel(plane.channel);
    message->set_stokes(plane.stokes);
    message->set_progress(progress);
    return message;
}

/// The contours of one plane for one connection. Its function may be called again and again, by one thread at a time.
class ContourStream {
public:
    ContourStream(ImagePtr image, RegionStatePtr region, ContourRequirement requirement, std::uint64_t connection, imaging::BudgetCache& cache)
        : image_(std::move(image)), region_(std::move(region)), requirement_(std::move(requirement)), connection_(connection), cache_(cache),
          plane_(image_->plane), set_(next_number()), progress_(requirement_.levels.size()), ended_(requirement_.levels.size()) {}

    void compute(ProductRun& run) {
        if (over_) return;
        try {
            run.check();
            if (!begun_) begin(run);
            if (!done_ && drain(run)) advance(run);
            if (!drain(run) || !done_) run.continue_when_room(next_bytes());
            else release();
        } catch (const imaging::Cancelled&) {
            if (begun_) release();
            throw;
        } catch (...) {
            release();
            end_levels(run);
            throw;
        }
    }

private:
    struct Waiting {
        MessagePtr message;
        std::size_t level = 0;
        bool ends_level = false;
    };
    /// One for each thread that encodes, with the memory that it keeps.
    struct Encoder {
        imaging::VertexEncoder encoder{};
        imaging::Reservation memory{}; // for a chunk that is larger than most, beside encoder_bytes_
    };
    static constexpr std::size_t usual_bytes = 256 << 10;

    /// Waits until one is free: their memory has been taken together with what advance() takes.
    Encoder take_encoder(ProductRun& run) {
        platform::MutexLock lock(mutex_);
        while (encoders_.empty()) {
            run.cancel().throw_if_cancelled();
            encoder_free_.wait_for(lock, std::chrono::milliseconds(50));
        }
        auto taken = std::move(encoders_.back());
        encoders_.pop_back();
        return taken;
    }
    void give_back(Encoder&& encoder) {
        {
            const platform::MutexLock lock(mutex_);
            encoders_.push_back(std::move(encoder));
        }
        encoder_free_.notify_one();
    }
    imaging::EncodedVertices encode(const imaging::ContourChunk& chunk, ProductRun& run) {
        const auto memory = imaging::VertexEncoder::memory(chunk.vertices.size() * sizeof(float), requirement_.compression_level);
        const double extent = double(std::max(image_->shape().width, image_->shape().height)) + 2.0 * std::max(1, requirement_.smoothing_factor);
        auto encoder = take_encoder(run);
        try {
            if (memory > encoder_bytes_) encoder.memory = cache_.reserve(memory - encoder_bytes_, run.cancel());
            auto encoded = encoder.encoder.encode(chunk.vertices, extent, requirement_.decimation_factor, requirement_.compression_level, run.cancel());
            // One that has grown is not kept.
            give_back(memory > encoder_bytes_ ? Encoder{} : std::move(encoder));
            return encoded;
        } catch (...) {
            give_back({}); // others may wait for it before they learn of the failure
            throw;
        }
    }

    /// Bytes that a message's chunk has, but for its last line's.
    std::size_t chunk_bytes() const {
        const auto asked = requirement_.chunk_size == 0 ? imaging::max_chunk_vertices : static_cast<std::size_t>(requirement_.chunk_size);
        return std::min({asked, imaging::max_chunk_vertices, cache_.limit() / 512}) * 2 * sizeof(float);
    }
    /// How many threads encode at once, and what each takes: a small part of the budget.
    void plan_encoders(ProductRun& run) {
        const auto part = cache_.limit() / 16;
        encoder_bytes_ = std::clamp<std::size_t>(imaging::VertexEncoder::memory(chunk_bytes() + chunk_bytes() / 4, requirement_.compression_level), 1, part);
        encoder_count_ = std::clamp<std::size_t>(part / encoder_bytes_, 1, run.threads().slots());
    }

    /// Traces until it is done or there is no room. A client that does not read keeps no more meanwhile than what waits for it.
    void advance(ProductRun& run) {
        std::shared_ptr<const imaging::PlanePyramid> pyramid;
        if (!contouring_->has_traced_all()) {
            // Where a piece of the plane costs as much as a larger one, the plane is read once, for all that is made of it.
            const auto& source = *image_->source;
            pyramid = has_random_access(*image_) ? imaging::find_pyramid(cache_, source, image_->hdu, plane_)
                                                 : imaging::cached_pyramid(cache_, source, image_->hdu, plane_, run.threads(), run.cancel());
            source.check_unchanged();
        }
        {
            const platform::MutexLock lock(mutex_);
            encoders_.resize(encoder_count_);
        }
        done_ = contouring_->advance(run.threads(), run.cancel(), [&](imaging::ContourChunk&& chunk) { return send(run, std::move(chunk)); }, pyramid.get());
        drop_encoders();
        if (done_) contouring_.reset();
    }

    void drop_encoders() {
        const platform::MutexLock lock(mutex_);
        encoders_.clear();
    }

    /// It is over: whoever still points to this object keeps nothing of the computation.
    void release() {
        over_ = true;
        contouring_.reset();
        region_.reset();
        const platform::MutexLock lock(mutex_);
        encoders_.clear();
        waiting_.clear();
    }

    void begin(ProductRun& run) {
        end_previous(run);
        begun_ = true;
        const auto& source = *image_->source;
        imaging::ContourSpec spec;
        spec.levels = requirement_.levels;
        spec.smoothing = static_cast<imaging::Smoothing>(requirement_.smoothing_mode); // numbered alike
        spec.factor = requirement_.smoothing_factor;
        spec.chunk_vertices = static_cast<std::size_t>(requirement_.chunk_size);
        if (const auto& b = requirement_.bounds; b.x_max > b.x_min && b.y_max > b.y_min)
            spec.first = imaging::Rect{b.x_min, b.y_min, b.x_max, b.y_max};
        if (region_) spec.within = region_->mask_on(*image_, cache_, run.cancel());
        region_.reset();
        plan_encoders(run);
        spec.sink_bytes = encoder_count_ * encoder_bytes_;
        contouring_ = std::make_unique<imaging::Contouring>(source, plane_, std::move(spec), cache_);
    }

    /// Ends the levels that were begun for another plane or other parameters, as the last part of what belonged to it. If there is none, but others were to
    /// follow, one of those is ended, or the outbox would wait for the set's last part.
    void end_previous(ProductRun& run) {
        const auto previous = image_->contour_streams.begin(connection_, {set_, plane_, requirement_.reference_file_id, requirement_.levels});
        auto levels = previous.open_levels;
        if (levels.empty() && previous.begun && !previous.left_levels.empty()) levels.push_back(previous.left_levels.front());
        for (std::size_t i = 0; i < levels.size(); ++i) {
            const auto message = message_of(*image_, previous.plane, previous.reference_file_id, 1);
            message->add_contour_sets()->set_level(levels[i]);
            run.publish_part(icd::make_publication(message), previous.number, i + 1 == levels.size());
        }
    }

    /// Takes a chunk, by any of the threads. False if it has to wait for room.
    bool send(ProductRun& run, imaging::ContourChunk&& chunk) {
        const auto bytes = chunk.vertices.size() * sizeof(float);
        auto encoded = encode(chunk, run);
        Waiting one{message_of(*image_, plane_, requirement_.reference_file_id, chunk.progress), chunk.level, chunk.progress == 1};
        auto* set = one.message->add_contour_sets();
        set->set_level(requirement_.levels[chunk.level]);
        set->set_decimation_factor(encoded.decimation);
        set->set_raw_coordinates(std::move(encoded.data));
        set->set_raw_start_indices(chunk.starts.data(), chunk.starts.size() * sizeof(std::int32_t));
        set->set_uncompressed_coordinates_size(static_cast<std::int32_t>(bytes));
        const platform::MutexLock lock(mutex_);
        // Threads overtake each other; the level's progress does not go back.
        progress_[one.level] = std::max(progress_[one.level], chunk.progress);
        one.message->set_progress(progress_[one.level]);
        if (waiting_.empty() && run.has_room(one.message->ByteSizeLong())) {
            publish(run, one);
            return true;
        }
        waiting_.push_back(std::move(one));
        return false;
    }

    /// Publishes what waits, as far as there is room. True if nothing waits any more.
    bool drain(ProductRun& run) {
        const platform::MutexLock lock(mutex_);
        while (!waiting_.empty()) {
            if (!run.has_room(waiting_.front().message->ByteSizeLong())) return false;
            publish(run, waiting_.front());
            waiting_.pop_front();
        }
        return true;
    }

    std::size_t next_bytes() {
        const platform::MutexLock lock(mutex_);
        return waiting_.empty() ? usual_bytes : waiting_.front().message->ByteSizeLong();
    }

    void publish(ProductRun& run, const Waiting& one) CUBELINK_REQUIRES(mutex_) {
        const auto level = requirement_.levels[one.level];
        if (!one.ends_level) image_->contour_streams.sent(connection_, set_, level, false);
        if (one.ends_level) {
            ended_[one.level] = true;
            ++levels_ended_;
        }
        run.publish_part(icd::make_publication(one.message), set_, levels_ended_ == ended_.size());
        if (one.ends_level) image_->contour_streams.sent(connection_, set_, level, true);
    }

    /// After a failure: a client waits until each level is complete.
    void end_levels(ProductRun& run) {
        const platform::MutexLock lock(mutex_);
        waiting_.clear();
        for (std::size_t i = 0; i < ended_.size(); ++i) {
            if (ended_[i]) continue;
            Waiting one{message_of(*image_, plane_, requirement_.reference_file_id, 1), i, true};
            one.message->add_contour_sets()->set_level(requirement_.levels[i]);
            publish(run, one);
        }
    }

    const ImagePtr image_;
    RegionStatePtr region_; // until it has begun; null: the whole image
    const ContourRequirement requirement_;
    const std::uint64_t connection_;
    imaging::BudgetCache& cache_;
    const imaging::PlaneId plane_;
    const std::uint64_t set_;

    bool begun_ = false, done_ = false, over_ = false; // done_: nothing is computed any more; over_: nor published
    std::unique_ptr<imaging::Contouring> contouring_;
    std::size_t encoder_bytes_ = 0, encoder_count_ = 0;

    platform::Mutex mutex_;
    platform::CondVar encoder_free_;
    std::vector<Encoder> encoders_ CUBELINK_GUARDED_BY(mutex_); // that nobody uses
    std::deque<Waiting> waiting_ CUBELINK_GUARDED_BY(mutex_);
    std::vector<double> progress_ CUBELINK_GUARDED_BY(mutex_); // of each level
    std::vector<bool> ended_ CUBELINK_GUARDED_BY(mutex_);
    std::size_t levels_ended_ CUBELINK_GUARDED_BY(mutex_) = 0;
};

/// Contours are off: clients that have shown some learn so when another plane is shown.
void compute_none(const Image& image, std::uint64_t connection, imaging::PlaneId plane, std::int32_t reference_file_id, ProductRun& run) {
    if (!image.contour_streams.is_off_since(connection, plane)) run.publish(message_of(image, plane, reference_file_id, 1));
}

void list_of(const ProductContext& context, const ImagePtr& image, std::int32_t region_id, const RegionStatePtr& region, std::vector<Product>& out) {
    for (const auto& group : context.session.requirements().groups<ContourRequirement>(image->file_id, region_id)) {
        const auto& requirement = group.requirements.front();
        for (const auto connection : group.connections) {
            Product product;
            product.region_id = region_id;
            product.part = std::to_string(connection) + "/" + text_of(group.requirements);
            product.input = {image->plane.channel, image->plane.stokes, region ? static_cast<std::int64_t>(region->version) : 0};
            product.topic = contour_topic;
            product.audience = pubsub::Audience::required_by({connection});
            product.slot = std::to_string(connection);
            if (requirement.levels.empty()) {
                product.quick = true;
                product.compute = [image, connection, plane = image->plane, reference = requirement.reference_file_id](ProductRun& run) {
                    compute_none(*image, connection, plane, reference, run);
                };
            } else {
                const auto stream = std::make_shared<ContourStream>(image, region, requirement, connection, context.cache);
                product.compute = [stream](ProductRun& run) { stream->compute(run); };
            }
            out.push_back(std::move(product));
        }
    }
}

void list_image(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    list_of(context, image, image_region, nullptr, out);
}

void list_regions(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    for (const auto& region : context.regions(*image, RequirementKind::contours))
        if (imaging::is_closed(region->state->shape.type)) list_of(context, image, region->id, region->state, out);
}

} // namespace

extern const ProductKind contours, region_contours;
const ProductKind contours{"contours", "contours", ProductsOf::image, {.plane = true, .requirement = RequirementKind::contours}, list_image};
const ProductKind region_contours{
    "region contours", "contours", ProductsOf::regions, {.plane = true, .region = true, .requirement = RequirementKind::contours}, list_regions};

} // namespace cubelink::server
