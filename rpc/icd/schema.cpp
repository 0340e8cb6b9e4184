#include "rpc/icd/schema.hpp"

#include "rpc/icd/events.hpp"

#include <google/protobuf/descriptor.pb.h>

#include <memory>
#include <stdexcept>

namespace cubelink::icd {
namespace {

namespace pb = google::protobuf;

class Schemas {
public:
    Schemas() {
        for (const Event& event : events())
            if (event.prototype) add_file(*event.prototype->GetDescriptor()->file());
    }

    const MessageSchema* find(const pb::Descriptor* type) const {
        const auto found = schemas_.find(type);
        return found == schemas_.end() ? nullptr : found->second.get();
    }

private:
    std::unordered_map<const pb::Descriptor*, std::unique_ptr<MessageSchema>> schemas_;

    void add_file(const pb::FileDescriptor& file) {
        for (int i = 0; i < file.message_type_count(); ++i) add(file.message_type(i));
        for (int i = 0; i < file.dependency_count(); ++i) add_file(*file.dependency(i));
    }

    // No ICD message contains itself, so a type's parts can be completed before the type.
    const MessageSchema* add(const pb::Descriptor* type) {
        if (const MessageSchema* known = find(type)) return known;
        auto schema = std::make_unique<MessageSchema>();
        schema->type = type;
        // The entries of map fields can't be asked (protobuf 3.21 follows the null pointer of their value).
        schema->size = type->options().map_entry() ? 128 : pb::MessageFactory::generated_factory()->GetPrototype(type)->SpaceUsedLong();
        for (int i = 0; i < type->field_count(); ++i) {
            const pb::FieldDescriptor* field = type->field(i);
            FieldSchema entry{field, nullptr, field->type() == pb::FieldDescriptor::TYPE_STRING};
            if (field->message_type()) {
                entry.message = add(field->message_type());
                entry.has_text = entry.message->has_text;
            }
            const auto index = static_cast<std::size_t>(i);
            schema->by_name.emplace(field->name(), index);
            schema->by_name.emplace(field->json_name(), index);
            schema->by_number.emplace(field->number(), index);
            schema->has_text |= entry.has_text;
            schema->fields.push_back(entry);
        }
        return (schemas_[type] = std::move(schema)).get();
    }
};

} // namespace

const FieldSchema* MessageSchema::find(std::string_view name) const {
    const auto found = by_name.find(name);
    return found == by_name.end() ? nullptr : &fields[found->second];
}

const FieldSchema* MessageSchema::find(int number) const {
    const auto found = by_number.find(number);
    return found == by_number.end() ? nullptr : &fields[found->second];
}

const MessageSchema& schema_of(const pb::Descriptor* type) {
    static const Schemas schemas;
    if (const MessageSchema* found = schemas.find(type)) return *found;
    throw std::logic_error("not an ICD message: " + type->full_name());
}

} // namespace cubelink::icd
