#pragma once
/// How a message may be treated while it waits for a client that reads slowly.

#include <cstdint>
#include <string>

namespace cubelink::pubsub {

enum class DeliveryClass {
    must_arrive, // replies, acknowledgements, syncs and tiles of a live set. If these no longer fit, the connection is closed (1013)
    replaceable, // a newer message with the same key takes its place (a cursor profile)
    droppable,   // may be left out under pressure (progress)
};

/// A set of messages that arrives whole or not at all: the tiles of one request, from begin-sync to end-sync.
/// `key` says what it shows ("tiles:<connection>:<file>"): a newer set with the same key and another `generation` overtakes
/// those that have not begun to leave. Sets of one generation do not overtake one another.
struct Delivery {
    DeliveryClass delivery_class = DeliveryClass::must_arrive;
    std::string key{};            // replaceable: what it is about
    std::uint64_t set_id = 0;     // 0: not part of a set
    std::string set_key{};
    std::uint64_t generation = 0; // e.g. counts channel changes
    bool set_begin = false;       // the set's first message
    bool set_end = false;         // the set's last message
};

} // namespace cubelink::pubsub
