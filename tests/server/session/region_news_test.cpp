#include "server/session/region_news.hpp"

#include <doctest/doctest.h>

using cubelink::server::RegionNews;
using Ids = std::vector<std::int32_t>;

TEST_CASE("the first change is told at once, then the newest at intervals, and the last one always") {
    RegionNews news;
    CHECK_FALSE(news.waits());
    CHECK(news.tell_now(5));
    CHECK(news.waits());
    for (int i = 0; i < 10; ++i) CHECK_FALSE(news.tell_now(5));
    CHECK(news.tell_now(6)); // another one does not wait for it
    CHECK(news.take_due() == Ids{5});
    CHECK_FALSE(news.tell_now(5)); // it was told just now
    CHECK(news.tell_now(6));       // it has been quiet for an interval
    CHECK(news.take_due() == Ids{5});
    CHECK(news.take_due().empty());
    CHECK_FALSE(news.waits());
    CHECK(news.tell_now(5));
}

TEST_CASE("a region that is gone is not told") {
    RegionNews news;
    news.tell_now(1);
    news.tell_now(1);
    news.forget(1);
    CHECK(news.take_due().empty());
    CHECK(news.tell_now(1)); // another one of that id
}
