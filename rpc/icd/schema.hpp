#pragma once
/// What the bridge, the wire check and the text check need to know of each ICD message type, looked up once instead of per
/// field and message. Internal to rpc/icd. Made at first use, read-only after that: any thread.

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstddef>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cubelink::icd {

struct MessageSchema;

struct FieldSchema {
    const google::protobuf::FieldDescriptor* field = nullptr;
    const MessageSchema* message = nullptr; // of the field's message type (for map fields: of the entry), else nullptr
    bool has_text = false;                  // holds strings, here or further in
};

struct MessageSchema {
    const google::protobuf::Descriptor* type = nullptr;
    std::vector<FieldSchema> fields;                          // by index
    std::unordered_map<std::string_view, std::size_t> by_name; // snake_case and camelCase → index
    std::unordered_map<int, std::size_t> by_number;
    std::size_t size = 0; // bytes of an empty message
    bool has_text = false;

    const FieldSchema* find(std::string_view name) const;
    const FieldSchema* find(int number) const;
};

/// Throws std::logic_error if `type` is no ICD message.
const MessageSchema& schema_of(const google::protobuf::Descriptor* type);

} // namespace cubelink::icd
