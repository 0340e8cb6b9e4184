#include "server/tasks/animation.hpp"

#include "imaging/base/budget_cache.hpp"
#include "pubsub/receiver.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/session_products.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace cubelink::server {

using platform::MutexLock;

namespace {

/// Frames that are made ahead. A few keep all threads at work; more would be thrown away when the view changes or the animation stops.
constexpr std::int64_t max_frames_ahead = 4;

/// What takes long of a plane, such as the exact histogram of a large one, is begun where it is shown for so long.
constexpr auto long_enough = std::chrono::milliseconds(500);

/// What a tile takes in memory and in an outbox, or nearly so.
constexpr std::size_t tile_bytes = 257 << 10;

/// For part_ended(): not an image's tiles.
constexpr std::size_t other_part = ~std::size_t{0};

/// nullptr if the connection has left.
std::shared_ptr<pubsub::Receiver> receiver_of(const Session& session, std::uint64_t connection) {
    for (const auto& one : session.connections())
        if (one->id() == connection) return one->receiver();
    return nullptr;
}

/// Whether something of a plane takes so long that it is not begun for each of many frames a second.
bool takes_long(const AnimatedImage& one) { return one.image->shape().plane_size() >= imaging::kSampleWorthwhilePixels; }

/// Memory that a frame takes when it is made ahead.
std::size_t frame_bytes(imaging::BudgetCache& cache, const AnimatedImage& one) {
    if (one.view.tiles.empty()) return 0;
    const auto pixels = static_cast<std::size_t>(one.image->shape().plane_size()) * sizeof(float);
    const auto pyramid = pixels / 3;
    return one.view.tiles.size() * tile_bytes + pyramid + (imaging::pyramid_keeps_pixels(cache, *one.image->source) ? pixels : 0);
}

} // namespace

Animation::Animation(SessionPtr session, std::uint64_t connection, std::vector<AnimatedImage> images, FrameSequence frames,
                     std::int32_t frame_rate, PostAfter later)
    : session_(std::move(session)), connection_(connection), id_(session_->next_animation_id()),
      period_(std::chrono::nanoseconds(1'000'000'000 / frame_rate)), window_(flow_window(frame_rate)), later_(std::move(later)),
      images_(std::move(images)), ahead_(frames),
      in_passing_(period_ < long_enough && std::any_of(images_.begin(), images_.end(), takes_long)), frames_(std::move(frames)),
      order_(images_.size()) {}

void Animation::start() {
    viewer_ = receiver_of(*session_, connection_);
    if (!viewer_) return;
    session_->play(shared_from_this());
    if (!receiver_of(*session_, connection_)) return stop(); // it has left before the session knew that there is something to stop
    go_on();
}

void Animation::stop() {
    std::deque<Prepared> dropped;
    std::vector<std::pair<const Image*, std::uint64_t>> overtaken;
    {
        const MutexLock lock(mutex_);
        if (std::exchange(stopped_, true)) return;
        shown_.cancel();
        for (const auto& frame : prepared_) frame.cancel.cancel();
        dropped.swap(prepared_);
        for (std::size_t i = 0; i < images_.size(); ++i)
            if (const auto generation = order_[i].generation; generation > 0) overtaken.emplace_back(images_[i].image.get(), generation);
    }
    // Frames that wait for a slow client were shown after the plane of that generation; so was whatever comes later.
    for (const auto& [image, generation] : overtaken) viewer_->outbox().overtake_sets(tile_set_key(connection_, *image), generation + 1);
    ended();
}

void Animation::ended() {
    session_->playback_ended(*this);
    // What was left out of the last plane is due. By a command, as every change.
    if (in_passing_) session_->audience_changed();
}

void Animation::received(std::int32_t file_id, const Frame& frame) {
    if (!plays(file_id)) return;
    {
        const MutexLock lock(mutex_);
        unacknowledged_.received(frames_.name_of(frame));
    }
    go_on();
}

bool Animation::set_view(std::uint64_t connection, std::int32_t file_id, AnimatedView view) {
    const auto image =
        std::find_if(images_.begin(), images_.end(), [&](const AnimatedImage& one) { return one.image->file_id == file_id; });
    if (connection != connection_ || image == images_.end()) return false;
    // The page sends its view after each frame, whether or not it has changed.
    if (view == image->view) return true;
    image->view = std::move(view);
    {
        const MutexLock lock(mutex_);
        if (!shown_any_) return true; // nothing has been made ahead, and the first frame is not one that advance() leads to
    }
    drop_prepared();
    prepare_ahead();
    return true;
}

/// Begins the next frame if it may begin; otherwise this is called again by what it has to wait for.
void Animation::go_on() {
    using namespace std::chrono;
    enum class Next { frame, timer, room, end } next = Next::frame;
    milliseconds wait{0};
    {
        const MutexLock lock(mutex_);
        if (stopped_ || busy_) return;
        if (shown_any_) {
            if (!frames_.has_next()) next = Next::end;
            else if (static_cast<std::int64_t>(unacknowledged_.count()) > window_) return;
            else if (const auto now = Clock::now(); now < due_) {
                if (std::exchange(timer_, true)) return;
                next = Next::timer;
                wait = ceil<milliseconds>(due_ - now);
            }
        }
        if (next == Next::frame && !viewer_->outbox().has_room(tile_bytes)) {
            if (std::exchange(room_, true)) return;
            next = Next::room;
        }
        if (next == Next::end) stopped_ = true;
        if (next == Next::frame) busy_ = true;
    }
    switch (next) {
    case Next::timer:
        return later_(static_cast<std::uint64_t>(wait.count()), [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->resume(&Animation::timer_);
        });
    case Next::room:
        return viewer_->outbox().when_room(tile_bytes, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->resume(&Animation::room_);
        });
    case Next::end: return ended();
    case Next::frame: break;
    }
    Command command;
    for (const auto& one : images_) command.touch(one.image->object_id);
    command.run = [self = shared_from_this()] {
        try {
            self->show_next_frame();
        } catch (const std::exception& error) {
            self->session_->report_failure(*self->images_.front().image, error, "animation");
            self->stop();
        }
    };
    session_->queue().push(std::move(command));
}

void Animation::resume(bool Animation::*waited_for) {
    {
        const MutexLock lock(mutex_);
        this->*waited_for = false;
    }
    go_on();
}

/// Whether the images are those that it began with, and their files too.
bool Animation::still_open() const {
    for (const auto& one : images_) {
        if (session_->image(one.image->file_id) != one.image) return false;
        try {
            one.image->source->check_unchanged();
        } catch (const std::exception& error) {
            session_->report_failure(*one.image, error, "animation");
            return false;
        }
    }
    return true;
}

Animation::Planes Animation::planes_of(const FrameSequence& frames) const {
    const auto frame = frames.current();
    Planes planes;
    for (const auto& one : images_) {
        if (planes.empty()) {
            planes.push_back(imaging::PlaneId{frame.channel, frames.stokes_of(frame)});
            continue;
        }
        const auto channel = matched_channel(one.frame_numbers, frames.range().first.channel, frame.channel, one.image->shape().depth);
        planes.push_back(channel ? std::optional(imaging::PlaneId{*channel, one.image->plane.stokes}) : std::nullopt);
    }
    return planes;
}

void Animation::show_next_frame() {
    std::optional<Prepared> prepared;
    Planes planes;
    imaging::CancelToken cancel;
    bool first = false;
    {
        const MutexLock lock(mutex_);
        if (stopped_) return;
        first = !std::exchange(shown_any_, true);
        if (!first) frames_.advance();
        planes = planes_of(frames_);
        if (!prepared_.empty()) {
            prepared = std::move(prepared_.front());
            prepared_.pop_front();
            cancel = prepared->cancel;
        }
        shown_ = cancel;
        parts_ = 1;
        due_ = Clock::now() + period_;
    }
    if (!still_open()) return stop();
    if (first) ahead_planes_ = planes;
    const auto changed = show(planes, cancel);
    const bool plays = !changed.empty() && changed.front() == 0;
    if (plays) { // its acknowledgement may come before send() returns
        const MutexLock lock(mutex_);
        unacknowledged_.sent(frames_.name());
        if (first) unacknowledged_.take_first_for_granted();
    }
    bool sent = false;
    for (const auto index : changed) {
        if (cancel.cancelled()) return;
        const bool fits = prepared && prepared->planes[index] == planes[index];
        const bool sends = send(index, *planes[index], fits ? std::move(prepared->sets[index]) : nullptr, cancel);
        sent = sent || (index == 0 && sends);
    }
    if (plays && !sent) nothing_was_sent();
    prepare_ahead();
    part_ended(other_part, {}, TileSetEnd::sent);
}

/// Shows the planes; returns the images that had shown another one, the one that plays first.
std::vector<std::size_t> Animation::show(const Planes& planes, const imaging::CancelToken& cancel) {
    std::vector<std::size_t> changed;
    const auto& board = board_of(*session_);
    for (std::size_t i = images_.size(); i-- > 0 && !cancel.cancelled();) {
        const auto& image = images_[i].image;
        if (!planes[i] || *planes[i] == image->plane) continue;
        const auto before = board.plane(image->number).view();
        session_->show_plane(image, *planes[i], false, in_passing_);
        const auto view = board.plane(image->number).view();
        changed.push_back(i);
        const MutexLock lock(mutex_);
        if (order_[i].view != before) order_[i].generation = before;
        order_[i].view = view;
    }
    std::reverse(changed.begin(), changed.end());
    return changed;
}

/// Sends the tiles, those that have been made ahead if they are of use, and waits for what else is sent of the plane. Whether there are tiles.
bool Animation::send(std::size_t index, imaging::PlaneId plane, std::shared_ptr<PreparedTiles> ahead, const imaging::CancelToken& cancel) {
    std::uint64_t generation = 0;
    {
        const MutexLock lock(mutex_);
        parts_ += 2;
        generation = order_[index].generation;
    }
    const auto part = [self = shared_from_this()](std::size_t of) {
        return [self, of](Clock::time_point begun, TileSetEnd end) { self->part_ended(of, begun, end); };
    };
    auto& board = board_of(*session_);
    board.when_complete(board.plane(images_[index].image->number), [ended = part(other_part)] { ended({}, TileSetEnd::sent); });
    if (ahead && ahead->send(generation, part(index))) return true;
    const auto set = make_set(index, plane, cancel, false);
    if (set && set->send(generation, part(index))) return true;
    part_ended(other_part, {}, TileSetEnd::sent);
    return false;
}

/// The client gets no tiles of the frame that is shown, and so will not acknowledge it.
void Animation::nothing_was_sent() {
    const MutexLock lock(mutex_);
    unacknowledged_.not_sent(frames_.name());
}

void Animation::part_ended(std::size_t index, Clock::time_point begun, TileSetEnd end) {
    if (index == 0 && end == TileSetEnd::failed) return stop();
    if (index == 0 && end == TileSetEnd::given_up) nothing_was_sent();
    {
        const MutexLock lock(mutex_);
        if (index == 0) due_ = std::max(due_, begun + period_);
        if (--parts_ > 0) return;
        busy_ = false;
    }
    go_on();
}

std::shared_ptr<PreparedTiles> Animation::make_set(std::size_t index, imaging::PlaneId plane, const imaging::CancelToken& cancel,
                                                   bool ahead) const {
    const auto& one = images_[index];
    if (session_->tiles_under_way.load() + one.view.tiles.size() > max_tiles_under_way) return nullptr;
    TileRequest request;
    request.connection = connection_;
    request.plane = plane;
    request.tiles = one.view.tiles;
    request.format = one.view.format;
    request.animation_id = id_;
    request.cancel = cancel;
    return prepare_tiles(session_, one.image, std::move(request), ahead);
}

std::size_t Animation::frames_ahead() const {
    std::size_t bytes = 0;
    for (const auto& one : images_) bytes += frame_bytes(session_->cache(), one);
    const auto frames = std::clamp<std::int64_t>(window_ + 1, 1, max_frames_ahead);
    return bytes == 0 ? 0 : std::min(static_cast<std::size_t>(frames), session_->cache().limit() / 8 / bytes);
}

void Animation::prepare_ahead() {
    const auto most = frames_ahead();
    for (;;) {
        {
            const MutexLock lock(mutex_);
            if (stopped_ || prepared_.size() >= most) return;
        }
        if (!ahead_.advance()) return;
        Prepared next{planes_of(ahead_), {}, {}};
        for (std::size_t i = 0; i < images_.size(); ++i) {
            const bool changes = next.planes[i] && next.planes[i] != ahead_planes_[i];
            next.sets.push_back(changes ? make_set(i, *next.planes[i], next.cancel, true) : nullptr);
            if (changes) ahead_planes_[i] = next.planes[i];
        }
        const MutexLock lock(mutex_);
        if (stopped_) next.cancel.cancel();
        else prepared_.push_back(std::move(next));
    }
}

void Animation::drop_prepared() {
    std::deque<Prepared> dropped; // destroyed without the lock
    const MutexLock lock(mutex_);
    for (const auto& frame : prepared_) frame.cancel.cancel();
    dropped.swap(prepared_);
    ahead_ = frames_;
    ahead_planes_ = planes_of(frames_);
}

std::shared_ptr<Animation> animation_of(const Session& session) { return std::dynamic_pointer_cast<Animation>(session.playback()); }

} // namespace cubelink::server
