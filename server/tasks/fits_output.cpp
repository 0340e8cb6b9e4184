#include "server/tasks/fits_output.hpp"

#include "platform/os.hpp"

#include <array>
#include <chrono>
#include <ctime>
#include <utility>

namespace cubelink::server {

std::string date_of_now() {
    const std::time_t now = std::chrono::system_clock::to_time_t(platform::os().system_now());
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    return text.data();
}

void write_fits(const imaging::FitsFile& file, FileWriter& writer, imaging::BudgetCache& budget, const TaskContext& context, std::function<void(double)> progress) {
    writer.reserve(file.size());
    imaging::FitsWriteSettings writing;
    writing.threads = context.threads;
    writing.budget = &budget;
    writing.cancel = context.cancel;
    writing.progress = std::move(progress);
    file.write([&](std::uint64_t at, std::span<const std::byte> bytes) { writer.write_at(at, bytes); }, writing);
    context.cancel.throw_if_cancelled();
    writer.commit();
}

} // namespace cubelink::server
