#pragma once
/// What goes on in a session by itself, one plane after the other: an animation (server/tasks/animation.hpp). One at a time plays in a
/// session.

#include <cstdint>

namespace cubelink::server {

/// Thread-safe.
class Playback {
public:
    virtual ~Playback() = default;
    /// Once it returns, nothing more is shown and no further set of tiles begins, also of those that wait for a slow client. May be called
    /// again.
    virtual void stop() = 0;
    /// The connection that started it, with which it ends.
    virtual std::uint64_t connection() const = 0;
};

} // namespace cubelink::server
