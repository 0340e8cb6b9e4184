#pragma once
/// FITTING_REQUEST.

#include "server/session/region.hpp"
#include "server/tasks/calculation.hpp"
#include "server/tasks/images/fitting_request.hpp"

#include "rpc/icd/messages.hpp"

#include <memory>
#include <optional>
#include <string>

namespace cubelink::server {

struct Fitting {
    SessionPtr session;
    ImagePtr image;
    rpc::CallPtr call;
    std::shared_ptr<const icd::FittingRequest> request;
    FittingPlan plan;
    RegionStatePtr region;              // null: of `view`, or the whole image
    std::optional<imaging::Shape> view; // valid and closed
};
/// By a command of the session. It is answered in any case.
void start_fitting(Fitting fitting);

icd::FittingResponse fitting_failed(const std::string& why);

} // namespace cubelink::server
