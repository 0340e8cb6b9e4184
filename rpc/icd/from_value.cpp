#include "rpc/icd/bridge.hpp"

#include "rpc/icd/body.hpp"
#include "rpc/icd/schema.hpp"
#include "rpc/values/utf8.hpp"

#include <cfloat>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace cubelink::icd {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;
using rpc::Array;
using rpc::BadArguments;
using rpc::Bytes;
using rpc::Map;
using rpc::Value;

constexpr std::size_t memory_limit = std::size_t{256} << 20; // for the sub-messages of one message
constexpr double exact_integers = 9007199254740992.0;        // 2^53

/// The way to a field, kept on the stack and written out only in an error.
struct Path {
    const Path* parent = nullptr;
    const std::string* name = nullptr; // of a field
    const Value* key = nullptr;        // of a map field's entry
    std::size_t index = 0;             // of an element, if neither

    std::string text() const {
        if (!parent) return {};
        const std::string before = parent->text();
        if (name) return before.empty() ? *name : before + "." + *name;
        return before + "[" + (key ? rpc::brief(*key) : std::to_string(index)) + "]";
    }
    [[noreturn]] void fail(const std::string& what) const {
        const std::string where = text();
        throw BadArguments(rpc::make_utf8(where.empty() ? what : where + ": " + what));
    }
    [[noreturn]] void expected(std::string_view what, const Value& got) const {
        fail("expected " + std::string(what) + ", got " + rpc::brief(got));
    }
};

/// An integer of the type that the field has; `Limits` are its numeric limits.
template <class T>
T integer(const Value& value, const Path& path) {
    using Limits = std::numeric_limits<T>;
    const auto out_of_range = [&] {
        path.expected("an integer from " + std::to_string(Limits::min()) + " to " + std::to_string(Limits::max()), value);
    };
    if (const auto* i = value.get_if<std::int64_t>()) {
        if (!std::in_range<T>(*i)) out_of_range();
        return static_cast<T>(*i);
    }
    if (const auto* u = value.get_if<std::uint64_t>()) {
        if (!std::in_range<T>(*u)) out_of_range();
        return static_cast<T>(*u);
    }
    if (const auto* d = value.get_if<double>(); d && std::abs(*d) <= exact_integers && *d == std::trunc(*d)) {
        const auto i = static_cast<std::int64_t>(*d);
        if (!std::in_range<T>(i)) out_of_range();
        return static_cast<T>(i);
    }
    path.expected("an integer", value);
}

double number(const Value& value, const Path& path) {
    if (const auto* d = value.get_if<double>()) return *d;
    if (const auto* i = value.get_if<std::int64_t>()) return static_cast<double>(*i);
    if (const auto* u = value.get_if<std::uint64_t>()) return static_cast<double>(*u);
    if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
    path.expected("a number", value);
}

float short_number(const Value& value, const Path& path) {
    const double d = number(value, path);
    if (std::isfinite(d) && std::abs(d) > static_cast<double>(FLT_MAX)) path.expected("a number that fits 32-bit floats", value);
    return static_cast<float>(d);
}

bool flag(const Value& value, const Path& path) {
    if (const auto* b = value.get_if<bool>()) return *b;
    path.expected("a bool", value);
}

int enumerator(const Field& field, const Value& value, const Path& path) {
    if (const auto* name = value.get_if<std::string>()) {
        if (const pb::EnumValueDescriptor* known = field.enum_type()->FindValueByName(*name)) return known->number();
        path.expected("a name or number of " + field.enum_type()->name(), value);
    }
    if (!value.is<std::int64_t>() && !value.is<std::uint64_t>() && !value.is<double>())
        path.expected("a name or number of " + field.enum_type()->name(), value);
    return integer<std::int32_t>(value, path);
}

const std::string& text(const Value& value, const Path& path) {
    const auto* string = value.get_if<std::string>();
    if (!string) path.expected("a string", value);
    if (!rpc::is_utf8(*string)) path.fail("not valid UTF-8");
    return *string;
}

std::string bytes(const Value& value, const Path& path) {
    const auto* held = value.get_if<Bytes>();
    if (!held) path.expected("bytes", value);
    return std::string(held->text());
}

class FromValue {
public:
    void message(const Value& value, pb::Message& message, const MessageSchema& schema, const Path& path) {
        const auto* map = value.get_if<Map>();
        if (!map) path.expected("a map", value);
        this->message(*map, message, schema, path);
    }

    void message(const Map& map, pb::Message& message, const MessageSchema& schema, const Path& path) {
        std::uint64_t given = 0; // by index; no ICD message has more than 14 fields
        for (const auto& [key, value] : map) {
            const auto* name = key.get_if<std::string>();
            if (!name) path.expected("names of fields of " + schema.type->name(), key);
            const FieldSchema* entry = schema.find(*name);
            if (!entry) {
                std::string shown = name->size() > 60 ? name->substr(0, 60) + "…" : *name;
                for (char& c : shown) // a NUL would end what() before it began
                    if (static_cast<unsigned char>(c) < 0x20) c = '.';
                Path{&path, &shown}.fail("unknown field of " + schema.type->name());
            }
            const Path here{&path, &entry->field->name()};
            const std::uint64_t bit = std::uint64_t{1} << entry->field->index();
            if (given & bit) here.fail("given twice");
            given |= bit;
            field(value, message, *entry, here);
        }
    }

private:
    std::size_t budget_ = memory_limit;

    void spend(const MessageSchema& schema, const Path& path) {
        if (schema.size > budget_) path.fail("too many elements");
        budget_ -= schema.size;
    }

    void field(const Value& value, pb::Message& message, const FieldSchema& entry, const Path& path) {
        const Field* field = entry.field;
        const pb::Reflection& reflection = *message.GetReflection();
        if (field->is_map()) return map_field(value, message, entry, path);
        if (field->is_repeated()) {
            const auto* array = value.get_if<Array>();
            if (!array) path.expected("a list", value);
            for (std::size_t i = 0; i < array->size(); ++i)
                element((*array)[i], message, reflection, entry, Path{&path, nullptr, nullptr, i});
            return;
        }
        switch (field->cpp_type()) {
        case Field::CPPTYPE_INT32: return reflection.SetInt32(&message, field, integer<std::int32_t>(value, path));
        case Field::CPPTYPE_INT64: return reflection.SetInt64(&message, field, integer<std::int64_t>(value, path));
        case Field::CPPTYPE_UINT32: return reflection.SetUInt32(&message, field, integer<std::uint32_t>(value, path));
        case Field::CPPTYPE_UINT64: return reflection.SetUInt64(&message, field, integer<std::uint64_t>(value, path));
        case Field::CPPTYPE_DOUBLE: return reflection.SetDouble(&message, field, number(value, path));
        case Field::CPPTYPE_FLOAT: return reflection.SetFloat(&message, field, short_number(value, path));
        case Field::CPPTYPE_BOOL: return reflection.SetBool(&message, field, flag(value, path));
        case Field::CPPTYPE_ENUM: return reflection.SetEnumValue(&message, field, enumerator(*field, value, path));
        case Field::CPPTYPE_MESSAGE:
            spend(*entry.message, path);
            return this->message(value, *reflection.MutableMessage(&message, field), *entry.message, path);
        case Field::CPPTYPE_STRING: return reflection.SetString(&message, field, string(*field, value, path));
        }
    }

    void element(const Value& value, pb::Message& message, const pb::Reflection& reflection, const FieldSchema& entry,
                 const Path& path) {
        const Field* field = entry.field;
        switch (field->cpp_type()) {
        case Field::CPPTYPE_INT32: return reflection.AddInt32(&message, field, integer<std::int32_t>(value, path));
        case Field::CPPTYPE_INT64: return reflection.AddInt64(&message, field, integer<std::int64_t>(value, path));
        case Field::CPPTYPE_UINT32: return reflection.AddUInt32(&message, field, integer<std::uint32_t>(value, path));
        case Field::CPPTYPE_UINT64: return reflection.AddUInt64(&message, field, integer<std::uint64_t>(value, path));
        case Field::CPPTYPE_DOUBLE: return reflection.AddDouble(&message, field, number(value, path));
        case Field::CPPTYPE_FLOAT: return reflection.AddFloat(&message, field, short_number(value, path));
        case Field::CPPTYPE_BOOL: return reflection.AddBool(&message, field, flag(value, path));
        case Field::CPPTYPE_ENUM: return reflection.AddEnumValue(&message, field, enumerator(*field, value, path));
        case Field::CPPTYPE_MESSAGE:
            spend(*entry.message, path);
            return this->message(value, *reflection.AddMessage(&message, field), *entry.message, path);
        case Field::CPPTYPE_STRING: return reflection.AddString(&message, field, string(*field, value, path));
        }
    }

    static std::string string(const Field& field, const Value& value, const Path& path) {
        return field.type() == Field::TYPE_BYTES ? bytes(value, path) : text(value, path);
    }

    /// Keys are compared as the text that they would be in a reply: 1 and "1" are the same key.
    void map_field(const Value& value, pb::Message& message, const FieldSchema& entry, const Path& path) {
        const auto* map = value.get_if<Map>();
        if (!map) path.expected("a map", value);
        const FieldSchema& key_field = *entry.message->find(1);
        const FieldSchema& value_field = *entry.message->find(2);
        const pb::Reflection& reflection = *message.GetReflection();
        std::set<std::string> given;
        for (const auto& [key, mapped] : *map) {
            const Path here{&path, nullptr, &key};
            const Value normal = map_key(key, *key_field.field, here);
            const auto* number = normal.get_if<std::int64_t>();
            if (!given.insert(number ? std::to_string(*number) : *normal.get_if<std::string>()).second) here.fail("given twice");
            spend(*entry.message, here);
            pb::Message& pair = *reflection.AddMessage(&message, entry.field);
            field(normal, pair, key_field, here);
            field(mapped, pair, value_field, here);
        }
    }

    static Value map_key(const Value& key, const Field& field, const Path& path) {
        const auto* string = key.get_if<std::string>();
        if (field.cpp_type() == Field::CPPTYPE_STRING) {
            if (const auto* number = key.get_if<std::int64_t>()) return std::to_string(*number);
            return text(key, path);
        }
        if (!string) return integer<std::int64_t>(key, path);
        std::int64_t number = 0;
        const char* end = string->data() + string->size();
        const auto [rest, problem] = std::from_chars(string->data(), end, number);
        if (problem != std::errc() || rest != end) path.expected("an integer as key", key);
        return number;
    }
};

} // namespace

void from_value(const Value& value, pb::Message& message) {
    FromValue().message(value, message, schema_of(message.GetDescriptor()), Path{});
}

void message_from_call(const rpc::Request& request, pb::Message& message) {
    if (request.native) {
        const auto native = message_of(request.native);
        if (!native || native->GetDescriptor() != message.GetDescriptor()) throw BadArguments("expected a " + message.GetTypeName());
        message.CopyFrom(*native);
        return;
    }
    if (!request.args.empty() && !request.kwargs.empty())
        throw BadArguments("expected one positional argument or keyword arguments, not both");
    if (request.args.size() > 1)
        throw BadArguments("expected one positional argument, a map, got " + std::to_string(request.args.size()));
    const MessageSchema& schema = schema_of(message.GetDescriptor());
    if (request.args.empty()) FromValue().message(request.kwargs, message, schema, Path{});
    else FromValue().message(request.args.front(), message, schema, Path{});
}

} // namespace cubelink::icd
