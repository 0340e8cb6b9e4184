#include "imaging/fits/gzip_source.hpp"

#include "platform/os.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/statvfs.h>
#include <zlib.h>

namespace cubelink::imaging {

using platform::os;

namespace {

constexpr std::size_t input_size = 256 << 10;
constexpr std::size_t output_size = 1 << 20;
constexpr std::int64_t disk_reserve = 64 << 20; // stays free on the scratch disk

/// The inflated length in the trailer of the last member, modulo 2^32; nothing for files too short to be gzip.
std::optional<std::uint32_t> claimed_size(const FileHandle& file) {
    std::array<std::byte, 4> bytes{};
    if (file.size() < 18 || file.read_some(file.size() - 4, bytes) != 4) return std::nullopt;
    std::uint32_t value = 0;
    for (int i = 3; i >= 0; --i) value = value << 8 | std::to_integer<std::uint32_t>(bytes[static_cast<std::size_t>(i)]);
    return value;
}

} // namespace

struct Inflater::Stream {
    z_stream z{};
};

Inflater::Inflater(std::shared_ptr<const FileHandle> file) : file_(std::move(file)), stream_(std::make_unique<Stream>()), input_(input_size) {
    if (inflateInit2(&stream_->z, 15 + 16) != Z_OK) throw ImageError(file_->shown() + ": zlib can't be started");
    member_open_ = true;
}

Inflater::~Inflater() { inflateEnd(&stream_->z); }

void Inflater::refill() {
    const std::size_t count = file_->read_some(position_, input_);
    position_ += static_cast<std::int64_t>(count);
    stream_->z.next_in = reinterpret_cast<Bytef*>(input_.data());
    stream_->z.avail_in = static_cast<uInt>(count);
}

std::size_t Inflater::next(std::span<std::byte> out) {
    z_stream& z = stream_->z;
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(std::min<std::size_t>(out.size(), 1U << 30));
    const uInt requested = z.avail_out;
    while (z.avail_out > 0 && !finished_) {
        if (z.avail_in == 0) refill();
        if (z.avail_in == 0) {
            if (member_open_) throw ImageError(file_->shown() + ": the gzipped data are cut off");
            finished_ = true;
            break;
        }
        if (!member_open_) {
            // Another member may follow, or zeros that pad a tape: they end the data.
            if (*z.next_in != 0x1f) {
                finished_ = true;
                break;
            }
            inflateReset(&z);
            member_open_ = true;
        }
        const int status = inflate(&z, Z_NO_FLUSH);
        if (status == Z_STREAM_END) member_open_ = false;
        else if (status != Z_OK && status != Z_BUF_ERROR)
            throw ImageError(file_->shown() + ": the gzipped data are damaged" + (z.msg != nullptr ? std::string(" (") + z.msg + ")" : ""));
    }
    return requested - z.avail_out;
}

GzipHeaderSource::GzipHeaderSource(std::shared_ptr<const FileHandle> file, CancelToken cancel)
    : file_(file), inflater_(std::move(file)), cancel_(std::move(cancel)) {}

std::size_t GzipHeaderSource::read(std::int64_t offset, std::span<std::byte> out) {
    std::vector<std::byte> skipped;
    std::size_t done = 0;
    const std::int64_t kept_from = at_ - static_cast<std::int64_t>(last_.size());
    if (offset < at_ && offset >= kept_from) {
        const auto first = static_cast<std::size_t>(offset - kept_from);
        done = std::min(out.size(), last_.size() - first);
        std::copy_n(last_.begin() + static_cast<std::ptrdiff_t>(first), done, out.begin());
    } else if (offset < at_) {
        throw ImageError(file_->shown() + ": gzipped data can't be read backwards");
    }
    while (at_ < offset) {
        cancel_.throw_if_cancelled();
        skipped.resize(output_size);
        const std::size_t step = static_cast<std::size_t>(std::min<std::int64_t>(static_cast<std::int64_t>(output_size), offset - at_));
        const std::size_t count = inflater_.next(std::span(skipped).first(step));
        if (count == 0) return 0;
        at_ += static_cast<std::int64_t>(count);
    }
    const std::size_t fresh_from = done;
    while (done < out.size()) {
        cancel_.throw_if_cancelled();
        const std::size_t count = inflater_.next(out.subspan(done));
        if (count == 0) break;
        done += count;
    }
    at_ += static_cast<std::int64_t>(done - fresh_from);
    const std::size_t keep = std::min<std::size_t>(done, 1 << 20);
    if (done > fresh_from) last_.assign(out.begin() + static_cast<std::ptrdiff_t>(done - keep), out.begin() + static_cast<std::ptrdiff_t>(done));
    return done;
}

bool GzipHeaderSource::may_continue(std::int64_t offset) {
    // The usual file has one member and one HDU: its last bytes say that nothing follows, and its data need not be inflated.
    const auto claimed = claimed_size(*file_);
    return !claimed || *claimed != static_cast<std::uint32_t>(offset);
}

ScratchSource::ScratchSource(std::shared_ptr<const FileHandle> file, const std::string& scratch, CancelToken cancel,
                             std::function<void(double)> progress)
    : file_(file), inflater_(std::move(file)), scratch_(scratch), cancel_(std::move(cancel)), progress_(std::move(progress)) {
    descriptor_ = os().open_scratch(scratch_.c_str());
    if (descriptor_ < 0) throw ImageError(file_->shown() + ": can't inflate it in the scratch folder: " + std::strerror(errno));
}

ScratchSource::~ScratchSource() {
    if (descriptor_ >= 0) os().close(descriptor_);
}

bool ScratchSource::may_continue(std::int64_t) { return true; }

std::size_t ScratchSource::read(std::int64_t offset, std::span<std::byte> out) {
    inflate_to(offset + static_cast<std::int64_t>(out.size()));
    std::size_t done = 0;
    while (done < out.size()) {
        const ssize_t count = os().pread(descriptor_, out.data() + done, out.size() - done, offset + static_cast<std::int64_t>(done));
        if (count < 0) throw ImageError(file_->shown() + ": scratch file: " + std::strerror(errno));
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    return done;
}

void ScratchSource::write(std::span<const std::byte> data) {
    while (!data.empty()) {
        const ssize_t count = os().pwrite(descriptor_, data.data(), data.size(), written_);
        if (count < 0) throw ImageError(file_->shown() + ": can't inflate it in the scratch folder: " + std::strerror(errno));
        written_ += count;
        data = data.subspan(static_cast<std::size_t>(count));
    }
}

void ScratchSource::inflate_to(std::int64_t size) {
    if (ended_ || written_ >= size) return;
    struct statvfs disk {};
    if (::fstatvfs(descriptor_, &disk) == 0) {
        const double room = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize) - static_cast<double>(disk_reserve);
        if (static_cast<double>(size - written_) > room)
            throw ImageError(file_->shown() + ": inflated it needs " + std::to_string((size - written_) >> 20) +
                             " MiB more, but the scratch folder has room for " + std::to_string(static_cast<std::int64_t>(std::max(room, 0.0)) >> 20) + " MiB");
    }
    std::vector<std::byte> buffer(output_size);
    while (written_ < size) {
        cancel_.throw_if_cancelled();
        const std::size_t count = inflater_.next(buffer);
        if (count == 0) {
            ended_ = true;
            break;
        }
        write(std::span(buffer).first(count));
        if (progress_) progress_(std::min(1.0, static_cast<double>(inflater_.compressed_position()) / static_cast<double>(std::max<std::int64_t>(file_->size(), 1))));
    }
}

std::shared_ptr<const FileHandle> ScratchSource::finish() {
    const int descriptor = descriptor_;
    descriptor_ = -1;
    return std::make_shared<const FileHandle>(descriptor, "", file_->shown());
}

} // namespace cubelink::imaging
