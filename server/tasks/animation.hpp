#pragma once
/// An animation: planes of an image, and of images that are matched to it, one after the other (ICD: START_ANIMATION).
///
/// Each frame is a command that shows the next plane, so all that follows from a change of channel follows from it too; what is the
/// animation's own are its pace, its view, and its tiles. The view and the flow control belong to the connection that started it.
///
/// A frame begins when the one before has been sent, not earlier than the frame rate allows, not while the client is more than the flow
/// window behind, and not while the client's outbox is full. Meanwhile the tiles of the frames to come are made ahead, within the flow
/// window and a part of the budget of memory.

#include "platform/mutex.hpp"
#include "server/products/tile_set.hpp"
#include "server/session/playback.hpp"
#include "server/session/session_directory.hpp"
#include "server/tasks/frame_sequence.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace cubelink::server {

/// CARTA's page asks for 15 frames a second at most; programs may go as fast as their acknowledgements come.
inline constexpr std::int32_t max_frame_rate = 1000;

/// The tiles that a client sees of an image.
struct AnimatedView {
    std::vector<imaging::TileId> tiles; // from checked_tiles()
    TileFormat format;
    friend bool operator==(const AnimatedView& a, const AnimatedView& b) {
        return a.tiles == b.tiles && a.format.compression == b.format.compression && a.format.quality == b.format.quality;
    }
};

struct AnimatedImage {
    ImagePtr image;
    AnimatedView view;
    std::vector<float> frame_numbers; // of a matched image, see matched_channel()
};

class Animation final : public Playback, public std::enable_shared_from_this<Animation> {
public:
    using PostAfter = SessionDirectory::PostAfter;

    /// The first of the images is the one that plays, the others are matched to it. `frame_rate`: 1 to max_frame_rate frames a second.
    Animation(SessionPtr session, std::uint64_t connection, std::vector<AnimatedImage> images, FrameSequence frames,
              std::int32_t frame_rate, PostAfter later);

    /// Carried by its tiles; at least 1, and of no other animation of the session.
    std::int32_t id() const { return id_; }
    /// By a command, once START_ANIMATION has been answered: ends what has been playing, and begins.
    void start();

    // Playback; from any thread.
    void stop() override;
    std::uint64_t connection() const override { return connection_; }

    /// From any thread: the client has shown this frame of the image.
    void received(std::int32_t file_id, const Frame& frame);
    /// Whether this is the image that plays; those that are matched to it don't count.
    bool plays(std::int32_t file_id) const { return file_id == images_.front().image->file_id; }

    /// By a command: from the next frame on, that connection wants these tiles of an image. False if the image or the connection is not of
    /// this animation.
    bool set_view(std::uint64_t connection, std::int32_t file_id, AnimatedView view);

private:
    using Clock = std::chrono::steady_clock;
    using Planes = std::vector<std::optional<imaging::PlaneId>>; // of each image; nothing: it stays as it is
    /// A frame that is made ahead: what each image will show of it, and a set for each that will show another plane than before.
    struct Prepared {
        Planes planes;
        std::vector<std::shared_ptr<PreparedTiles>> sets;
        imaging::CancelToken cancel;
    };
    /// How the sets of an image's frames are ordered among those of other requests.
    struct Order {
        std::uint64_t view = 0;       // ProductBoard::Plane::view() of the frame before; 0: there was none
        std::uint64_t generation = 0; // of all frames since something else changed the plane: the view before them
    };

    void ended();
    void go_on();
    void resume(bool Animation::*waited_for);
    void show_next_frame();
    bool still_open() const;
    Planes planes_of(const FrameSequence& frames) const;
    std::vector<std::size_t> show(const Planes& planes, const imaging::CancelToken& cancel);
    bool send(std::size_t index, imaging::PlaneId plane, std::shared_ptr<PreparedTiles> ahead, const imaging::CancelToken& cancel);
    void nothing_was_sent();
    void part_ended(std::size_t index, Clock::time_point begun, TileSetEnd end);
    std::shared_ptr<PreparedTiles> make_set(std::size_t index, imaging::PlaneId plane, const imaging::CancelToken& cancel,
                                            bool ahead) const;
    std::size_t frames_ahead() const;
    void prepare_ahead();
    void drop_prepared();

    const SessionPtr session_;
    const std::uint64_t connection_;
    const std::int32_t id_;
    const std::chrono::nanoseconds period_;
    const std::int64_t window_;
    const PostAfter later_;
    std::shared_ptr<pubsub::Receiver> viewer_; // const once it is started; null if the connection has gone

    // Of commands alone, but for what never changes: the images themselves.
    std::vector<AnimatedImage> images_;
    FrameSequence ahead_;   // at the last frame that has been prepared
    Planes ahead_planes_;   // what the images show at that frame
    const bool in_passing_; // see Change

    platform::Mutex mutex_;
    FrameSequence frames_ CUBELINK_GUARDED_BY(mutex_); // at the frame that is shown
    Unacknowledged unacknowledged_ CUBELINK_GUARDED_BY(mutex_);
    bool shown_any_ CUBELINK_GUARDED_BY(mutex_) = false, stopped_ CUBELINK_GUARDED_BY(mutex_) = false;
    bool busy_ CUBELINK_GUARDED_BY(mutex_) = false; // a frame's command waits, or the frame is being sent
    bool timer_ CUBELINK_GUARDED_BY(mutex_) = false, room_ CUBELINK_GUARDED_BY(mutex_) = false; // what resume() is called by
    std::size_t parts_ CUBELINK_GUARDED_BY(mutex_) = 0;   // of the frame, that have not ended: its command, each image's tiles and products
    Clock::time_point due_ CUBELINK_GUARDED_BY(mutex_){}; // the next frame, at the earliest
    imaging::CancelToken shown_ CUBELINK_GUARDED_BY(mutex_);    // of the sets of the frame that is shown
    std::deque<Prepared> prepared_ CUBELINK_GUARDED_BY(mutex_); // the next frames
    std::vector<Order> order_ CUBELINK_GUARDED_BY(mutex_);      // of each image
};

/// The animation that plays in the session; nullptr: none.
std::shared_ptr<Animation> animation_of(const Session& session);

} // namespace cubelink::server
