#pragma once
/// The one bridge between ICD messages and wslink values, by protobuf reflection: no code per message.
///
/// Messages become maps with the ICD's field names. Enums become their names (a number without a name stays a number), `bytes`
/// become Bytes, 32- and 64-bit integers integers, float and double fields floats, map fields maps with string keys in ascending
/// order. Every field is present except unset sub-messages.
///
/// In the other direction field names may also be camelCase; enums may be names or numbers; float fields take integers, and null
/// for NaN; integer fields take integral floats within ±2^53; keys of map fields may be strings or integers; absent fields have
/// protobuf's defaults. Everything else throws rpc::BadArguments with the path of the field:
/// `image_bounds.x_max: expected an integer, got "a"`.
///
/// No state but tables made at first use: any thread may call any function.

#include "rpc/message.hpp"

#include <memory>

namespace google::protobuf {
class Message;
} // namespace google::protobuf

namespace cubelink::icd {

/// `message` as a map; Bytes in it share its memory and keep it alive. Text that is not UTF-8 is made so.
rpc::Value to_value(const std::shared_ptr<const google::protobuf::Message>& message);

/// Fills `message`, which must be empty, from a map. Throws BadArguments; the message is then in an unspecified state.
void from_value(const rpc::Value& value, google::protobuf::Message& message);

/// The message of a call: its native one (of the same type), or its one positional argument, or its keyword arguments, or
/// nothing at all, which is the empty message. Throws BadArguments.
void message_from_call(const rpc::Request& request, google::protobuf::Message& message);

} // namespace cubelink::icd
