#include "imaging/tables/views/table_view.hpp"
#include "tests/imaging/tables/views/random_table.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <regex>

using namespace cubelink::imaging;
using random_table::Row;

namespace {

struct Fixture {
    std::uint32_t seed = cubelink::test::random_seed();
    BudgetCache budget{std::size_t{64} << 20};
    random_table::Made made = random_table::make(3000, 256, seed, budget);
    const Table& table = *made.table;

    /// Rows that pass are those for which `expected` says so.
    void check(const RowTestPtr& test, const std::function<bool(const Row&)>& expected) {
        INFO("seed " << seed);
        ViewCache views(made.table);
        const auto rows = random_table::rows_of(*views.view({.test = test}, {.budget = budget, .threads = 2}));
        std::vector<std::uint32_t> right;
        for (std::uint32_t row = 0; row < made.rows.size(); ++row)
            if (expected(made.rows[row])) right.push_back(row);
        CHECK(rows == right);
    }
};

/// As the ICD's operators, of numbers in extended precision. Nothing: no value.
bool compares(Comparison comparison, std::optional<long double> x, long double a, long double b) {
    if (!x || std::isnan(*x) || std::isnan(a)) return comparison == Comparison::not_equal;
    switch (comparison) {
    case Comparison::equal: return *x == a;
    case Comparison::not_equal: return *x != a;
    case Comparison::less: return *x < a;
    case Comparison::greater: return *x > a;
    case Comparison::less_or_equal: return *x <= a;
    case Comparison::greater_or_equal: return *x >= a;
    case Comparison::range_open: return a < *x && *x < b;
    case Comparison::range_closed: return a <= *x && *x <= b;
    }
    return false;
}

} // namespace

TEST_CASE_FIXTURE(Fixture, "numbers of every type are compared") {
    const double values[] = {0, 1, -1, 2.5, 0.1, 3, 1e10, -1e10, 1.8446744073709552e19, 1.8446744073709550e19, HUGE_VAL, -HUGE_VAL, std::nan("")};
    for (int number = 0; number < 8; ++number)
        for (const auto a : values)
            for (const auto b : {2.0, a}) {
                const auto comparison = static_cast<Comparison>(number);
                CAPTURE(number);
                CAPTURE(a);
                CAPTURE(b);
                check(compare_numbers(table, random_table::d, comparison, a, b), [&](const Row& row) { return compares(comparison, row.d, a, b); });
                check(compare_numbers(table, random_table::f, comparison, a, b),
                      [&](const Row& row) { return compares(comparison, row.f, static_cast<float>(a), static_cast<float>(b)); });
                check(compare_numbers(table, random_table::i, comparison, a, b), [&](const Row& row) { return compares(comparison, row.i, a, b); });
                check(compare_numbers(table, random_table::u, comparison, a, b), [&](const Row& row) { return compares(comparison, row.u, a, b); });
                check(compare_numbers(table, random_table::b, comparison, a, b), [&](const Row& row) { return compares(comparison, row.b, a, b); });
            }
}

TEST_CASE_FIXTURE(Fixture, "texts are matched") {
    using random_table::s;
    const auto lower = [](std::string text) {
        for (auto& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
        return text;
    };
    for (const std::string pattern : {"", "a", "aB", "abA", "zz"}) {
        CAPTURE(pattern);
        check(match_text(s, TextMatch::contains, pattern), [&](const Row& row) { return row.s.find(pattern) != std::string::npos; });
        check(match_text(s, TextMatch::equals, pattern), [&](const Row& row) { return row.s == pattern; });
        check(match_text(s, TextMatch::contains, pattern, true), [&](const Row& row) { return lower(row.s).find(lower(pattern)) != std::string::npos; });
    }
    const std::regex expected("^a+b?$");
    check(match_text(s, TextMatch::regex, "^a+b?$"), [&](const Row& row) { return std::regex_search(row.s, expected); });
}

TEST_CASE("patterns that can't be used say why") {
    const auto error_of = [](const std::string& pattern) -> std::string {
        try {
            match_text(0, TextMatch::regex, pattern);
        } catch (const PatternError& error) { return error.what(); }
        return {};
    };
    CHECK(error_of("(a").find("(a") != std::string::npos);
    CHECK(error_of("a{1,100000}") != "");
    CHECK(error_of("\xFF") != "");
    CHECK(error_of(std::string(5000, 'a')).find("5000 bytes") != std::string::npos);
    // Would take memory without bound if it were expanded.
    CHECK(error_of("((((x{1,200}){1,200}){1,200}){1,200})") != "");
    CHECK(error_of("^[a-z]+$") == "");
}

TEST_CASE_FIXTURE(Fixture, "tests are combined") {
    const auto big = compare_numbers(table, random_table::d, Comparison::greater, 0);
    const auto flag = compare_numbers(table, random_table::b, Comparison::equal, 1);
    const auto missing = is_missing(random_table::d);
    const auto is_big = [](const Row& row) { return row.d && *row.d > 0; };
    const auto is_not_there = [](const Row& row) { return !row.d || std::isnan(*row.d); };
    check(missing, is_not_there);
    check(is_missing(random_table::i), [](const Row& row) { return !row.i; });
    check(is_missing(random_table::s), [](const Row& row) { return row.s.empty(); });
    check(all_of({big, flag}), [&](const Row& row) { return is_big(row) && row.b; });
    check(any_of({big, flag}), [&](const Row& row) { return is_big(row) || row.b; });
    check(none_of({big, flag}), [&](const Row& row) { return !is_big(row) && !row.b; });
    check(all_of({any_of({big, missing}), none_of({flag})}), [&](const Row& row) { return (is_big(row) || is_not_there(row)) && !row.b; });
    check(all_of({}), [](const Row&) { return true; });
    check(any_of({}), [](const Row&) { return false; });
    CHECK(any_of({big, flag})->key() != any_of({flag, big})->key());
    CHECK(any_of({big, flag})->key() != all_of({big, flag})->key());
    CHECK(any_of({any_of({big}), flag})->key() != any_of({any_of({big, flag})})->key());
}

TEST_CASE_FIXTURE(Fixture, "cones and boxes of positions") {
    const double radian = std::numbers::pi / 180;
    const auto distance = [&](const Row& row, double lon, double lat) {
        // The angle between unit vectors, by their cross and dot products.
        const auto vector = [&](double l, double p) { return std::array{std::cos(p * radian) * std::cos(l * radian), std::cos(p * radian) * std::sin(l * radian), std::sin(p * radian)}; };
        const auto a = vector(row.lon, row.lat), b = vector(lon, lat);
        const double x = a[1] * b[2] - a[2] * b[1], y = a[2] * b[0] - a[0] * b[2], z = a[0] * b[1] - a[1] * b[0];
        return std::atan2(std::sqrt(x * x + y * y + z * z), a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / radian;
    };
    for (const auto& [lon, lat, radius] : {std::tuple(359.95, 0.02, 20.013), std::tuple(10.03, 89.91, 15.017), std::tuple(180.01, -60.03, 3.0007), std::tuple(0.0, 0.0, 180.0)}) {
        const auto lon_ = lon, lat_ = lat, radius_ = radius;
        check(within_cone(random_table::lon, random_table::lat, lon_, lat_, radius_), [&](const Row& row) { return radius_ >= 180 || distance(row, lon_, lat_) <= radius_; });
    }
    check(within_box(random_table::d, random_table::i, -1, 2, 0, 4), [](const Row& row) { return row.d && row.i && *row.d >= -1 && *row.d <= 2 && *row.i >= 0 && *row.i <= 4; });
}
