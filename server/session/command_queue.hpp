#pragma once
/// What clients ask of one session. One command runs at a time, so a session's state is changed by one thread at a time. Thread-safe.
///
/// Order: commands that touch a common object run in the order in which they came. Others do too, with two exceptions:
/// - an object can be *in the making* by a task (the file is being opened): commands that touch it wait until that has ended, and so does
///   whatever has to stay behind them; nothing else does. Their calls leave the order of answers (rpc::Call::leave_order);
/// - an urgent command goes ahead of commands that touch other objects.
///
/// A command may carry a key: while it waits, a newer one with the same key replaces it (an earlier position of the cursor is
/// irrelevant), and the older one's call is answered null. Closing a file removes what waits for it.

#include "platform/mutex.hpp"
#include "rpc/call.hpp"
#include "server/compute/scheduler.hpp"
#include "server/session/touches.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cubelink::server {

struct Command {
    rpc::CallPtr call; // may be null: a command of the server's own
    /// Checks it against what is open, answers the call, changes the session and posts the jobs that compute. May throw: the call fails.
    std::function<void()> run;

    Touches touches{};
    std::string key{}; // commands with this key replace one another; "": none
    /// Asked before it replaces an older one: may take over what must not be lost, or refuse. Empty: it replaces it.
    std::function<bool(const Command& older)> overtakes{};
    std::shared_ptr<const void> payload{}; // for overtakes()
    /// Commands on either side of this one that touch a common object never replace one another (it changes what they mean).
    bool barrier = false;
    /// Stays when the file that it touches is closed.
    bool survives_close = false;
    /// It begins the making of what it touches (CommandQueue::begin_making).
    bool makes = false;
    bool urgent = false;
    /// Instead of answering null, if it is replaced or removed: for messages whose answer says so.
    std::function<void()> on_dropped{};

    void touch(ObjectId id) { touches.objects.push_back(id); }
};

class CommandQueue : public std::enable_shared_from_this<CommandQueue> {
public:
    /// Has a thread call the function soon.
    using Post = std::function<void(std::function<void()>)>;
    explicit CommandQueue(Post post) : post_(std::move(post)) {}
    /// By interactive jobs of that owner.
    CommandQueue(Scheduler& scheduler, OwnerId owner);

    /// Called after each command that came from a client, in the thread that ran it. Set before the first push.
    std::function<void()> after_command;

    void push(Command command);
    /// For the command that is running, in its thread: something to be done as soon as it has been answered, be it by what it throws.
    void afterwards(std::function<void()> what) { afterwards_.push_back(std::move(what)); }

    /// What a task makes.
    struct Making {
        std::uint64_t number = 0;    // unique in the process
        imaging::CancelToken cancel; // cancelled when it is closed before it is there
    };
    /// For the command that is running, in its thread: from its end on, commands that touch these objects wait until finish().
    Making begin_making(Touches objects);
    /// The task has ended: runs this command ahead of all others, then those that have waited. Once for each making.
    void finish(const Making& making, Command command);

    struct Dropped {
        bool openings = false;              // something that would have made the object was removed or cancelled
        std::vector<std::uint64_t> makings; // numbers of those that were cancelled
    };
    /// Removes what waits for the object, and cancels its making.
    Dropped drop(ObjectId id);
    /// The same for all images.
    Dropped drop_all_images();
    /// Removes the command that a call waits for and fails the call as cancelled. False if it does not wait.
    bool cancel(const rpc::CallPtr& call);
    /// Removes everything, cancels all makings, and takes no more.
    void close();
    std::size_t waiting() const;
    /// The most commands of clients that have waited at a time, since the queue began.
    std::size_t highest_waiting() const;

private:
    struct Entry {
        Command command;
        std::uint64_t arrival = 0;
    };
    using Entries = std::list<Entry>;
    struct InTheMaking {
        Touches touches;
        imaging::CancelToken cancel;
    };
    struct Finish {
        Command command;
        std::uint64_t making = 0;
    };

    void pump();
    void run(Command& command);
    bool take(Command& command, std::uint64_t& making) CUBELINK_REQUIRES(mutex_);
    Entries::iterator next_ready() CUBELINK_REQUIRES(mutex_);
    bool idle() const CUBELINK_REQUIRES(mutex_) { return ready_.empty() && finishing_.empty(); }
    bool start_pump() CUBELINK_REQUIRES(mutex_) { return !idle() && !std::exchange(pumping_, true); }
    void post_pump();
    std::optional<Command> replaced_by(const Command& newer) CUBELINK_REQUIRES(mutex_);
    template <class Which>
    Dropped drop_if(Which which, const std::function<bool(const Touches&)>& closes, void (*answer)(Command&) = answer_dropped);
    void park(Entries& from, Entries::iterator entry, std::vector<rpc::CallPtr>& parked) CUBELINK_REQUIRES(mutex_);
    void release_parked() CUBELINK_REQUIRES(mutex_);
    static void answer_dropped(Command& command);

    const Post post_;
    std::vector<std::function<void()>> afterwards_; // of the running command

    mutable platform::Mutex mutex_;
    std::uint64_t arrivals_ CUBELINK_GUARDED_BY(mutex_) = 0;
    // Both in the order of arrival. Nothing in ready_ conflicts with anything in blocked_.
    Entries ready_ CUBELINK_GUARDED_BY(mutex_), parked_ CUBELINK_GUARDED_BY(mutex_);
    std::size_t urgent_ready_ CUBELINK_GUARDED_BY(mutex_) = 0;
    std::deque<Finish> finishing_ CUBELINK_GUARDED_BY(mutex_);
    std::map<std::uint64_t, InTheMaking> making_ CUBELINK_GUARDED_BY(mutex_);
    TouchCounts blocked_ CUBELINK_GUARDED_BY(mutex_); // of makings and of parked commands
    // Of the running command, if it makes something: what it touches, and whether that was closed meanwhile.
    Touches running_makes_ CUBELINK_GUARDED_BY(mutex_);
    std::vector<std::function<bool(const Touches&)>> closed_while_running_ CUBELINK_GUARDED_BY(mutex_);
    std::size_t from_clients_ CUBELINK_GUARDED_BY(mutex_) = 0; // commands in ready_ and parked_ that have a call
    std::size_t highest_waiting_ CUBELINK_GUARDED_BY(mutex_) = 0;
    bool pumping_ CUBELINK_GUARDED_BY(mutex_) = false, closed_ CUBELINK_GUARDED_BY(mutex_) = false;
};

} // namespace cubelink::server
