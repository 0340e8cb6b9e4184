#pragma once
/// The pixels of many regions on one plane of an image, by one pass: for products that are computed together. One thread at a time.

#include "imaging/pixels/plane_summary.hpp"
#include "imaging/pixels/pyramid.hpp"
#include "server/products/product.hpp"
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

/// What products of a region on a plane have in common: what they depend on, and that those of one plane are computed together, but for regions that
/// take longer to read than others may wait for.
void follow_region(Product& product, const Image& image, imaging::PlaneId plane, const RegionState& region);

} // namespace cubelink::server
