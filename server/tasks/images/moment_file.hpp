#pragma once
/// All moments of a request as one FITS file: a primary HDU without data, then an extension for each moment, in the order of the request, named by its suffix.

#include "server/tasks/calculation.hpp"
#include "server/tasks/fits_output.hpp"

#include "imaging/analysis/moments/moment.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace cubelink::server {

/// Where to; what MOMENT_REQUEST says of it.
struct MomentFileRequest {
    std::string directory, name;
    WriteOptions options;
    std::string program; // who writes, with version
};

/// Made before the moments are computed, so that what can't be written shows before the work. By a job.
class MomentFile {
public:
    /// `bytes`: of the pixels. Throws as FileWriter and FileWriter::reserve().
    MomentFile(const Jail& jail, const MomentFileRequest& request, std::uint64_t bytes);

    /// Writes the images of `moments`, which are as many. The result says what could not be kept, in sentences; mostly it is empty. Throws as write_fits(),
    /// also ImageError and OverBudget; nothing half-written remains then.
    std::string write(std::span<const imaging::Moment> moments, std::span<const GeneratedImage> images, imaging::BudgetCache& budget, const TaskContext& context,
                      std::function<void(double)> progress);

    /// Its path for clients.
    const std::string& path() const { return writer_.relative(); }

private:
    const std::string program_;
    FileWriter writer_;
};

} // namespace cubelink::server
