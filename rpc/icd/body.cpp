#include "rpc/icd/body.hpp"

#include "rpc/icd/bridge.hpp"
#include "rpc/icd/register.hpp"
#include "rpc/icd/text.hpp"

#include <climits>
#include <string>

namespace cubelink::icd {

namespace pb = google::protobuf;

MessageBody::MessageBody(std::shared_ptr<const pb::Message> message) : message_(std::move(message)), event_(event_of(*message_)) {}

rpc::Value MessageBody::value() const { return to_value(message_); }

const rpc::Bytes& MessageBody::serialized() const {
    bool too_large = false;
    std::call_once(once_, [&] {
        const pb::Message* message = message_.get();
        std::unique_ptr<pb::Message> repaired;
        if (!has_valid_text(*message)) {
            repaired.reset(message->New());
            repaired->CopyFrom(*message);
            make_text_valid(*repaired);
            message = repaired.get();
        }
        std::string wire;
        if (message->ByteSizeLong() <= INT_MAX) message->SerializeToString(&wire);
        serialized_ = rpc::Bytes::take(std::move(wire));
    });
    if (serialized_.empty()) too_large = message_->ByteSizeLong() > INT_MAX;
    if (too_large) throw rpc::CallError(rpc::code::result_not_encodable, "a message of more than 2 GiB");
    return serialized_;
}

std::shared_ptr<const pb::Message> message_of(const rpc::BodyPtr& body) {
    const auto* native = dynamic_cast<const MessageBody*>(body.get());
    return native ? native->shared() : nullptr;
}

rpc::PublicationPtr make_publication(std::shared_ptr<const pb::Message> message) {
    auto body = std::make_shared<const MessageBody>(std::move(message));
    if (!body->event()) throw std::logic_error("not a message of its own: " + body->message().GetTypeName());
    const std::string& topic = body->event()->method;
    return std::make_shared<const rpc::Publication>(topic, std::move(body));
}

} // namespace cubelink::icd
