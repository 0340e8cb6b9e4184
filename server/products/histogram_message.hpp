#pragma once
/// REGION_HISTOGRAM_DATA.

#include "imaging/pixels/histogram.hpp"
#include "rpc/icd/messages.hpp"
#include "server/session/image.hpp"
#include "server/session/requirements.hpp"

#include <memory>

namespace cubelink::server {

inline constexpr const char* saturated_histogram = ": a bin of the histogram holds more pixels than the message can say.";

/// `histogram`: nullptr if there is none yet.
std::shared_ptr<icd::RegionHistogramData> histogram_message(const Image& image, std::int32_t region_id, imaging::PlaneId plane,
                                                            const HistogramRequirement& requirement, const imaging::Histogram* histogram, float progress);

/// The ICD's Histogram.
void fill(icd::Histogram& message, const imaging::Histogram& histogram);

/// The number of bins and the bounds that are required.
imaging::HistogramSpec spec_of(const HistogramRequirement& requirement);

} // namespace cubelink::server
