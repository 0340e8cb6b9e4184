#pragma once
/// What the reader and the writer of JSON strings spend their time with: the bytes that stand for themselves. Any thread.

#include <cstddef>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace cubelink::rpc {

/// Whether a byte of a JSON string is neither its end, nor an escape, nor one that must be escaped.
inline bool is_json_plain(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; }

/// How many such bytes `text` begins with.
inline std::size_t json_plain_prefix(std::string_view text) {
    std::size_t at = 0;
#ifdef __SSE2__ // part of every x86-64
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), last_control = _mm_set1_epi8(0x1F);
    for (; at + 16 <= text.size(); at += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
        const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
        const __m128i special = _mm_or_si128(control, _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
        if (const int mask = _mm_movemask_epi8(special)) return at + static_cast<std::size_t>(__builtin_ctz(static_cast<unsigned>(mask)));
    }
#endif
    while (at < text.size() && is_json_plain(text[at])) ++at;
    return at;
}

} // namespace cubelink::rpc
