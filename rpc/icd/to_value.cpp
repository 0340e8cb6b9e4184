#include "rpc/icd/bridge.hpp"
#include "rpc/icd/schema.hpp"
#include "rpc/values/utf8.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace cubelink::icd {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;
using rpc::Array;
using rpc::Bytes;
using rpc::Map;
using rpc::Value;

Value text(const std::string& stored) { return rpc::is_utf8(stored) ? Value(stored) : Value(rpc::make_utf8(stored)); }

Value enum_value(const Field* field, int number) {
    const pb::EnumValueDescriptor* known = field->enum_type()->FindValueByNumber(number);
    return known ? Value(known->name()) : Value(number);
}

class ToValue {
public:
    explicit ToValue(const std::shared_ptr<const pb::Message>& root) : owner_(root) {}

    Value message(const pb::Message& message, const MessageSchema& schema) const {
        const pb::Reflection& reflection = *message.GetReflection();
        Map map;
        map.reserve(schema.fields.size());
        for (const FieldSchema& entry : schema.fields) {
            const Field* field = entry.field;
            if (field->is_map()) map.append(field->name(), map_field(message, reflection, entry));
            else if (field->is_repeated()) map.append(field->name(), list(message, reflection, entry));
            else if (!entry.message || reflection.HasField(message, field))
                map.append(field->name(), single(message, reflection, entry));
        }
        return map;
    }

private:
    std::shared_ptr<const void> owner_; // of the root message, which all parts and their bytes live in

    Value bytes(const std::string& stored) const { return Bytes::view(owner_, stored); }

    Value single(const pb::Message& message, const pb::Reflection& reflection, const FieldSchema& entry) const {
        const Field* field = entry.field;
        std::string scratch; // never used: our fields are plain strings
        switch (field->cpp_type()) {
        case Field::CPPTYPE_INT32: return reflection.GetInt32(message, field);
        case Field::CPPTYPE_INT64: return reflection.GetInt64(message, field);
        case Field::CPPTYPE_UINT32: return reflection.GetUInt32(message, field);
        case Field::CPPTYPE_UINT64: return reflection.GetUInt64(message, field);
        case Field::CPPTYPE_DOUBLE: return reflection.GetDouble(message, field);
        case Field::CPPTYPE_FLOAT: return reflection.GetFloat(message, field);
        case Field::CPPTYPE_BOOL: return reflection.GetBool(message, field);
        case Field::CPPTYPE_ENUM: return enum_value(field, reflection.GetEnumValue(message, field));
        case Field::CPPTYPE_MESSAGE: return this->message(reflection.GetMessage(message, field), *entry.message);
        case Field::CPPTYPE_STRING: break;
        }
        const std::string& stored = reflection.GetStringReference(message, field, &scratch);
        return field->type() == Field::TYPE_BYTES ? bytes(stored) : text(stored);
    }

    Value list(const pb::Message& message, const pb::Reflection& reflection, const FieldSchema& entry) const {
        const Field* field = entry.field;
        const int size = reflection.FieldSize(message, field);
        Array array;
        array.reserve(static_cast<std::size_t>(size));
        const auto fill = [&](auto element) {
            for (int i = 0; i < size; ++i) array.emplace_back(element(i));
        };
        std::string scratch;
        switch (field->cpp_type()) {
        case Field::CPPTYPE_INT32: fill([&](int i) { return reflection.GetRepeatedInt32(message, field, i); }); break;
        case Field::CPPTYPE_INT64: fill([&](int i) { return reflection.GetRepeatedInt64(message, field, i); }); break;
        case Field::CPPTYPE_UINT32: fill([&](int i) { return reflection.GetRepeatedUInt32(message, field, i); }); break;
        case Field::CPPTYPE_UINT64: fill([&](int i) { return reflection.GetRepeatedUInt64(message, field, i); }); break;
        case Field::CPPTYPE_DOUBLE: fill([&](int i) { return reflection.GetRepeatedDouble(message, field, i); }); break;
        case Field::CPPTYPE_FLOAT: fill([&](int i) { return reflection.GetRepeatedFloat(message, field, i); }); break;
        case Field::CPPTYPE_BOOL: fill([&](int i) { return reflection.GetRepeatedBool(message, field, i); }); break;
        case Field::CPPTYPE_ENUM:
            fill([&](int i) { return enum_value(field, reflection.GetRepeatedEnumValue(message, field, i)); });
            break;
        case Field::CPPTYPE_MESSAGE:
            fill([&](int i) { return this->message(reflection.GetRepeatedMessage(message, field, i), *entry.message); });
            break;
        case Field::CPPTYPE_STRING:
            fill([&](int i) {
                const std::string& stored = reflection.GetRepeatedStringReference(message, field, i, &scratch);
                return field->type() == Field::TYPE_BYTES ? bytes(stored) : text(stored);
            });
            break;
        }
        return array;
    }

    /// The entries as protobuf's reflection shows them: messages of a key and a value. Their order in memory is random.
    Value map_field(const pb::Message& message, const pb::Reflection& reflection, const FieldSchema& entry) const {
        const FieldSchema& key = *entry.message->find(1);
        const FieldSchema& value = *entry.message->find(2);
        const int size = reflection.FieldSize(message, entry.field);
        std::vector<std::pair<Value, Value>> entries;
        entries.reserve(static_cast<std::size_t>(size));
        for (int i = 0; i < size; ++i) {
            const pb::Message& pair = reflection.GetRepeatedMessage(message, entry.field, i);
            const pb::Reflection& inner = *pair.GetReflection();
            entries.emplace_back(single(pair, inner, key), single(pair, inner, value));
        }
        std::ranges::sort(entries, [](const auto& a, const auto& b) { return key_less(a.first, b.first); });
        Map map;
        map.reserve(entries.size());
        for (auto& [k, v] : entries) map.append(key_text(k), std::move(v));
        return map;
    }

    /// Both of the same type, which is that of a map's keys.
    static bool key_less(const Value& a, const Value& b) {
        if (const auto* string = a.get_if<std::string>()) return *string < *b.get_if<std::string>();
        if (const auto* flag = a.get_if<bool>()) return *flag < *b.get_if<bool>();
        const auto* large_a = a.get_if<std::uint64_t>();
        const auto* large_b = b.get_if<std::uint64_t>();
        if (large_a && large_b) return *large_a < *large_b;
        if (large_a || large_b) return !large_a; // a uint64_t is held only where an int64_t does not reach
        return *a.get_if<std::int64_t>() < *b.get_if<std::int64_t>();
    }

    static std::string key_text(const Value& key) {
        if (const auto* string = key.get_if<std::string>()) return *string;
        if (const auto* flag = key.get_if<bool>()) return *flag ? "true" : "false";
        if (const auto* large = key.get_if<std::uint64_t>()) return std::to_string(*large);
        return std::to_string(*key.get_if<std::int64_t>());
    }
};

} // namespace

Value to_value(const std::shared_ptr<const pb::Message>& message) {
    return ToValue(message).message(*message, schema_of(message->GetDescriptor()));
}

} // namespace cubelink::icd
