// The queue against a plain model: all short sequences of what can happen to it, and random long ones.

#include "server/session/command_queue.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <vector>

using namespace cubelink;
using namespace cubelink::server;

namespace {

Touches touching(std::initializer_list<std::int32_t> files, bool all = false) {
    Touches touches;
    for (const auto id : files) touches.objects.push_back(image_id(id));
    touches.all_images = all;
    return touches;
}

/// A command as both understand it.
struct Plan {
    Touches touches{};
    std::string key{};
    bool barrier = false, survives = false, makes = false, urgent = false;
};

/// What the queue does, said as plainly as can be: one list of all that waits, looked through from its beginning at each step.
class Model {
public:
    std::vector<std::string> log;

    void push(int id, const Plan& plan) {
        if (closed_) return note("dropped", id);
        if (!plan.key.empty()) {
            for (auto older = waiting_.rbegin(); older != waiting_.rend(); ++older) {
                if (older->plan.key == plan.key) {
                    note("dropped", older->id);
                    waiting_.erase(std::next(older).base());
                    break;
                }
                if (older->plan.barrier && conflict(older->plan.touches, plan.touches)) break;
            }
        }
        waiting_.push_back({id, plan});
    }
    /// Runs one command, if one may run.
    void step() {
        if (!finished_.empty()) {
            const int id = finished_.front();
            finished_.pop_front();
            note("end", id);
            std::erase_if(making_, [&](const Waiting& one) { return one.id == id; });
            return;
        }
        std::vector<std::size_t> ready;
        std::vector<const Touches*> blocked;
        for (const auto& one : making_) blocked.push_back(&one.plan.touches);
        for (std::size_t i = 0; i < waiting_.size(); ++i) {
            const auto& touches = waiting_[i].plan.touches;
            if (std::none_of(blocked.begin(), blocked.end(), [&](const Touches* other) { return conflict(*other, touches); })) ready.push_back(i);
            else blocked.push_back(&touches);
        }
        if (ready.empty()) return;
        std::size_t chosen = ready.front();
        for (const auto i : ready)
            if (waiting_[i].plan.urgent && may_pass(i, ready)) {
                chosen = i;
                break;
            }
        const auto one = waiting_[chosen];
        waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(chosen));
        note("ran", one.id);
        if (one.plan.makes) making_.push_back(one);
    }
    void finish() {
        for (const auto& one : making_)
            if (std::find(finished_.begin(), finished_.end(), one.id) == finished_.end()) {
                if (closed_) return;
                finished_.push_back(one.id);
                return;
            }
    }
    void drop(std::int32_t file) {
        std::erase_if(waiting_, [&](const Waiting& one) {
            if (!one.plan.touches.has(image_id(file)) || one.plan.survives) return false;
            note("dropped", one.id);
            return true;
        });
    }

private:
    struct Waiting {
        int id;
        Plan plan;
    };
    void note(const char* what, int id) { log.push_back(std::string(what) + " " + std::to_string(id)); }
    bool may_pass(std::size_t i, const std::vector<std::size_t>& ready) const {
        for (const auto k : ready) {
            if (k == i) return true;
            if (waiting_[k].plan.touches.nothing() || conflict(waiting_[k].plan.touches, waiting_[i].plan.touches)) return false;
        }
        return true;
    }
    std::vector<Waiting> waiting_, making_;
    std::deque<int> finished_;
    bool closed_ = false;
};

/// The queue, run by hand.
class Real {
public:
    std::vector<std::string> log;
    ~Real() { queue_->close(); }

    void push(int id, const Plan& plan) {
        Command command;
        command.touches = plan.touches;
        command.key = plan.key;
        command.barrier = plan.barrier;
        command.survives_close = plan.survives;
        command.makes = plan.makes;
        command.urgent = plan.urgent;
        command.on_dropped = [this, id] { note("dropped", id); };
        command.run = [this, id, plan] {
            note("ran", id);
            if (plan.makes) makings_.push_back({id, queue_->begin_making(plan.touches)});
        };
        queue_->push(std::move(command));
    }
    void step() {
        if (posted_.empty()) return;
        const auto work = std::move(posted_.front());
        posted_.pop_front();
        work();
        if (posted_.size() > 1) FAIL("two commands at a time");
    }
    void finish() {
        if (makings_.empty()) return;
        Command end;
        end.run = [this, id = makings_.front().id] { note("end", id); };
        queue_->finish(makings_.front().making, std::move(end));
        makings_.pop_front();
    }
    void drop(std::int32_t file) { queue_->drop(image_id(file)); }

private:
    void note(const char* what, int id) { log.push_back(std::string(what) + " " + std::to_string(id)); }
    struct Made {
        int id;
        CommandQueue::Making making;
    };
    std::deque<std::function<void()>> posted_;
    std::deque<Made> makings_;
    std::shared_ptr<CommandQueue> queue_ = std::make_shared<CommandQueue>([this](std::function<void()> work) { posted_.push_back(std::move(work)); });
};

const std::vector<Plan>& plans() {
    static const std::vector<Plan> all = {
        {.touches = touching({0})},
        {.touches = touching({0}), .key = "cursor:0"},
        {.touches = touching({1}), .urgent = true},
        {.touches = touching({0}), .barrier = true, .makes = true},
        {.touches = touching({}, true), .barrier = true, .survives = true},
        {.touches = touching({0, 1})},
        {.touches = {}},
        {.touches = touching({1}), .key = "cursor:1", .barrier = true},
        {.touches = touching({1}), .survives = true, .makes = true},
        {.touches = touching({}, true), .urgent = true},
    };
    return all;
}

/// Event `which`: one of the plans is pushed, a step, the end of the oldest making, or a file is closed.
template <class Either>
void apply(Either& either, std::size_t which, int id) {
    const auto n = plans().size();
    if (which < n) either.push(id, plans()[which]);
    else if (which == n) either.step();
    else if (which == n + 1) either.finish();
    else either.drop(static_cast<std::int32_t>(which - n - 2));
}

std::string text_of(const std::vector<std::size_t>& events) {
    std::string text;
    for (const auto event : events) text += std::to_string(event) + " ";
    return text;
}

bool same(const std::vector<std::size_t>& events) {
    Real real;
    Model model;
    int id = 0;
    for (const auto event : events) {
        apply(real, event, id);
        apply(model, event, id++);
    }
    // What is left: everything that is made is done, and all that waited runs.
    for (std::size_t i = 0; i < 3 * events.size() + 3; ++i) {
        real.finish();
        model.finish();
        real.step();
        model.step();
    }
    return real.log == model.log;
}

} // namespace

/// All sequences of that length of these events.
void try_all(const std::vector<std::size_t>& events, std::size_t length) {
    std::vector<std::size_t> digits(length, 0), sequence(length);
    for (;;) {
        for (std::size_t i = 0; i < length; ++i) sequence[i] = events[digits[i]];
        if (!same(sequence)) FAIL("sequence " << text_of(sequence));
        std::size_t i = 0;
        while (i < length && ++digits[i] == events.size()) digits[i++] = 0;
        if (i == length) break;
    }
}

TEST_CASE("all short sequences do what the model does") {
    std::vector<std::size_t> all;
    for (std::size_t event = 0; event < plans().size() + 3; ++event) all.push_back(event);
    for (std::size_t length = 1; length <= 4; ++length) try_all(all, length);
    const auto n = plans().size();
    try_all({1, 2, 3, 5, n, n + 1}, 6); // a key, an urgent one, an opening, two files, a step, the end of an opening
}

TEST_CASE("random sequences do what the model does") {
    const auto seed = cubelink::test::random_seed();
    MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 5000; ++round) {
        std::vector<std::size_t> sequence(6 + random() % 60);
        for (auto& event : sequence) event = random() % 3 == 0 ? plans().size() + random() % 2 : random() % (plans().size() + 3);
        if (!same(sequence)) FAIL("sequence " << text_of(sequence));
    }
}

TEST_CASE("a call that waits for what is in the making leaves the order of answers; closing cancels the making") {
    std::deque<std::function<void()>> posted;
    const auto queue = std::make_shared<CommandQueue>([&](std::function<void()> work) { posted.push_back(std::move(work)); });
    const auto run_all = [&] {
        while (!posted.empty()) {
            const auto work = std::move(posted.front());
            posted.pop_front();
            work();
        }
    };
    int left = 0;
    std::vector<std::string> answers;
    const auto command = [&](const std::string& name, std::int32_t file) {
        rpc::Request request;
        request.id = name;
        Command c;
        c.call = std::make_shared<rpc::Call>(
            std::move(request), nullptr, [&](rpc::Reply&& reply) { answers.push_back(reply.id); }, [&] { return ++left > 0; });
        c.touch(image_id(file));
        c.run = [call = c.call] { call->answer(rpc::BodyPtr()); };
        return c;
    };
    CommandQueue::Making making;
    Command open;
    open.touch(image_id(0));
    open.makes = true;
    open.run = [&] { making = queue->begin_making(touching({0})); };
    queue->push(std::move(open));
    queue->push(command("before", 0));
    CHECK(left == 0);
    run_all();
    CHECK(left == 1); // it stood behind the opening already
    queue->push(command("other", 1));
    queue->push(command("after", 0));
    run_all();
    CHECK(left == 2);
    CHECK(answers == std::vector<std::string>{"other"});
    CHECK_FALSE(making.cancel.cancelled());
    const auto dropped = queue->drop(image_id(0));
    CHECK(making.cancel.cancelled());
    CHECK(dropped.openings);
    CHECK(dropped.makings == std::vector<std::uint64_t>{making.number});
    CHECK(answers == std::vector<std::string>{"other", "before", "after"});
    queue->push(command("close", 0));
    run_all();
    CHECK(answers.size() == 3);
    queue->finish(making, Command{nullptr, [] {}});
    run_all();
    CHECK(answers.back() == "close");
    CHECK_FALSE(queue->drop(image_id(0)).openings);

    // Closed while the command that makes it runs, before it says so.
    Command again;
    again.touch(image_id(3));
    again.makes = true;
    again.run = [&] {
        CHECK(queue->drop(image_id(3)).openings);
        making = queue->begin_making(touching({3}));
    };
    queue->push(std::move(again));
    run_all();
    CHECK(making.cancel.cancelled());
    bool ended = false;
    queue->close();
    Command end;
    end.run = [] { FAIL("the queue is closed"); };
    end.on_dropped = [&] { ended = true; };
    queue->finish(making, std::move(end));
    CHECK(ended);
}
