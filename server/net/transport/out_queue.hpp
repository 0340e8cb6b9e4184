#pragma once
/// What waits to be written to one socket: pieces of memory, kept alive until they are written. Small ones are gathered into
/// blocks, so that many small frames leave in one system call; large ones are not copied. Not thread-safe.

#include "server/net/transport/transport.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <string_view>

#include <sys/uio.h>

namespace cubelink::transport {

class OutQueue {
public:
    /// Copies.
    void append(std::string_view bytes);
    /// Keeps a reference; copies only what is small.
    void append(const Slice& slice);
    bool empty() const { return size_ == 0; }
    std::size_t size() const { return size_; } // bytes
    /// Describes the first pieces; returns how many were filled in.
    std::size_t gather(iovec* out, std::size_t max) const;
    /// Forgets the first bytes: they have been written.
    void consume(std::size_t bytes);
    void clear();

private:
    struct Block;
    std::deque<Slice>& pieces();
    std::unique_ptr<std::deque<Slice>> pieces_; // made when first used: an idle connection has none
    std::shared_ptr<Block> block_;              // the one being filled
    std::size_t size_ = 0;
};

} // namespace cubelink::transport
