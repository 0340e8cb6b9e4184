#pragma once
/// Sends what follows from a session's changes by the functions of plane_data.hpp and cursor_data.hpp, to everybody in the session.

#include "server/session/session.hpp"

#include <vector>

namespace cubelink::server {

std::unique_ptr<ChangeListener> make_change_adapter(Session& session);

/// What all connections together require, each requirement once.
template <class T>
std::vector<T> joined_requirements(const Session& session, std::int32_t file_id, std::int32_t region_id) {
    std::vector<T> list;
    for (const auto& group : session.requirements().groups<T>(file_id, region_id))
        for (const auto& one : group.requirements)
            if (std::find(list.begin(), list.end(), one) == list.end()) list.push_back(one);
    return list;
}

} // namespace cubelink::server
