#include "rpc/icd/events.hpp"

#include "rpc/icd/messages.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <stdexcept>
#include <unordered_map>

namespace cubelink::icd {
namespace {

namespace pb = google::protobuf;

/// OPEN_FILE_ACK → OpenFileAck, the name of an event's message.
std::string camel_case(std::string_view name) {
    std::string out;
    bool upper = true;
    for (const char c : name) {
        if (c == '_') {
            upper = true;
            continue;
        }
        out += upper ? c : static_cast<char>(c + ('a' - 'A') * (c >= 'A' && c <= 'Z'));
        upper = false;
    }
    return out;
}

/// OPEN_FILE_ACK → carta.open.file.ack
std::string method_name(std::string_view name) {
    std::string out = "carta.";
    for (const char c : name)
        out += c == '_' ? '.' : static_cast<char>(c + ('a' - 'A') * (c >= 'A' && c <= 'Z'));
    return out;
}

/// The default message of an event. Each of the files that messages stand in is named here, which also links it in.
const pb::Message* prototype(const pb::EnumValueDescriptor& event) {
    static const pb::FileDescriptor* const files[] = {ListProgress::descriptor()->file(), OpenFile::descriptor()->file(),
                                                      FileListRequest::descriptor()->file(), RasterTileData::descriptor()->file()};
    std::string name = event.options().GetExtension(event_message);
    if (name.empty()) name = camel_case(event.name());
    for (const pb::FileDescriptor* file : files)
        if (const pb::Descriptor* type = file->FindMessageTypeByName(name))
            return pb::MessageFactory::generated_factory()->GetPrototype(type);
    throw std::logic_error("events.proto: no message for " + event.name());
}

struct Table {
    std::vector<Event> events;
    std::unordered_map<std::string_view, const Event*> by_name, by_method;
    std::unordered_map<const pb::Descriptor*, const Event*> by_type;

    Table() {
        const pb::EnumDescriptor* all = EventType_descriptor();
        for (int i = 0; i < all->value_count(); ++i) {
            const pb::EnumValueDescriptor& value = *all->value(i);
            Event event;
            event.number = static_cast<std::uint16_t>(value.number());
            event.name = value.name();
            event.method = method_name(value.name());
            if (value.number() != EMPTY_EVENT) {
                event.direction = value.options().GetExtension(event_to_client) ? Direction::to_client : Direction::to_server;
                event.prototype = prototype(value);
            }
            events.push_back(std::move(event));
        }
        std::ranges::sort(events, {}, &Event::number);
        for (const Event& event : events) {
            by_name.emplace(event.name, &event);
            if (!event.prototype) continue;
            by_method.emplace(event.method, &event);
            by_type.emplace(event.prototype->GetDescriptor(), &event);
        }
        for (Event& event : events) {
            const std::string& reply = all->FindValueByNumber(event.number)->options().GetExtension(event_reply);
            if (!reply.empty()) event.reply = by_name.at(reply);
        }
    }
};

const Table& table() {
    static const Table made;
    return made;
}

template <class Index, class Key>
const Event* look_up(const Index& index, const Key& key) {
    const auto found = index.find(key);
    return found == index.end() ? nullptr : found->second;
}

} // namespace

const std::vector<Event>& events() { return table().events; }

const Event* event_by_number(std::uint16_t number) {
    const auto& all = events();
    const auto found = std::ranges::lower_bound(all, number, {}, &Event::number);
    return found != all.end() && found->number == number ? &*found : nullptr;
}

const Event* event_by_name(std::string_view name) { return look_up(table().by_name, name); }
const Event* event_by_method(std::string_view method) { return look_up(table().by_method, method); }
const Event* event_of(const pb::Descriptor* type) { return look_up(table().by_type, type); }
const Event* event_of(const pb::Message& message) { return event_of(message.GetDescriptor()); }

} // namespace cubelink::icd
