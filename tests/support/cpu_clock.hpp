#pragma once
/// How long this process has computed. A test that wants to know whether work is in proportion asks for this and not for the time of day:
/// a busy machine lets a process wait, but does not make it compute much more.

#include <ctime>

namespace cubelink::test {

class CpuClock {
public:
    /// Seconds of processor time, of all threads together, since the object was made.
    double seconds() const { return now() - begun_; }

private:
    static double now() {
        timespec time{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
    }
    double begun_ = now();
};

} // namespace cubelink::test
