#pragma once
/// Bytes of a FITS file, read forwards, as scanning its headers does. For one thread.

#include "imaging/fits/file_handle.hpp"

#include <cstdint>
#include <optional>

namespace cubelink::imaging {

class ByteSource {
public:
    virtual ~ByteSource() = default;
    /// Up to out.size() bytes from `offset`; fewer only at the end. `offset` never goes back by more than what was read last.
    virtual std::size_t read(std::int64_t offset, std::span<std::byte> out) = 0;
    /// The size of the whole, if that is known without reading it.
    virtual std::optional<std::int64_t> size() const = 0;
    /// Called with the offset at which the next HDU would begin. False: it is known that there is none, without reading on.
    virtual bool may_continue(std::int64_t offset) { return !size() || offset < *size(); }
};

class FileSource : public ByteSource {
public:
    explicit FileSource(std::shared_ptr<const FileHandle> file) : file_(std::move(file)) {}
    std::size_t read(std::int64_t offset, std::span<std::byte> out) override { return file_->read_some(offset, out); }
    std::optional<std::int64_t> size() const override { return file_->size(); }

private:
    std::shared_ptr<const FileHandle> file_;
};

} // namespace cubelink::imaging
