#include "tests/rpc/icd/random_message.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <limits>
#include <set>
#include <string>

namespace cubelink::icd::test {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

template <class T>
T integer(Random& random) {
    switch (random() % 5) {
    case 0: return std::numeric_limits<T>::min();
    case 1: return std::numeric_limits<T>::max();
    case 2: return static_cast<T>(random() % 10);
    default: return static_cast<T>(random());
    }
}

template <class T>
T floating(Random& random) {
    using Limits = std::numeric_limits<T>;
    switch (random() % 9) {
    case 0: return Limits::quiet_NaN();
    case 1: return Limits::infinity();
    case 2: return -Limits::infinity();
    case 3: return T(-0.0);
    case 4: return Limits::denorm_min();
    case 5: return Limits::lowest();
    case 6: return static_cast<T>(random() % 1000);
    default: return std::uniform_real_distribution<T>(-1e6, 1e6)(random);
    }
}

std::string text(Random& random) {
    static const char* const pieces[] = {"a", "Z", " ", "é", "星", "𝜆", "\\", "\"", "\n", "wslink_bin0"};
    std::string out;
    for (auto n = random() % 6; n > 0; --n) out += pieces[random() % std::size(pieces)];
    return out;
}

std::string bytes(Random& random) {
    std::string out(random() % 40, '\0');
    for (char& c : out) c = static_cast<char>(random());
    return out;
}

int enumerator(const Field* field, Random& random) {
    if (random() % 8 == 0) return static_cast<int>(random() % 1000) - 500;
    return field->enum_type()->value(static_cast<int>(random() % static_cast<unsigned>(field->enum_type()->value_count())))->number();
}

void set(pb::Message& message, const Field* field, Random& random) {
    const pb::Reflection& r = *message.GetReflection();
    switch (field->cpp_type()) {
    case Field::CPPTYPE_INT32: return r.SetInt32(&message, field, integer<std::int32_t>(random));
    case Field::CPPTYPE_INT64: return r.SetInt64(&message, field, integer<std::int64_t>(random));
    case Field::CPPTYPE_UINT32: return r.SetUInt32(&message, field, integer<std::uint32_t>(random));
    case Field::CPPTYPE_UINT64: return r.SetUInt64(&message, field, integer<std::uint64_t>(random));
    case Field::CPPTYPE_DOUBLE: return r.SetDouble(&message, field, floating<double>(random));
    case Field::CPPTYPE_FLOAT: return r.SetFloat(&message, field, floating<float>(random));
    case Field::CPPTYPE_BOOL: return r.SetBool(&message, field, random() % 2);
    case Field::CPPTYPE_ENUM: return r.SetEnumValue(&message, field, enumerator(field, random));
    case Field::CPPTYPE_MESSAGE: return randomise(*r.MutableMessage(&message, field), random);
    case Field::CPPTYPE_STRING:
        return r.SetString(&message, field, field->type() == Field::TYPE_BYTES ? bytes(random) : text(random));
    }
}

void add(pb::Message& message, const Field* field, Random& random) {
    const pb::Reflection& r = *message.GetReflection();
    switch (field->cpp_type()) {
    case Field::CPPTYPE_INT32: return r.AddInt32(&message, field, integer<std::int32_t>(random));
    case Field::CPPTYPE_INT64: return r.AddInt64(&message, field, integer<std::int64_t>(random));
    case Field::CPPTYPE_UINT32: return r.AddUInt32(&message, field, integer<std::uint32_t>(random));
    case Field::CPPTYPE_UINT64: return r.AddUInt64(&message, field, integer<std::uint64_t>(random));
    case Field::CPPTYPE_DOUBLE: return r.AddDouble(&message, field, floating<double>(random));
    case Field::CPPTYPE_FLOAT: return r.AddFloat(&message, field, floating<float>(random));
    case Field::CPPTYPE_BOOL: return r.AddBool(&message, field, random() % 2);
    case Field::CPPTYPE_ENUM: return r.AddEnumValue(&message, field, enumerator(field, random));
    case Field::CPPTYPE_MESSAGE: return randomise(*r.AddMessage(&message, field), random);
    case Field::CPPTYPE_STRING:
        return r.AddString(&message, field, field->type() == Field::TYPE_BYTES ? bytes(random) : text(random));
    }
}

/// Keys must differ: entries that share one are made again until they do not.
void add_entries(pb::Message& message, const Field* field, Random& random) {
    const pb::Reflection& r = *message.GetReflection();
    std::set<std::string> keys;
    for (auto n = random() % 5; n > 0; --n) {
        pb::Message& entry = *r.AddMessage(&message, field);
        const Field* key = entry.GetDescriptor()->map_key();
        do set(entry, key, random);
        while (!keys.insert(key->cpp_type() == Field::CPPTYPE_STRING  ? entry.GetReflection()->GetString(entry, key)
                            : key->cpp_type() == Field::CPPTYPE_INT32 ? std::to_string(entry.GetReflection()->GetInt32(entry, key))
                                                                      : std::to_string(entry.GetReflection()->GetUInt32(entry, key)))
                    .second);
        set(entry, entry.GetDescriptor()->map_value(), random);
    }
}

} // namespace

void randomise(pb::Message& message, Random& random) {
    const pb::Descriptor* type = message.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
        const Field* field = type->field(i);
        if (random() % 4 == 0) continue;
        if (field->is_map()) add_entries(message, field, random);
        else if (field->is_repeated())
            for (auto n = random() % 4; n > 0; --n) add(message, field, random);
        else set(message, field, random);
    }
}

std::string wire_of(const pb::Message& message) {
    std::string out;
    {
        pb::io::StringOutputStream stream(&out);
        pb::io::CodedOutputStream coded(&stream);
        coded.SetSerializationDeterministic(true);
        message.SerializeToCodedStream(&coded);
    }
    return out;
}

} // namespace cubelink::icd::test
