#pragma once
/// What a benchmark of the image server is given on its command line.

#include "tests/bench/images/server_process.hpp"
#include "tests/bench/images/temporary_folder.hpp"

#include <memory>
#include <string>
#include <vector>

namespace cubelink::bench {

struct Settings {
    /// The server to measure; with a second one ahead of it, what it is compared with.
    std::vector<std::string> programs;
    std::string folder; // of the images that are made
    std::shared_ptr<const TemporaryFolder> temporary;
    int threads = 1;    // --threads of the servers
    bool large = false; // 24000² pixels instead of 12000² where a large plane is measured
    int gzip_mib = 1600; // what the gzipped image inflates to
    double seconds = 20; // of the crowd
    int users = 100, depth = 512; // of the crowd and of its cube; the depth is also that of the cube that images are computed from
    int side = 1024;              // of that one's planes

    std::string file(const std::string& name) const { return folder + "/" + name; }
    /// A fresh server on the folder, with the setting for threads and these options.
    std::unique_ptr<ServerProcess> start(const std::string& program, std::vector<std::string> options = {}) const;
    /// "before: …, now: …", for the head of a report.
    std::string names() const;
};

/// Reads the options; words that are none are left in `rest`. Makes the folder. False if an option can't be understood, with a line on
/// standard error.
bool read_settings(int argc, char** argv, Settings& settings, std::vector<std::string>& rest);

inline constexpr const char* settings_usage =
    "  --server PROGRAM   the server to measure (default: the one of this build); given twice, the first is what the second is compared with\n"
    "  --before PROGRAM   what the server is compared with, measured in turns with it\n"
    "  --folder FOLDER    make the images here and keep them for the next run (default: a temporary folder, removed at the end)\n"
    "  --threads N        computing threads of the servers (default: all cores)\n";

} // namespace cubelink::bench
