#include "server/tasks/frame_sequence.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

namespace cubelink::server {

namespace {

void require_index(const char* field, std::int32_t stokes, const std::vector<std::int32_t>& indices) {
    if (indices.empty() || (stokes >= 0 && static_cast<std::size_t>(stokes) < indices.size())) return;
    throw std::invalid_argument(std::string(field) + ".stokes: " + std::to_string(stokes) + " is no index into stokes_indices (it has " +
                                std::to_string(indices.size()) + ")");
}

} // namespace

FrameSequence::FrameSequence(FrameRange range) : range_(std::move(range)) {
    const bool stokes = along_stokes();
    const auto place = [stokes](const Frame& frame) { return std::int64_t{stokes ? frame.stokes : frame.channel}; };
    first_ = place(range_.first);
    last_ = place(range_.last);
    step_ = place(range_.delta);
    if (step_ == 0) throw std::invalid_argument("delta_frame: a step of 0 leads nowhere");
    if (first_ > last_)
        throw std::invalid_argument("first_frame: " + std::to_string(first_) + " is after last_frame, " + std::to_string(last_));
    if (stokes) {
        require_index("first_frame", range_.first.stokes, range_.stokes_indices);
        require_index("last_frame", range_.last.stokes, range_.stokes_indices);
    } else {
        require_index("start_frame", range_.start.stokes, range_.stokes_indices);
    }
    position_ = place(range_.start);
    if (!within(position_)) position_ = step_ > 0 ? first_ : last_;
}

Frame FrameSequence::current() const {
    auto frame = range_.start;
    (along_stokes() ? frame.stokes : frame.channel) = static_cast<std::int32_t>(position_);
    return frame;
}

bool FrameSequence::advance() {
    const auto next = position_ + step_;
    if (within(next)) position_ = next;
    else if (range_.reverse) step_ = -step_;
    else if (range_.looping) position_ = step_ > 0 ? first_ : last_;
    else return false;
    return true;
}

std::int32_t FrameSequence::stokes_of(const Frame& frame) const {
    return range_.stokes_indices.empty() ? frame.stokes : range_.stokes_indices.at(static_cast<std::size_t>(frame.stokes));
}

std::int32_t FrameSequence::name_of(const Frame& received) const {
    if (!along_stokes()) return received.channel;
    const auto& indices = range_.stokes_indices;
    const bool is_index = received.stokes >= 0 && static_cast<std::size_t>(received.stokes) < indices.size();
    const bool is_listed = std::find(indices.begin(), indices.end(), received.stokes) != indices.end();
    return is_index && !is_listed ? stokes_of(received) : received.stokes;
}

void Unacknowledged::not_sent(std::int32_t name) {
    if (names_.empty() || names_.back() != name) return;
    names_.pop_back();
    if (names_.empty()) first_waits_ = false;
}

void Unacknowledged::received(std::int32_t name) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) return;
    names_.erase(names_.begin(), found + 1);
    first_waits_ = false;
}

std::optional<std::int32_t> matched_channel(const std::vector<float>& numbers, std::int32_t first, std::int32_t channel,
                                            std::int64_t depth) {
    const auto index = std::int64_t{channel} - first;
    if (index < 0 || index >= static_cast<std::int64_t>(numbers.size()) || depth < 1) return std::nullopt;
    const auto number = numbers[static_cast<std::size_t>(index)];
    if (!std::isfinite(number)) return std::nullopt;
    return static_cast<std::int32_t>(std::clamp(std::round(double{number}), 0.0, static_cast<double>(depth - 1)));
}

} // namespace cubelink::server
