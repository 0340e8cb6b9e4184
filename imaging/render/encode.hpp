#pragma once
/// Pictures as files: PNG by libpng, JPEG by libjpeg, WebP by libwebp. Any thread.

#include "imaging/base/cancel.hpp"
#include "imaging/render/picture.hpp"

#include <array>
#include <optional>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

enum class PictureFormat : std::uint8_t { png, jpeg, webp };

/// In the order of the enumeration.
inline constexpr std::array<std::string_view, 3> picture_format_names{"png", "jpeg", "webp"};
inline std::string_view name_of(PictureFormat format) { return picture_format_names[static_cast<std::size_t>(format)]; }
/// Also "jpg", and upper case.
std::optional<PictureFormat> picture_format_named(std::string_view name);

inline constexpr int default_jpeg_quality = 90;

struct Encoding {
    PictureFormat format = PictureFormat::png;
    /// 0 to 100. JPEG: default_jpeg_quality if not given. WebP: lossless if not given. PNG is always lossless.
    std::optional<int> quality{};
    friend bool operator==(const Encoding&, const Encoding&) = default;
};

/// What encoding takes at most, the result included: for BudgetCache::reserve().
std::size_t encoding_bytes(const PictureSize& size, const Encoding& encoding);

/// The file. PNG is indexed if the picture has 256 colours at most: a quarter of the bytes to compress. PNG and WebP keep the alpha channel if the picture is
/// not opaque; in JPEG transparent parts are black. Throws Cancelled within some rows of `cancel` (WebP: some per cent), std::runtime_error with the library's words,
/// std::bad_alloc.
std::vector<std::uint8_t> encode(const Picture& picture, const Encoding& encoding, const CancelToken& cancel);

} // namespace cubelink::imaging
