#pragma once
/// A small FITS file of 32-bit floats, written byte by byte.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

/// `axes` from the fastest to the slowest; `value(i)` is the pixel at place i of the file. `cards` are added as they stand.
void write_fits(const std::string& path, const std::vector<std::int64_t>& axes, const std::function<float(std::int64_t)>& value,
                const std::vector<std::string>& cards = {});
