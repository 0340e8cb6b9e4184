#pragma once
/// Limits and times that hold for every connection of a server. The interface's values are the defaults; tests use shorter times.

#include <chrono>
#include <cstddef>

namespace cubelink::server {

struct ConnectionRules {
    using Duration = std::chrono::milliseconds;

    // Times.
    Duration hello{10'000};           // from the upgrade to a right hello
    Duration ping{30'000};            // between two pings; as long may a client be silent
    Duration heartbeat_minimum{30'000}; // a client that beats by itself may pause for three of its intervals, and at least this
    Duration unfinished{60'000};      // without progress of a message that has begun
    Duration idle{0};                 // a client that sends no message for so long is dropped; 0: never
    Duration closing{5'000};          // for what waits to leave, once a connection is to be closed
    Duration overflow{20'000};        // for a client that did not read to take the frames that the socket has, and the close frame
    Duration tick{250};               // how often the clock is looked at

    // Input, in bytes: of one WebSocket frame, of one message, of all unfinished messages of a connection.
    std::size_t first_frame = 524, first_message = 512;
    std::size_t json_frame = std::size_t{64} << 20;
    std::size_t msgpack_frame = (std::size_t{4} << 20) + (std::size_t{4} << 10);
    std::size_t token_dialect_frame = std::size_t{64} << 20;
    std::size_t message = std::size_t{256} << 20;
    std::size_t unfinished_bytes = std::size_t{256} << 20;
    std::size_t unfinished_bytes_process = std::size_t{1} << 30;
    unsigned wrong_secrets = 5;
    /// Messages that cost more to decode than so many bytes are decoded by a worker, one of a connection at a time; answers that cost more to
    /// encode are encoded there.
    std::size_t decode_inline = std::size_t{256} << 10, encode_inline = std::size_t{256} << 10;

    // Calls of one connection that wait for their answers. Beyond the first two, nothing more is read from it until they are fewer;
    // long work does not count there (the call that stops it must get through) but has limits of its own, beyond which calls fail. Bytes are
    // what arguments take in memory. When those of all connections together are too many, larger calls fail.
    std::size_t calls_in_order = 1000;
    std::size_t bytes_of_calls = std::size_t{64} << 20;
    std::size_t calls_when_done = 10'000;
    std::size_t bytes_of_calls_process = std::size_t{512} << 20, bytes_of_small_call = std::size_t{256} << 10;

    // Output.
    std::size_t outbox = std::size_t{64} << 20;
    std::size_t frames_at_once = 256, bytes_at_once = std::size_t{1} << 20; // handed over to the socket

    /// Generation 2 tells clients the largest frame that they may send, its header included.
    static constexpr std::size_t advertised_frame = std::size_t{4} << 20;
};

} // namespace cubelink::server
