#include "server/net/transport/http_date.hpp"

#include <cstdio>

namespace cubelink::transport {

std::string http_date(std::time_t time) {
    std::tm parts{};
    gmtime_r(&time, &parts);
    char text[64];
    // Not strftime: its names follow the locale.
    const int length = std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", http_days[static_cast<std::size_t>(parts.tm_wday)],
                                     parts.tm_mday, http_months[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour,
                                     parts.tm_min, parts.tm_sec);
    return {text, static_cast<std::size_t>(length)};
}

} // namespace cubelink::transport
