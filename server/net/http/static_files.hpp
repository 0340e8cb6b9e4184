#pragma once
/// The files of a folder as web pages: media types, validators, ranges, gzip'd twins, and no way out of the folder. Reads no more of
/// a file than its facts; the transport sends it. Immutable after construction; any thread.

#include "server/net/transport/transport.hpp"

#include <string>
#include <string_view>

namespace cubelink::server {

class StaticFiles {
public:
    /// Throws std::runtime_error if `root` is not a folder.
    explicit StaticFiles(const std::string& root);

    /// Answers GET and HEAD for the file at `path`: percent-decoded, below the folder, beginning with a slash (or "", the folder itself
    /// asked for without its slash). Other methods: 405.
    ///
    /// - A folder is its index.html; without the slash at its end it redirects there, relative to the request's own target, so that
    ///   it holds behind any proxy.
    /// - `name.gz` beside `name` is sent to clients that accept gzip, with the media type of `name`.
    /// - 404: what does not exist, is not a regular file, has a name with a leading dot, a backslash or a control character
    ///   anywhere on its path, or lies outside the folder once symbolic links are followed.
    transport::HttpResponse serve(const transport::HttpRequest& request, std::string_view path) const;

private:
    std::string root_; // real path, without a slash at its end
};

} // namespace cubelink::server
