#include "rpc/icd/text.hpp"

#include "rpc/values/utf8.hpp"

#include <string>

namespace cubelink::icd {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

bool valid(const pb::Message& message, const MessageSchema& schema) {
    if (!schema.has_text) return true;
    const pb::Reflection& reflection = *message.GetReflection();
    std::string scratch;
    for (const FieldSchema& entry : schema.fields) {
        if (!entry.has_text) continue;
        const Field* field = entry.field;
        if (field->is_repeated()) {
            const int size = reflection.FieldSize(message, field);
            for (int i = 0; i < size; ++i)
                if (entry.message ? !valid(reflection.GetRepeatedMessage(message, field, i), *entry.message)
                                  : !rpc::is_utf8(reflection.GetRepeatedStringReference(message, field, i, &scratch)))
                    return false;
        } else if (entry.message) {
            if (reflection.HasField(message, field) && !valid(reflection.GetMessage(message, field), *entry.message)) return false;
        } else if (!rpc::is_utf8(reflection.GetStringReference(message, field, &scratch)))
            return false;
    }
    return true;
}

void repair(pb::Message& message, const MessageSchema& schema) {
    if (!schema.has_text) return;
    const pb::Reflection& reflection = *message.GetReflection();
    for (const FieldSchema& entry : schema.fields) {
        if (!entry.has_text) continue;
        const Field* field = entry.field;
        if (field->is_repeated()) {
            const int size = reflection.FieldSize(message, field);
            for (int i = 0; i < size; ++i)
                if (entry.message) repair(*reflection.MutableRepeatedMessage(&message, field, i), *entry.message);
                else reflection.SetRepeatedString(&message, field, i, rpc::make_utf8(reflection.GetRepeatedString(message, field, i)));
        } else if (entry.message) {
            if (reflection.HasField(message, field)) repair(*reflection.MutableMessage(&message, field), *entry.message);
        } else
            reflection.SetString(&message, field, rpc::make_utf8(reflection.GetString(message, field)));
    }
}

} // namespace

bool has_valid_text(const pb::Message& message) { return valid(message, schema_of(message.GetDescriptor())); }
void make_text_valid(pb::Message& message) { repair(message, schema_of(message.GetDescriptor())); }

} // namespace cubelink::icd
