/// The ranges of image.read, as clients may say them.
#include "rpc/error.hpp"
#include "server/handlers/image_read.hpp"

#include <doctest/doctest.h>
#include <limits>
#include <string>

using cubelink::server::AxisRange;
using cubelink::server::checked_range;
namespace rpc = cubelink::rpc;

namespace {

constexpr std::int64_t length = 10, huge = std::numeric_limits<std::int64_t>::max();

bool is(const AxisRange& range, std::int64_t from, std::int64_t to, std::int64_t count) {
    return range.from == from && range.to == to && range.count() == count;
}

/// Index 100 stands for a computed polarization.
bool computed(std::int64_t index) { return index == 0 || index == 100; }

} // namespace

TEST_CASE("the whole axis, an index, a range, every so many") {
    CHECK(is(checked_range(rpc::Value(), length, "x"), 0, 10, 10));
    CHECK(is(checked_range(rpc::Value(9), length, "x"), 9, 10, 1));
    CHECK(is(checked_range(rpc::Array{2, 7}, length, "x"), 2, 7, 5));
    CHECK(is(checked_range(rpc::Array{0, 10, 3}, length, "x"), 0, 10, 4));
    CHECK(is(checked_range(rpc::Array{0, 9, 3}, length, "x"), 0, 9, 3));
    CHECK(is(checked_range(rpc::Array{4, 5, huge}, length, "x"), 4, 5, 1));
    CHECK(is(checked_range(rpc::Array{0, 10, huge}, length, "x"), 0, 10, 1));
}

TEST_CASE("an index beyond the axis where one is allowed, with any step") {
    CHECK(is(checked_range(rpc::Value(100), length, "stokes", computed), 100, 101, 1));
    CHECK(is(checked_range(rpc::Array{100, 101}, length, "stokes", computed), 100, 101, 1));
    CHECK(is(checked_range(rpc::Array{100, 101, huge}, length, "stokes", computed), 100, 101, 1));
    CHECK(is(checked_range(rpc::Array{0, 1, huge}, length, "stokes", computed), 0, 1, 1));
    CHECK_THROWS_AS(checked_range(rpc::Array{100, 102}, length, "stokes", computed), rpc::BadArguments);
    CHECK_THROWS_AS(checked_range(rpc::Value(101), length, "stokes", computed), rpc::BadArguments);
}

TEST_CASE("what is no range says so, with its name") {
    for (const rpc::Value& value : {rpc::Value(-1), rpc::Value(10), rpc::Value(huge), rpc::Value("all"), rpc::Value(rpc::Array{}), rpc::Value(rpc::Array{1}),
                                    rpc::Value(rpc::Array{1, 2, 3, 4}), rpc::Value(rpc::Array{3, 3}), rpc::Value(rpc::Array{7, 2}),
                                    rpc::Value(rpc::Array{-1, 2}), rpc::Value(rpc::Array{0, 11}), rpc::Value(rpc::Array{0, 5, 0}),
                                    rpc::Value(rpc::Array{huge, -huge - 1}), rpc::Value(rpc::Array{huge, huge, 1})}) {
        std::string complaint;
        try {
            checked_range(value, length, "channel", computed);
        } catch (const rpc::BadArguments& error) { complaint = error.what(); }
        CHECK(complaint.find("channel") != std::string::npos);
    }
}
