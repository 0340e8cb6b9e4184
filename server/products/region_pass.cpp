#include "server/products/region_pass.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/pixels/pyramid_cache.hpp"

#include <algorithm>

namespace cubelink::server {

namespace {

/// Regions whose masks are made by one step of a parallel loop.
constexpr std::size_t masks_at_once = 64;
/// Pixels that are read in some 10 milliseconds.
constexpr double slow_pixels = 1 << 24;

} // namespace

const RegionPass::Summarised& RegionPass::summarised(std::size_t index) const {
    if (regions_[index].failure) std::rethrow_exception(regions_[index].failure);
    return regions_[index];
}

void RegionPass::read(const ProductRun& run) {
    image_->source->check_unchanged();
    std::vector<Summarised*> due;
    for (auto& region : regions_) due.push_back(&region);
    imaging::parallel_for(run.threads(), static_cast<std::int64_t>((due.size() + masks_at_once - 1) / masks_at_once), run.cancel(), [&](std::int64_t part, int) {
        const auto from = static_cast<std::size_t>(part) * masks_at_once;
        for (std::size_t i = from; i < std::min(from + masks_at_once, due.size()); ++i) {
            run.cancel().throw_if_cancelled();
            try {
                due[i]->mask = due[i]->state->mask_on(*image_, cache_, run.cancel());
            } catch (const imaging::Cancelled&) {
                throw;
            } catch (const std::exception&) {
                due[i]->failure = std::current_exception();
            }
        }
    });
    std::erase_if(due, [](const Summarised* region) { return !region->mask; });
    std::vector<const imaging::PixelMask*> masks;
    for (const auto* region : due) masks.push_back(region->mask.get());
    pyramid_ = imaging::find_pyramid(cache_, *image_->source, image_->hdu, plane_);
    const auto memory = cache_.reserve(imaging::mask_pass_bytes(*image_->source, masks, run.threads()), run.cancel());
    const auto summaries = imaging::summarise(*image_->source, masks, plane_, run.threads(), run.cancel(), in_memory());
    for (std::size_t i = 0; i < due.size(); ++i) due[i]->summary = summaries[i];
}

namespace {

bool is_slow_region(const RegionState& state) {
    const auto& points = state.shape.points;
    if (state.shape.type != imaging::RegionType::polygon) { // a centre, and sizes or semi-axes
        const double part = state.shape.type == imaging::RegionType::ellipse ? 0.25 : 1;
        return points.size() == 2 && points[1].x * points[1].y > part * slow_pixels;
    }
    const auto extent = [&](auto coordinate) {
        const auto less = [&](const auto& a, const auto& b) { return a.*coordinate < b.*coordinate; };
        const auto ends = std::minmax_element(points.begin(), points.end(), less);
        return *ends.second.*coordinate - *ends.first.*coordinate;
    };
    return !points.empty() && extent(&imaging::PixelPoint::x) * extent(&imaging::PixelPoint::y) > slow_pixels;
}

} // namespace

void follow_region(Product& product, const Image& image, imaging::PlaneId plane, const RegionState& region) {
    // All are sent again when another stokes is shown. The region's version is the last: what a live product follows.
    product.input = {plane.channel, plane.stokes, image.plane.stokes, static_cast<std::int64_t>(region.version)};
    product.rank = Rank::separate;
    product.live = true;
    product.together = std::to_string(plane.channel) + "/" + std::to_string(plane.stokes) + (is_slow_region(region) ? "/slow" : "");
}

} // namespace cubelink::server
