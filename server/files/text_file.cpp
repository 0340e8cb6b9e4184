#include "server/files/text_file.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace cubelink::server {

using platform::os;

namespace {

constexpr std::size_t chunk = std::size_t{1} << 20;

} // namespace

std::string read_text_file(const JailedPath& file, std::size_t limit, const imaging::CancelToken& cancel) {
    const auto fail = [&file](const std::string& why) -> PathError { return PathError("\"" + file.relative + "\" " + why); };
    if (!file.is_file()) throw fail("is no file.");
    // O_NONBLOCK: what took the file's place must not stop the reader.
    const Descriptor opened(os().open(path_through(file.descriptor).c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY));
    if (!opened) throw fail("can't be read: " + std::generic_category().message(errno) + ".");
    const auto too_long = "has more than " + std::to_string(limit) + " bytes, which is the limit for a text.";
    const auto size = static_cast<std::size_t>(file.status.st_size);
    if (size > limit) throw fail(too_long);
    std::string text;
    for (;;) {
        cancel.throw_if_cancelled();
        const auto from = text.size();
        // One more than the file is said to have, to see that it ends there.
        const auto room = from < size ? std::min(chunk, size - from + 1) : 1;
        text.resize(from + room);
        const auto count = os().pread(opened.get(), text.data() + from, room, static_cast<off_t>(from));
        if (count < 0 && errno == EINTR) {
            text.resize(from);
            continue;
        }
        if (count < 0) throw fail("can't be read: " + std::generic_category().message(errno) + ".");
        text.resize(from + static_cast<std::size_t>(count));
        if (text.size() > limit) throw fail(too_long);
        if (text.find('\0', from) != std::string::npos) throw fail("is no text file.");
        if (count == 0) return text;
    }
}

} // namespace cubelink::server
