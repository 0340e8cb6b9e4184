#pragma once
/// A reply's or publication's body that is an ICD message. The ICD dialect sends it as it is; wslink clients see it as a map.
///
/// The message is immutable from now on: bodies are shared between threads and connections.

#include "rpc/icd/events.hpp"
#include "rpc/message.hpp"

#include <memory>
#include <mutex>

namespace cubelink::icd {

class MessageBody final : public rpc::Body {
public:
    explicit MessageBody(std::shared_ptr<const google::protobuf::Message> message);

    const google::protobuf::Message& message() const { return *message_; }
    const std::shared_ptr<const google::protobuf::Message>& shared() const { return message_; }
    /// nullptr if the message is only a part of messages; such a body cannot go out through the ICD dialect.
    const Event* event() const { return event_; }

    /// The message as a map (see bridge.hpp). `bytes` fields share the message's memory and keep it alive.
    rpc::Value value() const override;

    /// The message in protobuf's wire format, with all text made valid UTF-8. Made at the first call and kept.
    const rpc::Bytes& serialized() const;

private:
    std::shared_ptr<const google::protobuf::Message> message_;
    const Event* event_;
    mutable std::once_flag once_;
    mutable rpc::Bytes serialized_;
};

/// The message of a body, or nullptr if it is not an ICD message.
std::shared_ptr<const google::protobuf::Message> message_of(const rpc::BodyPtr& body);

/// Takes over a message of any ICD type.
template <class M>
rpc::BodyPtr make_body(M message) {
    return std::make_shared<const MessageBody>(std::make_shared<const M>(std::move(message)));
}

} // namespace cubelink::icd
