// Messages of the ICD that have no handler: they are answered, so that no client waits forever.

#include "server/handlers/context.hpp"

#include "rpc/icd/messages.hpp"

#include <set>

namespace cubelink::server {

namespace {

/// Stops, removes or slows down something that the server has not begun: there is nothing to do.
bool has_no_effect(const icd::Event& event) {
    static const std::set<std::string_view> harmless = {"CLOSE_CATALOG_FILE"};
    return harmless.contains(event.name);
}

bool writes_a_file(const google::protobuf::Message& message) {
    if (const auto* exported = dynamic_cast<const icd::ExportRegion*>(&message)) return !exported->file().empty();
    return dynamic_cast<const icd::SaveFile*>(&message) != nullptr;
}

/// The event's answer with success = false.
std::shared_ptr<google::protobuf::Message> failure(const icd::Event& event, const std::string& text) {
    std::shared_ptr<google::protobuf::Message> answer(event.reply->prototype->New());
    const auto* message = answer->GetDescriptor()->FindFieldByName("message");
    if (message) answer->GetReflection()->SetString(answer.get(), message, text);
    return answer;
}

void answer(const HandlerContext& context, const icd::Event& event, const rpc::CallPtr& call) {
    const auto session = session_of(context, *call);
    std::shared_ptr<const google::protobuf::Message> request = icd::message_of(call->request().native);
    if (!request) {
        std::shared_ptr<google::protobuf::Message> made(event.prototype->New());
        icd::message_from_call(call->request(), *made);
        request = std::move(made);
    }
    std::string text = writes_a_file(*request) ? why_no_writing(context, *call) : "";
    if (text.empty()) text = std::string(event.name) + " is not implemented yet";
    if (event.reply) {
        call->answer(std::make_shared<const icd::MessageBody>(failure(event, text)));
        // The page does not show every failed answer to its user, but it shows its log.
        auto logged = std::make_shared<icd::ErrorData>();
        logged->set_severity(icd::WARNING);
        logged->add_tags("not implemented");
        logged->set_message(text);
        session->publish(std::move(logged), {}, pubsub::Audience::view_of(call->peer()->id()));
    } else if (has_no_effect(event)) {
        acknowledge(call);
    } else {
        call->fail(rpc::code::method_failed, text);
    }
}

} // namespace

void register_not_implemented(HandlerContext& context) {
    for (const auto& event : icd::events()) {
        if (event.direction != icd::Direction::to_server || context.methods.find(event.method)) continue;
        context.methods.add_unlisted(event.method, [&context, &event](const rpc::CallPtr& call) { answer(context, event, call); });
    }
}

} // namespace cubelink::server
