#include "imaging/tables/views/table_view.hpp"
#include "tests/imaging/tables/views/random_table.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

using namespace cubelink::imaging;
using random_table::Row;

namespace {

/// The order that is promised, by std::stable_sort.
template <class Missing, class Less>
std::vector<std::uint32_t> expected_order(const std::vector<Row>& rows, std::vector<std::uint32_t> order, bool descending, Missing missing, Less less) {
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        const bool no_a = missing(rows[a]), no_b = missing(rows[b]);
        if (no_a || no_b) return no_b && !no_a;
        return descending ? less(rows[b], rows[a]) : less(rows[a], rows[b]);
    });
    return order;
}

template <class Field>
auto number_less(Field field) {
    return [field](const Row& a, const Row& b) { return *field(a) < *field(b); };
}

std::vector<std::uint32_t> expected_order(const std::vector<Row>& rows, const std::vector<std::uint32_t>& order, std::size_t column, bool descending) {
    const auto by = [&](auto field) {
        return expected_order(rows, order, descending, [field](const Row& row) { return !field(row) || std::isnan(static_cast<double>(*field(row))); }, number_less(field));
    };
    switch (column) {
    case random_table::d: return by([](const Row& row) { return row.d; });
    case random_table::f: return by([](const Row& row) { return row.f; });
    case random_table::i: return by([](const Row& row) { return row.i; });
    case random_table::u: return by([](const Row& row) { return row.u; });
    case random_table::b: return by([](const Row& row) { return std::optional(row.b); });
    default:
        return expected_order(rows, order, descending, [](const Row& row) { return row.s.empty(); }, [](const Row& a, const Row& b) { return a.s < b.s; });
    }
}

} // namespace

TEST_CASE("views are sorted and filtered, whatever was asked for before") {
    const auto seed = cubelink::test::random_seed();
    INFO("seed " << seed);
    BudgetCache budget(std::size_t{256} << 20);
    // More rows than a block of the sort has; chunks of another size.
    const auto made = random_table::make(300'000, 4096, seed, budget);
    ViewCache views(made.table);
    std::mt19937 random(seed);
    const RowTestPtr tests[] = {nullptr, compare_numbers(*made.table, random_table::b, Comparison::equal, 1), compare_numbers(*made.table, random_table::u, Comparison::greater, 1e19),
                                compare_numbers(*made.table, random_table::d, Comparison::greater, 1e300), compare_numbers(*made.table, random_table::i, Comparison::equal, 0.5)};
    const auto passes = [&](std::size_t test, const Row& row) {
        switch (test) {
        case 1: return row.b;
        case 2: return row.u && static_cast<long double>(*row.u) > 1e19L;
        case 3: return row.d && *row.d > 1e300;
        case 4: return false;
        default: return true;
        }
    };
    for (int round = 0; round < 24; ++round) {
        ViewSpec spec;
        const auto test = random() % std::size(tests);
        spec.test = tests[test];
        if (random() % 5 != 0) spec.sort_column = random() % 6;
        spec.descending = random() % 2 == 0;
        CAPTURE(round);
        CAPTURE(test);
        std::vector<std::uint32_t> right;
        for (std::uint32_t row = 0; row < made.rows.size(); ++row)
            if (passes(test, made.rows[row])) right.push_back(row);
        if (spec.sort_column) right = expected_order(made.rows, right, *spec.sort_column, spec.descending);
        const auto view = views.view(spec, {.budget = budget, .scratch = "/tmp", .threads = 3});
        REQUIRE(view->rows() == right.size());
        CHECK(random_table::rows_of(*view) == right);
        CHECK(views.view(spec, {.budget = budget, .scratch = "/tmp"}) == view); // kept
        // A page of it.
        if (right.size() > 10) {
            const auto begin = random() % (right.size() - 10);
            std::vector<std::uint32_t> page(10);
            view->rows(begin, page);
            CHECK(std::equal(page.begin(), page.end(), right.begin() + static_cast<std::ptrdiff_t>(begin)));
        }
    }
}

TEST_CASE("tables without rows, and with one") {
    BudgetCache budget(std::size_t{16} << 20);
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{64}, std::size_t{65}}) {
        CAPTURE(count);
        const auto made = random_table::make(count, 64, 5, budget);
        ViewCache views(made.table);
        for (const bool sorted : {false, true}) {
            ViewSpec spec;
            if (sorted) spec.sort_column = random_table::lon;
            CHECK(views.view(spec, {.budget = budget})->rows() == count);
            spec.test = is_missing(random_table::lat);
            CHECK(views.view(spec, {.budget = budget})->rows() == 0);
        }
    }
}

TEST_CASE("pages hold the values of their rows") {
    BudgetCache budget(std::size_t{64} << 20);
    const auto made = random_table::make(5000, 256, 9, budget);
    std::vector<std::uint32_t> rows;
    std::mt19937 random(9);
    for (int n = 0; n < 700; ++n) rows.push_back(random() % 5000);
    std::string bytes = "ahead";
    gather_numbers(*made.table->columns[random_table::u], rows, bytes);
    REQUIRE(bytes.size() == 5 + rows.size() * 8);
    std::string flags, shorts;
    gather_numbers(*made.table->columns[random_table::b], rows, flags);
    gather_numbers(*made.table->columns[random_table::i], rows, shorts);
    REQUIRE(flags.size() == rows.size());
    REQUIRE(shorts.size() == rows.size() * 2);
    std::vector<std::string_view> texts;
    gather_texts(*made.table->columns[random_table::s], rows, texts);
    for (std::size_t n = 0; n < rows.size(); ++n) {
        const auto& row = made.rows[rows[n]];
        std::uint64_t u = 1;
        std::int16_t i = 1;
        std::memcpy(&u, bytes.data() + 5 + n * 8, 8);
        std::memcpy(&i, shorts.data() + n * 2, 2);
        CHECK(u == row.u.value_or(0));
        CHECK(i == row.i.value_or(0));
        CHECK(static_cast<bool>(flags[n]) == row.b);
        CHECK(texts[n] == row.s);
    }
}

TEST_CASE("views can be stopped, and count what they take") {
    BudgetCache budget(std::size_t{256} << 20, 0);
    const auto made = random_table::make(100'000, 4096, 11, budget);
    const auto before = budget.statistics().used;
    {
        ViewCache views(made.table);
        CancelToken cancelled;
        cancelled.cancel();
        CHECK_THROWS_AS(views.view({.sort_column = random_table::d}, {.budget = budget, .cancel = cancelled}), Cancelled);
        const auto view = views.view({.test = is_missing(random_table::d), .sort_column = random_table::s}, {.budget = budget});
        CHECK(budget.statistics().used >= before + view->rows() * sizeof(std::uint32_t) + made.table->rows / 8);
        // Without any memory left there is an error, and the next view is right.
        const auto all = budget.reserve(budget.limit() - budget.statistics().used, {});
        CHECK_THROWS_AS(views.view({.sort_column = random_table::d}, {.budget = budget}), OverBudget);
    }
    CHECK(budget.statistics().used == before);
}

TEST_CASE("who waits for another's view can be cancelled, and gets it otherwise") {
    class Gate final : public RowTest {
    public:
        std::string key() const override { return "gate"; }
        void apply(const Table&, std::size_t, std::span<std::uint64_t>, const CancelToken&) const override {
            entered.store(true);
            for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120); !open.load() && std::chrono::steady_clock::now() < until;)
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        mutable std::atomic<bool> entered{false}, open{false};
    };
    BudgetCache budget(std::size_t{64} << 20);
    const auto made = random_table::make(1000, 256, 13, budget);
    ViewCache views(made.table);
    const auto gate = std::make_shared<Gate>();
    std::thread maker([&] { views.view({.test = gate}, {.budget = budget}); });
    while (!gate->entered) std::this_thread::yield();
    CancelToken cancelled;
    std::atomic<bool> was_cancelled{false};
    std::thread impatient([&] {
        try {
            views.view({}, {.budget = budget, .cancel = cancelled});
        } catch (const Cancelled&) { was_cancelled = true; }
    });
    std::size_t rows = 0;
    std::thread patient([&] { rows = views.view({}, {.budget = budget})->rows(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancelled.cancel();
    impatient.join(); // while the other view is in the making
    CHECK(was_cancelled);
    CHECK(rows == 0);
    gate->open = true;
    maker.join();
    patient.join();
    CHECK(rows == 1000);
}
