#pragma once
/// Moment images: their headers at once, their pixels by a job, or, of a restored session, when they are first read.

#include "server/tasks/images/moment_plan.hpp"
#include "server/tasks/open_file.hpp"

#include "imaging/analysis/moments/moment_maps.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/pixels/polarization.hpp"
#include "imaging/source/format.hpp"

#include <memory>
#include <string>

namespace cubelink::server {

/// The cube that moments are made of.
struct MomentSource {
    std::shared_ptr<const imaging::PolarizationSource> pixels;
    imaging::ImageInfo info;
    std::shared_ptr<const imaging::Wcs> wcs; // may be null
    std::string cards;
};

/// Immutable; any thread.
class MomentWork {
public:
    /// Finds the pixels of the region and the coordinates of the channels: some milliseconds. Throws PathError, ImageError, Cancelled.
    MomentWork(MomentSource source, MomentPlan plan, const imaging::CancelToken& cancel);

    /// What the user should know: sentences; empty if all is as it should be.
    const std::string& notes() const { return notes_; }
    imaging::ImageShape shape() const { return {maps_.rect.width(), maps_.rect.height(), 1, 1}; }
    std::int64_t bytes_read() const;

    /// The pixels of all moments, in the order of the plan. Throws as compute_moment_maps().
    std::vector<std::shared_ptr<imaging::MemoryImage>> compute(const imaging::MomentResources& resources, const imaging::ThreadShare& threads,
                                                               const imaging::CancelToken& cancel, const std::function<void(double)>& progress = {}) const;
    /// The image of moment `which`, with its header.
    imaging::OpenedImage describe(std::size_t which, std::shared_ptr<const imaging::ImageSource> pixels, const std::string& name) const;

private:
    void set_beams();
    std::int32_t beam_stokes() const;

    MomentSource source_;
    MomentPlan plan_;
    imaging::MomentMapsInput maps_;
    std::optional<imaging::Beam> beam_;
    std::string unit_, bunit_, meaning_, notes_;
};

/// The maker of the recipe "moment": pixels are computed when they are first read.
imaging::OpenedImage make_moment(const rpc::Map& recipe, const MakeContext& context);

} // namespace cubelink::server
