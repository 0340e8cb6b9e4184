#include "tests/bench/images/settings.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

namespace cubelink::bench {

std::unique_ptr<ServerProcess> Settings::start(const std::string& program, std::vector<std::string> options) const {
    options.insert(options.begin(), {"--threads", std::to_string(threads)});
    return std::make_unique<ServerProcess>(program, folder, options);
}

std::string Settings::names() const {
    return (programs.size() > 1 ? "before: " + programs.front() + "\nnow:    " : "server: ") + programs.back();
}

bool read_settings(int argc, char** argv, Settings& settings, std::vector<std::string>& rest) {
    settings.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    std::string before;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--help") return false;
        if (word == "--large") {
            settings.large = true;
            continue;
        }
        if (!word.starts_with("--")) {
            rest.push_back(word);
            continue;
        }
        if (i + 1 == argc) {
            std::fprintf(stderr, "%s: no such option, or its value is missing\n", argv[i]);
            return false;
        }
        const std::string value = argv[++i];
        const auto number = [&](int low, int high) { return std::clamp(std::atoi(value.c_str()), low, high); };
        if (word == "--server") settings.programs.push_back(value);
        else if (word == "--before") before = value;
        else if (word == "--folder") settings.folder = value;
        else if (word == "--threads") settings.threads = number(1, 1024);
        else if (word == "--gzip-mib") settings.gzip_mib = number(16, 16384);
        else if (word == "--seconds") settings.seconds = number(1, 3600);
        else if (word == "--users") settings.users = number(1, 900);
        else if (word == "--side") settings.side = number(64, 16384);
        else if (word == "--channels") settings.depth = number(2, 65536);
        else {
            std::fprintf(stderr, "%s: no such option\n", word.c_str());
            return false;
        }
    }
    const auto build = std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path().parent_path();
    if (settings.programs.empty()) settings.programs.push_back(build / "server" / "cubelink");
    if (!before.empty()) settings.programs.insert(settings.programs.begin(), before);
    if (settings.programs.size() > 2) {
        std::fprintf(stderr, "two servers can be compared, not %zu\n", settings.programs.size());
        return false;
    }
    for (const auto& program : settings.programs) {
        if (std::filesystem::is_regular_file(program)) continue;
        std::fprintf(stderr, "%s: no such program\n", program.c_str());
        return false;
    }
    if (settings.folder.empty()) {
        settings.temporary = std::make_shared<const TemporaryFolder>();
        settings.folder = settings.temporary->path();
    }
    std::filesystem::create_directories(settings.folder);
    return true;
}

} // namespace cubelink::bench
