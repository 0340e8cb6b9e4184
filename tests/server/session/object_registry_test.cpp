#include "server/session/object_registry.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace cubelink;
using namespace cubelink::server;

namespace {

struct Thing : Object {
    Thing(ObjectId id, std::optional<ObjectId> owner = {}) : Object(id), owner(owner) {}
    std::optional<ObjectId> belongs_to() const override { return owner; }
    rpc::Map saved() const override { return {{"text", "x"}}; }
    std::optional<ObjectId> owner;
};
struct Unsaved : Object {
    using Object::Object;
};

struct Fixture {
    std::vector<ObjectId> closed;
    ObjectRegistry registry{[this](const ObjectPtr& object) {
        CHECK(object->closed.cancelled());
        closed.push_back(object->object_id);
    }};
    std::shared_ptr<Thing> put(ObjectId id, std::optional<ObjectId> owner = {}) {
        auto thing = std::make_shared<Thing>(id, owner);
        registry.put(thing);
        return thing;
    }
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "objects by kind and id, of every kind alike") {
    const auto image = put(image_id(3)), region = put(region_id(3)), catalog = put(catalog_id(3));
    CHECK(registry.find<Thing>(image_id(3)) == image);
    CHECK(registry.find<Thing>(region_id(3)) == region);
    CHECK(registry.find<Unsaved>(region_id(3)) == nullptr);
    CHECK(registry.all<Thing>(ObjectKind::catalog) == std::vector{catalog});
    CHECK(registry.next_id(ObjectKind::image) == 4);
    put(image_id(INT32_MAX));
    CHECK(registry.next_id(ObjectKind::image) == 4);
    CHECK(image->number != region->number);
    CHECK_FALSE(registry.close(region_id(4)));
    CHECK(registry.close(region_id(3)));
    CHECK(registry.next_id(ObjectKind::region) == 4);
    CHECK(closed == std::vector{region_id(3)});
}

TEST_CASE_FIXTURE(Fixture, "ids: images from 0, regions from 1, and those of a restored session") {
    CHECK(registry.next_id(ObjectKind::image) == 0);
    CHECK(registry.next_id(ObjectKind::region) == 1);
    registry.set_next_id(ObjectKind::region, 9);
    registry.set_next_id(ObjectKind::region, 5);
    CHECK(registry.next_id(ObjectKind::region) == 9);
    registry.reserve(region_id(20));
    registry.reserve(region_id(20));
    registry.release(region_id(20));
    CHECK(registry.next_id(ObjectKind::region) == 21);
    CHECK(registry.next_id(ObjectKind::image) == 0);
    registry.release(region_id(20));
    registry.release(region_id(20));
    CHECK(registry.next_id(ObjectKind::region) == 9);
}

TEST_CASE_FIXTURE(Fixture, "free ids follow the highest one; at the end of the numbers they are the lowest that are free") {
    CHECK(registry.free_ids(ObjectKind::image, 3) == 0);
    CHECK(registry.free_ids(ObjectKind::region, 3) == 1);
    for (const int id : {0, 2, 6}) put(image_id(id));
    registry.reserve(image_id(9));
    CHECK(registry.free_ids(ObjectKind::image, 13) == 10);
    put(image_id(INT32_MAX - 2));
    CHECK(registry.free_ids(ObjectKind::image, 2) == INT32_MAX - 1);
    CHECK(registry.free_ids(ObjectKind::image, 3) == 3);
    put(image_id(INT32_MAX));
    CHECK(registry.free_ids(ObjectKind::image, 1) == INT32_MAX - 1);
    put(image_id(INT32_MAX - 1));
    CHECK(registry.free_ids(ObjectKind::image, 1) == 1);
    CHECK(registry.free_ids(ObjectKind::image, 2) == 3);
    CHECK(registry.free_ids(ObjectKind::image, 4) == 10);
    CHECK_FALSE(registry.free_ids(ObjectKind::image, INT32_MAX));
    CHECK(registry.close(image_id(2)));
    CHECK(registry.free_ids(ObjectKind::image, 5) == 1);
}

TEST_CASE_FIXTURE(Fixture, "what belongs to an object is closed with it, also when it is replaced") {
    put(image_id(1));
    put(image_id(2));
    put(region_id(1), image_id(1));
    put(region_id(2), image_id(2));
    put(catalog_id(1), region_id(1));
    put(image_id(1));
    CHECK(closed == std::vector{catalog_id(1), region_id(1), image_id(1)});
    CHECK(registry.holds(image_id(1)));
    CHECK_FALSE(registry.holds(region_id(1)));
    CHECK(registry.holds(region_id(2)));
    closed.clear();
    registry.close_all(ObjectKind::image);
    CHECK(closed.size() == 3);
    CHECK(registry.all<Thing>(ObjectKind::region).empty());
}

TEST_CASE_FIXTURE(Fixture, "objects that belong to one another in a circle are closed once each") {
    put(region_id(1), region_id(2));
    put(region_id(2), region_id(1));
    put(region_id(3), region_id(3));
    CHECK(registry.close(region_id(1)));
    CHECK(registry.close(region_id(3)));
    CHECK(closed.size() == 3);
}

TEST_CASE_FIXTURE(Fixture, "what is cancelled is not found, and is closed later") {
    const auto image = put(image_id(1)), region = put(region_id(1), image_id(1));
    CHECK(registry.cancel(image_id(1)).size() == 2);
    CHECK(region->closed.cancelled());
    CHECK(registry.find<Thing>(image_id(1)) == nullptr);
    CHECK(registry.holds(image_id(1)));
    CHECK(registry.saved().empty());
    CHECK(closed.empty());
    CHECK(registry.close(image_id(1)));
    CHECK(closed.size() == 2);
    CHECK(registry.cancel_all(ObjectKind::image).empty());
}

TEST_CASE_FIXTURE(Fixture, "saved: those that others belong to first, and only what can be made again") {
    put(image_id(1));
    put(region_id(1), image_id(5));
    put(image_id(5), region_id(9));
    registry.put(std::make_shared<Unsaved>(image_id(7)));
    const auto saved = registry.saved();
    REQUIRE(saved.size() == 3);
    CHECK(*saved[0].find("id") == rpc::Value(1));
    CHECK(*saved[0].find("kind") == rpc::Value("image"));
    CHECK(*saved[1].find("kind") == rpc::Value("image"));
    CHECK(*saved[2].find("kind") == rpc::Value("region"));
}

TEST_CASE_FIXTURE(Fixture, "there is room for so many of a kind") {
    for (std::int32_t id = 0; id < static_cast<std::int32_t>(ObjectRegistry::limit_of(ObjectKind::image)); ++id) {
        REQUIRE(registry.has_room_for(image_id(id)));
        put(image_id(id));
    }
    CHECK_FALSE(registry.has_room_for(image_id(5000)));
    CHECK(registry.has_room_for(image_id(5))); // in its place
    CHECK(registry.has_room_for(region_id(5000)));
}
