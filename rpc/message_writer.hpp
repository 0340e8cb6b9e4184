#pragma once
/// The shape of replies and publications, the same for both generations: written once, over either's writer.
///
/// A writer has begin_map(n), key(name), text(value), value(Value), end_map(). value() throws NotEncodable.

#include "rpc/message.hpp"

#include <stdexcept>

namespace cubelink::rpc {

/// The wire format cannot say this.
struct NotEncodable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Containers within each other that a result may have; beyond, it is taken for a mistake of its method.
inline constexpr unsigned max_result_depth = 512;

/// A body's value without a copy where the body holds one.
class BodyValue {
public:
    explicit BodyValue(const BodyPtr& body) {
        if (!body) return;
        if (const auto* held = dynamic_cast<const ValueBody*>(body.get())) {
            value_ = &held->ref();
        } else {
            own_ = body->value();
        }
    }
    BodyValue(const BodyValue&) = delete;
    const Value& operator*() const { return *value_; }

private:
    Value own_;
    const Value* value_ = &own_;
};

template <class Writer>
void write_result(Writer& writer, const std::string& id, const Value& result) {
    writer.begin_map(3);
    writer.key("wslink");
    writer.text("1.0");
    writer.key("id");
    writer.text(id);
    writer.key("result");
    writer.value(result);
    writer.end_map();
}

template <class Writer>
void write_error(Writer& writer, const std::string& id, const Error& error) {
    writer.begin_map(3);
    writer.key("wslink");
    writer.text("1.0");
    writer.key("id");
    writer.text(id);
    writer.key("error");
    writer.begin_map(error.data.is_null() ? 2 : 3);
    writer.key("code");
    writer.value(error.code);
    writer.key("message");
    writer.text(error.message);
    if (!error.data.is_null()) {
        writer.key("data");
        writer.value(error.data);
    }
    writer.end_map();
    writer.end_map();
}

/// Encodes a reply with a fresh writer of that type, or two: a result that cannot be encoded becomes wslink's error for it.
template <class Writer>
EncodedPtr encode_reply(const Reply& reply) {
    Error error;
    if (reply.error) {
        error = *reply.error;
    } else {
        try {
            const BodyValue result(reply.result);
            Writer writer;
            write_result(writer, reply.id, *result);
            return writer.finish();
        } catch (const std::exception&) {
            error = Error{code::result_not_encodable, "Method result cannot be serialized", reply.method};
        }
    }
    try {
        Writer writer;
        write_error(writer, reply.id, error);
        return writer.finish();
    } catch (const NotEncodable&) {
        Writer writer;
        error.data = nullptr;
        write_error(writer, reply.id, error);
        return writer.finish();
    }
}

/// nullptr if it cannot be encoded.
template <class Writer>
EncodedPtr encode_publication(const Publication& publication) {
    try {
        const BodyValue value(publication.body());
        Writer writer;
        write_result(writer, publication.id(), *value);
        return writer.finish();
    } catch (const std::exception&) {
        return nullptr;
    }
}

} // namespace cubelink::rpc
