#pragma once
/// What is kept of a session beyond the server's life: enough to open everything again as it was. JSON text in the store.
/// Pure, except for snapshot_of(), which reads a session and so belongs into a command of its queue.
///
/// A snapshot has a version. Older ones are migrated when they are read. Of newer ones, and of objects of an unknown kind, what is understood
/// is taken, and the rest is ignored.
///
///     {"version": 2,
///      "objects": [{"kind": "image", "id": 0, …}, …],                Object::saved(), those that others belong to first
///      "requirements": [{"file_id": 0, "region_id": 0, "kind": "spatial", "list": […]}, …],
///      "next_ids": {"image": 1, …},
///      "cursor_file": 0}                                            or null
///
/// Version 1 had a list "images", each with its requirements ("cursor_spatial", "cursor_spectral", "histograms", "statistics"), and
/// "next_file_id".

#include "rpc/values/value.hpp"
#include "server/session/object.hpp"
#include "server/session/requirements.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cubelink::server {

class Session;

inline constexpr std::int64_t snapshot_version = 2;

struct SavedSession {
    std::int64_t version = snapshot_version; // of the text that it was read from
    std::vector<rpc::Map> objects;           // each with "kind" and "id"; the rest is for the restorer of that kind
    std::vector<std::pair<RequirementKey, Requirements>> requirements; // connections 0
    std::map<std::string, std::int32_t> next_ids;                      // by the name of the kind
    std::optional<std::int32_t> cursor_file;
    std::vector<std::string> left_out; // what was wrong with objects and requirements that are not among the above
};

SavedSession snapshot_of(const Session& session);

std::string to_text(const SavedSession& saved);
/// Objects without a kind or a valid id, and requirements that can't be read, are left out. Throws rpc::CallError, which names the field, for text that
/// is no snapshot.
SavedSession saved_session_of(std::string_view text);

} // namespace cubelink::server
