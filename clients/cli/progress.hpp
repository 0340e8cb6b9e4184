#pragma once
/// A bar on standard error, where a person waits: only if that is a terminal.

#include <mutex>
#include <string>

namespace cubelink::cli {

class Progress {
public:
    /// `shown` false: none, wherever standard error goes.
    Progress(std::string what, bool shown);
    /// Takes the bar away.
    ~Progress();
    /// 0 to 1. From any thread.
    void show(double part);

private:
    const std::string what_;
    const bool shown_;
    std::mutex mutex_;
    bool drawn_ = false;
};

} // namespace cubelink::cli
