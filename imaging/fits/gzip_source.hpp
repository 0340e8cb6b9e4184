#pragma once
/// Gzipped files. One thread each.

#include "imaging/base/cancel.hpp"
#include "imaging/fits/byte_source.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace cubelink::imaging {

/// Inflates a file piece by piece, all of its members.
class Inflater {
public:
    explicit Inflater(std::shared_ptr<const FileHandle> file);
    ~Inflater();
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    /// The next bytes, up to out.size(); 0 at the end. ImageError if the data are damaged or cut off.
    std::size_t next(std::span<std::byte> out);
    std::int64_t compressed_position() const { return position_; }

private:
    struct Stream;
    void refill();
    std::shared_ptr<const FileHandle> file_;
    std::unique_ptr<Stream> stream_;
    std::vector<std::byte> input_;
    std::int64_t position_ = 0; // how much of the file zlib was given
    bool member_open_ = false, finished_ = false;
};

/// Looks through the headers without keeping the data: what is skipped is inflated and dropped.
class GzipHeaderSource : public ByteSource {
public:
    GzipHeaderSource(std::shared_ptr<const FileHandle> file, CancelToken cancel);
    std::size_t read(std::int64_t offset, std::span<std::byte> out) override;
    std::optional<std::int64_t> size() const override { return std::nullopt; }
    bool may_continue(std::int64_t offset) override;

private:
    std::shared_ptr<const FileHandle> file_;
    Inflater inflater_;
    CancelToken cancel_;
    std::int64_t at_ = 0;
    std::vector<std::byte> last_; // the block read last, ends at at_
};

/// Inflates into a file without a name in the folder `scratch`, as far as it is asked to. What has been inflated can be read in any order.
class ScratchSource : public ByteSource {
public:
    ScratchSource(std::shared_ptr<const FileHandle> file, const std::string& scratch, CancelToken cancel, std::function<void(double)> progress);
    ~ScratchSource() override;
    std::size_t read(std::int64_t offset, std::span<std::byte> out) override;
    std::optional<std::int64_t> size() const override { return std::nullopt; }
    bool may_continue(std::int64_t offset) override;
    /// Inflates up to `size` bytes (or to the end, if that is before); ImageError if the disk has no room for them.
    void inflate_to(std::int64_t size);
    /// The inflated file; the source can't be used any more.
    std::shared_ptr<const FileHandle> finish();

private:
    void write(std::span<const std::byte> data);
    std::shared_ptr<const FileHandle> file_;
    Inflater inflater_;
    std::string scratch_;
    CancelToken cancel_;
    std::function<void(double)> progress_;
    int descriptor_ = -1;
    std::int64_t written_ = 0;
    bool ended_ = false;
};

} // namespace cubelink::imaging
