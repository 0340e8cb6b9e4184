#pragma once
/// FITS files for tests, made in memory.

#include "tests/support/temporary_folder.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace samples {

using cubelink::test::TemporaryFolder;

/// One 80-byte record, or a whole header of them with END and padding.
std::string record(std::string_view text);
std::string header(const std::vector<std::string>& cards);
std::string padded(std::string data);

/// SIMPLE, BITPIX, NAXIS…, then `more`.
std::string primary_header(int bitpix, const std::vector<std::int64_t>& axes, const std::vector<std::string>& more = {});

/// Big-endian floats.
std::string floats(const std::vector<float>& values);

/// 8 × 6 × 5 × 2 floats with world coordinates, pixel i has the value i.
std::string cube();
std::vector<std::string> cube_cards();

/// By cfitsio: an image of 40 × 30 pixels, compressed by `kind` (RICE_1, …), as floats or shorts.
std::string compressed(int kind, bool floating);

std::string gzipped(std::string_view bytes);
std::string read_file(const std::string& path);

} // namespace samples
