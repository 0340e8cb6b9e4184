#include "server/session/command_queue.hpp"

#include "rpc/error.hpp"
#include "server/net/log.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace cubelink::server {

void CommandQueue::let_go(Command& command) {
    if (command.on_dropped) command.on_dropped();
    else if (command.call) command.call->answer(rpc::BodyPtr());
}

void CommandQueue::push(Command command) {
    std::optional<Command> overtaken;
    bool start = false, heavy = false;
    {
        const std::lock_guard lock(mutex_);
        if (closed_) {
            overtaken = std::move(command);
        } else {
            if (!command.key.empty()) {
                for (auto older = commands_.rbegin(); older != commands_.rend(); ++older) {
                    if (older->key == command.key) {
                        if (!command.overtakes || command.overtakes(*older)) {
                            overtaken = std::move(*older);
                            commands_.erase(std::next(older).base());
                        }
                        break;
                    }
                    if (older->barrier && older->file_id == command.file_id) break;
                }
            }
            commands_.push_back(std::move(command));
            start = !std::exchange(pumping_, true);
            heavy = commands_.front().heavy;
        }
    }
    if (overtaken) let_go(*overtaken);
    if (start) post_pump(heavy);
}

void CommandQueue::post_pump(bool heavy) {
    Job job;
    job.owner = owner_;
    job.job_class = heavy ? JobClass::view : JobClass::interactive;
    job.work = [self = shared_from_this()](const JobContext&) { self->pump(); };
    scheduler_.post(std::move(job));
}

void CommandQueue::pump() {
    std::optional<Command> command;
    {
        const std::lock_guard lock(mutex_);
        if (commands_.empty()) {
            pumping_ = false;
            return;
        }
        command = std::move(commands_.front());
        commands_.pop_front();
    }
    try {
        command->run();
    } catch (const rpc::CallError& e) {
        if (command->call) command->call->fail(e.error());
    } catch (const std::exception& e) {
        if (command->call) command->call->fail_with_exception(e.what());
    }
    try {
        for (const auto& what : std::exchange(afterwards_, {})) what();
        if (command->call && after_command) after_command();
    } catch (const std::exception& e) { // the command is done; those behind it must not stand still
        log::error(std::string("after a command: ") + e.what());
    }
    command.reset();
    bool more, heavy = false;
    {
        const std::lock_guard lock(mutex_);
        more = !commands_.empty();
        if (more) heavy = commands_.front().heavy;
        else pumping_ = false;
    }
    if (more) post_pump(heavy);
}

void CommandQueue::drop(const std::function<bool(const Command&)>& which) {
    std::vector<Command> dropped;
    {
        const std::lock_guard lock(mutex_);
        for (auto it = commands_.begin(); it != commands_.end();) {
            if (!which(*it)) {
                ++it;
                continue;
            }
            dropped.push_back(std::move(*it));
            it = commands_.erase(it);
        }
    }
    for (auto& command : dropped) let_go(command);
}

void CommandQueue::drop_file(std::int32_t file_id) {
    drop([&](const Command& c) { return c.file_id == file_id && !c.survives_close; });
}

void CommandQueue::drop_all_files() {
    drop([](const Command& c) { return c.file_id.has_value() && !c.survives_close; });
}

void CommandQueue::close() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    drop([](const Command&) { return true; });
}

std::size_t CommandQueue::waiting() const {
    const std::lock_guard lock(mutex_);
    return commands_.size();
}

} // namespace cubelink::server
