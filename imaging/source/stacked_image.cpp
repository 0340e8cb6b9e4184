#include "imaging/source/stacked_image.hpp"

#include "imaging/base/budget_cache.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace cubelink::imaging {

namespace {

Capabilities common(const std::vector<std::shared_ptr<const ImageSource>>& parts) {
    Capabilities all = parts.front()->capabilities();
    all.stored_statistics = all.stored_pyramid = false;
    for (const auto& part : parts) {
        const Capabilities& one = part->capabilities();
        all.random_access = all.random_access && one.random_access;
        all.whole_planes_only = all.whole_planes_only || one.whole_planes_only;
        all.prefers_double = all.prefers_double || one.prefers_double;
        if (one.int64 != all.int64) all.int64 = Int64Kind::none;
        all.has_mask = all.has_mask || one.has_mask;
        all.depth_contiguous = all.depth_contiguous && one.depth_contiguous;
        all.stored_block = {std::max(all.stored_block.width, one.stored_block.width), std::max(all.stored_block.height, one.stored_block.height)};
    }
    return all;
}

PixelType common_type(const std::vector<std::shared_ptr<const ImageSource>>& parts) {
    const PixelType first = parts.front()->stored_type();
    if (std::all_of(parts.begin(), parts.end(), [&](const auto& part) { return part->stored_type() == first; })) return first;
    return std::any_of(parts.begin(), parts.end(), [](const auto& part) { return part->capabilities().prefers_double; }) ? PixelType::float64 : PixelType::float32;
}

/// Checked, so that members that look at all of them have at least one.
std::vector<std::shared_ptr<const ImageSource>> checked(std::vector<std::shared_ptr<const ImageSource>> parts) {
    if (parts.empty()) throw std::invalid_argument("an image is stacked of at least one");
    for (const auto& part : parts) {
        if (part->shape() != parts.front()->shape() || part->shape().stokes != 1) throw std::invalid_argument("images that are stacked have one shape and one stokes index");
    }
    return parts;
}

} // namespace

StackedImage::StackedImage(std::vector<std::shared_ptr<const ImageSource>> parts, BudgetCache* budget)
    : parts_(checked(std::move(parts))), budget_(budget), shape_(parts_.front()->shape()), stored_type_(common_type(parts_)), capabilities_(common(parts_)) {
    shape_.stokes = static_cast<std::int64_t>(parts_.size());
}

StackedImage::~StackedImage() {
    if (budget_ != nullptr) budget_->drop(identity_);
}

const ImageSource& StackedImage::part(std::int32_t stokes) const {
    if (stokes < 0 || stokes >= shape_.stokes)
        throw std::out_of_range("stokes " + std::to_string(stokes) + " does not exist, the image has " + std::to_string(shape_.stokes));
    return *parts_[static_cast<std::size_t>(stokes)];
}

void StackedImage::read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const {
    part(plane.stokes).read(rect, {plane.channel, 0}, out, threads, cancel);
}

void StackedImage::read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const {
    part(plane.stokes).read64(rect, {plane.channel, 0}, out, threads, cancel);
}

void StackedImage::read_int64(const Rect& rect, PlaneId plane, std::span<std::int64_t> out, int threads, const CancelToken& cancel) const {
    if (capabilities_.int64 == Int64Kind::none) return ImageSource::read_int64(rect, plane, out, threads, cancel);
    part(plane.stokes).read_int64(rect, {plane.channel, 0}, out, threads, cancel);
}

void StackedImage::read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const {
    part(stokes).read_spectrum(x, y, 0, from, out, cancel);
}

void StackedImage::read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const {
    part(stokes).read_box(rect, channels, 0, out, threads, cancel);
}

void StackedImage::read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                               const CancelToken& cancel) const {
    part(stokes).read_masked(mask, channels, 0, out, threads, cancel);
}

void StackedImage::read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                               const CancelToken& cancel) const {
    part(stokes).read_pixels(runs, channels, 0, out, cancel);
}

void StackedImage::read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                                 const CancelToken& cancel) const {
    part(stokes).read_pixels64(runs, channels, 0, out, cancel);
}

void StackedImage::visit_files(const std::function<void(const FileState&)>& see) const {
    for (const auto& part : parts_) part->visit_files(see);
}

void StackedImage::check_unchanged() const {
    for (const auto& part : parts_) part->check_unchanged();
}

} // namespace cubelink::imaging
