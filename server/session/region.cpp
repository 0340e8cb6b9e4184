#include "server/session/region.hpp"

#include "imaging/regions/conversion.hpp"
#include "imaging/regions/mask.hpp"
#include "rpc/icd/messages.hpp"
#include "server/session/session.hpp"

#include <charconv>
#include <utility>

namespace cubelink::server {

namespace {

/// Images of which a state remembers its shape there: more than a person looks at side by side.
constexpr std::size_t remembered_images = 8;

} // namespace

RegionState::RegionState(std::int32_t file, imaging::Shape its_shape, const Image* reference)
    : file_id(file), shape(std::move(its_shape)), version(next_number()), reference_number_(reference ? reference->number : 0),
      reference_(reference ? reference->wcs : nullptr) {}

std::shared_ptr<const std::string> RegionState::points_text() const {
    const platform::MutexLock lock(mutex_);
    if (!points_text_) {
        std::string text;
        char number[32];
        for (const auto& point : shape.points)
            for (const double value : {point.x, point.y}) {
                const auto end = std::to_chars(number, number + sizeof(number), value).ptr;
                text.append(number, end).push_back(' ');
            }
        points_text_ = std::make_shared<const std::string>(std::move(text));
    }
    return points_text_;
}

std::vector<imaging::PixelPoint> points_of(std::string_view text) {
    std::vector<double> values;
    for (const char* at = text.data(); at < text.data() + text.size();) {
        double value = 0;
        const auto read = std::from_chars(at, text.data() + text.size(), value);
        if (read.ec != std::errc() || read.ptr == text.data() + text.size() || *read.ptr != ' ') throw rpc::BadArguments("points: expected numbers, each with a blank");
        values.push_back(value);
        at = read.ptr + 1;
    }
    if (values.size() % 2 != 0) throw rpc::BadArguments("points: expected pairs of numbers");
    std::vector<imaging::PixelPoint> points;
    for (std::size_t i = 0; i < values.size(); i += 2) points.push_back({values[i], values[i + 1]});
    return points;
}

const std::optional<imaging::Shape>& RegionState::converted(const Image& image, OnImage& on, const imaging::CancelToken& cancel) const {
    if (!on.converted) {
        if (is_reference(image)) on.shape = shape;
        else if (reference_ && image.wcs) on.shape = imaging::convert(shape, *reference_, *image.wcs, cancel);
        on.converted = true; // unless cancelled
    }
    return on.shape;
}

std::optional<imaging::Shape> RegionState::shape_on(const Image& image) const {
    if (is_reference(image)) return shape;
    const platform::MutexLock lock(mutex_);
    if (images_.size() > remembered_images && !images_.contains(image.number)) images_.erase(images_.begin());
    return converted(image, images_[image.number], {});
}

std::shared_ptr<const imaging::PixelMask> RegionState::mask_on(const Image& image, imaging::BudgetCache& cache, const imaging::CancelToken& cancel) const {
    imaging::CacheKey key{image.source->identity(), image.hdu, {image.file_id, 0}, imaging::CacheKind::region_mask, static_cast<std::int64_t>(version)};
    if (auto known = cache.find<imaging::PixelMask>(key)) return known;
    std::optional<imaging::Shape> its_shape;
    {
        const platform::MutexLock lock(mutex_);
        if (images_.size() > remembered_images && !images_.contains(image.number)) images_.erase(images_.begin());
        its_shape = converted(image, images_[image.number], cancel);
    }
    auto mask = std::make_shared<const imaging::PixelMask>(its_shape ? imaging::mask_of(*its_shape, image.shape(), cancel) : imaging::PixelMask());
    const auto bytes = mask->runs().size_bytes() + sizeof(imaging::PixelMask);
    return cache.get<imaging::PixelMask>(key, bytes, cancel, [&] { return mask; });
}

rpc::Map region_info(const imaging::Shape& shape) {
    rpc::Array points;
    for (const auto& point : shape.points) points.push_back(rpc::Map{{"x", point.x}, {"y", point.y}});
    return {{"region_type", icd::RegionType_Name(static_cast<icd::RegionType>(shape.type))}, {"control_points", std::move(points)}, {"rotation", shape.rotation}};
}

rpc::Map Region::saved() const {
    return {{"file_id", state->file_id}, {"type", static_cast<int>(state->shape.type)}, {"points", *state->points_text()}, {"rotation", state->shape.rotation}};
}

} // namespace cubelink::server
