#pragma once
/// The threads of all listings, counted, and the folders on which some of them are stuck. Thread-safe.

#include <chrono>
#include <functional>
#include <string>

namespace cubelink::server {

enum class ThreadStart {
    started,
    busy,   // as many run as may
    refused // by the system
};

/// Runs `body`, which must not throw, in a detached thread, unless `limit` of them run already.
ThreadStart start_listing_thread(int limit, std::function<void()> body);
int running_listing_threads();
/// Until one of them has ended, or the time is over.
void wait_for_listing_thread(std::chrono::milliseconds time);

/// Marks a folder as one that doesn't answer, for as long as it lives.
class UnansweringFolder {
public:
    explicit UnansweringFolder(std::string folder);
    ~UnansweringFolder();
    UnansweringFolder(const UnansweringFolder&) = delete;
    UnansweringFolder& operator=(const UnansweringFolder&) = delete;

private:
    std::string folder_;
};
bool is_unanswering(const std::string& folder);

} // namespace cubelink::server
