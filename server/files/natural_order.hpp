#pragma once
/// The order in which people look for names: numbers by their value, upper and lower case together.

#include <string_view>

namespace cubelink::server {

/// Whether `a` comes before `b`: "cube2.fits" before "Cube10.fits". Digits are compared as whole numbers of any length, ASCII letters without their case,
/// all else byte by byte; names that are equal then, by their bytes. A strict total order.
bool natural_less(std::string_view a, std::string_view b);

} // namespace cubelink::server
