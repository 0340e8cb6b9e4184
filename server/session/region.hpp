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
    /// `reference`: the coordinates of the image to which `shape` belongs, null if it has none.
    RegionState(std::int32_t file_id, imaging::Shape shape, std::shared_ptr<const imaging::Wcs> reference);

    const std::int32_t file_id; // of its reference
    const imaging::Shape shape; // in pixels of its reference; valid
    const std::uint64_t version; // unique in the process

    /// The region on an image: as it is on its reference, converted through the sky on another. Nothing where the images have no sky in common, or
    /// it lies where the other one has none. Converting takes some milliseconds at most, once for each image.
    std::optional<imaging::Shape> shape_on(const Image& image) const;
    /// The pixels of a closed region or a point, made once for each image; without any where the region is outside of it. Counted in `cache`.
    /// Throws ImageError, OverBudget, Cancelled. For jobs.
    std::shared_ptr<const imaging::PixelMask> mask_on(const Image& image, imaging::BudgetCache& cache, const imaging::CancelToken& cancel) const;

private:
    /// What is known of it on an image.
    struct OnImage {
        bool converted = false;
        std::optional<imaging::Shape> shape;
        std::shared_ptr<const imaging::PixelMask> mask;
        imaging::Reservation memory;
    };
    const std::optional<imaging::Shape>& converted(const Image& image, OnImage& on, const imaging::CancelToken& cancel) const CUBELINK_REQUIRES(mutex_);

    const std::shared_ptr<const imaging::Wcs> reference_;
    mutable platform::Mutex mutex_; // held while a mask is made, so that it is made once
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

/// One of a list of regions that are set together.
struct RegionUpdate {
    std::int32_t id = -1; // -1: the next new one
    std::int32_t file_id = 0;
    imaging::Shape shape; // valid
};

/// "region_type", "control_points" and "rotation", as the ICD's RegionInfo.
rpc::Map region_info(const imaging::Shape& shape);

} // namespace cubelink::server
