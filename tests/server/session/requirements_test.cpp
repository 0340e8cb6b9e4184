#include "server/session/pv_preview.hpp"
#include "server/session/requirements.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace cubelink::server;

namespace {

std::vector<SpatialRequirement> spatial(std::initializer_list<const char*> names) {
    std::vector<SpatialRequirement> list;
    for (const auto* name : names) list.push_back({name});
    return list;
}
RequirementKey key(std::uint64_t connection, std::int32_t file = 0) { return {file, cursor_region, RequirementKind::spatial, connection}; }

} // namespace

TEST_CASE("connections never overwrite each other's requirements") {
    RequirementTable table;
    CHECK(table.set(key(1), spatial({"x"})));
    CHECK(table.set(key(2), spatial({"y"})));
    CHECK(table.set(key(3), spatial({"x"})));
    CHECK_FALSE(table.set(key(2), spatial({"y"})));
    const auto groups = table.groups<SpatialRequirement>(0, cursor_region);
    REQUIRE(groups.size() == 2);
    CHECK(groups[0].requirements == spatial({"x"}));
    CHECK(groups[0].connections == std::vector<std::uint64_t>{1, 3});
    CHECK(groups[1].connections == std::vector<std::uint64_t>{2});
    CHECK(table.set(key(1), spatial({})));
    CHECK(table.groups<SpatialRequirement>(0, cursor_region).size() == 2);
    CHECK(table.groups<SpectralRequirement>(0, cursor_region).empty());
}

TEST_CASE("lost requirements wait for an heir, joined in order; those of closed connections are forgotten") {
    RequirementTable table;
    table.set(key(1), spatial({"x", "y"}));
    table.set(key(1, 7), spatial({"x"}));
    table.set(key(2), spatial({"y", "Qx"}));
    table.set(key(3), spatial({"Uy"}));
    table.connection_lost(1);
    table.connection_lost(2);
    table.connection_closed(3);
    CHECK(table.groups<SpatialRequirement>(0, cursor_region).empty());
    CHECK(table.inherit(9) == std::vector{key(9), key(9, 7)});
    const auto groups = table.groups<SpatialRequirement>(0, cursor_region);
    REQUIRE(groups.size() == 1);
    CHECK(groups[0].requirements == spatial({"x", "y", "Qx"}));
    CHECK(table.inherit(10).empty());
    // Its own count more than what others have left.
    table.set(key(4), spatial({"Vx"}));
    table.connection_lost(4);
    CHECK(table.inherit(9).empty());
    CHECK(table.groups<SpatialRequirement>(0, cursor_region)[0].requirements == spatial({"x", "y", "Qx"}));
}

TEST_CASE("previews are neither inherited nor saved: what they hold is released with their connection") {
    struct Preview final : PvPreview {
        Preview() : PvPreview(5, 1) {}
        std::shared_ptr<const google::protobuf::Message> draw(const RegionState&, bool, const cubelink::imaging::ThreadShare&,
                                                              const cubelink::imaging::CancelToken&) const override {
            return nullptr;
        }
    };
    RequirementTable table;
    const RequirementKey place{0, 7, RequirementKind::pv_preview, 1};
    auto preview = std::make_shared<const Preview>();
    const std::weak_ptr<const Preview> held = preview;
    CHECK(table.find(place) == nullptr);
    CHECK(table.set(place, std::vector<PvPreviewRequirement>{{preview}}));
    CHECK_FALSE(table.set(place, std::vector<PvPreviewRequirement>{{preview}}));
    preview.reset();
    REQUIRE(table.find(place) != nullptr);
    CHECK(table.regions(0, RequirementKind::pv_preview) == std::vector<std::int32_t>{7});
    CHECK(table.saved().empty());
    CHECK_FALSE(held.expired());
    table.connection_lost(1);
    CHECK(held.expired());
    CHECK(table.inherit(2).empty());
}

TEST_CASE("what is joined has a limit") {
    RequirementTable table;
    for (std::uint64_t connection = 1; connection <= 5; ++connection) {
        std::vector<SpatialRequirement> list;
        for (std::int32_t i = 0; i < 150; ++i) list.push_back({"x", static_cast<std::int32_t>(connection), i});
        table.set(key(connection), list);
        table.connection_lost(connection);
    }
    CHECK(std::get<0>(table.saved()[0].second).size() == max_requirements);
    table.inherit(9);
    CHECK(table.groups<SpatialRequirement>(0, cursor_region)[0].requirements.size() == max_requirements);
}

TEST_CASE("an image and a region take their requirements with them, those that wait too") {
    RequirementTable table;
    table.set(key(1), spatial({"x"}));
    table.set({0, 4, RequirementKind::spatial, 1}, spatial({"x"}));
    table.set(key(2, 1), spatial({"x"}));
    table.connection_lost(2);
    table.remove_region(4);
    CHECK(table.saved().size() == 2);
    table.remove_image(1);
    CHECK(table.saved().size() == 1);
    table.remove_image(0);
    CHECK(table.saved().empty());
    table.restore(key(0, 3), spatial({"x", "Qx"}));
    table.restore(key(0, 4), spatial({"x"}));
    table.revise_image(3, [](const RequirementKey&, Requirements& list) { std::get<0>(list).pop_back(); });
    table.revise_image(4, [](const RequirementKey&, Requirements& list) { std::get<0>(list).clear(); });
    CHECK(table.inherit(5) == std::vector{key(5, 3)});
}

TEST_CASE("random: what a connection has set is what it has, whatever others do") {
    const auto seed = cubelink::test::random_seed();
    MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    RequirementTable table;
    std::map<RequirementKey, std::vector<SpatialRequirement>> model;
    for (int i = 0; i < 20'000; ++i) {
        const auto k = RequirementKey{static_cast<std::int32_t>(random() % 2), static_cast<std::int32_t>(random() % 2), RequirementKind::spatial, 1 + random() % 3};
        if (random() % 20 == 0) {
            table.connection_closed(k.connection);
            std::erase_if(model, [&](const auto& entry) { return entry.first.connection == k.connection; });
        } else {
            std::vector<SpatialRequirement> list(random() % 3, SpatialRequirement{random() % 2 ? "x" : "y"});
            table.set(k, list);
            if (list.empty()) model.erase(k);
            else model[k] = list;
        }
        std::size_t found = 0;
        for (const std::int32_t file : {0, 1})
            for (const std::int32_t region : {0, 1})
                for (const auto& group : table.groups<SpatialRequirement>(file, region))
                    for (const auto connection : group.connections) {
                        ++found;
                        REQUIRE(model.at({file, region, RequirementKind::spatial, connection}) == group.requirements);
                    }
        REQUIRE(found == model.size());
    }
}

TEST_CASE("removing a region removes what is required of it for every image, and nothing else") {
    std::mt19937 random(20261127);
    const auto one_of = [&](std::initializer_list<std::int32_t> list) { return *(list.begin() + random() % list.size()); };
    for (int round = 0; round < 200; ++round) {
        RequirementTable table;
        std::map<RequirementKey, bool> expected;
        for (int i = 0; i < 30; ++i) {
            const RequirementKey place{one_of({-3, 0, 1, 5, INT32_MAX}), one_of({-2, -1, 0, 1, 2, INT32_MAX}), RequirementKind::spatial, random() % 3};
            table.set(place, spatial({"x"}));
            expected[place] = true;
        }
        const auto removed = one_of({-2, -1, 0, 1, 2, INT32_MAX});
        table.remove_region(removed);
        for (const auto& [place, there] : expected) {
            const auto groups = table.groups<SpatialRequirement>(place.file_id, place.region_id);
            CHECK(groups.empty() == (place.region_id == removed));
        }
    }
}
