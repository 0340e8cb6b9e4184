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
    Reply reply;
    reply.error = std::move(error);
    send(std::move(reply));
}

void Call::fail_with_exception(std::string_view what) {
    fail(Error{code::method_failed, "Exception raised", Map{{"method", request_.method}, {"exception", what}}});
}

std::pair<Array, Map> Call::take_arguments() { return {std::exchange(request_.args, {}), std::exchange(request_.kwargs, {})}; }

} // namespace cubelink::rpc
