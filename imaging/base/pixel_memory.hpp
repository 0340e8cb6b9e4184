#pragma once
/// Memory for pixels: uninitialised, in huge pages where it is large and the system allows. Any thread.
///
/// A released block is kept and used again for a request of about its size: the kernel clears fresh memory page by page, and in a virtual machine
/// the host has to provide it first, which can take several times as long as a pass over the pixels. The spare blocks, spare_pixels(), come on
/// top of --memory-limit; keep_spare_pixels() sets their upper bound.

#include <cstddef>
#include <memory>

namespace cubelink::imaging {

namespace detail {
struct ReleaseBlock {
    std::size_t capacity = 0;
    void operator()(void* memory) const noexcept;
};
/// Sets `capacity` to the bytes that the block can hold, at least `bytes`. Throws std::bad_alloc.
void* take_block(std::size_t bytes, std::size_t& capacity);
} // namespace detail

/// An array of numbers, without its length.
template <class T>
using Pixels = std::unique_ptr<T[], detail::ReleaseBlock>;

template <class T>
Pixels<T> make_pixels(std::size_t n) {
    std::size_t capacity = 0;
    void* memory = detail::take_block(n * sizeof(T), capacity);
    return Pixels<T>(static_cast<T*>(memory), detail::ReleaseBlock{capacity});
}

/// Upper bound on spare blocks, in bytes; 16 MiB unless set.
void keep_spare_pixels(std::size_t bytes);
std::size_t spare_pixels();

} // namespace cubelink::imaging
