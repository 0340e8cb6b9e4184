#pragma once
/// Joins the fragments of one level's lines that bands have traced apart, in any order. Pure; one thread at a time.
///
/// An edge between two bands that a line crosses ends one fragment in the one band and begins one in the other. What has been joined does not depend on how
/// the grid was divided: the same vertices, and closed lines begin at the same one.

#include "imaging/analysis/contour_tracing.hpp"

#include <cstddef>
#include <functional>
#include <list>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace cubelink::imaging {

class ContourStitcher {
public:
    /// Gets each line that is complete: its key and its vertices.
    using Complete = std::function<void(ContourKey key, std::span<const float> vertices)>;

    explicit ContourStitcher(std::int64_t grid_width) : width_(grid_width) {}

    /// Adds a fragment, whose vertices are copied.
    void add(const TracedLine& fragment, std::span<const float> vertices, const Complete& complete);

    /// Bytes that wait for their other parts, nearly.
    std::size_t bytes() const { return bytes_; }

    /// Gives up joining: what waits is complete as it is, and so are the ends of later fragments at the same rows of the grid.
    void cut(const Complete& complete);

private:
    struct Piece {
        std::vector<float> vertices;
        std::uint64_t lowest_edge = TracedLine::no_edge;
        std::size_t lowest_vertex = 0;
    };
    struct Chain {
        std::list<Piece> pieces;
        ContourKey key = 0;
        std::uint64_t from_edge = TracedLine::no_edge, to_edge = TracedLine::no_edge;
    };
    using Chains = std::list<Chain>;
    using Waiting = std::unordered_map<std::uint64_t, Chains::iterator>;
    static constexpr std::size_t overhead = 256; // of a piece and its chain

    bool is_cut(std::uint64_t edge) const { return cut_rows_.contains(edge / std::uint64_t(width_)); }
    void finish(Chains::iterator chain, bool closed, const Complete& complete);

    const std::int64_t width_;
    Chains chains_;
    Waiting beginning_, ending_; // chains that wait for what comes before their first vertex, and after their last, by the edge
    std::unordered_set<std::uint64_t> cut_rows_;
    std::size_t bytes_ = 0;
    std::vector<float> joined_; // scratch
};

} // namespace cubelink::imaging
