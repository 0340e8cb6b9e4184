#include "rpc/icd/bridge.hpp"

#include "rpc/icd/body.hpp"
#include "rpc/icd/messages.hpp"
#include "rpc/icd/schema.hpp"
#include "tests/rpc/icd/random_message.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <thread>

namespace cubelink::icd {
namespace {

namespace pb = google::protobuf;
using rpc::Array;
using rpc::Bytes;
using rpc::Map;
using rpc::Value;

std::vector<const pb::Message*> all_types() {
    std::vector<const pb::Message*> out;
    for (const pb::Message* first : {static_cast<const pb::Message*>(&Point::default_instance()),
                                     static_cast<const pb::Message*>(&OpenFile::default_instance()),
                                     static_cast<const pb::Message*>(&FileListRequest::default_instance()),
                                     static_cast<const pb::Message*>(&RasterTileData::default_instance())}) {
        const pb::FileDescriptor* file = first->GetDescriptor()->file();
        const auto prototype = [](const pb::Descriptor* type) {
            return pb::MessageFactory::generated_factory()->GetPrototype(type);
        };
        for (int i = 0; i < file->message_type_count(); ++i) {
            const pb::Descriptor* type = file->message_type(i);
            out.push_back(prototype(type));
            for (int k = 0; k < type->nested_type_count(); ++k)
                if (!type->nested_type(k)->options().map_entry()) out.push_back(prototype(type->nested_type(k)));
        }
    }
    return out;
}

/// The same value as JavaScript might send it: camelCase names, enums as numbers, integers for whole floats, null for NaN.
Value as_javascript(const Value& value, const MessageSchema& schema);

Value element_as_javascript(const Value& value, const FieldSchema& entry) {
    if (entry.message) return as_javascript(value, *entry.message);
    if (const auto* name = value.get_if<std::string>(); name && entry.field->enum_type())
        return entry.field->enum_type()->FindValueByName(*name)->number();
    if (const auto* d = value.get_if<double>()) {
        if (std::isnan(*d)) return nullptr;
        if (std::abs(*d) < 1e6 && *d == std::trunc(*d) && !std::signbit(*d)) return static_cast<std::int64_t>(*d);
    }
    if (const auto* i = value.get_if<std::int64_t>(); i && std::abs(static_cast<double>(*i)) < 1e15) return static_cast<double>(*i);
    return value;
}

Value as_javascript(const Value& value, const MessageSchema& schema) {
    Map out;
    for (const auto& [key, held] : *value.get_if<Map>()) {
        const FieldSchema& entry = *schema.find(*key.get_if<std::string>());
        Value changed;
        if (entry.field->is_map()) {
            Map entries;
            for (const auto& [k, v] : *held.get_if<Map>()) entries.append(k, element_as_javascript(v, *entry.message->find(2)));
            changed = std::move(entries);
        } else if (entry.field->is_repeated()) {
            Array elements;
            for (const Value& element : *held.get_if<Array>()) elements.push_back(element_as_javascript(element, entry));
            changed = std::move(elements);
        } else
            changed = element_as_javascript(held, entry);
        out.append(entry.field->json_name(), std::move(changed));
    }
    return out;
}

template <class M>
M from(const Value& value) {
    M message;
    from_value(value, message);
    return message;
}

template <class M>
std::string refusal(const Value& value) {
    try {
        from<M>(value);
    } catch (const rpc::BadArguments& error) {
        CHECK(error.error().code == rpc::code::bad_arguments);
        return error.what();
    }
    return "accepted";
}

template <class M>
Value value_of(M message) {
    return make_body(std::move(message))->value();
}

const Value& at(const Value& map, std::string_view key) {
    const Value* found = map.get_if<Map>()->find(key);
    REQUIRE_MESSAGE(found, std::string(key));
    return *found;
}

TEST_CASE("random messages of every type survive the way to a value and back") {
    const auto types = all_types();
    CHECK(types.size() == 118);
    test::Random random(20261121);
    for (const pb::Message* type : types) {
        INFO(type->GetTypeName());
        const MessageSchema& schema = schema_of(type->GetDescriptor());
        for (int i = 0; i < 60; ++i) {
            std::shared_ptr<pb::Message> message(type->New());
            test::randomise(*message, random);
            const std::string wire = test::wire_of(*message);
            const Value value = to_value(message);
            std::unique_ptr<pb::Message> back(type->New());
            from_value(value, *back);
            CHECK(test::wire_of(*back) == wire);
            std::unique_ptr<pb::Message> again(type->New());
            from_value(as_javascript(value, schema), *again);
            std::shared_ptr<pb::Message> shared_again(std::move(again));
            CHECK(to_value(shared_again) == value); // NaNs lose their bits as null, nothing else changes
        }
    }
}

TEST_CASE("every field of a reply is present except unset messages") {
    for (const pb::Message* type : all_types()) {
        INFO(type->GetTypeName());
        const Value value = to_value(std::shared_ptr<const pb::Message>(type->New()));
        for (int i = 0; i < type->GetDescriptor()->field_count(); ++i) {
            const pb::FieldDescriptor* field = type->GetDescriptor()->field(i);
            INFO(field->name());
            const Value* held = value.get_if<Map>()->find(field->name());
            if (!field->is_repeated() && field->message_type()) CHECK(held == nullptr);
            else CHECK(held != nullptr);
        }
    }
}

TEST_CASE("shapes of values") {
    OpenFileAck ack;
    ack.set_success(true);
    ack.mutable_file_info()->set_size(std::int64_t{1} << 60);
    ack.mutable_file_info()->set_type(FileType::FITS);
    ack.mutable_file_info()->add_hdu_list("0");
    ack.set_file_feature_flags(4294967295u);
    ack.add_beam_table()->set_pa(0.1f);
    const Value value = value_of(ack);
    CHECK(at(value, "success") == Value(true));
    CHECK(at(value, "file_feature_flags") == Value(4294967295));
    CHECK(at(at(value, "file_info"), "type") == Value("FITS"));
    CHECK(at(at(value, "file_info"), "size") == Value(std::int64_t{1} << 60));
    CHECK(at(at(value, "file_info"), "HDU_list") == Value(Array{"0"}));
    CHECK(at((*at(value, "beam_table").get_if<Array>())[0], "pa") == Value(static_cast<double>(0.1f)));

    AddRequiredTiles tiles;
    tiles.set_compression_type(static_cast<CompressionType>(77));
    CHECK(at(value_of(tiles), "compression_type") == Value(77));
    tiles.set_compression_type(CompressionType::NONE);
    CHECK(at(value_of(tiles), "compression_type") == Value("NONE"));

    ImportRegionAck regions;
    for (const int id : {10, 9, -3}) (*regions.mutable_regions())[id].set_rotation(static_cast<float>(id));
    std::vector<std::string> keys;
    const Value shown = value_of(regions);
    for (const auto& entry : *at(shown, "regions").get_if<Map>()) keys.push_back(*entry.first.get_if<std::string>());
    CHECK(keys == std::vector<std::string>{"-3", "9", "10"});
}

TEST_CASE("bytes share the message's memory and keep it alive") {
    auto message = std::make_shared<RasterTileData>();
    message->add_tiles()->set_image_data(std::string(100000, 'x'));
    const char* memory = message->tiles(0).image_data().data();
    std::weak_ptr<RasterTileData> watched = message;
    Bytes held;
    {
        const MessageBody body(std::move(message));
        held = *at((*at(body.value(), "tiles").get_if<Array>())[0], "image_data").get_if<Bytes>();
    }
    CHECK(held.data() == memory);
    CHECK(!watched.expired());
    CHECK(held.size() == 100000);
    held = {};
    CHECK(watched.expired());
}

TEST_CASE("a body may be shown and serialised by several threads at once") {
    for (int round = 0; round < 20; ++round) {
        auto message = std::make_shared<FileInfoResponse>();
        for (int i = 0; i < 20; ++i) (*message->mutable_file_info_extended())[std::to_string(i)].add_header_entries()->set_value("caf\xe9");
        message->mutable_file_info()->set_name("a.fits");
        const auto body = std::make_shared<const MessageBody>(message);
        std::vector<Value> values(4);
        std::vector<Bytes> wires(4);
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < 4; ++i)
            threads.emplace_back([&, i] {
                values[i] = body->value();
                wires[i] = body->serialized();
            });
        for (auto& thread : threads) thread.join();
        for (std::size_t i = 1; i < 4; ++i) {
            CHECK(values[i] == values[0]);
            CHECK(wires[i] == wires[0]);
        }
        CHECK(at(values[0], "file_info_extended").get_if<Map>()->size() == 20);
    }
}

TEST_CASE("text that is not UTF-8 is made so, in values and on the wire") {
    auto message = std::make_shared<FileInfoResponse>();
    message->set_message("caf\xe9");
    (*message->mutable_file_info_extended())["\xff"].add_header_entries()->set_comment("\xc3");
    const MessageBody body(message);
    CHECK(at(body.value(), "message") == Value("caf\xef\xbf\xbd"));
    FileInfoResponse parsed;
    REQUIRE(parsed.ParseFromString(std::string(body.serialized().text())));
    CHECK(parsed.message() == "caf\xef\xbf\xbd");
    REQUIRE(parsed.file_info_extended().contains("\xef\xbf\xbd"));
    CHECK(parsed.file_info_extended().at("\xef\xbf\xbd").header_entries(0).comment() == "\xef\xbf\xbd");
    CHECK(message->message() == "caf\xe9");
}

TEST_CASE("what requests may look like") {
    CHECK(from<OpenFile>(Map{{"fileId", 3}, {"lel_expr", true}, {"renderMode", "CONTOUR"}}).file_id() == 3);
    CHECK(from<OpenFile>(Map{{"render_mode", "CONTOUR"}}).render_mode() == RenderMode::CONTOUR);
    CHECK(from<OpenFile>(Map{{"render_mode", 1}}).render_mode() == RenderMode::CONTOUR);
    CHECK(from<OpenFile>(Map{{"render_mode", 1.0}}).render_mode() == RenderMode::CONTOUR);
    CHECK(from<OpenFile>(Map{{"render_mode", 9}}).render_mode() == static_cast<RenderMode>(9));
    CHECK(from<OpenFile>(Map{{"file_id", -2147483648.0}}).file_id() == std::numeric_limits<int>::min());
    CHECK(from<OpenFile>(Map{{"file_id", -0.0}}).file_id() == 0);
    CHECK(from<FileInfo>(Map{{"HDUList", Array{"a"}}}).hdu_list(0) == "a");
    CHECK(from<FileInfo>(Map{{"size", std::numeric_limits<std::int64_t>::min()}}).size() == std::numeric_limits<std::int64_t>::min());
    CHECK(from<FileInfo>(Map{{"size", 9007199254740992.0}}).size() == 9007199254740992);
    CHECK(from<Point>(Map{{"x", 1}, {"y", std::uint64_t{1} << 63}}).y() == 9223372036854775808.0f);
    CHECK(std::isnan(from<Point>(Map{{"x", nullptr}}).x()));
    CHECK(std::isnan(from<DoublePoint>(Map{{"x", nullptr}}).x()));
    CHECK(std::isinf(from<Point>(Map{{"x", std::numeric_limits<double>::infinity()}}).x()));
    CHECK(from<Point>(Map{{"x", 3.4028234663852886e38}}).x() == std::numeric_limits<float>::max());
    CHECK(from<ColumnData>(Map{{"binary_data", Bytes::copy("\xff")}}).binary_data() == "\xff");
    const auto cursor = from<SetCursor>(Map{{"point", Map{}}});
    CHECK(cursor.has_point());
    Map frames;
    frames.append(7, Map{});
    frames.append("-8", Map{{"frameNumbers", Array{1, nullptr}}});
    const auto animation = from<StartAnimation>(Map{{"matched_frames", frames}});
    CHECK(animation.matched_frames().size() == 2);
    CHECK(animation.matched_frames().at(-8).frame_numbers_size() == 2);
    CHECK(test::wire_of(from<OpenFile>(Map{})).empty());
}

TEST_CASE("what is refused, and how the field is named") {
    const auto bounds = [](Value x) { return Map{{"image_bounds", Map{{"x_max", std::move(x)}}}}; };
    CHECK(refusal<SetContourParameters>(bounds("a")) == "image_bounds.x_max: expected an integer, got \"a\"");
    CHECK(refusal<SetContourParameters>(bounds(1.5)) == "image_bounds.x_max: expected an integer, got 1.5");
    CHECK(refusal<SetContourParameters>(bounds(nullptr)) == "image_bounds.x_max: expected an integer, got null");
    CHECK(refusal<SetContourParameters>(bounds(true)) == "image_bounds.x_max: expected an integer, got true");
    CHECK(refusal<SetContourParameters>(bounds(2147483648)) ==
          "image_bounds.x_max: expected an integer from -2147483648 to 2147483647, got 2147483648");
    CHECK(refusal<SetContourParameters>(bounds(-2147483649.0)).starts_with("image_bounds.x_max: expected an integer from"));
    CHECK(refusal<SetContourParameters>(bounds(std::numeric_limits<std::uint64_t>::max())).starts_with("image_bounds.x_max: expected"));
    CHECK(refusal<SetContourParameters>(bounds(std::nan(""))).starts_with("image_bounds.x_max: expected an integer, got"));
    CHECK(refusal<SetContourParameters>(Map{{"image_bounds", nullptr}}) == "image_bounds: expected a map, got null");
    CHECK(refusal<SetContourParameters>(Map{{"imageBounds", Array{}}}) == "image_bounds: expected a map, got []");
    CHECK(refusal<SetContourParameters>(Map{{"file_id", -1}}) == "file_id: expected an integer from 0 to 4294967295, got -1");
    CHECK(refusal<SetContourParameters>(Map{{"smoothing_mode", "blockaverage"}}) ==
          "smoothing_mode: expected a name or number of SmoothingMode, got \"blockaverage\"");
    CHECK(refusal<SetContourParameters>(Map{{"smoothing_mode", false}}).starts_with("smoothing_mode: expected a name or number"));
    CHECK(refusal<SetContourParameters>(Map{{"smoothing_mode", 2147483648}}).starts_with("smoothing_mode: expected an integer from"));
    CHECK(refusal<AddRequiredTiles>(Map{{"tiles", Array{1, 2, "x"}}}) == "tiles[2]: expected an integer, got \"x\"");
    CHECK(refusal<AddRequiredTiles>(Map{{"tiles", 1}}) == "tiles: expected a list, got 1");
    CHECK(refusal<FileInfo>(Map{{"size", 9007199254740994.0}}).starts_with("size: expected an integer, got"));
    CHECK(refusal<FileInfo>(Map{{"size", std::uint64_t{1} << 63}}).starts_with("size: expected an integer from -9223372036854775808"));
    CHECK(refusal<Point>(Map{{"x", 1e39}}) == "x: expected a number that fits 32-bit floats, got 1e+39");
    CHECK(refusal<Point>(Map{{"x", "1"}}) == "x: expected a number, got \"1\"");
    CHECK(refusal<OpenFile>(Map{{"lel_expr", 1}}) == "lel_expr: expected a bool, got 1");
    CHECK(refusal<OpenFile>(Map{{"file", 1}}) == "file: expected a string, got 1");
    CHECK(refusal<OpenFile>(Map{{"file", Bytes::copy("a")}}) == "file: expected a string, got <1 bytes>");
    CHECK(refusal<OpenFile>(Map{{"file", "\xff"}}) == "file: not valid UTF-8");
    CHECK(refusal<ColumnData>(Map{{"binary_data", "a"}}) == "binary_data: expected bytes, got \"a\"");
    CHECK(refusal<OpenFile>(Map{{"fil", 1}}) == "fil: unknown field of OpenFile");
    CHECK(refusal<SetRegion>(Map{{"region_info", Map{{"control_points", Array{Map{}, Map{{"z", 1}}}}}}}) ==
          "region_info.control_points[1].z: unknown field of Point");
    CHECK(refusal<OpenFile>(Map{{"file_id", 1}, {"fileId", 1}}) == "file_id: given twice");
    CHECK(refusal<OpenFile>(Map{{"file_id", 1}, {"file_id", 1}}) == "file_id: given twice");
    CHECK(refusal<OpenFile>(Value(3)) == "expected a map, got 3");
    Map odd;
    odd.append(3, 4);
    CHECK(refusal<OpenFile>(odd) == "expected names of fields of OpenFile, got 3");
    Map twice;
    twice.append("7", Map{});
    twice.append(7, Map{});
    CHECK(refusal<StartAnimation>(Map{{"matched_frames", twice}}) == "matched_frames[7]: given twice");
    CHECK(refusal<StartAnimation>(Map{{"matched_frames", Map{{"7x", Map{}}}}}) ==
          "matched_frames[\"7x\"]: expected an integer as key, got \"7x\"");
    CHECK(refusal<StartAnimation>(Map{{"matched_frames", Map{{"2147483648", Map{}}}}}).starts_with("matched_frames[\"2147483648\"]: "));
    CHECK(refusal<StartAnimation>(Map{{"matched_frames", Map{{"1", Map{{"frame_numbers", Array{true}}}}}}}) ==
          "matched_frames[\"1\"].frame_numbers[0]: expected a number, got true");
    // Names as long as they like, and not text at all: the answer is short and valid.
    const std::string answer = refusal<OpenFile>(Map{{std::string(100000, '\xff'), 1}});
    CHECK(answer.size() < 400);
    CHECK(refusal<OpenFile>(Map{{std::string("\0a\n", 3), 1}}) == ".a.: unknown field of OpenFile");
    CHECK(answer.ends_with("unknown field of OpenFile"));
}

TEST_CASE("a value of small maps cannot become gigabytes of messages") {
    Array many(3'000'000, Value(Map{}));
    CHECK(refusal<ResumeSession>(Map{{"images", std::move(many)}}).find("too many elements") != std::string::npos);
}

TEST_CASE("arguments of a call: one map, or keywords, or nothing") {
    OpenFile message;
    rpc::Request request;
    message_from_call(request, message);
    CHECK(test::wire_of(message).empty());
    request.args = Array{Map{{"file_id", 1}}};
    message_from_call(request, message);
    CHECK(message.file_id() == 1);
    request.kwargs = Map{{"file_id", 2}};
    CHECK_THROWS_AS(message_from_call(request, message), rpc::BadArguments);
    request.args.clear();
    message.Clear();
    message_from_call(request, message);
    CHECK(message.file_id() == 2);
    request.kwargs = {};
    request.args = Array{Map{}, Map{}};
    CHECK_THROWS_AS(message_from_call(request, message), rpc::BadArguments);
    request.args = Array{nullptr};
    CHECK_THROWS_WITH(message_from_call(request, message), "expected a map, got null");
    request.args.clear();
    OpenFile native;
    native.set_file("x.fits");
    request.native = make_body(native);
    message.Clear();
    message_from_call(request, message);
    CHECK(message.file() == "x.fits");
    CloseFile other;
    CHECK_THROWS_AS(message_from_call(request, other), rpc::BadArguments);
}

} // namespace
} // namespace cubelink::icd
