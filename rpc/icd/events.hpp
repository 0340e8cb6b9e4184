#pragma once
/// What travels under which event number: the table of the ICD's events, made from rpc/icd/events.proto at first use.
///
/// Read-only after that; every function may be called from any thread. Events live as long as the process.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace google::protobuf {
class Descriptor;
class Message;
} // namespace google::protobuf

namespace cubelink::icd {

enum class Direction { none, to_server, to_client };

struct Event {
    std::uint16_t number = 0;
    std::string_view name;                                // the ICD's: "OPEN_FILE"
    std::string method;                                   // of the call or topic: "carta.open.file"
    Direction direction = Direction::none;                // none: EMPTY_EVENT, the heartbeat
    const Event* reply = nullptr;                         // the event that answers this one, if the ICD has one
    const google::protobuf::Message* prototype = nullptr; // its default message; nullptr for EMPTY_EVENT
};

/// All events, by ascending number.
const std::vector<Event>& events();

/// nullptr if there is none.
const Event* event_by_number(std::uint16_t number);
const Event* event_by_name(std::string_view name);
const Event* event_by_method(std::string_view method);
/// The event whose message is of this type; nullptr for parts of messages. (No type belongs to two events.)
const Event* event_of(const google::protobuf::Descriptor* type);
const Event* event_of(const google::protobuf::Message& message);

} // namespace cubelink::icd
