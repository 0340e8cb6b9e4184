#include "server/session/command_queue.hpp"

#include "rpc/error.hpp"
#include "server/net/log.hpp"

#include <algorithm>

namespace cubelink::server {

using platform::MutexLock;

std::uint64_t next_number(); // session.hpp

CommandQueue::CommandQueue(Scheduler& scheduler, OwnerId owner)
    : post_([&scheduler, owner](std::function<void()> work) {
          Job job;
          job.owner = owner;
          job.job_class = JobClass::interactive;
          job.work = [work = std::move(work)](const JobContext&) { work(); };
          scheduler.post(std::move(job));
      }) {}

void CommandQueue::answer_dropped(Command& command) {
    if (command.on_dropped) command.on_dropped();
    else if (command.call) command.call->answer(rpc::BodyPtr());
}

void CommandQueue::push(Command command) {
    std::optional<Command> dropped;
    rpc::CallPtr parked;
    bool start = false;
    {
        const MutexLock lock(mutex_);
        if (closed_) {
            dropped = std::move(command);
        } else {
            if (!command.key.empty()) dropped = replaced_by(command);
            const bool blocked = blocked_.conflicts_with(command.touches);
            if (blocked) {
                blocked_.add(command.touches);
                parked = command.call;
            } else {
                urgent_ready_ += command.urgent;
            }
            from_clients_ += command.call != nullptr;
            (blocked ? parked_ : ready_).push_back({std::move(command), ++arrivals_});
            highest_waiting_ = std::max(highest_waiting_, from_clients_);
            start = start_pump();
        }
    }
    if (parked) parked->leave_order();
    if (dropped) answer_dropped(*dropped);
    if (start) post_pump();
}

/// Takes out the command that the newer one replaces, if there is one. Looks through all that wait, the last to arrive first.
std::optional<Command> CommandQueue::replaced_by(const Command& newer) {
    for (auto ready = ready_.rbegin(), parked = parked_.rbegin(); ready != ready_.rend() || parked != parked_.rend();) {
        const bool is_ready = parked == parked_.rend() || (ready != ready_.rend() && ready->arrival > parked->arrival);
        auto& entry = is_ready ? ready : parked;
        auto& waiting = entry->command;
        if (waiting.key == newer.key) {
            if (newer.overtakes && !newer.overtakes(waiting)) return {};
            std::optional<Command> replaced(std::move(waiting));
            from_clients_ -= replaced->call != nullptr;
            if (is_ready) urgent_ready_ -= replaced->urgent;
            (is_ready ? ready_ : parked_).erase(std::next(entry).base());
            if (!is_ready) release_parked();
            return replaced;
        }
        if (waiting.barrier && conflict(waiting.touches, newer.touches)) return {};
        ++entry;
    }
    return {};
}

void CommandQueue::post_pump() {
    post_([self = shared_from_this()] { self->pump(); });
}

/// The first one, or an urgent one that may go ahead of those before it.
CommandQueue::Entries::iterator CommandQueue::next_ready() {
    if (urgent_ready_ > 0 && !ready_.front().command.urgent) {
        TouchCounts passed;
        for (auto entry = ready_.begin(); entry != ready_.end(); ++entry) {
            const auto& command = entry->command;
            if (command.urgent && !passed.conflicts_with(command.touches)) return entry;
            // What touches no object may look at all of them.
            if (command.touches.nothing() || command.touches.whole_session()) break;
            passed.add(command.touches);
        }
    }
    return ready_.begin();
}

bool CommandQueue::take(Command& command, std::uint64_t& making) {
    making = 0;
    if (!finishing_.empty()) {
        command = std::move(finishing_.front().command);
        making = finishing_.front().making;
        finishing_.pop_front();
        return true;
    }
    if (ready_.empty()) return false;
    const auto entry = next_ready();
    command = std::move(entry->command);
    urgent_ready_ -= command.urgent;
    from_clients_ -= command.call != nullptr;
    ready_.erase(entry);
    return true;
}

void CommandQueue::run(Command& command) {
    try {
        command.run();
    } catch (const rpc::CallError& e) {
        if (command.call) command.call->fail(e.error());
    } catch (const std::exception& e) {
        if (command.call) command.call->fail_with_exception(e.what());
        else log::error(std::string("a command failed: ") + e.what());
    }
    try {
        for (const auto& what : std::exchange(afterwards_, {})) what();
        if (command.call && after_command) after_command();
    } catch (const std::exception& e) { // the command is done; those behind it must not stand still
        log::error(std::string("after a command: ") + e.what());
    }
}

void CommandQueue::pump() {
    std::optional<Command> command(std::in_place);
    std::uint64_t making = 0;
    {
        const MutexLock lock(mutex_);
        if (!take(*command, making)) {
            pumping_ = false;
            return;
        }
        if (command->makes) running_makes_ = command->touches;
    }
    run(*command);
    command.reset();
    bool more;
    {
        const MutexLock lock(mutex_);
        running_makes_ = {};
        closed_while_running_.clear();
        if (const auto ended = making_.find(making); ended != making_.end()) {
            making_.erase(ended);
            release_parked();
        }
        more = !idle();
        if (!more) pumping_ = false;
    }
    if (more) post_pump();
}

CommandQueue::Making CommandQueue::begin_making(Touches objects) {
    Making making;
    making.number = next_number();
    std::vector<rpc::CallPtr> parked;
    {
        const MutexLock lock(mutex_);
        if (closed_ || std::any_of(closed_while_running_.begin(), closed_while_running_.end(), [&](const auto& closes) { return closes(objects); }))
            making.cancel.cancel();
        blocked_.add(objects);
        making_.emplace(making.number, InTheMaking{std::move(objects), making.cancel});
        for (auto entry = ready_.begin(); entry != ready_.end();) {
            const auto next = std::next(entry);
            if (blocked_.conflicts_with(entry->command.touches)) park(ready_, entry, parked);
            entry = next;
        }
    }
    for (const auto& call : parked) call->leave_order();
    return making;
}

/// Moves it to parked_, where it belongs by its arrival.
void CommandQueue::park(Entries& from, Entries::iterator entry, std::vector<rpc::CallPtr>& parked) {
    urgent_ready_ -= entry->command.urgent;
    blocked_.add(entry->command.touches);
    if (entry->command.call) parked.push_back(entry->command.call);
    const auto later = std::find_if(parked_.begin(), parked_.end(), [&](const Entry& other) { return other.arrival > entry->arrival; });
    parked_.splice(later, from, entry);
}

/// Something that commands waited for is no longer there: moves those that may run now to ready_.
void CommandQueue::release_parked() {
    blocked_.clear();
    for (const auto& [number, making] : making_) blocked_.add(making.touches);
    auto place = ready_.begin();
    for (auto entry = parked_.begin(); entry != parked_.end();) {
        const auto next = std::next(entry);
        if (blocked_.conflicts_with(entry->command.touches)) {
            blocked_.add(entry->command.touches);
        } else {
            while (place != ready_.end() && place->arrival < entry->arrival) ++place;
            urgent_ready_ += entry->command.urgent;
            ready_.splice(place, parked_, entry);
        }
        entry = next;
    }
}

void CommandQueue::finish(const Making& making, Command command) {
    std::optional<Command> dropped;
    bool start = false;
    {
        const MutexLock lock(mutex_);
        if (closed_) {
            dropped = std::move(command);
        } else {
            finishing_.push_back({std::move(command), making.number});
            start = start_pump();
        }
    }
    if (dropped) answer_dropped(*dropped);
    if (start) post_pump();
}

template <class Which>
CommandQueue::Dropped CommandQueue::drop_if(Which which, const std::function<bool(const Touches&)>& closes, void (*answer)(Command&)) {
    Dropped result;
    std::vector<Command> dropped;
    bool start = false;
    {
        const MutexLock lock(mutex_);
        const auto drop_from = [&](Entries& list) {
            const auto before = dropped.size();
            for (auto entry = list.begin(); entry != list.end();) {
                if (!which(entry->command)) {
                    ++entry;
                    continue;
                }
                result.openings |= entry->command.makes;
                dropped.push_back(std::move(entry->command));
                entry = list.erase(entry);
            }
            return dropped.size() > before;
        };
        drop_from(ready_);
        urgent_ready_ = static_cast<std::size_t>(std::count_if(ready_.begin(), ready_.end(), [](const Entry& entry) { return entry.command.urgent; }));
        const bool from_parked = drop_from(parked_);
        for (const auto& command : dropped) from_clients_ -= command.call != nullptr;
        if (from_parked) release_parked();
        for (auto& [number, making] : making_) {
            if (making.cancel.cancelled() || !closes(making.touches)) continue;
            making.cancel.cancel();
            result.makings.push_back(number);
        }
        if (!running_makes_.nothing() && closes(running_makes_)) {
            closed_while_running_.push_back(closes);
            result.openings = true;
        }
        result.openings |= !result.makings.empty();
        start = start_pump();
    }
    for (auto& command : dropped) answer(command);
    if (start) post_pump();
    return result;
}

CommandQueue::Dropped CommandQueue::drop(ObjectId id) {
    return drop_if([&](const Command& command) { return command.touches.has(id) && !command.survives_close; },
                   [id](const Touches& touches) { return touches.has(id); });
}

CommandQueue::Dropped CommandQueue::drop_all_images() {
    return drop_if([](const Command& command) { return command.touches.any_image() && !command.survives_close; },
                   [](const Touches& touches) { return touches.any_image(); });
}

bool CommandQueue::cancel(const rpc::CallPtr& call) {
    bool found = false;
    drop_if([&](const Command& command) { return command.call == call && (found = true); }, [](const Touches&) { return false; },
            [](Command& command) {
                command.call->cancel();
                command.call->fail_cancelled();
            });
    return found;
}

void CommandQueue::close() {
    std::deque<Finish> finishing;
    {
        const MutexLock lock(mutex_);
        closed_ = true;
        finishing.swap(finishing_);
    }
    drop_if([](const Command&) { return true; }, [](const Touches&) { return true; });
    for (auto& one : finishing) answer_dropped(one.command);
}

std::size_t CommandQueue::highest_waiting() const {
    const MutexLock lock(mutex_);
    return highest_waiting_;
}

std::size_t CommandQueue::waiting() const {
    const MutexLock lock(mutex_);
    return ready_.size() + parked_.size() + finishing_.size();
}

} // namespace cubelink::server
