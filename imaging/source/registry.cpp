#include "imaging/source/registry.hpp"

#include "platform/os.hpp"
#include "platform/text.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace cubelink::imaging {

using platform::os;

namespace {

/// Up to `count` first bytes of a regular file; empty if it can't be read.
std::string first_bytes(const std::string& path, std::size_t count) {
    // Without O_NONBLOCK this would wait for a writer of a FIFO.
    const int descriptor = os().open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0) return {};
    std::string bytes(count, '\0');
    struct stat status {};
    std::size_t done = 0;
    if (os().fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) {
        while (done < count) {
            const ssize_t got = os().pread(descriptor, bytes.data() + done, count - done, static_cast<off_t>(done));
            if (got <= 0) break;
            done += static_cast<std::size_t>(got);
        }
    }
    os().close(descriptor);
    bytes.resize(done);
    return bytes;
}

} // namespace

void FormatRegistry::add(std::shared_ptr<const ImageFormat> format) {
    if (find(format->name()) != nullptr) throw std::invalid_argument("there are two image formats \"" + format->name() + "\"");
    formats_.push_back(std::move(format));
}

const ImageFormat* FormatRegistry::recognise(const FileProbe& probe) const {
    for (const auto& format : formats_) {
        if (format->recognises(probe)) return format.get();
    }
    return nullptr;
}

const ImageFormat* FormatRegistry::by_extension(std::string_view file_name) const {
    for (const auto& format : formats_) {
        for (const std::string& end : format->extensions()) {
            if (platform::ends_with_ignoring_case(file_name, end)) return format.get();
        }
    }
    return nullptr;
}

const ImageFormat* FormatRegistry::find(std::string_view format_name) const {
    for (const auto& format : formats_) {
        if (format->name() == format_name) return format.get();
    }
    return nullptr;
}

std::string FormatRegistry::names() const {
    std::string text;
    for (std::size_t i = 0; i < formats_.size(); ++i) {
        if (i > 0) text += i + 1 == formats_.size() ? " and " : ", ";
        text += formats_[i]->name();
    }
    return text;
}

const ImageFormat& FormatRegistry::format_of(const std::string& path, const OpenOptions& options) const {
    FileProbe probe;
    const std::string shown = options.name.empty() ? path.substr(path.find_last_of('/') + 1) : options.name;
    probe.name = path.substr(path.find_last_of('/') + 1);
    if (path.find('\0') != std::string::npos) throw ImageError("a file name holds no NUL byte");
    struct stat status {};
    if (os().stat(path.c_str(), &status) != 0) throw ImageError(shown + ": " + std::strerror(errno));
    probe.is_folder = S_ISDIR(status.st_mode);
    if (!probe.is_folder) probe.first_bytes = first_bytes(path, FileProbe::probe_size);
    probe.bytes_of = [&](const std::string& file, std::size_t count) { return first_bytes(path + "/" + file, count); };
    if (const ImageFormat* format = recognise(probe)) return *format;
    if (probe.is_folder) throw ImageError(shown + ": is a folder, and not an image in a format that is read here (" + names() + ")");
    if (formats_.empty()) throw ImageError(shown + ": no image format is known");
    return *formats_.front();
}

OpenedImage FormatRegistry::open(const std::string& path, const std::string& hdu, const OpenOptions& options) const {
    return format_of(path, options).open(path, hdu, options);
}

ImageInfo FormatRegistry::read_info(const std::string& path, const std::string& hdu, const OpenOptions& options) const {
    return format_of(path, options).read_info(path, hdu, options);
}

std::vector<ImageInfo> FormatRegistry::read_all_info(const std::string& path, const OpenOptions& options, std::size_t* left_out) const {
    return format_of(path, options).read_all_info(path, options, left_out);
}

} // namespace cubelink::imaging
