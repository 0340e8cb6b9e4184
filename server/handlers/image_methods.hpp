#pragma once
/// What the server's own methods of images have in common.

#include "server/compute/job.hpp"
#include "server/handlers/context.hpp"

#include "rpc/parameter.hpp"

#include <functional>
#include <initializer_list>
#include <vector>

namespace cubelink::server {

/// A method of an open image: `handle` is given the image and the values of its parameters, in their order; the first is file_id.
void on_image_method(HandlerContext& context, const char* name, std::initializer_list<rpc::Parameter> list,
                     std::function<void(const SessionPtr&, const ImagePtr&, const rpc::CallPtr&, std::vector<rpc::Value>&&)> handle,
                     rpc::AnswerOrder order = rpc::AnswerOrder::in_order);

/// What takes less than a millisecond is computed by the command; more points or values by a job, so that other sessions' commands don't wait.
inline constexpr std::size_t few_values = 256;

/// Has a job of the image answer a call. If the file is closed meanwhile, the call fails.
void post_answer(const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, const char* what, JobClass job_class,
                 std::function<void(const JobContext&)> answer);

/// The same for an answer of so many bytes. A connection gets one after the other, each when it has read what came before, so that many requests at once cost no memory;
/// one that never reads keeps no image that has been closed: its call fails.
using LargeAnswer = std::function<void(Session&, const Image&, const JobContext&)>;
void post_large_answer(const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, const char* what, JobClass job_class, std::size_t bytes, LargeAnswer answer);

/// A plane of the image, by an index and what stokes_of() takes; null: what is shown. Throws BadArguments unless the image has it.
imaging::PlaneId plane_of(rpc::Value&& channel, rpc::Value&& stokes, const Image& image);
/// An index on the stokes axis, or a name ("Q", "Plinear"); null: what is shown. Throws BadArguments unless the image has it.
std::int32_t stokes_of(rpc::Value&& value, const Image& image);

} // namespace cubelink::server
