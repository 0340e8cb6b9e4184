#pragma once
/// To whom of a group a publication is addressed. What each of them subscribed to decides the rest (pubsub/subscription.hpp).

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace cubelink::pubsub {

/// How a publication concerns one connection.
enum class Address {
    addressed,   // received unless the connection subscribed to other topics only
    if_named,    // required by others: received if the topic was subscribed to by name
    if_any_view, // of another connection's view: received if the topic was subscribed to with the filter {"view": "any"}
    excluded,    // not received in any case
};

struct Audience {
    enum class Kind : std::uint8_t {
        everyone,
        view,       // the connection whose view asked for it
        required,   // the connections that required it
        all_except, // everyone but these
    };
    Kind kind = Kind::everyone;
    std::vector<std::uint64_t> connections{}; // ascending

    static Audience view_of(std::uint64_t connection) { return {Kind::view, {connection}}; }
    static Audience required_by(std::vector<std::uint64_t> ascending) { return {Kind::required, std::move(ascending)}; }
    static Audience all_except(std::vector<std::uint64_t> ascending) { return {Kind::all_except, std::move(ascending)}; }

    Address address(std::uint64_t connection) const {
        if (kind == Kind::everyone) return Address::addressed;
        const bool listed = std::binary_search(connections.begin(), connections.end(), connection);
        if (kind == Kind::all_except) return listed ? Address::excluded : Address::addressed;
        return listed ? Address::addressed : kind == Kind::view ? Address::if_any_view : Address::if_named;
    }
    friend bool operator==(const Audience&, const Audience&) = default;
};

} // namespace cubelink::pubsub
