#include "rpc/icd/icd_dialect.hpp"

#include "rpc/icd/body.hpp"
#include "rpc/icd/bridge.hpp"
#include "rpc/icd/messages.hpp"
#include "rpc/icd/text.hpp"
#include "rpc/icd/wire_check.hpp"

#include <charconv>
#include <cstring>
#include <string>

namespace cubelink::icd {
namespace {

namespace pb = google::protobuf;
using rpc::Bytes;
using rpc::Encoded;
using rpc::EncodedPtr;
using rpc::Error;
using rpc::WireFrame;

constexpr std::size_t header_size = 8;

std::uint32_t little_endian(std::string_view bytes) {
    std::uint32_t number = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[i]);
    return number;
}

void put_little_endian(std::string& out, std::uint32_t number, int size) {
    for (int i = 0; i < size; ++i) out += static_cast<char>(number >> (8 * i) & 0xff);
}

EncodedPtr frame(std::uint16_t event, std::uint16_t version, std::uint32_t request_id, const Bytes& payload) {
    std::string header;
    header.reserve(header_size);
    put_little_endian(header, event, 2);
    put_little_endian(header, version, 2);
    put_little_endian(header, request_id, 4);
    auto encoded = std::make_shared<Encoded>();
    encoded->frames.push_back({false, {Bytes::take(std::move(header))}});
    if (!payload.empty()) encoded->frames.front().parts.push_back(payload);
    encoded->bytes = encoded->frames.front().size();
    return encoded;
}

EncodedPtr frame(const MessageBody& body, std::uint16_t version, std::uint32_t request_id) {
    return frame(body.event()->number, version, request_id, body.serialized());
}

WireFrame frame_of(bool text, std::string_view payload) {
    WireFrame out;
    out.text = text;
    if (!payload.empty()) out.parts.push_back(Bytes::copy(payload));
    return out;
}

std::uint32_t request_id_of(const rpc::Reply& reply) {
    std::uint32_t id = 0;
    std::from_chars(reply.id.data(), reply.id.data() + reply.id.size(), id);
    return id;
}

/// What the person before the page reads. wslink's words for unknown methods would tell nothing there.
std::string failure_text(const rpc::Reply& reply, const Event* request) {
    if (reply.error->code == rpc::code::unknown_method)
        return (request ? std::string(request->name) : reply.method) + " is not supported by this server";
    if (const auto* data = reply.error->data.get_if<rpc::Map>())
        if (const rpc::Value* exception = data->find("exception"))
            if (const auto* text = exception->get_if<std::string>()) return *text;
    return reply.error->message;
}

/// The event's own answer with success = false; nullptr if it has none that could say so.
std::shared_ptr<pb::Message> failure(const Event* request, const std::string& text) {
    if (!request || !request->reply) return nullptr;
    std::shared_ptr<pb::Message> answer(request->reply->prototype->New());
    const pb::FieldDescriptor* success = answer->GetDescriptor()->FindFieldByName("success");
    const pb::FieldDescriptor* message = answer->GetDescriptor()->FindFieldByName("message");
    if (!success || !message) return nullptr;
    answer->GetReflection()->SetBool(answer.get(), success, false);
    answer->GetReflection()->SetString(answer.get(), message, text);
    return answer;
}

} // namespace

struct IcdDialect::Header {
    std::uint16_t event, version;
    std::uint32_t request_id;
};

void IcdDialect::receive(bool text, std::string_view payload, const std::shared_ptr<const void>&, rpc::DialectSink& sink) {
    if (payload.size() > limits_.frame) return sink.on_broken(rpc::close_code::too_big, "frame too large");
    if (payload.empty()) return sink.on_heartbeat(frame_of(text, {}));
    if (text) {
        if (payload == "PING") return sink.on_heartbeat(frame_of(true, "PONG"));
        return sink.on_ignored("ICD: text frame that is not PING");
    }
    if (payload.size() < header_size)
        return sink.on_ignored("ICD: frame of " + std::to_string(payload.size()) + " bytes, too short for a header");
    const Header header{static_cast<std::uint16_t>(little_endian(payload.substr(0, 2))),
                        static_cast<std::uint16_t>(little_endian(payload.substr(2, 2))), little_endian(payload.substr(4, 4))};
    if (header.event == EMPTY_EVENT && payload.size() == header_size) return sink.on_heartbeat(frame_of(false, payload));
    receive_event(header, payload.substr(header_size), sink);
}

void IcdDialect::receive_event(const Header& header, std::string_view payload, rpc::DialectSink& sink) {
    const Event* event = event_by_number(header.event);
    if (!event) return sink.on_ignored("ICD: unknown event " + std::to_string(header.event));
    const std::string name(event->name);
    if (event->direction != Direction::to_server) return sink.on_ignored("ICD: " + name + " is not a client's to send");

    const std::string id = std::to_string(header.request_id);
    const auto refuse = [&](const std::string& why) {
        sink.on_ignored("ICD: " + name + ": " + why);
        if (event->reply) sink.on_bad_request({id, event->method, nullptr, Error{rpc::code::bad_arguments, why, {}}});
    };
    const bool spoken = header.version >= oldest_version && header.version <= newest_version;
    const std::uint16_t version = spoken ? header.version : newest_version;
    reply_version_ = version;
    std::uint16_t unset = 0;
    if (spoken) stream_version_.compare_exchange_strong(unset, version);
    if (!spoken) {
        const std::string why = "ICD version " + std::to_string(header.version) + " is not spoken here, only " +
                                std::to_string(oldest_version) + " to " + std::to_string(newest_version);
        if (header.event == REGISTER_VIEWER) return refuse(why);
        sink.on_ignored("ICD: " + name + ": " + why);
    }

    const std::string problem = wire_problem(schema_of(event->prototype->GetDescriptor()), payload);
    if (!problem.empty()) return refuse(problem);
    std::shared_ptr<pb::Message> message(event->prototype->New());
    if (!message->ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return refuse("malformed message");

    rpc::Request request;
    request.id = id;
    request.method = event->method;
    request.native = std::make_shared<const MessageBody>(std::move(message));
    sink.on_request(std::move(request));
}

EncodedPtr IcdDialect::encode(const rpc::Reply& reply) const {
    const std::uint16_t version = reply_version_;
    const Event* request = event_by_method(reply.method);
    const auto encode_failure = [&](const std::string& text) -> EncodedPtr {
        if (auto answer = failure(request, text)) return frame(MessageBody(std::move(answer)), version, request_id_of(reply));
        if (reply.error && reply.error->already_published) return nullptr;
        auto error = std::make_shared<ErrorData>();
        error->set_severity(ErrorSeverity::ERROR);
        error->add_tags(reply.method);
        error->set_message(text);
        return frame(MessageBody(std::move(error)), version, 0);
    };
    if (reply.error) return encode_failure(failure_text(reply, request));
    if (!reply.result) return nullptr;
    try {
        if (const auto* native = dynamic_cast<const MessageBody*>(reply.result.get())) {
            if (!native->event()) throw rpc::CallError(rpc::code::result_not_encodable, "the answer is no message of its own");
            return frame(*native, version, request_id_of(reply));
        }
        if (!request || !request->reply) return nullptr;
        const rpc::Value value = reply.result->value();
        if (value.is_null()) return nullptr;
        std::shared_ptr<pb::Message> answer(request->reply->prototype->New());
        from_value(value, *answer);
        return frame(MessageBody(std::move(answer)), version, request_id_of(reply));
    } catch (const std::exception& error) {
        return encode_failure("the answer can't be sent: " + std::string(error.what()));
    }
}

EncodedPtr IcdDialect::encode(const rpc::Publication& publication) const {
    const auto* native = dynamic_cast<const MessageBody*>(publication.body().get());
    if (!native || !native->event()) return nullptr;
    try {
        return frame(*native, static_cast<std::uint16_t>(encoding_key() & 0xffff), 0);
    } catch (const std::exception&) {
        return nullptr;
    }
}

std::uint32_t IcdDialect::encoding_key() const {
    const std::uint16_t version = stream_version_;
    return 0x1cd0000u | (version ? version : newest_version);
}

} // namespace cubelink::icd
