#pragma once
/// How often a test repeats itself on other random data. Under a sanitizer each step takes ten times as long, and fewer of them already go
/// everywhere: there a tenth will do.

namespace cubelink::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

constexpr int effort(int rounds) { return sanitized ? (rounds + 9) / 10 : rounds; }

} // namespace cubelink::test
