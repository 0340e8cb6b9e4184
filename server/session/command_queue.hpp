#pragma once
/// What clients ask of one session, taken one after the other in the order in which it came: so answers leave in order, and a session's
/// state is changed by one thread at a time. Thread-safe.
///
/// A command may carry a key: while it waits, a newer one with the same key takes its place (where the cursor was a moment ago is of no
/// interest), and the older one's call is answered null. Closing a file takes away what waits for it.

#include "rpc/call.hpp"
#include "server/compute/scheduler.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cubelink::server {

struct Command {
    rpc::CallPtr call; // may be null: a command of the server's own
    /// Checks it against what is open, answers the call, changes the session and posts the jobs that compute. May throw: the call fails.
    std::function<void()> run;

    std::optional<std::int32_t> file_id{};
    std::string key{}; // what it replaces; "": nothing
    /// Asked before it takes the place of an older one: may take over what must not be lost, or refuse. Empty: it just does.
    std::function<bool(const Command& older)> overtakes{};
    std::shared_ptr<const void> payload{}; // for overtakes()
    /// Commands for the same file on either side of this one never replace one another (it changes what they mean).
    bool barrier = false;
    /// Stays when its file is closed (it opens it, or closes it).
    bool survives_close = false;
    /// Instead of null, if it is overtaken or its file closed: for messages whose answer says so.
    std::function<void()> on_dropped{};
    /// May take long (it reads a file): leaves the thread that is kept for interactive work alone.
    bool heavy = false;
};

class CommandQueue : public std::enable_shared_from_this<CommandQueue> {
public:
    CommandQueue(Scheduler& scheduler, OwnerId owner) : scheduler_(scheduler), owner_(owner) {}

    /// Called after each command that came from a client, in the thread that ran it. Set before the first push.
    std::function<void()> after_command;

    void push(Command command);
    /// For the command that is running, in its thread: something to be done as soon as it has been answered, be it by what it throws.
    void afterwards(std::function<void()> what) { afterwards_.push_back(std::move(what)); }
    /// Drops what waits for the file, or for any file.
    void drop_file(std::int32_t file_id);
    void drop_all_files();
    /// Drops everything and takes no more.
    void close();
    std::size_t waiting() const;

private:
    void drop(const std::function<bool(const Command&)>& which);
    void pump();
    void post_pump(bool heavy);
    static void let_go(Command& command);

    Scheduler& scheduler_;
    const OwnerId owner_;
    mutable std::mutex mutex_;
    std::deque<Command> commands_;
    std::vector<std::function<void()>> afterwards_; // of the running command
    bool pumping_ = false, closed_ = false;
};

} // namespace cubelink::server
