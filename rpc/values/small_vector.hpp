#pragma once
/// A vector of what is mostly one: the first element lies within the object, so that a message of one frame of one part takes no memory
/// beyond its own. Moving invalidates iterators, unlike std::vector's. Not synchronised.

#include <cstddef>
#include <initializer_list>
#include <utility>
#include <vector>

namespace cubelink::rpc {

template <class T>
class SmallVector {
public:
    using value_type = T;
    SmallVector() = default;
    SmallVector(std::initializer_list<T> elements) {
        reserve(elements.size());
        for (const T& element : elements) push_back(element);
    }
    SmallVector(const SmallVector&) = default;
    SmallVector& operator=(const SmallVector&) = default;
    SmallVector(SmallVector&& other) noexcept : one_(std::move(other.one_)), has_one_(std::exchange(other.has_one_, false)), more_(std::move(other.more_)) {}
    SmallVector& operator=(SmallVector&& other) noexcept {
        one_ = std::move(other.one_);
        has_one_ = std::exchange(other.has_one_, false);
        more_ = std::move(other.more_);
        return *this;
    }

    std::size_t size() const { return has_one_ ? 1 : more_.size(); }
    bool empty() const { return size() == 0; }
    const T* begin() const { return has_one_ ? &one_ : more_.data(); }
    const T* end() const { return begin() + size(); }
    T* begin() { return has_one_ ? &one_ : more_.data(); }
    T* end() { return begin() + size(); }
    const T& operator[](std::size_t i) const { return begin()[i]; }
    T& operator[](std::size_t i) { return begin()[i]; }
    const T& front() const { return *begin(); }
    T& front() { return *begin(); }
    const T& back() const { return end()[-1]; }
    T& back() { return end()[-1]; }

    void reserve(std::size_t n) {
        if (n > 1) spill_to_heap(n);
    }
    void push_back(T element) {
        if (!has_one_ && more_.capacity() == 0) {
            one_ = std::move(element);
            has_one_ = true;
            return;
        }
        if (has_one_) spill_to_heap(4);
        more_.push_back(std::move(element));
    }
    void resize(std::size_t n) {
        if (n == 1 && !has_one_ && more_.capacity() == 0) {
            has_one_ = true;
        } else if (n != size()) {
            spill_to_heap(n);
            more_.resize(n);
        }
    }

private:
    /// Everything into the vector.
    void spill_to_heap(std::size_t n) {
        more_.reserve(n);
        if (!has_one_) return;
        more_.push_back(std::move(one_));
        one_ = T();
        has_one_ = false;
    }
    T one_{};
    bool has_one_ = false;
    std::vector<T> more_; // all of them, if there are more
};

} // namespace cubelink::rpc
