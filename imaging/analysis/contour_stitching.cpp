#include "imaging/analysis/contour_stitching.hpp"

#include <iterator>

namespace cubelink::imaging {

namespace {
constexpr auto no_edge = TracedLine::no_edge;
}

void ContourStitcher::add(const TracedLine& fragment, std::span<const float> vertices, const Complete& complete) {
    auto chain = chains_.emplace(chains_.end());
    chain->key = fragment.key;
    chain->from_edge = fragment.from_edge != no_edge && is_cut(fragment.from_edge) ? no_edge : fragment.from_edge;
    chain->to_edge = fragment.to_edge != no_edge && is_cut(fragment.to_edge) ? no_edge : fragment.to_edge;
    chain->pieces.push_back({{vertices.begin(), vertices.end()}, fragment.lowest_edge, fragment.lowest_vertex});
    bytes_ += vertices.size_bytes() + overhead;

    if (chain->from_edge != no_edge) {
        if (const auto before = ending_.find(chain->from_edge); before != ending_.end()) {
            const auto head = before->second;
            ending_.erase(before);
            head->pieces.splice(head->pieces.end(), chain->pieces);
            head->to_edge = chain->to_edge;
            chains_.erase(chain);
            chain = head;
        } else {
            beginning_.emplace(chain->from_edge, chain);
        }
    }
    if (chain->to_edge != no_edge) {
        if (const auto after = beginning_.find(chain->to_edge); after != beginning_.end()) {
            const auto tail = after->second;
            beginning_.erase(after);
            if (tail == chain) return finish(chain, true, complete);
            chain->pieces.splice(chain->pieces.end(), tail->pieces);
            chain->to_edge = tail->to_edge;
            chains_.erase(tail);
            if (chain->to_edge != no_edge) ending_[chain->to_edge] = chain;
        } else {
            ending_[chain->to_edge] = chain;
        }
    }
    if (chain->from_edge == no_edge && chain->to_edge == no_edge) finish(chain, false, complete);
}

void ContourStitcher::finish(Chains::iterator chain, bool closed, const Complete& complete) {
    std::size_t floats = 0, lowest_at = 0; // where the vertex of the first upward crossing is in what is joined
    auto lowest = no_edge;
    joined_.clear();
    for (const auto& piece : chain->pieces) {
        bytes_ -= piece.vertices.size() * sizeof(float) + overhead;
        // Each piece begins with the vertex that the one before ends with.
        const std::size_t skip = joined_.empty() ? 0 : 2;
        if (piece.lowest_edge < lowest) {
            lowest = piece.lowest_edge;
            lowest_at = joined_.size() - skip + 2 * piece.lowest_vertex;
        }
        joined_.insert(joined_.end(), piece.vertices.begin() + std::ptrdiff_t(skip), piece.vertices.end());
        floats = joined_.size();
    }
    auto key = chain->key;
    if (closed) {
        key = closed_key(lowest);
        if (lowest_at + 2 < floats && lowest_at > 0) {
            // The last vertex repeats the first.
            std::vector<float> turned(joined_.begin() + std::ptrdiff_t(lowest_at), joined_.end());
            turned.insert(turned.end(), joined_.begin() + 2, joined_.begin() + std::ptrdiff_t(lowest_at) + 2);
            joined_.swap(turned);
        }
    }
    complete(key, joined_);
    chains_.erase(chain);
    if (joined_.capacity() > (std::size_t(1) << 20)) joined_ = {};
}

void ContourStitcher::cut(const Complete& complete) {
    for (const auto* waiting : {&beginning_, &ending_})
        for (const auto& at : *waiting) cut_rows_.insert(at.first / std::uint64_t(width_));
    beginning_.clear();
    ending_.clear();
    while (!chains_.empty()) finish(chains_.begin(), false, complete);
}

} // namespace cubelink::imaging
