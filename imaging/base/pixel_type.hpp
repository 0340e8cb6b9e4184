#pragma once
/// How pixels are stored in a file.

namespace cubelink::imaging {

enum class PixelType { uint8, int16, int32, int64, float32, float64 }; // BITPIX 8, 16, 32, 64, -32, -64

} // namespace cubelink::imaging
