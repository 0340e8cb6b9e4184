#pragma once
/// Immutable bytes with shared ownership.
///
/// A tile's pixels are written once by the kernel that computes them and read once by the socket; everything between the
/// two passes a Bytes on. Copying one shares the memory. Threads may share one freely: what it refers to never changes.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cubelink::rpc {

class Bytes {
public:
    Bytes() = default;

    /// Copies what `text` refers to.
    static Bytes copy(std::string_view text) { return take(std::string(text)); }

    /// Takes a container over without copying its elements.
    static Bytes take(std::string&& text) {
        auto owner = std::make_shared<const std::string>(std::move(text));
        return Bytes(owner, owner->data(), owner->size());
    }
    template <class T>
    static Bytes take(std::vector<T>&& elements) {
        static_assert(std::is_trivially_copyable_v<T>);
        auto owner = std::make_shared<const std::vector<T>>(std::move(elements));
        return Bytes(owner, reinterpret_cast<const char*>(owner->data()), owner->size() * sizeof(T));
    }

    /// Refers to memory that `owner` keeps alive and unchanged.
    static Bytes view(std::shared_ptr<const void> owner, std::string_view bytes) {
        return Bytes(std::move(owner), bytes.data(), bytes.size());
    }

    const char* data() const { return data_; }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    std::string_view text() const { return {data_, size_}; }
    std::span<const std::byte> span() const { return {reinterpret_cast<const std::byte*>(data_), size_}; }

    /// Part of these bytes, sharing their memory. `offset + size` must lie within them.
    Bytes slice(std::size_t offset, std::size_t size) const { return Bytes(owner_, data_ + offset, size); }

    const std::shared_ptr<const void>& owner() const { return owner_; }

    friend bool operator==(const Bytes& a, const Bytes& b) { return a.text() == b.text(); }

private:
    Bytes(std::shared_ptr<const void> owner, const char* data, std::size_t size) : owner_(std::move(owner)), data_(data), size_(size) {}

    std::shared_ptr<const void> owner_;
    const char* data_ = "";
    std::size_t size_ = 0;
};

} // namespace cubelink::rpc
