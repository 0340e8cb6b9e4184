// A board whose jobs run on many threads, beside changes, waiters and an end: see it under TSan.

#include "tests/server/products/fake_environment.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

using namespace cubelink::server;
using namespace cubelink::server::test;
using cubelink::pubsub::Audience;

namespace {

constexpr std::uint64_t image = 7;
constexpr std::int32_t file_id = 3;

/// Runs jobs by several threads, and checks what is published.
class ThreadedEnvironment final : public ProductBoard::Environment {
public:
    ThreadedEnvironment() {
        for (int i = 0; i < 3; ++i) threads_.emplace_back([this] { work(); });
    }
    ~ThreadedEnvironment() override { stop(); }
    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        for (auto& thread : threads_)
            if (thread.joinable()) thread.join();
        jobs_.clear();
    }
    void post(JobClass, std::uint64_t, std::function<void(const JobContext&)> work) override {
        {
            const std::lock_guard lock(mutex_);
            jobs_.push_back(std::move(work));
        }
        wake_.notify_one();
    }
    bool anyone_listens(const std::string&, const Audience&) override { return true; }
    void publish(const cubelink::rpc::PublicationPtr& publication, const cubelink::pubsub::Delivery&, const Audience&) override {
        const auto input = std::stoll(publication->topic());
        if (input < newest.load()) ++stale;
        if (abandoned.load()) ++after_abandon;
        ++count;
    }
    void warn(const std::string&, const std::string&) override {}
    bool has_room(const Audience&, std::size_t) override { return true; }
    void when_room(const Audience&, std::size_t, std::function<void()> ready) override { ready(); }

    std::atomic<std::int64_t> newest{0};
    std::atomic<bool> abandoned{false};
    std::atomic<int> stale{0}, after_abandon{0}, count{0};

private:
    void work() {
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
            if (jobs_.empty()) return;
            auto job = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            job(JobContext{{}, 1});
            job = nullptr;
            lock.lock();
        }
    }
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void(const JobContext&)>> jobs_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

} // namespace

TEST_CASE("many threads: nothing stale, nothing after abandoning, every waiter called once") {
    for (int round = 0; round < 20; ++round) {
        ThreadedEnvironment environment;
        ProductBoard board(environment, {"plane", "cursor"}, std::chrono::milliseconds(0));
        board.add_image(image, file_id);
        std::atomic<int> called{0};
        int waiters = 0;
        for (std::int64_t input = 1; input <= 300; ++input) {
            std::vector<ProductBoard::KindUpdate> list;
            for (std::size_t kind = 0; kind < 2; ++kind) {
                ProductBoard::KindUpdate of_kind{kind, {}};
                for (const auto rank : {Rank::histogram, Rank::separate}) {
                    Product product;
                    product.part = rank == Rank::separate ? "s" : "";
                    product.input = {input};
                    product.rank = rank;
                    product.topic = "t";
                    product.compute = [input](ProductRun& run) {
                        publish_text(run, std::to_string(input));
                        run.progress();
                        publish_text(run, std::to_string(input));
                    };
                    of_kind.products.push_back(std::move(product));
                }
                list.push_back(std::move(of_kind));
            }
            board.update({image, std::move(list), {}, true, true});
            environment.newest = input; // whatever is older can't be published any more
            board.when_settled(board.plane(image), Rank::histogram, [&] { ++called; });
            board.when_computed(board.plane(image), Rank::separate, [&] { ++called; });
            waiters += 2;
        }
        board.abandon(-1);
        environment.abandoned = true;
        environment.stop(); // what a job has taken to call it may call after abandon()
        CHECK(called == waiters);
        CHECK(environment.stale == 0);
        CHECK(environment.after_abandon == 0);
        CHECK(board.unfinished() == 0);
    }
}
