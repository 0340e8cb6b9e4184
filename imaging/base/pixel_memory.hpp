#pragma once
/// Memory for pixels: uninitialised, in huge pages where it is large and the system allows. Any thread.
///
/// A block that is let go is kept for the next of about its size: fresh memory is cleared page by page by the kernel, and in a virtual machine
/// found by its host first, which can take several times as long as a pass over the pixels. What is kept this way, spare_pixels(), comes on top of
/// --memory-limit, and is at most what keep_spare_pixels() said.

#include <cstddef>
#include <memory>

namespace cubelink::imaging {

namespace detail {
struct GiveBack {
    std::size_t capacity = 0;
    void operator()(void* memory) const noexcept;
};
/// `capacity` gets what the block can hold, at least `bytes`. Throws std::bad_alloc.
void* take_block(std::size_t bytes, std::size_t& capacity);
} // namespace detail

/// An array of numbers; knows nothing of its length.
template <class T>
using Pixels = std::unique_ptr<T[], detail::GiveBack>;

template <class T>
Pixels<T> make_pixels(std::size_t n) {
    std::size_t capacity = 0;
    void* memory = detail::take_block(n * sizeof(T), capacity);
    return Pixels<T>(static_cast<T*>(memory), detail::GiveBack{capacity});
}

/// How many bytes may be kept: 16 MiB unless said otherwise.
void keep_spare_pixels(std::size_t bytes);
std::size_t spare_pixels();

} // namespace cubelink::imaging
