// Polarization vectors over the image: VECTOR_OVERLAY_TILE_DATA, tile by tile, of the plane that is shown. A tile of intensities and one of angles go
// together, and all tiles of one overlay arrive, in their order.

#include "server/products/vector_overlay.hpp"

#include "imaging/pixels/tile_codec.hpp"
#include "rpc/icd/register.hpp"
#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/requirement_text.hpp"
#include "server/products/vector_spec.hpp"

#include <algorithm>
#include <deque>

namespace cubelink::server {

namespace {

/// What a message takes in an outbox, at most or nearly so.
constexpr std::size_t message_bytes = 514 << 10;

/// The tiles of one overlay: what has been computed and waits for room, and where it goes on.
class Overlay {
public:
    Overlay(ImagePtr image, VectorRequirement requirement, imaging::BudgetCache& cache)
        : image_(std::move(image)), requirement_(std::move(requirement)), spec_(vector_spec(*image_, requirement_)), channel_(image_->plane.channel), cache_(cache) {}

    /// By one thread at a time.
    void run(ProductRun& run) {
        try {
            if (go_on(run)) release();
        } catch (...) {
            release();
            throw;
        }
    }

private:
    /// False if it waits for room.
    bool go_on(ProductRun& run) {
        if (tiles_.empty()) {
            const auto& view = requirement_.bounds;
            tiles_ = imaging::vector_tiles(image_->shape(), spec_.mip, imaging::Rect{view.x_min, view.y_min, view.x_max, view.y_max});
        }
        for (;;) {
            while (!ready_.empty()) {
                run.check();
                if (!run.has_room(message_bytes)) {
                    memory_.shrink(std::min(memory_.bytes(), ready_.size() * 2 * message_bytes));
                    run.continue_when_room(message_bytes);
                    return false;
                }
                auto message = message_of(ready_.front());
                ready_.pop_front();
                run.publish_part(icd::make_publication(std::move(message)), set_, true); // a tile is of use without the others
            }
            if (next_ == tiles_.size()) return true;
            run.check();
            memory_ = {};
            memory_ = cache_.reserve(imaging::vector_field_bytes(*image_->source, spec_, run.threads()), run.cancel());
            auto some = imaging::compute_vector_tiles(*image_->source, spec_, std::span(tiles_).subspan(next_), run.threads(), run.cancel());
            next_ += some.size();
            memory_.shrink(std::min(memory_.bytes(), some.size() * 2 * message_bytes));
            std::move(some.begin(), some.end(), std::back_inserter(ready_));
        }
    }

    /// It is over: whoever still points to this object keeps nothing of what was computed.
    void release() {
        next_ = published_;
        ready_.clear();
        ready_.shrink_to_fit();
        memory_ = {};
    }

    std::shared_ptr<icd::VectorOverlayTileData> message_of(const imaging::VectorTile& tile) {
        auto message = std::make_shared<icd::VectorOverlayTileData>();
        message->set_file_id(image_->file_id);
        message->set_channel(channel_);
        message->set_stokes_intensity(requirement_.stokes_intensity);
        message->set_stokes_angle(requirement_.stokes_angle);
        auto* intensity = place(*message->add_intensity_tiles(), tile.place);
        auto* angle = place(*message->add_angle_tiles(), tile.place);
        if (requirement_.compression_type == icd::ZFP) compress(*message, tile, *intensity, *angle);
        else {
            // As measured, NaN for blanks: clients draw a vector wherever both numbers are finite, -FLT_MAX too.
            intensity->set_image_data(tile.intensity.data(), tile.intensity.size() * sizeof(float));
            angle->set_image_data(tile.angle.data(), tile.angle.size() * sizeof(float));
        }
        ++published_;
        message->set_progress(static_cast<double>(published_) / static_cast<double>(tiles_.size()));
        return message;
    }

    icd::TileData* place(icd::TileData& data, const imaging::VectorTilePlace& at) const {
        data.set_layer(imaging::vector_tile_layer(image_->shape(), spec_.mip));
        data.set_x(at.x);
        data.set_y(at.y);
        data.set_width(at.width);
        data.set_height(at.height);
        data.set_mip(requirement_.smoothing_factor);
        return &data;
    }

    /// Both in the same quality, of which the message has one: what compresses very well is encoded in a better one.
    void compress(icd::VectorOverlayTileData& message, const imaging::VectorTile& tile, icd::TileData& intensity, icd::TileData& angle) const {
        const auto encode = [&](const std::vector<float>& values, float quality) {
            if (values.empty()) return imaging::EncodedTile{};
            return imaging::encode_tile(values, tile.place.width, tile.place.height, imaging::TileCompression::zfp, quality);
        };
        auto lengths = encode(tile.intensity, requirement_.compression_quality), angles = encode(tile.angle, requirement_.compression_quality);
        const int quality = std::max(lengths.quality, angles.quality);
        if (lengths.quality < quality) lengths = encode(tile.intensity, static_cast<float>(quality));
        if (angles.quality < quality) angles = encode(tile.angle, static_cast<float>(quality));
        const auto set = [](icd::TileData& data, imaging::EncodedTile& encoded) {
            data.set_nan_encodings(encoded.nan_encodings.data(), encoded.nan_encodings.size() * sizeof(std::int32_t));
            data.set_image_data(std::move(encoded.data));
        };
        set(intensity, lengths);
        set(angle, angles);
        message.set_compression_type(icd::ZFP);
        message.set_compression_quality(static_cast<float>(quality));
    }

    const ImagePtr image_;
    const VectorRequirement requirement_;
    const imaging::VectorFieldSpec spec_;
    const std::int32_t channel_;
    imaging::BudgetCache& cache_;
    const std::uint64_t set_ = next_number();
    std::vector<imaging::VectorTilePlace> tiles_;
    std::size_t next_ = 0, published_ = 0; // tiles that have been computed, and published
    std::deque<imaging::VectorTile> ready_;
    imaging::Reservation memory_;
};

/// What differs where other tiles are meant.
std::string text_of(const VectorRequirement& r) {
    std::string text;
    for (const std::int64_t number : {std::int64_t{r.smoothing_factor}, std::int64_t{r.fractional}, std::int64_t{r.debiasing}, std::int64_t{r.threshold.has_value()},
                                      std::bit_cast<std::int64_t>(r.threshold.value_or(0)), std::int64_t{r.threshold_option},
                                      std::bit_cast<std::int64_t>(r.q_error), std::bit_cast<std::int64_t>(r.u_error), std::int64_t{r.stokes_intensity},
                                      std::int64_t{r.stokes_angle}, std::int64_t{r.compression_type},
                                      std::int64_t{std::bit_cast<std::int32_t>(r.compression_quality)}})
        detail::append(text, number);
    return text;
}

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    const auto first = static_cast<std::ptrdiff_t>(out.size());
    for (const auto& group : context.session.requirements().groups<VectorRequirement>(image->file_id, image_region)) {
        const auto& requirement = group.requirements.front();
        if (!why_no_vectors(*image, requirement).empty()) continue; // the image is another by now
        auto part = text_of(requirement);
        // Those who differ only in what they see first get the same.
        if (const auto same = std::find_if(out.begin() + first, out.end(), [&](const Product& one) { return one.part == part; }); same != out.end()) {
            auto& all = same->audience.connections;
            all.insert(all.end(), group.connections.begin(), group.connections.end());
            std::sort(all.begin(), all.end());
            continue;
        }
        const auto overlay = std::make_shared<Overlay>(image, requirement, context.cache);
        const auto spec = vector_spec(*image, requirement);
        Product product;
        product.region_id = image_region;
        product.part = std::move(part);
        product.input = {image->plane.channel};
        if (spec.takes_plane()) product.input.push_back(image->plane.stokes);
        product.rank = Rank::separate;
        product.topic = vector_topic;
        product.audience = pubsub::Audience::required_by(group.connections);
        product.compute = [overlay](ProductRun& run) { overlay->run(run); };
        out.push_back(std::move(product));
    }
}

} // namespace

extern const ProductKind vector_overlay;
const ProductKind vector_overlay{"vector overlay", "vector overlay", ProductsOf::image, {.plane = true, .requirement = RequirementKind::vector_overlay}, list};

} // namespace cubelink::server
