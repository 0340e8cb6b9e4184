#pragma once
/// Surroundings of a board for tests: jobs are started one by one, publications are kept, and who listens is a set of connections.

#include "server/products/board.hpp"

#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cubelink::server::test {

class FakeEnvironment : public ProductBoard::Environment {
public:
    struct Posted {
        JobClass job_class;
        std::function<void(const JobContext&)> work;
    };
    struct Published {
        std::string text; // its topic
        pubsub::Delivery delivery;
        pubsub::Audience audience;
    };

    void post(JobClass job_class, std::uint64_t, std::function<void(const JobContext&)> work) override { posted.push_back({job_class, std::move(work)}); }
    bool anyone_listens(const std::string&, const pubsub::Audience& audience) override {
        for (const auto connection : listeners)
            if (audience.address(connection) == pubsub::Address::addressed) return true;
        return false;
    }
    void publish(const rpc::PublicationPtr& publication, const pubsub::Delivery& delivery, const pubsub::Audience& audience) override {
        published.push_back({publication->topic(), delivery, audience});
    }
    void warn(const std::string&, const std::string&) override {}
    bool has_room(const pubsub::Audience&, std::size_t) override { return room; }
    void when_room(const pubsub::Audience&, std::size_t, std::function<void()> ready) override {
        if (room) return ready();
        waiting.push_back(std::move(ready));
    }
    /// The clients have read everything.
    void make_room() {
        room = true;
        for (auto& ready : std::exchange(waiting, {})) ready();
    }

    /// Runs the oldest job; false if there is none.
    bool run_one() {
        if (posted.empty()) return false;
        const auto job = std::move(posted.front());
        posted.pop_front();
        job.work(JobContext{{}, 1});
        return true;
    }
    void run_all() {
        while (run_one()) {}
    }
    /// What has been published, separated by blanks; forgets it.
    std::string taken() {
        std::string text;
        for (const auto& one : published) text += (text.empty() ? "" : " ") + one.text;
        published.clear();
        return text;
    }

    std::deque<Posted> posted;
    std::vector<Published> published;
    std::set<std::uint64_t> listeners{1, 2};
    bool room = true;
    std::vector<std::function<void()>> waiting;
};

inline void publish_text(ProductRun& run, const std::string& text) { run.publish(std::make_shared<const rpc::Publication>(text, rpc::BodyPtr())); }

} // namespace cubelink::server::test
