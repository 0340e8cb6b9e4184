#pragma once
/// The pixels of many regions on one plane of an image, by one pass: for products that are computed together. One thread at a time.

#include "imaging/pixels/plane_summary.hpp"
#include "imaging/pixels/pyramid.hpp"
#include "server/products/required_products.hpp"
#include "server/session/region.hpp"

#include <cstddef>
#include <exception>
#include <memory>
#include <span>
#include <vector>

namespace cubelink::server {

class RegionPass {
public:
    struct Summarised {
        RegionStatePtr state;
        std::shared_ptr<const imaging::PixelMask> mask; // null until it is summarised
        imaging::PlaneSummary summary;
        std::exception_ptr failure; // why it has no mask; null if it has one
    };

    /// `cache` outlives this.
    RegionPass(ImagePtr image, imaging::PlaneId plane, imaging::BudgetCache& cache) : image_(std::move(image)), plane_(plane), cache_(cache) {}

    /// Returns its index.
    std::size_t add(RegionStatePtr state) {
        regions_.push_back({std::move(state), nullptr, {}, nullptr});
        return regions_.size() - 1;
    }
    /// Reads the pixels of all that were added. Throws what ImageSource::read throws. REQUIRES: called once, unless it has thrown.
    void read(const ProductRun& run);
    /// REQUIRES: read() has returned. Throws the region's own failure.
    const Summarised& summarised(std::size_t index) const;
    bool failed(std::size_t index) const { return regions_[index].failure != nullptr; }

    const Image& image() const { return *image_; }
    imaging::PlaneId plane() const { return plane_; }
    imaging::BudgetCache& cache() const { return cache_; }
    /// The plane if it is in memory, else empty. Valid as long as this.
    std::span<const float> in_memory() const { return pyramid_ ? pyramid_->pixels() : std::span<const float>(); }

private:
    const ImagePtr image_;
    const imaging::PlaneId plane_;
    imaging::BudgetCache& cache_;
    std::vector<Summarised> regions_;
    std::shared_ptr<const imaging::PlanePyramid> pyramid_;
};

/// compute(run) for the first of the runs that is not cancelled meanwhile. False if all are. What it throws otherwise is thrown.
template <class Compute>
bool compute_for_any(std::span<const JointRun> runs, Compute&& compute) {
    for (const auto& one : runs) {
        try {
            one.run->check();
            compute(*one.run);
            return true;
        } catch (const imaging::Cancelled&) {
            one.end(false);
        }
    }
    return false;
}

/// publish(i) for each of the runs, which is over then; a failure is reported as its own.
template <class Publish>
void publish_each(std::span<const JointRun> runs, Publish&& publish) {
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const auto& one = runs[i];
        try {
            one.run->check();
            publish(i);
            one.end(true);
        } catch (const imaging::Cancelled&) {
            one.end(false);
        } catch (const std::exception& e) {
            if (one.product->on_error) one.product->on_error(e);
            one.end(true);
        }
    }
}

/// What is computed with others of its plane: a requirement for a region.
template <class Requirement>
struct RegionPart : ProductPart {
    ImagePtr image;
    imaging::BudgetCache* cache = nullptr;
    imaging::PlaneId plane;
    std::int32_t region_id = 0;
    RegionStatePtr region;
    Requirement requirement;
};
template <class Requirement>
const RegionPart<Requirement>& part_of(const JointRun& one) {
    return static_cast<const RegionPart<Requirement>&>(*one.product->its_part);
}

/// What products of a region on a plane have in common: what they depend on, and that those of one plane are computed together, but for regions that
/// take longer to read than others may wait for.
void follow_region(Product& product, const Image& image, imaging::PlaneId plane, const RegionState& region);

/// A product for each requirement of that kind for closed regions: `compute` gets those of one plane. `plane(requirement)`: the one that it means.
template <class Requirement, class Plane>
void list_region_products(const ProductContext& context, const ImagePtr& image, RequirementKind kind, const char* topic, Plane&& plane,
                          void (*compute)(std::span<const JointRun>), std::vector<Product>& out) {
    for (const auto& region : context.regions(*image, kind)) {
        if (!imaging::is_closed(region->state->shape.type)) continue;
        for_each_requirement<Requirement>(context, *image, region->id, [&](Product&& product, const Requirement& requirement) {
            const auto part = std::make_shared<RegionPart<Requirement>>();
            part->image = image;
            part->cache = &context.cache;
            part->plane = plane(requirement);
            part->region_id = region->id;
            part->region = region->state;
            part->requirement = requirement;
            follow_region(product, *image, part->plane, *region->state);
            product.topic = topic;
            product.its_part = part;
            product.compute_together = compute;
            out.push_back(std::move(product));
        });
    }
}

} // namespace cubelink::server
