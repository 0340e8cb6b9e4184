#include "tests/server/example/paced.hpp"

#include "pubsub/receiver.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace cubelink::example {

namespace {

constexpr std::uint64_t messages_in_a_row = 1024;
constexpr auto patience = std::chrono::seconds(1);

} // namespace

void PacedPublisher::publish(const std::shared_ptr<rpc::Peer>& peer, std::string topic, std::uint64_t count, Make make) {
    const bool first = std::none_of(jobs_.begin(), jobs_.end(), [&](const Job& job) { return job.peer == peer; });
    Job job{peer, std::move(topic), count, 0, std::move(make), 0, Clock::now()};
    if (first && advance(job) == Progress::done) return;
    jobs_.push_back(std::move(job));
    schedule(false);
}

void PacedPublisher::schedule(bool wait) {
    if (jobs_.empty() || std::exchange(scheduled_, true)) return;
    const auto again = [self = shared_from_this()] { self->turn(); };
    wait ? server_.post_after(1, again) : server_.post(again);
}

/// One round: the first job of each client; then others have their turn.
void PacedPublisher::turn() {
    scheduled_ = false;
    bool wait = true;
    std::unordered_set<const rpc::Peer*> seen;
    for (auto job = jobs_.begin(); job != jobs_.end();) {
        const bool first = seen.insert(job->peer.get()).second;
        const auto progress = first ? advance(*job) : Progress::waits;
        wait = wait && progress == Progress::waits;
        job = progress == Progress::done ? jobs_.erase(job) : job + 1;
    }
    schedule(wait);
}

PacedPublisher::Progress PacedPublisher::advance(Job& job) {
    const auto& outbox = static_cast<server::Connection&>(*job.peer).receiver()->outbox();
    for (std::uint64_t i = 0; i < messages_in_a_row && job.next < job.count; ++i) {
        if (outbox.used() > outbox.limit() / 8) {
            const auto now = Clock::now();
            if (outbox.taken_bytes() != job.taken) {
                job.taken = outbox.taken_bytes();
                job.moved = now;
            }
            if (now - job.moved < patience) return i > 0 ? Progress::goes_on : Progress::waits;
        } else if (i == 0) {
            job.moved = Clock::now();
        }
        server_.hub().publish(server::WslinkServer::everyone, std::make_shared<const rpc::Publication>(job.topic, rpc::body(job.make(job.next++))));
    }
    return job.next < job.count ? Progress::goes_on : Progress::done;
}

} // namespace cubelink::example
