#include "server/files/jail.hpp"

#include "rpc/values/utf8.hpp"
#include "server/files/file_names.hpp"

#include <cerrno>
#include <climits>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <system_error>
#include <unistd.h>

namespace cubelink::server {

Descriptor::~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
}

namespace {

/// Bytes of a path as a client says it: more than any file system takes, little enough to look at in no time.
constexpr std::size_t longest = 32768;

std::string join(const std::vector<std::string>& components) {
    std::string path;
    for (const auto& component : components) {
        if (!path.empty()) path += '/';
        path += component;
    }
    return path;
}

bool lies_in(std::string_view path, std::string_view folder) {
    if (folder == "/") return true;
    return path.substr(0, folder.size()) == folder && (path.size() == folder.size() || path[folder.size()] == '/');
}

std::string where_is(int fd) {
    char path[PATH_MAX];
    const auto n = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
    if (n <= 0 || n >= static_cast<ssize_t>(sizeof path)) return {};
    return {path, static_cast<std::size_t>(n)};
}

std::string real_folder(const std::string& folder) {
    std::unique_ptr<char, void (*)(void*)> real(::realpath(folder.c_str(), nullptr), ::free);
    if (!real) throw PathError("\"" + folder + "\": " + std::generic_category().message(errno));
    return real.get();
}

std::string without_base(std::string_view text) {
    std::string path(text);
    for (std::size_t at; (at = path.find("$BASE")) != std::string::npos;) path.erase(at, 5);
    return path;
}

/// The entry of a folder whose shown name this is.
std::string entry_shown_as(const std::string& folder, const std::string& shown) {
    std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), ::closedir);
    if (!entries) return {};
    while (const dirent* entry = ::readdir(entries.get()))
        if (!rpc::is_utf8(entry->d_name) && shown_name(entry->d_name) == shown) return entry->d_name;
    return {};
}

} // namespace

std::vector<std::string> clean_components(std::string_view path) {
    if (path.find('\0') != std::string_view::npos) throw ForbiddenPath();
    std::vector<std::string> components;
    while (!path.empty()) {
        const auto slash = path.find('/');
        const auto component = path.substr(0, slash);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        if (component.empty() || component == ".") continue;
        if (component == "..") {
            if (components.empty()) throw ForbiddenPath();
            components.pop_back();
        } else {
            components.emplace_back(component);
        }
    }
    return components;
}

Jail::Jail(const std::string& folder, const std::vector<std::string>& links_may_lead_to) : top_(real_folder(folder)) {
    allowed_.push_back(top_);
    for (const auto& other : links_may_lead_to) allowed_.push_back(real_folder(other));
}

bool Jail::allows(std::string_view real_path) const {
    for (const auto& folder : allowed_)
        if (lies_in(real_path, folder)) return true;
    return false;
}

/// The path of those components in the file system's own bytes: names that had to be made UTF-8 are looked up.
std::string Jail::find_bytes(const std::vector<std::string>& components) const {
    std::string path = top_;
    for (const auto& component : components) {
        std::string bytes = component;
        struct stat status;
        if (may_be_shown_name(component) && ::lstat((path + "/" + component).c_str(), &status) != 0) {
            // Only folders of the jail are searched, also while a name is being looked up.
            const std::string real = [&] {
                std::unique_ptr<char, void (*)(void*)> p(::realpath(path.c_str(), nullptr), ::free);
                return p ? std::string(p.get()) : std::string();
            }();
            if (real.empty() || !allows(real)) throw ForbiddenPath();
            const auto found = entry_shown_as(real, component);
            if (!found.empty()) bytes = found;
        }
        path += "/" + bytes;
    }
    return path;
}

/// How many of the components lead to something, and whether that lies inside.
Jail::Reached Jail::first_folders(const std::vector<std::string>& components) const {
    Reached reached{0, true};
    std::vector<std::string> path;
    for (const auto& component : components) {
        path.push_back(component);
        const Descriptor folder(::open(find_bytes(path).c_str(), O_PATH | O_CLOEXEC));
        if (!folder) break;
        reached = {path.size(), allows(where_is(folder.get()))};
        if (!reached.inside) break;
    }
    return reached;
}

JailedPath Jail::open(std::string_view directory, std::string_view name) const {
    if (directory.size() + name.size() > longest) throw PathError("The name of the file or folder is too long.");
    std::string said = without_base(directory);
    // "/" alone, and what follows "$BASE", are of the top.
    bool absolute = !said.empty() && said[0] == '/' && directory[0] == '/' && said.find_first_not_of('/') != std::string::npos;
    if (absolute && lies_in(said, top_)) {
        said.erase(0, top_.size());
        absolute = false;
    }
    if (!name.empty()) {
        // A file may be named by its absolute path too, as long as that leads here.
        if (said.empty() && name[0] == '/' && lies_in(name, top_)) name.remove_prefix(top_.size());
        else if (name[0] == '/') absolute = true;
        said += '/';
        said += name;
    }
    const auto components = clean_components(said);

    JailedPath result;
    result.relative = shown_name(join(components));
    result.name = components.empty() ? std::string() : shown_name(components.back());
    const std::string path = find_bytes(components);
    result.descriptor = Descriptor(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!result.descriptor) {
        const int error = errno;
        // Whether something exists outside is nobody's business: it is forbidden, not missing. An absolute path is taken for one from the top
        // ("/sub/image.fits", as CARTA's Python client writes them) if it begins with a folder there.
        const auto found = first_folders(components);
        if (!found.inside || (absolute && found.count == 0)) throw ForbiddenPath();
        throw PathError("\"" + result.relative + "\": " + std::generic_category().message(error) + ".");
    }
    result.real_path = where_is(result.descriptor.get());
    if (result.real_path.empty() || !allows(result.real_path)) throw ForbiddenPath();
    if (::fstat(result.descriptor.get(), &result.status) != 0)
        throw PathError("\"" + result.relative + "\": " + std::generic_category().message(errno) + ".");
    return result;
}

JailedPath Jail::open_folder(std::string_view directory) const {
    auto path = open(directory);
    if (!path.is_folder()) throw PathError("\"" + path.relative + "\" is not a folder.");
    return path;
}

JailedPath Jail::open_file(std::string_view directory, std::string_view name) const {
    auto path = open(directory, name);
    if (!path.is_file() && !path.is_folder()) throw PathError("\"" + path.relative + "\" is neither a file nor a folder.");
    if (path.is_file()) {
        const std::string through = "/proc/self/fd/" + std::to_string(path.descriptor.get());
        if (::access(through.c_str(), R_OK) != 0) throw PathError("\"" + path.relative + "\": " + std::generic_category().message(errno) + ".");
    }
    return path;
}

} // namespace cubelink::server
