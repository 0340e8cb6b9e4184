#include "server/net/transport/out_queue.hpp"

#include <algorithm>
#include <cstring>

namespace cubelink::transport {
namespace {
constexpr std::size_t block_size = 16 << 10;
constexpr std::size_t small = 4 << 10; // copying less than this is cheaper than one more piece in the system call
} // namespace

struct OutQueue::Block {
    std::size_t used = 0;
    char data[block_size];
};

std::deque<Slice>& OutQueue::pieces() {
    if (!pieces_) pieces_ = std::make_unique<std::deque<Slice>>();
    return *pieces_;
}

void OutQueue::append(std::string_view bytes) {
    while (!bytes.empty()) {
        if (!block_ || block_->used == block_size) block_ = std::shared_ptr<Block>(new Block);
        const auto count = std::min(bytes.size(), block_size - block_->used);
        char* target = block_->data + block_->used;
        std::memcpy(target, bytes.data(), count);
        block_->used += count;
        auto& list = pieces();
        if (!list.empty() && list.back().owner == block_ && list.back().data + list.back().size == target) {
            list.back().size += count;
        } else {
            Slice piece;
            piece.owner = block_;
            piece.data = target;
            piece.size = count;
            list.push_back(std::move(piece));
        }
        size_ += count;
        bytes.remove_prefix(count);
    }
}

void OutQueue::append(const Slice& slice) {
    if (slice.size <= small) return append(std::string_view(slice.data, slice.size));
    pieces().push_back(slice);
    size_ += slice.size;
}

std::size_t OutQueue::gather(iovec* out, std::size_t max) const {
    if (!pieces_) return 0;
    std::size_t count = 0;
    for (const auto& piece : *pieces_) {
        if (count == max) break;
        out[count].iov_base = const_cast<char*>(piece.data);
        out[count].iov_len = piece.size;
        ++count;
    }
    return count;
}

void OutQueue::consume(std::size_t bytes) {
    size_ -= bytes;
    while (bytes > 0) {
        auto& front = pieces_->front();
        const auto count = std::min(bytes, front.size);
        front.data += count;
        front.size -= count;
        bytes -= count;
        if (front.size == 0) pieces_->pop_front();
    }
    if (size_ == 0) clear();
}

void OutQueue::clear() {
    pieces_.reset();
    block_.reset();
    size_ = 0;
}

} // namespace cubelink::transport
