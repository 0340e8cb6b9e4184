#include "rpc/json/json_dialect.hpp"

#include "rpc/json/attachments.hpp"
#include "rpc/json/json_reader.hpp"
#include "rpc/json/json_writer.hpp"
#include "rpc/message_writer.hpp"
#include "rpc/values/utf8.hpp"

namespace cubelink::rpc {

namespace {

/// Below this an attachment is copied, so that it does not keep a whole frame's buffers alive.
constexpr std::size_t worth_sharing = 4096;

class JsonDialect final : public Dialect {
public:
    void receive(bool text, std::string_view payload, const std::shared_ptr<const void>& owner, DialectSink& sink) override {
        // An empty binary frame is an attachment of no bytes where one is due, and a heartbeat everywhere else.
        if (payload.empty() && (text || !attachments_.waiting())) return sink.on_heartbeat(WireFrame{text, {}});
        if (payload.size() > limits_.frame)
            return sink.on_broken(close_code::too_big, "the frame is larger than " + std::to_string(limits_.frame) + " bytes");
        if (text)
            receive_text(payload, sink);
        else
            receive_attachment(payload, owner, sink);
    }

    std::size_t decoding_cost(bool text, std::string_view payload) const override { return text ? payload.size() : 0; }
    std::size_t unfinished_bytes() const override { return attachments_.bytes(); }
    std::size_t half_sent_bytes() const override { return attachments_.awaited_bytes(); }
    void forget_unfinished() override { attachments_ = {}; }
    void set_limits(const InputLimits& limits) override { limits_ = limits; }

    EncodedPtr encode(const Reply& reply) const override { return encode_reply<JsonWriter>(reply); }
    EncodedPtr encode(const Publication& publication) const override { return encode_publication<JsonWriter>(publication); }

    std::uint32_t encoding_key() const override { return 1; }
    std::string_view name() const override { return "json"; }

private:
    void receive_attachment(std::string_view payload, const std::shared_ptr<const void>& owner, DialectSink& sink) {
        if (!attachments_.waiting())
            return sink.on_broken(close_code::protocol_error, "a binary frame that no attachment header announced");
        attachments_.receive(owner && payload.size() >= worth_sharing ? Bytes::view(owner, payload) : Bytes::copy(payload));
        check_unfinished(sink);
    }

    void receive_text(std::string_view payload, DialectSink& sink) {
        if (payload.size() > limits_.message)
            return sink.on_broken(close_code::too_big, "the message is larger than " + std::to_string(limits_.message) + " bytes");
        if (const std::size_t valid = valid_utf8_prefix(payload); valid != payload.size())
            return sink.on_broken(close_code::invalid_data, "invalid UTF-8 at byte " + std::to_string(valid));
        // Depth is that of an argument: the message and its list of arguments come on top.
        Decoded decoded = read_json(payload, limits_.depth + 2);
        if (Map* message = decoded.message.get_if<Map>()) {
            if (is_header(*message)) return receive_header(*message, sink);
            if (Value* args = message->find("args")) attachments_.replace_keys_in(*args);
            if (Value* kwargs = message->find("kwargs")) attachments_.replace_keys_in(*kwargs);
        }
        deliver(std::move(decoded), "JSON", sink);
    }

    static bool is_header(const Map& message) {
        if (message.find("id")) return false;
        const Value* method = message.find("method");
        const auto* name = method ? method->get_if<std::string>() : nullptr;
        return name && *name == attachment_method;
    }

    void receive_header(const Map& message, DialectSink& sink) {
        if (const std::string problem = attachments_.announce(message.find("args")); !problem.empty())
            return sink.on_broken(close_code::protocol_error, problem);
        check_unfinished(sink);
    }

    void check_unfinished(DialectSink& sink) {
        if (attachments_.bytes() > limits_.unfinished)
            sink.on_broken(close_code::too_big,
                           "attachments that no message has used are larger than " + std::to_string(limits_.unfinished) + " bytes");
    }

    InputLimits limits_;
    ReceivedAttachments attachments_;
};

} // namespace

std::unique_ptr<Dialect> make_json_dialect() { return std::make_unique<JsonDialect>(); }

} // namespace cubelink::rpc
