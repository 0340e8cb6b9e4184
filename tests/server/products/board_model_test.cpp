// The board against a plain model of what it promises: every short sequence of changes, job starts, ends, failures and cancellations, and many long
// random ones. Operations that follow the start of a job happen while it computes, before and after it publishes, as they would on other threads.

#include "tests/server/products/fake_environment.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <sstream>

using namespace cubelink::server;
using namespace cubelink::server::test;
using cubelink::pubsub::Address;
using cubelink::pubsub::Audience;

namespace {

constexpr std::int32_t file_id = 3;

enum class Op : char {
    plane = 'P',    // another plane is shown
    cursor = 'C',   // the cursor moves
    toggle1 = '1',  // connection 1 sets, or clears, its requirement
    toggle2 = '2',  // connection 2 the same one
    again = 'G',    // connection 1 sets what it has set
    listen = 'L',   // connection 1 begins to listen, or stops
    start = 'S',    // the oldest job is started
    go_on = 'Y',    // the job that computes goes on
    fail = 'F',     // it throws
    give_up = 'N',  // it throws Cancelled
    drop = 'D',     // the oldest job is dropped
    abandon = 'A',  // the image is abandoned
};
constexpr std::array all_ops{Op::plane, Op::cursor, Op::toggle1, Op::toggle2, Op::again,   Op::listen,
                             Op::start, Op::go_on,  Op::fail,    Op::give_up, Op::abandon, Op::drop};

/// How the products of a run differ from the ordinary.
struct Setup {
    bool quick_profile = false;
    bool slow_plane = false; // with a stopgap
    bool progress = false;   // products tell of their progress, so that stopgaps are due
    bool live = false;       // spectra: a newer state waits for what is being computed
    bool recent = false;     // … but what has been published is recent for ever
    bool together = false;   // spectra: by compute_together
};

// Kinds, in the order of the board's.
enum Kind : std::size_t { pyramid, histogram, value, profile, spectrum, kinds };
struct Key {
    Kind kind;
    std::vector<std::int64_t> input;
    friend auto operator<=>(const Key&, const Key&) = default;
};

class Model : public FakeEnvironment {
public:
    Model(Setup of, std::vector<Op> operations)
        : setup(of), ops(std::move(operations)), board(*this, {"pyramid", "histogram", "value", "profile", "spectrum"}, std::chrono::milliseconds(0),
                std::chrono::hours(of.recent ? 1000 : 0)) {
        board.add_image(1, file_id);
        required = {{1, true}, {2, false}};
        update({pyramid, histogram, value, profile, spectrum}, true);
        while (position < ops.size()) act();
        finish();
    }

    std::string fault; // the first rule that was broken

private:
    void report(const std::string& what) {
        if (!fault.empty()) return;
        fault = what + " after";
        for (std::size_t i = 0; i < std::min(position, ops.size()); ++i) fault += std::string(" ") + static_cast<char>(ops[i]);
    }

    // ---- The state, and what follows from it

    std::vector<std::uint64_t> requiring() const {
        std::vector<std::uint64_t> list;
        for (const auto& [connection, requires_it] : required)
            if (requires_it) list.push_back(connection);
        return list;
    }
    std::vector<std::int64_t> input(Kind kind) const {
        if (kind == pyramid || kind == histogram) return {plane};
        if (kind == spectrum) return {cursor};
        return {plane, cursor};
    }
    Audience audience(Kind kind) const {
        if (kind == profile || kind == spectrum) return Audience::required_by(requiring());
        if (kind == value) return requiring().empty() ? Audience() : Audience::all_except(requiring());
        return {};
    }
    bool is_due(Kind kind) const { return (kind != profile && kind != spectrum) || !requiring().empty(); }

    Product product(Kind kind) {
        Product made;
        made.input = input(kind);
        made.topic = "t";
        made.audience = audience(kind);
        constexpr Rank ranks[] = {Rank::pyramid, Rank::histogram, Rank::spatial_profile, Rank::spatial_profile, Rank::separate};
        made.rank = ranks[kind];
        made.slow = setup.slow_plane && kind <= histogram;
        made.quick = setup.quick_profile && kind >= value;
        made.compute = [this, key = Key{kind, made.input}](ProductRun& run) {
            if (setup.progress) run.progress();
            interrupt(key);
            if (key.kind != pyramid) publish_as(run, key, false);
            interrupt(key);
        };
        made.live = setup.live && kind == spectrum;
        if (setup.together && kind == spectrum) {
            made.quick = false;
            made.together = "all";
            struct Part : ProductPart {
                explicit Part(Key of) : key(std::move(of)) {}
                const Key key;
            };
            made.its_part = std::make_shared<Part>(Key{kind, made.input});
            made.compute_together = [this](std::span<const JointRun> runs) {
                for (const auto& one : runs) {
                    const auto& key = static_cast<const Part&>(*one.product->its_part).key;
                    interrupt(key);
                    publish_as(*one.run, key, false);
                    if (key.input.back() % 2 == 0) one.end(true);
                    interrupt(key);
                }
            };
        }
        if (kind == histogram && (setup.slow_plane || setup.progress))
            made.stopgap = [this, key = Key{kind, made.input}](ProductRun& run) { publish_as(run, key, true); };
        return made;
    }

    void update(std::initializer_list<Kind> of, bool new_plane = false, std::uint64_t requested_by = 0) {
        ProductBoard::Update update;
        update.image = 1;
        for (const auto kind : of) {
            ProductBoard::KindUpdate of_kind{kind, {}};
            if (is_due(kind)) of_kind.products.push_back(product(kind));
            update.kinds.push_back(std::move(of_kind));
        }
        if (requested_by) update.request = {0, requested_by};
        update.new_plane = update.new_view = new_plane;
        board.update(std::move(update));
        if (!new_plane) return;
        const auto now = board.plane(1);
        if (board.is_newest(now) == abandoned) report("the newest plane is not known as such");
        wait_for(now, Rank::spatial_profile, false);
        wait_for(now, Rank::pyramid, true);
    }

    void wait_for(const ProductBoard::Plane& now, Rank rank, bool computed) {
        const auto index = called.size();
        called.push_back(0);
        const auto callback = [this, index, rank, computed, of = plane] {
            if (++called[index] > 1) report("a waiter was called twice");
            // The histogram of the plane that is shown has been published by now, unless something has prevented that.
            const Key key{histogram, {of}};
            if (!computed && rank >= Rank::histogram && of == plane && !abandoned && !excused.contains(key) && !unlistened.contains(key) && !published_once.contains(key))
                report("a waiter was called before the histogram had been published");
        };
        if (computed) board.when_computed(now, rank, callback);
        else board.when_settled(now, rank, callback);
    }

    // ---- What the board does

    void publish_as(ProductRun& run, const Key& key, bool stopgap) {
        current = key;
        is_stopgap = stopgap;
        publish_text(run, "x");
    }

    void publish(const cubelink::rpc::PublicationPtr& publication, const cubelink::pubsub::Delivery& delivery, const Audience& to) override {
        FakeEnvironment::publish(publication, delivery, to);
        const Key key = current;
        if (abandoned) report("published after it had been abandoned");
        if (!is_due(key.kind)) report("something that is not due was published");
        else if (setup.live && key.kind == spectrum ? key.input < newest_spectrum : input(key.kind) != key.input) report("something stale was published");
        if (key.kind == spectrum) newest_spectrum = std::max(newest_spectrum, key.input);
        if (key.kind == profile || key.kind == spectrum) {
            for (const auto connection : to.connections) {
                if (!required[connection]) report("sent to a connection that does not require it");
                if (!listeners.contains(connection)) continue;
                if (!served[key].insert(connection).second && !again.contains(key)) report("sent to a connection twice");
            }
        } else if (key.kind == value) {
            if (to != audience(value)) report("a value was sent to others than those without profiles");
        }
        if (is_stopgap) {
            if (exact.contains(key) && !again.contains(key)) report("a stopgap came after what it stands for");
        } else if (key.kind == histogram || key.kind == value) {
            if (!exact.insert(key).second && !again.contains(key)) report("something was published twice");
        }
        published_once.insert(key);
    }

    /// Operations while something computes.
    void interrupt(const Key& key) {
        const auto outer = depth++;
        while (position < ops.size()) {
            const auto op = ops[position];
            if (op == Op::go_on) {
                ++position;
                break;
            }
            if (op == Op::fail || op == Op::give_up) {
                ++position;
                depth = outer;
                excused.insert(key);
                if (op == Op::give_up) again.insert(key); // it did not say that it was done
                if (op == Op::fail) throw std::runtime_error("failed");
                throw cubelink::imaging::Cancelled();
            }
            act();
        }
        depth = outer;
    }

    void excuse_all() {
        for (const auto kind : {pyramid, histogram, value, profile, spectrum}) excused.insert({kind, input(kind)});
    }

    void note_unlistened() {
        for (const auto kind : {histogram, value})
            if (!anyone_listens("t", audience(kind))) unlistened.insert({kind, input(kind)});
    }

    void act() {
        const auto op = ops[position++];
        switch (op) {
        case Op::plane:
            ++plane;
            update({pyramid, histogram, value, profile}, true);
            break;
        case Op::cursor:
            ++cursor;
            update({value, profile, spectrum});
            break;
        case Op::toggle1: toggle(1); break;
        case Op::toggle2: toggle(2); break;
        case Op::again:
            if (!required[1]) break;
            request(1);
            break;
        case Op::listen:
            if (!listeners.erase(1)) listeners.insert(1);
            update({pyramid, histogram, value, profile, spectrum});
            break;
        case Op::start: run_one(); break;
        case Op::drop:
            if (posted.empty()) break;
            excuse_all();
            posted.pop_front();
            break;
        case Op::abandon:
            abandoned = true;
            board.abandon(file_id);
            break;
        case Op::go_on:
        case Op::fail:
        case Op::give_up: break; // nothing computes
        }
        note_unlistened();
        if (posted.size() > 12) report("too many jobs are waiting");
    }

    void toggle(std::uint64_t connection) {
        required[connection] = !required[connection];
        if (required[connection]) return request(connection);
        forget(connection);
        update({value, profile, spectrum}, false, connection);
    }
    void request(std::uint64_t connection) {
        forget(connection);
        update({value, profile, spectrum}, false, connection);
    }
    /// What the connection requires newly, or again, is due to it again. If it is being computed it may be computed anew, for all.
    void forget(std::uint64_t connection) {
        for (const auto kind : {profile, spectrum}) {
            const Key key{kind, input(kind)};
            served[key].erase(connection);
            if (depth > 0) again.insert(key);
        }
    }

    /// All jobs are run to their end: what is due has been sent to all who listen.
    void finish() {
        position = ops.size();
        run_all();
        update({pyramid, histogram, value, profile, spectrum}); // what nobody listened to is caught up with
        run_all();
        if (board.unfinished() != 0) report("something is unfinished at the end");
        if (std::any_of(called.begin(), called.end(), [](int times) { return times != 1; })) report("a waiter was not called");
        if (abandoned) return;
        for (const auto kind : {histogram, profile, spectrum}) {
            const Key key{kind, input(kind)};
            if (!is_due(kind) || excused.contains(key) || !anyone_listens("t", audience(kind))) continue;
            if (kind == histogram) {
                if (!exact.contains(key)) report("the histogram has not been published");
                continue;
            }
            for (const auto connection : requiring())
                if (listeners.contains(connection) && !served[key].contains(connection)) report("a connection has not got what it requires");
        }
        const Key key{value, input(value)};
        if (!excused.contains(key) && !unlistened.contains(key) && !exact.contains(key)) report("the value has not been published");
    }

    const Setup setup;
    const std::vector<Op> ops;
    std::size_t position = 0;
    int depth = 0; // computations that are interrupted
    std::int64_t plane = 0, cursor = 0;
    std::map<std::uint64_t, bool> required;
    bool abandoned = false;
    Key current{};
    bool is_stopgap = false;
    std::map<Key, std::set<std::uint64_t>> served;
    std::set<Key> published_once, exact;
    std::vector<std::int64_t> newest_spectrum; // input of what has been published
    std::set<Key> again;   // may be published more than once
    std::set<Key> excused; // failed, cancelled or dropped: need not be published
    std::set<Key> unlistened; // nobody listened at some time since it was due
    std::deque<int> called;
    ProductBoard board; // last: its jobs refer to it
};

std::string fault_of(const Setup& setup, std::vector<Op> ops) {
    const auto model = std::make_unique<Model>(setup, std::move(ops));
    return model->fault;
}

constexpr Setup setups[] = {{},
                            {.quick_profile = true},
                            {.slow_plane = true},
                            {.quick_profile = true, .slow_plane = true, .progress = true},
                            {.progress = true},
                            {.live = true},
                            {.live = true, .recent = true},
                            {.live = true, .together = true}};

} // namespace

TEST_CASE("all short sequences") {
    constexpr std::size_t length = 4;
    std::size_t total = 1;
    for (std::size_t i = 0; i < length; ++i) total *= all_ops.size();
    for (const auto& setup : setups) {
        for (std::size_t code = 0; code < total; ++code) {
            std::vector<Op> ops;
            for (auto rest = code; ops.size() < length; rest /= all_ops.size()) ops.push_back(all_ops[rest % all_ops.size()]);
            const auto fault = fault_of(setup, ops);
            REQUIRE_MESSAGE(fault.empty(), fault << ", setup " << (&setup - setups));
        }
    }
}

TEST_CASE("all sequences of six of what matters most") {
    constexpr std::array few{Op::plane, Op::cursor, Op::toggle2, Op::start, Op::go_on, Op::listen};
    constexpr std::size_t length = 6;
    for (std::size_t code = 0; code < 46656; ++code) {
        std::vector<Op> ops;
        for (auto rest = code; ops.size() < length; rest /= few.size()) ops.push_back(few[rest % few.size()]);
        const auto fault = fault_of(setups[code % std::size(setups)], ops);
        REQUIRE_MESSAGE(fault.empty(), fault << ", setup " << code % std::size(setups));
    }
}

TEST_CASE("long random sequences") {
    const unsigned long first = cubelink::test::random_seed();
    std::cout << "board model: seed " << first << std::endl;
    for (unsigned long seed = first; seed < first + 3000; ++seed) {
        std::mt19937 random(static_cast<std::uint32_t>(seed));
        std::vector<Op> ops;
        for (int i = 0; i < 80; ++i) {
            const auto op = all_ops[random() % all_ops.size()];
            ops.push_back(op == Op::abandon && random() % 50 ? Op::start : op); // rarely the end of it all
        }
        const auto fault = fault_of(setups[seed % std::size(setups)], ops);
        REQUIRE_MESSAGE(fault.empty(), fault << ", seed " << seed << ", setup " << seed % std::size(setups));
    }
}
