#include "imaging/kernels/byteswap.hpp"

#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

namespace cubelink::imaging {

namespace {

// The loops below are written once and compiled three times; the compiler turns them into byte shuffles of the width it is allowed.
#define CUBELINK_INLINE __attribute__((always_inline)) inline

enum class Mode { plain, scaled, blank, unsigned64 };

template <std::size_t Size>
struct Bits;
template <>
struct Bits<1> {
    using type = std::uint8_t;
};
template <>
struct Bits<2> {
    using type = std::uint16_t;
};
template <>
struct Bits<4> {
    using type = std::uint32_t;
};
template <>
struct Bits<8> {
    using type = std::uint64_t;
};

template <class Raw>
CUBELINK_INLINE Raw load(const std::byte* at) {
    using Unsigned = typename Bits<sizeof(Raw)>::type;
    Unsigned bits;
    std::memcpy(&bits, at, sizeof bits);
    if constexpr (std::endian::native == std::endian::little) {
        if constexpr (sizeof(Raw) == 2) bits = __builtin_bswap16(bits);
        if constexpr (sizeof(Raw) == 4) bits = __builtin_bswap32(bits);
        if constexpr (sizeof(Raw) == 8) bits = __builtin_bswap64(bits);
    }
    Raw value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

template <class Raw, class Out, Mode mode>
CUBELINK_INLINE void convert(const std::byte* in, Out* out, std::size_t count, const Scaling& scaling) {
    const double scale = scaling.scale, zero = scaling.zero;
    const std::int64_t blank = scaling.blank.value_or(0);
    for (std::size_t i = 0; i < count; ++i) {
        const Raw raw = load<Raw>(in + i * sizeof(Raw));
        if constexpr (mode == Mode::plain) {
            out[i] = static_cast<Out>(raw);
        } else if constexpr (mode == Mode::scaled) {
            out[i] = static_cast<Out>(static_cast<double>(raw) * scale + zero);
        } else {
            Out value;
            if constexpr (mode == Mode::unsigned64) value = static_cast<Out>(static_cast<std::uint64_t>(raw) ^ (std::uint64_t{1} << 63));
            else value = static_cast<Out>(static_cast<double>(raw) * scale + zero);
            out[i] = scaling.blank && static_cast<std::int64_t>(raw) == blank ? std::numeric_limits<Out>::quiet_NaN() : value;
        }
    }
}

template <class Raw, class Out, Mode mode>
void convert_plain(const std::byte* in, Out* out, std::size_t count, const Scaling& scaling) {
    convert<Raw, Out, mode>(in, out, count, scaling);
}
template <class Raw, class Out, Mode mode>
CUBELINK_TARGET_AVX2 void convert_avx2(const std::byte* in, Out* out, std::size_t count, const Scaling& scaling) {
    convert<Raw, Out, mode>(in, out, count, scaling);
}
template <class Raw, class Out, Mode mode>
CUBELINK_TARGET_AVX512 void convert_avx512(const std::byte* in, Out* out, std::size_t count, const Scaling& scaling) {
    convert<Raw, Out, mode>(in, out, count, scaling);
}

template <class Out>
using Converter = void (*)(const std::byte*, Out*, std::size_t, const Scaling&);

template <class Raw, class Out, Mode mode>
Converter<Out> version(SimdLevel level) {
    return choose<Converter<Out>>(convert_plain<Raw, Out, mode>, convert_avx2<Raw, Out, mode>, convert_avx512<Raw, Out, mode>, level);
}

template <class Raw, class Out>
Converter<Out> of_type(const Scaling& scaling, SimdLevel level) {
    if constexpr (std::is_same_v<Raw, std::int64_t>) {
        if (scaling.scale == 1 && scaling.zero == 9223372036854775808.0) return version<Raw, Out, Mode::unsigned64>(level);
    }
    if constexpr (std::is_integral_v<Raw>) {
        if (scaling.blank) return version<Raw, Out, Mode::blank>(level);
    }
    return scaling.trivial() ? version<Raw, Out, Mode::plain>(level) : version<Raw, Out, Mode::scaled>(level);
}

template <class Out>
Converter<Out> converter(PixelType type, const Scaling& scaling, SimdLevel level) {
    switch (type) {
    case PixelType::uint8: return of_type<std::uint8_t, Out>(scaling, level);
    case PixelType::int16: return of_type<std::int16_t, Out>(scaling, level);
    case PixelType::int32: return of_type<std::int32_t, Out>(scaling, level);
    case PixelType::int64: return of_type<std::int64_t, Out>(scaling, level);
    case PixelType::float32: return of_type<float, Out>(scaling, level);
    case PixelType::float64: return of_type<double, Out>(scaling, level);
    }
    return nullptr;
}

} // namespace

ToFloats float_converter(PixelType type, const Scaling& scaling, SimdLevel level) { return converter<float>(type, scaling, level); }
ToDoubles double_converter(PixelType type, const Scaling& scaling, SimdLevel level) { return converter<double>(type, scaling, level); }

std::size_t size_of(PixelType type) {
    switch (type) {
    case PixelType::uint8: return 1;
    case PixelType::int16: return 2;
    case PixelType::int32:
    case PixelType::float32: return 4;
    case PixelType::int64:
    case PixelType::float64: return 8;
    }
    return 1;
}

} // namespace cubelink::imaging
