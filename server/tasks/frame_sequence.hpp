#pragma once
/// Which frames an animation shows, one after the other (ICD: START_ANIMATION), and how far it is ahead of its client. Plain values, no
/// clock.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace cubelink::server {

/// ICD AnimationFrame. `stokes` is an index into the animation's list of stokes, see FrameRange::stokes_indices.
struct Frame {
    std::int32_t channel = 0, stokes = 0;
    friend bool operator==(const Frame&, const Frame&) = default;
};

/// What a client asks for.
struct FrameRange {
    Frame first, last, start;
    Frame delta;          // steps along channels, or along stokes if delta.channel is 0
    bool looping = false; // after the last frame comes the first
    bool reverse = false; // after the last frame the animation turns round, and again at the first
    /// The stokes that each index means: an index on the stokes axis or a computed polarization. Empty: the index itself.
    std::vector<std::int32_t> stokes_indices{};
};

class FrameSequence {
public:
    /// A start outside of the range is moved to the end of the range from which the steps lead inwards. Throws std::invalid_argument, with
    /// a text for users, if the range is empty, the step is 0, or a frame's stokes is no index into the list of stokes.
    explicit FrameSequence(FrameRange range);

    /// The frame to show now; the start at first.
    Frame current() const;
    /// Goes to the next frame. False: there is none.
    ///
    /// The next is current + delta. Where that is beyond the range, `reverse` turns round, and the current frame comes once more; else
    /// `looping` goes to the other end of the range; else the animation ends.
    bool advance();
    /// What advance() would return.
    bool has_next() const { return range_.reverse || range_.looping || within(position_ + step_); }

    bool along_stokes() const { return range_.delta.channel == 0; }
    const FrameRange& range() const { return range_; }
    /// The index on the stokes axis, or computed polarization, of a frame of this sequence.
    std::int32_t stokes_of(const Frame& frame) const;

    /// The channel of the current frame, or its stokes, as its tiles name them.
    std::int32_t name() const { return along_stokes() ? stokes_of(current()) : current().channel; }
    /// The same of a frame that a client says to have received. A stokes that is none of the list is taken for an index into it.
    std::int32_t name_of(const Frame& received) const;

private:
    bool within(std::int64_t position) const { return position >= first_ && position <= last_; }

    FrameRange range_;
    std::int64_t position_, first_, last_, step_; // along channels or stokes
};

/// How many frames a client may be behind without being waited for: a third of the frames of a second.
constexpr std::int64_t flow_window(std::int32_t frame_rate) { return frame_rate / 3; }

/// The frames that a client has been sent and has not acknowledged, by their names, in their order. Counted in frames: the same name comes again
/// after the end of the range, or beyond its turning point.
class Unacknowledged {
public:
    void sent(std::int32_t name) { names_.push_back(name); }
    /// Nothing came of the frame that was sent last, unless that was acknowledged all the same.
    void not_sent(std::int32_t name);
    /// The client has received the first that has this name, and so what was sent before it. A client acknowledges every frame, but some may be left
    /// out where the name tells which is meant.
    void received(std::int32_t name);
    /// The frame that an animation begins with is not counted: that it comes is taken for granted.
    std::size_t count() const { return names_.size() - (first_waits_ && !names_.empty() ? 1 : 0); }
    void take_first_for_granted() { first_waits_ = true; }

private:
    std::deque<std::int32_t> names_;
    bool first_waits_ = false;
};

/// The channel of a matched image that belongs to a channel of the animation: the list has a number for each channel from `first` on.
/// Rounded, and clamped to the image's `depth` channels. Nothing if the list has no number for it, or none that is finite.
std::optional<std::int32_t> matched_channel(const std::vector<float>& numbers, std::int32_t first, std::int32_t channel,
                                            std::int64_t depth);

} // namespace cubelink::server
