// The queue against a plain model, and how threads are divided.

#include "server/compute/job_queue.hpp"
#include "server/compute/shares.hpp"
#include "tests/support/random_seed.hpp"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <doctest/doctest.h>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <vector>

using namespace cubelink;
using namespace cubelink::server;

namespace {

/// The same rules in the plainest way: one list of jobs, one list of turns for each class.
struct Model {
    struct Entry {
        OwnerId owner;
        std::size_t job_class;
        std::uint64_t number;
    };
    std::vector<Entry> waiting;
    std::vector<OwnerId> turns[job_classes];
    std::map<OwnerId, JobQueue::Running> running;

    bool has_waiting(OwnerId owner, std::size_t c) const {
        return std::any_of(waiting.begin(), waiting.end(), [&](const Entry& e) { return e.owner == owner && e.job_class == c; });
    }
    void push(OwnerId owner, std::size_t c, std::uint64_t number) {
        if (!has_waiting(owner, c)) turns[c].push_back(owner);
        waiting.push_back({owner, c, number});
    }
    template <class MayRun>
    std::optional<Entry> take(std::size_t c, const MayRun& may_run) {
        for (const OwnerId owner : turns[c]) {
            auto& counts = running[owner];
            if (c >= 2 && counts[c] > 0) continue;
            if (!may_run(owner, counts)) continue;
            const auto first = std::find_if(waiting.begin(), waiting.end(), [&](const Entry& e) { return e.owner == owner && e.job_class == c; });
            const Entry entry = *first;
            waiting.erase(first);
            std::erase(turns[c], owner);
            if (has_waiting(owner, c)) turns[c].push_back(owner);
            ++counts[c];
            return entry;
        }
        return std::nullopt;
    }
    std::vector<std::uint64_t> remove(OwnerId owner, std::uint64_t group_of_three) {
        std::vector<std::uint64_t> removed;
        for (std::size_t c = 0; c < job_classes; ++c) {
            for (const Entry& e : waiting)
                if (e.owner == owner && e.job_class == c && e.number % 3 == group_of_three) removed.push_back(e.number);
        }
        std::erase_if(waiting, [&](const Entry& e) { return e.owner == owner && e.number % 3 == group_of_three; });
        for (std::size_t c = 0; c < job_classes; ++c)
            if (!has_waiting(owner, c)) std::erase(turns[c], owner);
        return removed;
    }
};

} // namespace

TEST_CASE("the queue does as a plain model does, whatever comes in whatever order") {
    const auto first_seed = cubelink::test::random_seed();
    CAPTURE(first_seed);
    for (std::uint64_t round = 0; round < 300; ++round) {
        CAPTURE(round);
        std::mt19937_64 random(first_seed + round);
        JobQueue queue;
        Model model;
        std::vector<std::pair<OwnerId, std::size_t>> running;
        std::uint64_t next = 0;
        for (int step = 0; step < 200; ++step) {
            const OwnerId owner = 1 + random() % 4;
            const std::size_t c = random() % job_classes;
            switch (random() % 8) {
            case 0:
            case 1:
            case 2: {
                Job job;
                job.owner = owner;
                job.job_class = static_cast<JobClass>(c);
                job.group = next;
                queue.push(std::move(job));
                model.push(owner, c, next++);
                break;
            }
            case 3:
            case 4:
            case 5: {
                const OwnerId excluded = random() % 6;
                const bool idle_only = random() % 4 == 0;
                const auto may_run = [&](OwnerId id, const JobQueue::Running& counts) {
                    return id != excluded && (!idle_only || std::all_of(counts.begin(), counts.end(), [](std::size_t n) { return n == 0; }));
                };
                const bool has = queue.has(static_cast<JobClass>(c), may_run);
                Job job;
                const bool taken = queue.take(static_cast<JobClass>(c), may_run, job);
                const auto expected = model.take(c, may_run);
                REQUIRE(taken == expected.has_value());
                REQUIRE(has == taken);
                if (!taken) break;
                REQUIRE(job.group == expected->number);
                REQUIRE(job.owner == expected->owner);
                running.emplace_back(job.owner, c);
                break;
            }
            case 6: {
                if (running.empty()) break;
                const std::size_t i = random() % running.size();
                queue.finished(running[i].first, static_cast<JobClass>(running[i].second));
                --model.running[running[i].first][running[i].second];
                running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
                break;
            }
            default: {
                const std::uint64_t group = random() % 3;
                const auto removed = queue.remove_if(owner, [&](const Job& job) { return job.group % 3 == group; });
                std::vector<std::uint64_t> numbers;
                for (const Job& job : removed) {
                    CHECK(job.cancel.cancelled());
                    numbers.push_back(job.group);
                }
                REQUIRE(numbers == model.remove(owner, group));
            }
            }
            REQUIRE(queue.waiting() == model.waiting.size());
            for (std::size_t k = 0; k < job_classes; ++k) REQUIRE(queue.waiting(static_cast<JobClass>(k)) == !model.turns[k].empty());
        }
    }
}

TEST_CASE("threads are divided between owners, then between their jobs") {
    const auto divide = [](int threads, std::vector<RunningShare> running) {
        divide_threads(threads, running);
        std::vector<int> shares;
        for (const auto& one : running) shares.push_back(one.threads);
        return shares;
    };
    using Shares = std::vector<int>;
    CHECK(divide(8, {}) == Shares{});
    CHECK(divide(8, {{1}}) == Shares{8});
    CHECK(divide(8, {{1}, {2}}) == Shares{4, 4});
    CHECK(divide(8, {{1}, {1}, {2}}) == Shares{2, 2, 4});
    CHECK(divide(7, {{1}, {1}, {2}, {3}}) == Shares{2, 1, 2, 2});
    CHECK(divide(2, {{1, true}, {2}}) == Shares{1, 1});
    CHECK(divide(8, {{1, true}, {1}, {2, true}}) == Shares{1, 3, 4});
    CHECK(divide(8, {{1, true}, {1, true}}) == Shares{4, 4});
    CHECK(divide(1, {{1, true}, {1}, {2}, {3}}) == Shares{1, 1, 1, 1});

    const auto first_seed = cubelink::test::random_seed();
    CAPTURE(first_seed);
    std::mt19937_64 random(first_seed);
    for (int round = 0; round < 2000; ++round) {
        const int threads = 1 + static_cast<int>(random() % 64);
        std::vector<RunningShare> running(random() % 20);
        for (auto& one : running) one = {1 + random() % 6, random() % 3 == 0};
        divide_threads(threads, running);
        int sum = 0;
        std::map<OwnerId, int> of_owner, jobs_of_owner;
        for (const auto& one : running) {
            REQUIRE(one.threads >= 1);
            sum += one.threads;
            of_owner[one.owner] += one.threads;
            ++jobs_of_owner[one.owner];
        }
        int more_jobs = 0; // than threads that are theirs
        for (const auto& [owner, jobs] : jobs_of_owner) {
            (void)owner;
            more_jobs += std::max(0, jobs - threads / static_cast<int>(of_owner.size()));
        }
        REQUIRE(sum <= threads + more_jobs);
        if (!running.empty() && static_cast<int>(running.size()) <= threads / static_cast<int>(of_owner.size())) {
            REQUIRE(sum == threads);
            for (const auto& [owner, share] : of_owner) {
                (void)owner;
                REQUIRE(std::abs(share - threads / static_cast<int>(of_owner.size())) <= 1);
            }
        }
    }
}
