#pragma once
/// Random ICD messages for tests: every field may be anything its type can hold. The same seed gives the same messages.

#include <google/protobuf/message.h>

#include <cstdint>
#include <random>

namespace cubelink::icd::test {

using Random = std::mt19937_64;

/// Fills `message`. Floats are often special (NaN, infinities, -0, denormal), integers often at their limits, text often outside
/// ASCII but always valid, enums sometimes without a name.
void randomise(google::protobuf::Message& message, Random& random);

/// Protobuf's wire format in deterministic order, to compare messages by (NaN equals itself there).
std::string wire_of(const google::protobuf::Message& message);

} // namespace cubelink::icd::test
