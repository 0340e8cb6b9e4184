#pragma once
/// A region of a session. It belongs to the pixels of one image, its reference, and is on every other image that shows the same sky.
///
/// What a region is at one moment, its RegionState, never changes and is shared: products hold the one that they were made from.

#include "imaging/base/budget_cache.hpp"
#include "imaging/regions/shape.hpp"
#include "imaging/source/pixel_mask.hpp"
#include "platform/mutex.hpp"
#include "server/session/image.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace cubelink::server {

/// All members may be called from any thread.
class RegionState {
public:
    /// `reference`: the image to which `shape` belongs, with the id `file_id`; null if there is none any more.
    RegionState(std::int32_t file_id, imaging::Shape shape, const Image* reference);

    const std::int32_t file_id; // of its reference
    const imaging::Shape shape; // in pixels of its reference; valid
    const std::uint64_t version; // unique in the process

    /// The region on an image: as it is on its reference, converted through the sky on another. Nothing where the images have no sky in common, or
    /// it lies where the other one has none. Converting takes some milliseconds at most, once for each image.
    std::optional<imaging::Shape> shape_on(const Image& image) const;
    bool belongs_to(const Image& image) const { return image.number == reference_number_; }
    /// The control points as text, for snapshots: made once, as snapshots of many regions are made often.
    std::shared_ptr<const std::string> points_text() const;
    /// The pixels of a closed region or a point; without any where the region is outside of the image. Kept in `cache` for as long as that has room.
    /// Throws ImageError, OverBudget, Cancelled. For jobs.
    std::shared_ptr<const imaging::PixelMask> mask_on(const Image& image, imaging::BudgetCache& cache, const imaging::CancelToken& cancel) const;

private:
    /// What is known of it on an image.
    struct OnImage {
        bool converted = false;
        std::optional<imaging::Shape> shape;
    };
    const std::optional<imaging::Shape>& converted(const Image& image, OnImage& on, const imaging::CancelToken& cancel) const CUBELINK_REQUIRES(mutex_);

    /// Whether the shape's pixels are those of this image: of the reference itself, or of what is open under its id and can't be compared by the sky.
    bool is_reference(const Image& image) const {
        return image.number == reference_number_ || (image.file_id == file_id && (!reference_ || !image.wcs));
    }

    const std::uint64_t reference_number_; // Object::number; 0: none
    const std::shared_ptr<const imaging::Wcs> reference_;
    mutable platform::Mutex mutex_; // held while a shape is converted, so that this is done once
    mutable std::shared_ptr<const std::string> points_text_ CUBELINK_GUARDED_BY(mutex_);
    mutable std::map<std::uint64_t, OnImage> images_ CUBELINK_GUARDED_BY(mutex_); // by Object::number, those that were asked for last
};
using RegionStatePtr = std::shared_ptr<const RegionState>;

/// Belongs to the session's commands.
class Region : public Object {
public:
    Region(std::int32_t id, RegionStatePtr first_state) : Object(region_id(id)), id(id), state(std::move(first_state)) {}

    const std::int32_t id; // > 0
    RegionStatePtr state;  // replaced when it changes

    rpc::Map saved() const override;
};
using RegionPtr = std::shared_ptr<Region>;

/// The opposite of RegionState::points_text(). Throws BadArguments.
std::vector<imaging::PixelPoint> points_of(std::string_view text);

/// One of a list of regions that are set together.
struct RegionUpdate {
    std::int32_t id = -1; // -1: the next new one
    std::int32_t file_id = 0;
    imaging::Shape shape; // valid
};

/// "region_type", "control_points" and "rotation", as the ICD's RegionInfo.
rpc::Map region_info(const imaging::Shape& shape);

} // namespace cubelink::server
