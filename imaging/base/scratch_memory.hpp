#pragma once
/// Memory for what is computed, pixels of images and orders of rows: a part of the budget where that is small, else a file without a name in the scratch folder, mapped.
///
/// Written by whoever made it, then only read: by any thread.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/mapped_file.hpp"
#include "imaging/base/pixel_memory.hpp"

#include <cstddef>
#include <memory>
#include <string>

namespace cubelink::imaging {

class ScratchMemory {
public:
    /// `bytes` ≥ 1, uninitialised or zero. On the disk if they are more than an eighth of the budget, or with all others of the process more than a quarter; in
    /// memory in any case if `scratch` is empty. Throws ImageError if the scratch folder has no room for them, OverBudget, Cancelled.
    ScratchMemory(std::size_t bytes, BudgetCache& budget, const std::string& scratch, const CancelToken& cancel);

    std::byte* data() { return mapping_ ? mapping_->writable_data() : memory_.get(); }
    const std::byte* data() const { return mapping_ ? mapping_->data() : memory_.get(); }
    std::size_t size() const { return size_; }
    bool on_disk() const { return mapping_ != nullptr; }
    /// Whether the disk has failed: what has been read or written meanwhile is lost.
    bool lost() const { return mapping_ && mapping_->failed(); }
    /// Throws ImageError if it has.
    void check() const;

private:
    /// Its part of what all of them have in memory.
    struct Counted {
        std::size_t bytes = 0;
        Counted() = default;
        Counted& operator=(Counted&& other) noexcept;
        ~Counted();
    };
    void map_file(const std::string& scratch);

    std::size_t size_;
    Counted counted_;
    Reservation reservation_;
    Pixels<std::byte> memory_;
    std::shared_ptr<MappedFile> mapping_;
};

} // namespace cubelink::imaging
