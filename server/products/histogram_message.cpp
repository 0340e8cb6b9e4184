#include "server/products/histogram_message.hpp"

namespace cubelink::server {

std::shared_ptr<icd::RegionHistogramData> histogram_message(const Image& image, std::int32_t region_id, imaging::PlaneId plane,
                                                            const HistogramRequirement& requirement, const imaging::Histogram* histogram, float progress) {
    auto message = std::make_shared<icd::RegionHistogramData>();
    message->set_file_id(image.file_id);
    message->set_region_id(region_id);
    message->set_channel(plane.channel);
    message->set_stokes(plane.stokes);
    message->set_progress(progress);
    auto* config = message->mutable_config();
    config->set_fixed_num_bins(requirement.fixed_num_bins);
    config->set_num_bins(requirement.fixed_num_bins ? requirement.num_bins : -1);
    config->set_fixed_bounds(requirement.fixed_bounds);
    config->mutable_bounds()->set_min(requirement.fixed_bounds ? requirement.min : 0);
    config->mutable_bounds()->set_max(requirement.fixed_bounds ? requirement.max : 0);
    auto* out = message->mutable_histograms();
    if (histogram) fill(*out, *histogram);
    return message;
}

void fill(icd::Histogram& message, const imaging::Histogram& histogram) {
    message.set_num_bins(static_cast<std::int32_t>(histogram.bins.size()));
    message.set_bin_width(histogram.bin_width);
    message.set_first_bin_center(histogram.first_bin_center);
    message.mutable_bins()->Add(histogram.bins.begin(), histogram.bins.end());
    message.set_mean(histogram.mean);
    message.set_std_dev(histogram.std_dev);
}

imaging::HistogramSpec spec_of(const HistogramRequirement& requirement) {
    imaging::HistogramSpec spec;
    if (requirement.fixed_num_bins) spec.num_bins = requirement.num_bins;
    if (requirement.fixed_bounds) spec.bounds = imaging::HistogramBounds{requirement.min, requirement.max};
    return spec;
}

} // namespace cubelink::server
