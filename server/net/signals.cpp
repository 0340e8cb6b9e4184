#include "server/net/signals.hpp"

#include "platform/os.hpp"
#include "server/net/log.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace cubelink::server {

namespace {

/// Where the signal handler, which may do little else than write(), puts the signal's number.
std::atomic<int> pipe_end{-1};

void on_signal(int signal) {
    const int saved = errno;
    const auto byte = static_cast<unsigned char>(signal);
    [[maybe_unused]] const auto written = ::write(pipe_end.load(), &byte, 1);
    errno = saved;
}

} // namespace

struct SignalWatcher::Impl {
    int ends[2] = {-1, -1};
    std::vector<std::pair<int, struct sigaction>> before;
    std::thread thread;
};

SignalWatcher::SignalWatcher(std::initializer_list<int> signals, std::function<void(int)> handle) : impl_(std::make_unique<Impl>()) {
    if (::pipe2(impl_->ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    ::fcntl(impl_->ends[1], F_SETFL, O_NONBLOCK); // a flood of signals must not block in the handler
    pipe_end = impl_->ends[1];
    impl_->thread = platform::os().start_thread([end = impl_->ends[0], handle = std::move(handle)] {
        unsigned char signal = 0;
        while (true) {
            const auto got = ::read(end, &signal, 1);
            if (got < 0 && errno == EINTR) continue;
            if (got != 1 || signal == 0) return;
            try {
                handle(signal);
            } catch (const std::exception& error) {
                log::error(std::string("a signal could not be handled: ") + error.what());
            }
        }
    });
    for (const int signal : signals) {
        struct sigaction action {}, old {};
        action.sa_handler = on_signal;
        action.sa_flags = SA_RESTART;
        ::sigemptyset(&action.sa_mask);
        if (::sigaction(signal, &action, &old) == 0) impl_->before.emplace_back(signal, old);
    }
}

SignalWatcher::~SignalWatcher() {
    for (const auto& [signal, action] : impl_->before) ::sigaction(signal, &action, nullptr);
    const unsigned char end = 0;
    // The pipe may be full of signals that have not been handled yet.
    while (::write(impl_->ends[1], &end, 1) < 0 && (errno == EAGAIN || errno == EINTR)) std::this_thread::yield();
    impl_->thread.join();
    pipe_end = -1;
    ::close(impl_->ends[0]);
    ::close(impl_->ends[1]);
}

} // namespace cubelink::server
