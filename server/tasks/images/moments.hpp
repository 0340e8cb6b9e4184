#pragma once
/// The calculation of MOMENT_REQUEST.

#include "server/session/region.hpp"
#include "server/tasks/images/moment_file.hpp"
#include "server/tasks/images/moment_plan.hpp"
#include "server/tasks/open_file.hpp"

#include <memory>
#include <optional>

namespace cubelink::server {

struct MomentCalculation {
    const OpenSettings& settings;
    SessionPtr session;
    ImagePtr image;
    rpc::CallPtr call;
    MomentPlan plan;       // without the shape
    RegionStatePtr region; // null: the whole image
    std::int32_t region_id = 0;
    bool keep = false;
    std::optional<MomentFileRequest> file; // none: nothing is written
};
/// Answers with MOMENT_RESPONSE when it is done; images are open before that. By a command. Throws PathError, before anything has begun.
void start_moments(MomentCalculation calculation);

icd::MomentResponse moments_failed(const std::string& why);

} // namespace cubelink::server
