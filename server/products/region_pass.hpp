#pragma once
/// The pixels of many regions on one plane of an image, by one pass. Used by products, one after the other (see JointPass).

#include "imaging/pixels/plane_summary.hpp"
#include "imaging/pixels/pyramid.hpp"
#include "server/products/product.hpp"
#include "server/session/region.hpp"

#include <cstddef>
#include <exception>
#include <memory>
#include <vector>

namespace cubelink::server {

class RegionPass {
public:
    struct Summarised {
        RegionStatePtr state;
        bool due = false;
        std::shared_ptr<const imaging::PixelMask> mask; // null until it is summarised
        imaging::PlaneSummary summary;
        std::exception_ptr failure; // why it has no mask
    };

    /// `cache` outlives this.
    RegionPass(ImagePtr image, imaging::PlaneId plane, imaging::BudgetCache& cache) : image_(std::move(image)), plane_(plane), cache_(cache) {}

    /// Returns its index.
    std::size_t add(RegionStatePtr state) {
        regions_.push_back({std::move(state), false, nullptr, {}, nullptr});
        return regions_.size() - 1;
    }
    /// It will be asked for.
    void include(std::size_t index) { regions_[index].due = true; }

    /// The first call reads the pixels of all that are due. Throws what ImageSource::read throws, or the region's own failure.
    const Summarised& summarised(std::size_t index, ProductRun& run);

    bool failed(std::size_t index) const { return regions_[index].failure != nullptr; }

    const Image& image() const { return *image_; }
    imaging::PlaneId plane() const { return plane_; }
    imaging::BudgetCache& cache() const { return cache_; }
    /// The plane if it is in memory, else empty. Valid as long as this.
    std::span<const float> in_memory() const { return pyramid_ ? pyramid_->pixels() : std::span<const float>(); }

private:
    void summarise_all(ProductRun& run);

    const ImagePtr image_;
    const imaging::PlaneId plane_;
    imaging::BudgetCache& cache_;
    std::vector<Summarised> regions_;
    std::shared_ptr<const imaging::PlanePyramid> pyramid_;
    bool done_ = false;
};

/// Whether it takes longer to read the region than others may wait for.
bool is_slow_region(const RegionState& state);

} // namespace cubelink::server
