#include "server/handlers/image_methods.hpp"

#include "pubsub/receiver.hpp"
#include "rpc/values/convert.hpp"
#include "server/tasks/task.hpp"

namespace cubelink::server {

void on_image_method(HandlerContext& context, const char* name, std::initializer_list<rpc::Parameter> list,
                     std::function<void(const SessionPtr&, const ImagePtr&, const rpc::CallPtr&, std::vector<rpc::Value>&&)> handle,
                     rpc::AnswerOrder order) {
    context.methods.add_generic(
        name,
        [&context, parameters = rpc::Parameters(list), handle = std::move(handle)](const rpc::CallPtr& call) {
            const auto session = session_of(context, *call);
            call->allow_cancel(); // reads only
            auto [args, kwargs] = call->take_arguments();
            auto values = std::make_shared<std::vector<rpc::Value>>(parameters.bind(std::move(args), std::move(kwargs)));
            const auto file_id = rpc::from_value<std::int32_t>(std::move((*values)[0]), rpc::Path("file_id"));
            Command command;
            command.call = call;
            command.touch(image_id(file_id));
            command.on_dropped = [call] { call->fail(rpc::code::method_failed, "The file was closed."); };
            command.run = [session, call, values, file_id, handle] {
                handle(session, session->require_unchanged_image(file_id), call, std::move(*values));
            };
            session->queue().push(std::move(command));
        },
        order);
}

std::int32_t stokes_of(rpc::Value&& value, const Image& image) {
    if (value.is_null()) return image.plane.stokes;
    if (const auto* name = value.get_if<std::string>()) {
        const auto parsed = parse_coordinate(*name, image);
        if (!parsed || parsed->axis != 0 || !parsed->stokes) throw rpc::BadArguments("stokes: the image has no \"" + *name + "\"");
        return *parsed->stokes;
    }
    const auto stokes = rpc::from_value<std::int32_t>(std::move(value), rpc::Path("stokes"));
    if (!image.has_stokes(stokes)) throw rpc::BadArguments("stokes: " + std::to_string(stokes) + " does not exist");
    return stokes;
}

void post_answer(const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, const char* what, JobClass job_class,
                 std::function<void(const JobContext&)> answer) {
    AnsweringJob job;
    job.session = session;
    job.call = call;
    job.job_class = job_class;
    job.group = image->number;
    job.work = std::move(answer);
    job.on_cancelled = [call] { call->fail(rpc::code::method_failed, "The file was closed."); };
    job.on_error = [session, image, call, what](const std::exception& error) {
        if (const auto* known = dynamic_cast<const rpc::CallError*>(&error)) return call->fail(known->error());
        session->report_failure(*image, error, what);
        call->fail_with_exception(error.what());
    };
    start(std::move(job));
}

namespace {

void post_large_answer(const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, const char* what, JobClass job_class, std::size_t bytes, LargeAnswer answer,
                       pubsub::Outbox::Turn turn) {
    post_answer(session, image, call, what, job_class, [session, image, call, what, job_class, bytes, answer = std::move(answer), turn](const JobContext& context) {
        if (!call->peer()->connected()) return;
        auto& outbox = connection_of(*call).receiver()->outbox();
        if (outbox.has_room(bytes, turn)) return answer(*session, *image, context);
        call->on_cancel([waiting = call.get()] { waiting->fail_cancelled(); });
        outbox.when_room(bytes, [weak_session = std::weak_ptr(session), weak_image = std::weak_ptr(image), call, what, job_class, bytes, answer] {
            if (call->answered()) return;
            const auto session_then = weak_session.lock();
            const auto image_then = weak_image.lock();
            if (session_then && image_then && !image_then->closed.cancelled())
                post_large_answer(session_then, image_then, call, what, job_class, bytes, answer, pubsub::Outbox::Turn::has_been_called);
            else call->fail(rpc::code::method_failed, "The file was closed.");
        }, turn);
    });
}

} // namespace

void post_large_answer(const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, const char* what, JobClass job_class, std::size_t bytes, LargeAnswer answer) {
    post_large_answer(session, image, call, what, job_class, bytes, std::move(answer), pubsub::Outbox::Turn::new_in_line);
}

imaging::PlaneId plane_of(rpc::Value&& channel, rpc::Value&& stokes, const Image& image) {
    imaging::PlaneId plane;
    plane.channel = rpc::from_value<std::optional<std::int32_t>>(std::move(channel), rpc::Path("channel")).value_or(image.plane.channel);
    if (!image.has_channel(plane.channel))
        throw rpc::BadArguments("channel: " + std::to_string(plane.channel) + " does not exist (the image has " + std::to_string(image.shape().depth) + ")");
    plane.stokes = stokes_of(std::move(stokes), image);
    return plane;
}

} // namespace cubelink::server
