#include "rpc/secret.hpp"

#include <cerrno>
#include <sys/random.h>
#include <system_error>

namespace cubelink::rpc {

namespace {

void fill_with_random_bytes(void* out, std::size_t size) {
    auto* bytes = static_cast<char*>(out);
    while (size > 0) {
        const ssize_t got = getrandom(bytes, size, 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            throw std::system_error(errno, std::generic_category(), "getrandom");
        }
        bytes += got;
        size -= static_cast<std::size_t>(got);
    }
}

} // namespace

bool equal_in_constant_time(std::string_view expected, std::string_view given) {
    // Volatile, so that the compiler does not end the loop at the first difference.
    volatile unsigned char difference = expected.size() == given.size() ? 0 : 1;
    static constexpr std::string_view nothing("\0", 1);
    if (expected.empty()) expected = nothing;
    std::size_t at = 0;
    for (const char c : given) {
        difference = static_cast<unsigned char>(difference | (static_cast<unsigned char>(c) ^ static_cast<unsigned char>(expected[at])));
        at = at + 1 == expected.size() ? 0 : at + 1;
    }
    return difference == 0;
}

std::string random_letters(std::size_t count) {
    static constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    // Bytes from here on are thrown away, or the first letters would be likelier than the last.
    constexpr unsigned char fair = 256 / letters.size() * letters.size();
    std::string text;
    text.reserve(count);
    while (text.size() < count) {
        unsigned char bytes[64];
        fill_with_random_bytes(bytes, sizeof bytes);
        for (const unsigned char byte : bytes)
            if (byte < fair && text.size() < count) text += letters[byte % letters.size()];
    }
    return text;
}

std::uint64_t random_bits() {
    std::uint64_t bits;
    fill_with_random_bytes(&bits, sizeof bits);
    return bits;
}

} // namespace cubelink::rpc
