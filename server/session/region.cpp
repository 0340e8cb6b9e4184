#include "server/session/region.hpp"

#include "imaging/regions/conversion.hpp"
#include "imaging/regions/mask.hpp"
#include "rpc/icd/messages.hpp"
#include "server/session/session.hpp"

#include <utility>

namespace cubelink::server {

namespace {

/// Images of which a state remembers its mask: more than a person looks at side by side.
constexpr std::size_t remembered_images = 8;

} // namespace

RegionState::RegionState(std::int32_t file, imaging::Shape its_shape, std::shared_ptr<const imaging::Wcs> reference)
    : file_id(file), shape(std::move(its_shape)), version(next_number()), reference_(std::move(reference)) {}

const std::optional<imaging::Shape>& RegionState::converted(const Image& image, OnImage& on, const imaging::CancelToken& cancel) const {
    if (!on.converted) {
        if (image.file_id == file_id) on.shape = shape;
        else if (reference_ && image.wcs) on.shape = imaging::convert(shape, *reference_, *image.wcs, cancel);
        on.converted = true; // unless cancelled
    }
    return on.shape;
}

std::optional<imaging::Shape> RegionState::shape_on(const Image& image) const {
    if (image.file_id == file_id) return shape;
    const platform::MutexLock lock(mutex_);
    if (images_.size() > remembered_images && !images_.contains(image.number)) images_.erase(images_.begin());
    return converted(image, images_[image.number], {});
}

std::shared_ptr<const imaging::PixelMask> RegionState::mask_on(const Image& image, imaging::BudgetCache& cache, const imaging::CancelToken& cancel) const {
    const platform::MutexLock lock(mutex_);
    if (images_.size() > remembered_images && !images_.contains(image.number)) images_.erase(images_.begin());
    auto& on = images_[image.number];
    if (on.mask) return on.mask;
    const auto& its_shape = converted(image, on, cancel);
    auto mask = its_shape ? imaging::mask_of(*its_shape, image.shape(), cancel) : imaging::PixelMask();
    on.memory = cache.reserve(mask.runs().size_bytes() + sizeof(imaging::PixelMask), cancel);
    on.mask = std::make_shared<const imaging::PixelMask>(std::move(mask));
    return on.mask;
}

rpc::Map region_info(const imaging::Shape& shape) {
    rpc::Array points;
    for (const auto& point : shape.points) points.push_back(rpc::Map{{"x", point.x}, {"y", point.y}});
    return {{"region_type", icd::RegionType_Name(static_cast<icd::RegionType>(shape.type))}, {"control_points", std::move(points)}, {"rotation", shape.rotation}};
}

rpc::Map Region::saved() const {
    rpc::Array points; // flat: there may be many
    for (const auto& point : state->shape.points) {
        points.push_back(point.x);
        points.push_back(point.y);
    }
    return {{"file_id", state->file_id}, {"type", static_cast<int>(state->shape.type)}, {"points", std::move(points)}, {"rotation", state->shape.rotation}};
}

} // namespace cubelink::server
