#pragma once
/// Long work on an open image that a client has asked for and can stop: moments, position-velocity images, fits, saving. And the images that come of it.

#include "server/tasks/task.hpp"

#include "imaging/source/format.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace cubelink::server {

struct Calculation {
    SessionPtr session;
    ImagePtr image; // closing it cancels the work
    CalculationKind kind = CalculationKind::moments;
    std::string label{};    // for Session::stop_calculations
    std::string name;       // "moments": in progress messages of session.changed and in the log
    std::int64_t bytes = 0; // that are read or written: what is short is done beside other views, what is long one at a time
    rpc::CallPtr call;
    /// The long part, in a job.
    std::function<void(const TaskContext&)> work;
    /// By a command, once: answers. `failure`: what `work` has thrown; Cancelled if it was stopped, or its image closed.
    std::function<void(std::exception_ptr failure)> end;
    /// Instead of `end` if the session was closed; from any thread. Answers.
    std::function<void()> on_session_closed;
    bool tells_cancelled = false; // as Task::tells_cancelled
};
/// By a command of the session.
void start(Calculation calculation);

/// What takes long to give back, as large files of the scratch disk and files that were not finished do: no answer waits for it.
using Leftovers = std::vector<std::shared_ptr<const void>>;
/// Lets them go in a job: by the command that ends a calculation, after it has answered.
void release_later(Session& session, Leftovers leftovers);

/// An image that was computed, before it has an id.
struct GeneratedImage {
    std::string name;
    rpc::Map recipe;
    imaging::OpenedImage opened;
    imaging::Reservation memory; // of its header
};
/// Takes the memory of its header from the budget: by the job. Throws OverBudget, Cancelled.
GeneratedImage generated_image(std::string name, rpc::Map recipe, imaging::OpenedImage opened, imaging::BudgetCache& budget, const imaging::CancelToken& cancel);

/// Gives it another name, as if it had been made with that.
void rename(GeneratedImage& image, const std::string& name);

/// By the command that ends a calculation: opens the images, with the ids of ObjectRegistry::free_ids(), in the folder of the one that they were made from.
/// `answer` is called with them before anything follows from them. Throws PathError, before anything has changed, if the session has no room for so many.
void add_generated(Session& session, const Image& of, std::vector<GeneratedImage> generated, const std::function<void(const std::vector<ImagePtr>&)>& answer);

} // namespace cubelink::server
