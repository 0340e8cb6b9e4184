// Values as wslink clients might send them, into a message of each type. The input is a program that builds a value, so that
// field names and enum names come up often. What the bridge accepts must come back unchanged from a second trip.
//
// link: cubelink_icd

#include "rpc/icd/body.hpp"
#include "rpc/icd/bridge.hpp"
#include "rpc/icd/events.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

using namespace cubelink;
namespace pb = google::protobuf;
using rpc::Array;
using rpc::Map;
using rpc::Value;

class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

    std::uint8_t byte() {
        if (size_ == 0) return 0;
        --size_;
        return *data_++;
    }
    template <class T>
    T number() {
        T out{};
        for (std::size_t i = 0; i < sizeof(T); ++i) reinterpret_cast<std::uint8_t*>(&out)[i] = byte();
        return out;
    }
    std::string text() {
        std::string out(byte() % 24, '\0');
        for (char& c : out) c = static_cast<char>(byte());
        return out;
    }
    bool done() const { return size_ == 0; }

private:
    const std::uint8_t* data_;
    std::size_t size_;
};

/// A value that may fit `field` (nullptr: any), of `type` where that is a message.
Value make(Input& in, const pb::Descriptor* type, const pb::FieldDescriptor* field, int depth);

Value make_map(Input& in, const pb::Descriptor* type, int depth) {
    Map map;
    for (int n = in.byte() % 8; n > 0 && !in.done(); --n) {
        const std::uint8_t choice = in.byte();
        if (!type || choice < 8) {
            map.append(choice % 2 ? Value(in.text()) : Value(in.number<std::int16_t>()), make(in, nullptr, nullptr, depth + 1));
            continue;
        }
        const pb::FieldDescriptor* field = type->field(choice % type->field_count());
        map.append(choice & 0x40 ? field->json_name() : field->name(), make(in, field->message_type(), field, depth + 1));
    }
    return map;
}

Value make(Input& in, const pb::Descriptor* type, const pb::FieldDescriptor* field, int depth) {
    const std::uint8_t choice = in.byte();
    if (depth > 8) return nullptr;
    if (field && choice >= 64) { // a value that should do
        if (field->is_map()) {
            Map map;
            for (int n = choice % 4; n > 0; --n) {
                const pb::FieldDescriptor* mapped = field->message_type()->map_value();
                map.append(in.byte() % 2 ? Value(std::to_string(in.number<std::int8_t>())) : Value(in.number<std::int8_t>()),
                           make(in, mapped->message_type(), mapped, depth + 1));
            }
            return map;
        }
        if (field->is_repeated() && choice >= 96) {
            Array array;
            for (int n = choice % 5; n > 0; --n)
                array.push_back(type ? make_map(in, type, depth) : make(in, nullptr, nullptr, depth + 1));
            return array;
        }
        if (type) return make_map(in, type, depth);
        if (field->enum_type()) return field->enum_type()->value(in.byte() % field->enum_type()->value_count())->name();
    }
    switch (choice % 12) {
    case 0: return nullptr;
    case 1: return in.byte() % 2 == 0;
    case 2: return in.number<std::int64_t>();
    case 3: return in.number<std::uint64_t>();
    case 4: return in.number<double>();
    case 5: return static_cast<double>(in.number<std::int32_t>());
    case 6: return in.text();
    case 7: return rpc::Bytes::take(in.text());
    case 8: return in.number<std::int8_t>();
    case 9: {
        Array array;
        for (int n = in.byte() % 4; n > 0; --n) array.push_back(make(in, nullptr, nullptr, depth + 1));
        return array;
    }
    case 10: return rpc::Extension{static_cast<std::int8_t>(in.byte()), rpc::Bytes::take(in.text())};
    default: return make_map(in, type, depth);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input in(data, size);
    const auto& events = icd::events();
    const icd::Event& event = events[1 + in.byte() % (events.size() - 1)];
    const Value value = make_map(in, event.prototype->GetDescriptor(), 0);
    std::shared_ptr<pb::Message> message(event.prototype->New());
    try {
        icd::from_value(value, *message);
    } catch (const rpc::BadArguments& refused) {
        if (std::string_view(refused.what()).empty()) std::abort();
        return 0;
    }
    const Value shown = icd::to_value(message);
    std::shared_ptr<pb::Message> again(event.prototype->New());
    icd::from_value(shown, *again);
    if (!(icd::to_value(again) == shown)) std::abort();
    if (icd::MessageBody(message).serialized().size() != message->ByteSizeLong()) std::abort();
    return 0;
}
