// The compiled messages against the ICD as data (icd30.json): nothing missing, nothing more, no number or type different.

#include "rpc/icd/events.hpp"
#include "rpc/icd/messages.hpp"

#include <doctest/doctest.h>
#include <google/protobuf/descriptor.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <set>
#include <string>

namespace cubelink::icd {
namespace {

namespace pb = google::protobuf;
using nlohmann::json;

const json& icd() {
    static const json document = json::parse(std::ifstream("tests/rpc/icd/icd30.json"));
    return document;
}

const pb::FileDescriptor* const files[] = {EventType_descriptor()->file(),       SessionType_descriptor()->file(),
                                           Point::descriptor()->file(),          OpenFile::descriptor()->file(),
                                           FileListRequest::descriptor()->file(), RasterTileData::descriptor()->file()};
const std::string package = "cubelink.icd.";

std::string without_package(const std::string& name) {
    return name.starts_with(package) ? name.substr(package.size()) : name;
}

std::string type_name(const pb::FieldDescriptor& field) {
    if (field.is_map())
        return "map<" + type_name(*field.message_type()->map_key()) + "," + type_name(*field.message_type()->map_value()) + ">";
    if (field.message_type()) return without_package(field.message_type()->full_name());
    if (field.enum_type()) return without_package(field.enum_type()->full_name());
    return field.type_name();
}

void collect(const pb::Descriptor& type, std::set<std::string>& names) {
    if (type.options().map_entry()) return;
    names.insert(without_package(type.full_name()));
    for (int i = 0; i < type.nested_type_count(); ++i) collect(*type.nested_type(i), names);
    CHECK(type.enum_type_count() == 0);
    CHECK(type.oneof_decl_count() == 0);
}

/// Those that the ICD has; the numbers of ours begin at 1000.
int icd_fields(const pb::Descriptor& type) {
    int count = 0;
    for (int i = 0; i < type.field_count(); ++i) count += type.field(i)->number() < 1000 ? 1 : 0;
    return count;
}

TEST_CASE("the messages are those of the ICD") {
    std::set<std::string> ours, theirs;
    for (const auto* file : files)
        for (int i = 0; i < file->message_type_count(); ++i) collect(*file->message_type(i), ours);
    for (const auto& [name, message] : icd()["messages"].items()) theirs.insert(name);
    CHECK(ours == theirs);
    CHECK(ours.size() == 118);
}

TEST_CASE("fields have the ICD's names, numbers and types") {
    std::size_t compared = 0;
    for (const auto& message : icd()["messages"].items()) {
        const std::string& name = message.key();
        INFO(name);
        const pb::Descriptor* type = pb::DescriptorPool::generated_pool()->FindMessageTypeByName(package + name);
        REQUIRE(type);
        CHECK(type->file()->syntax() == pb::FileDescriptor::SYNTAX_PROTO3);
        REQUIRE(icd_fields(*type) == static_cast<int>(message.value()["fields"].size()));
        for (const json& expected : message.value()["fields"]) {
            const std::string field_name = expected["name"];
            INFO(field_name);
            const pb::FieldDescriptor* field = type->FindFieldByName(field_name);
            REQUIRE(field);
            CHECK(field->number() == expected["number"]);
            CHECK(type_name(*field) == expected["type"].get<std::string>());
            CHECK(field->is_map() == expected["map"]);
            CHECK((field->is_repeated() && !field->is_map()) == expected["repeated"]);
            CHECK(field->json_name() == expected["js_name"]);
            CHECK(!field->has_optional_keyword());
            if (expected.contains("packed")) CHECK(field->is_packed() == expected["packed"]);
            ++compared;
        }
    }
    CHECK(compared == 559);
}

TEST_CASE("enums have the ICD's values") {
    std::set<std::string> ours, theirs;
    for (const auto* file : files)
        for (int i = 0; i < file->enum_type_count(); ++i) ours.insert(file->enum_type(i)->name());
    for (const auto& expected : icd()["enums"].items()) {
        const std::string& name = expected.key();
        const json& values = expected.value();
        theirs.insert(name);
        INFO(name);
        const pb::EnumDescriptor* type = pb::DescriptorPool::generated_pool()->FindEnumTypeByName(package + name);
        REQUIRE(type);
        REQUIRE(type->value_count() == static_cast<int>(values.size()));
        for (const auto& expected_value : values.items()) {
            const std::string& value_name = expected_value.key();
            INFO(value_name);
            const pb::EnumValueDescriptor* value = type->FindValueByName(value_name);
            REQUIRE(value);
            CHECK(value->number() == expected_value.value());
        }
    }
    CHECK(ours == theirs);
    CHECK(ours.size() == 28);
}

TEST_CASE("events have the ICD's numbers, messages, directions and replies") {
    REQUIRE(events().size() == icd()["events"].size());
    for (const json& expected : icd()["events"]) {
        const std::string name = expected["name"];
        INFO(name);
        const Event* event = event_by_number(expected["number"].get<std::uint16_t>());
        REQUIRE(event);
        CHECK(event->name == name);
        CHECK(event_by_name(name) == event);
        const Direction direction = expected["direction"].is_null()                    ? Direction::none
                                    : expected["direction"] == "frontend->backend" ? Direction::to_server
                                                                                       : Direction::to_client;
        CHECK(event->direction == direction);
        if (expected["message"].is_null()) {
            CHECK(event->prototype == nullptr);
            CHECK(event_by_method(event->method) == nullptr);
        } else {
            REQUIRE(event->prototype);
            CHECK(event->prototype->GetDescriptor()->name() == expected["message"]);
            CHECK(event_of(*event->prototype) == event);
            CHECK(event_by_method(event->method) == event);
        }
        if (expected.contains("reply")) {
            REQUIRE(event->reply);
            CHECK(event->reply->name == expected["reply"].get<std::string>());
            // The dialect says so in these fields when a call has failed.
            CHECK(event->reply->prototype->GetDescriptor()->FindFieldByName("success"));
            CHECK(event->reply->prototype->GetDescriptor()->FindFieldByName("message"));
        } else
            CHECK(event->reply == nullptr);
    }
}

TEST_CASE("methods and topics are named after the events") {
    CHECK(event_by_name("REGISTER_VIEWER")->method == "carta.register.viewer");
    CHECK(event_by_method("carta.raster.tile.data")->number == RASTER_TILE_DATA);
    CHECK(event_by_method("carta.file.list.progress")->prototype->GetDescriptor() == ListProgress::descriptor());
    CHECK(event_by_method("carta.no.such") == nullptr);
    CHECK(event_by_name("open_file") == nullptr);
    CHECK(event_by_number(5) == nullptr);
    CHECK(event_by_number(65535) == nullptr);
    CHECK(event_of(TileData::descriptor()) == nullptr);
}

} // namespace
} // namespace cubelink::icd
