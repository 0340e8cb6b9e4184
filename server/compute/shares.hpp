#pragma once
/// How the threads for computation are divided among the jobs that run: first equally between owners, then between an owner's jobs. Pure.

#include "server/compute/job.hpp"

#include <span>

namespace cubelink::server {

struct RunningShare {
    OwnerId owner = 0;
    bool bulk = false;
    int threads = 1; // the result, at least 1
};

/// Sets `threads` of each. An owner's bulk jobs get one thread each while other jobs of that owner run. What doesn't divide evenly goes to
/// owners with small numbers, and to jobs in front. The sum is at most `threads`, unless an
/// owner has more jobs than threads.
void divide_threads(int threads, std::span<RunningShare> running);

} // namespace cubelink::server
