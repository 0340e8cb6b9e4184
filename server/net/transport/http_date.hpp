#pragma once
/// Dates as HTTP writes them (RFC 9110, 5.6.7). Any thread.

#include <array>
#include <ctime>
#include <string>

namespace cubelink::transport {

inline constexpr std::array<const char*, 7> http_days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
inline constexpr std::array<const char*, 12> http_months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale says.
std::string http_date(std::time_t time);

} // namespace cubelink::transport
