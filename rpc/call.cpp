#include "rpc/call.hpp"

namespace cubelink::rpc {

Call::Call(Request request, std::shared_ptr<Peer> peer, Answer answer, LeaveOrder leave_order)
    : request_(std::move(request)), peer_(std::move(peer)), answer_(std::move(answer)), leave_order_(std::move(leave_order)) {}

Call::~Call() {
    try {
        if (!answered_.load()) fail_with_exception("the method ended without an answer");
    } catch (...) {
        // Nothing is left to tell it to: the answer's receiver has failed.
    }
}

void Call::send(Reply&& reply) {
    if (answered_.exchange(true)) return;
    reply.id = request_.id;
    reply.method = request_.method;
    std::function<void()> stop; // goes without the lock
    if (may_be_cancelled_) {
        const platform::MutexLock lock(mutex_);
        stop.swap(stop_);
    }
    // Released after use: the receiver may hold the connection, which may hold this call.
    auto answer = std::move(answer_);
    if (answer) answer(std::move(reply));
}

void Call::answer(Value result) { answer(body(std::move(result))); }

void Call::answer(BodyPtr result) {
    Reply reply;
    reply.result = std::move(result);
    send(std::move(reply));
}

void Call::fail(Error error) {
    if (cancelled()) return fail_cancelled();
    Reply reply;
    reply.error = std::move(error);
    send(std::move(reply));
}

void Call::fail_cancelled() {
    Reply reply;
    reply.error = Error{code::method_failed, "cancelled", Map{{"method", request_.method}, {"exception", "Cancelled"}}};
    send(std::move(reply));
}

void Call::on_cancel(std::function<void()> stop) {
    {
        const platform::MutexLock lock(mutex_);
        if (!cancelled()) {
            if (!answered()) stop_.swap(stop);
            return;
        }
    }
    stop();
}

bool Call::cancel() {
    std::function<void()> stop;
    {
        const platform::MutexLock lock(mutex_);
        if (!can_be_cancelled()) return false;
        cancelled_.store(true);
        stop.swap(stop_);
    }
    if (stop) stop();
    return true;
}

void Call::fail_with_exception(std::string_view what) {
    fail(Error{code::method_failed, "Exception raised", Map{{"method", request_.method}, {"exception", what}}});
}

std::pair<Array, Map> Call::take_arguments() { return {std::exchange(request_.args, {}), std::exchange(request_.kwargs, {})}; }

} // namespace cubelink::rpc
