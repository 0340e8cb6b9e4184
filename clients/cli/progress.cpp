#include "clients/cli/progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <unistd.h>

namespace cubelink::cli {

Progress::Progress(std::string what, bool shown) : what_(std::move(what)), shown_(shown && ::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
    const std::lock_guard lock(mutex_);
    if (drawn_) std::fputs("\r\033[K", stderr);
}

void Progress::show(double part) {
    if (!shown_ || std::isnan(part)) return;
    constexpr int width = 30;
    part = std::clamp(part, 0.0, 1.0);
    const auto done = static_cast<std::size_t>(std::lround(part * width));
    const auto bar = std::string(done, '#') + std::string(width - done, '-');
    const std::lock_guard lock(mutex_);
    std::fprintf(stderr, "\r%s [%s] %3.0f %%", what_.c_str(), bar.c_str(), part * 100);
    drawn_ = true;
}

} // namespace cubelink::cli
