#pragma once
/// The fields of a saved map, taken out one by one. Throws BadArguments, which names the field, for what is missing or of another type;
/// other fields are ignored.

#include "rpc/values/convert.hpp"

#include <string_view>
#include <utility>
#include <vector>

namespace cubelink::server {

class SavedFields {
public:
    /// `path` outlives it.
    SavedFields(rpc::Value&& value, const rpc::Path& path) : map_(rpc::from_value<rpc::Map>(std::move(value), path)), path_(path) {}

    template <class T>
    T take(std::string_view name) {
        auto* found = map_.find(name);
        return rpc::from_value<T>(found ? std::move(*found) : rpc::Value(), rpc::Path(path_, name));
    }
    /// The same for a field that older snapshots don't have.
    template <class T>
    T take_or(std::string_view name, T otherwise) {
        return map_.find(name) ? take<T>(name) : otherwise;
    }
    /// Each element of a list, made by `read(Value&&, Path)`.
    template <class Read>
    auto list(std::string_view name, Read read) {
        const rpc::Path path(path_, name);
        auto values = take<rpc::Array>(name);
        std::vector<decltype(read(std::declval<rpc::Value>(), path))> out;
        out.reserve(values.size());
        for (std::size_t i = 0; i < values.size(); ++i) out.push_back(read(std::move(values[i]), rpc::Path(path, i)));
        return out;
    }

private:
    rpc::Map map_;
    const rpc::Path& path_;
};

} // namespace cubelink::server
