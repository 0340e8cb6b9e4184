#pragma once
/// One file of another server, fetched over HTTPS.

#include "server/files/descriptor.hpp"
#include "server/remote/remote_host.hpp"

#include "imaging/base/cancel.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace cubelink::server {

struct RemoteSettings {
    std::vector<RemoteHost> hosts;       // that may be asked; none: nothing is fetched
    std::string url;                     // of the service that cuts images out of surveys
    std::size_t size_limit = 512 << 20;  // bytes of a file
    int timeout_seconds = 120;           // for all of it, redirects included
};

/// The file could not be fetched. what() is fit for the client: it says which host, and why.
class RemoteError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct Fetch {
    std::string url;
    std::string begins_with;    // what a file of that kind begins with; another is not loaded to its end
    std::string kind;           // for messages: "FITS"
    std::int64_t expected = 0;  // bytes, for progress where the other server doesn't say; 0: unknown
    std::string scratch;        // folder
    imaging::CancelToken cancel;
    std::function<void(double)> progress; // 0 to 1, may be empty; on the calling thread
};
/// A file without a name, as long as its descriptor is open. Blocks for up to the time limit; looks at the cancel token every 50 ms. Throws RemoteError,
/// Cancelled. Any thread.
Descriptor fetch(const RemoteSettings& settings, const Fetch& what);

} // namespace cubelink::server
