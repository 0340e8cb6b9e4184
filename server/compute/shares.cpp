#include "server/compute/shares.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

namespace cubelink::server {

void divide_threads(int threads, std::span<RunningShare> running) {
    struct Owner {
        int jobs = 0, bulk = 0; // jobs: all but bulk ones
        int part = 0;           // threads of this owner
        int given = 0;          // jobs that have got their share
    };
    if (running.size() == 1) {
        running.front().threads = std::max(1, threads);
        return;
    }
    std::map<OwnerId, Owner> owners;
    for (const auto& job : running) ++(job.bulk ? owners[job.owner].bulk : owners[job.owner].jobs);
    const int count = static_cast<int>(owners.size());
    int number = 0;
    for (auto& entry : owners) entry.second.part = threads / count + (number++ < threads % count ? 1 : 0);
    for (auto& job : running) {
        Owner& owner = owners[job.owner];
        if (job.bulk && owner.jobs > 0) {
            job.threads = 1;
            continue;
        }
        const int jobs = job.bulk ? owner.bulk : owner.jobs, part = job.bulk ? owner.part : owner.part - owner.bulk;
        job.threads = std::max(1, part / jobs + (owner.given++ < part % jobs ? 1 : 0));
    }
}

} // namespace cubelink::server
