#pragma once
/// What a decoder of either generation has made of one message of a client, and what becomes of it.
///
/// A message can be bad in two ways. It may break a rule that says nothing of its structure (too deep, a key twice, a number beyond
/// 64 bits): decoders then read on, keeping nothing but the id. Or its structure is broken: then what came before the break is known.
/// Either way a message that has shown its id is answered with an error, so that its caller does not wait for ever; one that
/// has not ends the connection.

#include "rpc/dialect.hpp"
#include "rpc/values/value.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace cubelink::rpc {

struct Decoded {
    Value message;                 // meaningful if `problem` is empty
    std::string problem;           // what is wrong with it
    std::optional<std::string> id; // of a bad message, if it could be read

    bool good() const { return problem.empty(); }
};

/// Values (scalars, containers, keys) that one message may hold. Each takes some 50 bytes of memory and as little as one on the wire.
inline constexpr std::size_t max_values_per_message = 8u << 20;

/// A key that the map holds twice, or nullptr. Takes n log n time whatever the keys are.
const Value* duplicate_key(const Map& map);

/// Hands a message to the sink: as a request, as a refusal if it is bad and has an id, or as the end of the connection.
/// `wire` is the format's name for error messages.
void deliver(Decoded&& decoded, std::string_view wire, DialectSink& sink);

} // namespace cubelink::rpc
