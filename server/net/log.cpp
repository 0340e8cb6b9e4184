#include "server/net/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace cubelink::server::log {

namespace {

/// The default logger, moved to standard error before its first use here.
spdlog::logger& logger() {
    static const auto instance = [] {
        auto logger = std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
        logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
        logger->flush_on(spdlog::level::warn);
        spdlog::set_default_logger(logger);
        return logger;
    }();
    return *instance;
}

} // namespace

bool set_level(const std::string& level) {
    const auto parsed = spdlog::level::from_str(level);
    if (parsed == spdlog::level::off && level != "off") return false;
    logger().set_level(parsed);
    return true;
}

// Texts hold what clients sent: never a format string.
bool writes_debug() { return logger().should_log(spdlog::level::debug); }
bool writes_trace() { return logger().should_log(spdlog::level::trace); }

void trace(std::string_view text) { logger().trace("{}", text); }
void debug(std::string_view text) { logger().debug("{}", text); }
void info(std::string_view text) { logger().info("{}", text); }
void warn(std::string_view text) { logger().warn("{}", text); }
void error(std::string_view text) { logger().error("{}", text); }

} // namespace cubelink::server::log
