#pragma once
/// How handlers of ICD messages are registered, answer and publish, without knowing which dialect their caller speaks.
///
///     icd::on<icd::OpenFile>(registry, [](const rpc::CallPtr& call, const icd::OpenFile& request) {
///         icd::OpenFileAck ack;
///         …
///         icd::answer(call, std::move(ack));
///     });
///     hub.publish(session, icd::make_publication(std::move(tile_data)));

#include "rpc/icd/body.hpp"
#include "rpc/icd/bridge.hpp"
#include "rpc/icd/events.hpp"
#include "rpc/method_registry.hpp"

#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace cubelink::icd {

/// Registers a handler for a message from client to server, under the name of its event. Called as Method::run is. The handler
/// takes (CallPtr, const M&), which is valid during the call only, or (CallPtr, std::shared_ptr<const M>), which it may keep.
/// Bad arguments are answered without it. Throws std::logic_error if M is no message that clients send.
template <class M, class Handler>
void on(rpc::MethodRegistry& registry, Handler handler, rpc::AnswerOrder order = rpc::AnswerOrder::in_order) {
    const Event* event = event_of(M::descriptor());
    if (!event || event->direction != Direction::to_server) throw std::logic_error("not a message that clients send");
    registry.add_generic(
        event->method,
        [handler = std::move(handler)](const rpc::CallPtr& call) {
            auto request = std::dynamic_pointer_cast<const M>(message_of(call->request().native));
            if (!request) {
                auto made = std::make_shared<M>();
                message_from_call(call->request(), *made);
                request = std::move(made);
            }
            if constexpr (std::is_invocable_v<const Handler&, const rpc::CallPtr&, std::shared_ptr<const M>>)
                handler(call, std::shared_ptr<const M>(std::move(request)));
            else
                handler(call, *request);
        },
        order,
        [](rpc::Request& request) {
            if (request.native) return;
            auto made = std::make_shared<M>();
            message_from_call(request, *made);
            request.args.clear();
            request.kwargs = {};
            request.native = std::make_shared<const MessageBody>(std::shared_ptr<const google::protobuf::Message>(std::move(made)));
        });
}

/// Answers with an ICD message.
template <class M>
void answer(const rpc::CallPtr& call, M message) {
    call->answer(make_body(std::move(message)));
}

/// Answers a message that the ICD does not answer: null for wslink clients, nothing for ICD clients.
inline void answer(const rpc::CallPtr& call) { call->answer(rpc::BodyPtr()); }

/// A publication of an ICD message on its topic. Throws std::logic_error if the message belongs to no event.
rpc::PublicationPtr make_publication(std::shared_ptr<const google::protobuf::Message> message);
template <class M>
    requires(!std::is_convertible_v<M, std::shared_ptr<const google::protobuf::Message>>)
rpc::PublicationPtr make_publication(M message) {
    return make_publication(std::shared_ptr<const google::protobuf::Message>(std::make_shared<const M>(std::move(message))));
}

} // namespace cubelink::icd
