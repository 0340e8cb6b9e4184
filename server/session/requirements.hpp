#pragma once
/// What clients require to be sent: the requirements of a session's connections, in one table by connection, file, region and kind.
///
/// Regions are the ICD's: the cursor is region 0, the image -1, the whole cube -2. Requirements belong to the connection that set them:
/// connections of one session never overwrite each other's. Those of a connection that was lost (not closed) stay in the table, without
/// effect, until a connection that resumes the session inherits them; lists of several lost connections for one place are joined.

#include "server/session/viewport.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cubelink::server {

class PvPreview;

inline constexpr std::int32_t cursor_region = 0, image_region = -1, cube_region = -2;

/// ICD SetSpatialRequirements.SpatialConfig.
struct SpatialRequirement {
    std::string coordinate;
    std::int32_t start = 0, end = 0, mip = 0, width = 0;
    friend bool operator==(const SpatialRequirement&, const SpatialRequirement&) = default;
};
/// ICD SetSpectralRequirements.SpectralConfig; of a cursor only the first statistic is echoed.
struct SpectralRequirement {
    std::string coordinate;
    std::vector<int> stats_types;
    friend bool operator==(const SpectralRequirement&, const SpectralRequirement&) = default;
};
/// ICD HistogramConfig.
struct HistogramRequirement {
    std::string coordinate;
    std::int32_t channel = -1;
    bool fixed_num_bins = false;
    std::int32_t num_bins = -1;
    bool fixed_bounds = false;
    double min = 0, max = 0;
    friend bool operator==(const HistogramRequirement&, const HistogramRequirement&) = default;
};
/// ICD SetStatsRequirements.StatsConfig.
struct StatsRequirement {
    std::string coordinate;
    std::vector<int> stats_types;
    friend bool operator==(const StatsRequirement&, const StatsRequirement&) = default;
};

/// ICD ImageBounds: x_min ≤ x < x_max; all 0: the whole image.
struct PixelBounds {
    std::int32_t x_min = 0, x_max = 0, y_min = 0, y_max = 0;
    friend bool operator==(const PixelBounds&, const PixelBounds&) = default;
};
/// ICD SetContourParameters, of the image (region -1); a list of one.
struct ContourRequirement {
    std::int32_t reference_file_id = 0;
    PixelBounds bounds{};
    std::vector<double> levels;
    int smoothing_mode = 0;
    std::int32_t smoothing_factor = 0, decimation_factor = 0, compression_level = 0, chunk_size = 0;
    friend bool operator==(const ContourRequirement&, const ContourRequirement&) = default;
};
/// ICD SetVectorOverlayParameters, of the image (region -1); a list of one.
struct VectorRequirement {
    PixelBounds bounds{};
    std::int32_t smoothing_factor = 0;
    bool fractional = false, debiasing = false;
    std::optional<double> threshold{}; // nothing: disabled, NaN in the ICD
    int threshold_option = 0;
    double q_error = 0, u_error = 0;
    std::int32_t stokes_intensity = -1, stokes_angle = -1;
    int compression_type = 0;
    float compression_quality = 0;
    friend bool operator==(const VectorRequirement&, const VectorRequirement&) = default;
};

/// ICD PvPreviewSettings, of the region along which the image is cut.
struct PvPreviewRequirement {
    std::shared_ptr<const PvPreview> preview; // not null
    friend bool operator==(const PvPreviewRequirement&, const PvPreviewRequirement&) = default;
};

enum class RequirementKind : std::uint8_t { spatial, spectral, histogram, statistics, contours, vector_overlay, pv_preview, viewport };
/// "spatial", "spectral", "histogram", "statistics", "contours", "vector overlay", "pv preview", "viewport": what snapshots call it.
std::string_view name_of(RequirementKind kind);

/// Requirements of one kind that a connection may have for a region of an image.
inline constexpr std::size_t max_requirements = 200;

/// A list of one kind, in the order in which the client named them. The alternatives stand in the order of RequirementKind.
using Requirements = std::variant<std::vector<SpatialRequirement>, std::vector<SpectralRequirement>, std::vector<HistogramRequirement>,
                                  std::vector<StatsRequirement>, std::vector<ContourRequirement>, std::vector<VectorRequirement>,
                                  std::vector<PvPreviewRequirement>, std::vector<ViewportRequirement>>;

struct RequirementKey {
    std::int32_t file_id = 0, region_id = 0;
    RequirementKind kind{};
    std::uint64_t connection = 0;
    friend auto operator<=>(const RequirementKey&, const RequirementKey&) = default;
};

/// One for a session. Belongs to the session's commands: not synchronised.
class RequirementTable {
public:
    /// Replaces what the connection required there; an empty list takes it away. True if something changed.
    bool set(const RequirementKey& key, Requirements requirements);
    void remove_image(std::int32_t file_id);
    void remove_region(std::int32_t region_id);
    /// Calls `change` with each list for the image, those that wait for an heir too, which may shorten it: of an image that is another by now.
    void revise_image(std::int32_t file_id, const std::function<void(const RequirementKey&, Requirements&)>& change);

    /// Connections with equal lists, which are served by one computation.
    template <class T>
    struct Group {
        std::vector<T> requirements;
        std::vector<std::uint64_t> connections; // ascending
    };
    /// The distinct lists of a kind for a region of an image, each with the connections that have it. Empty lists are not kept.
    template <class T>
    std::vector<Group<T>> groups(std::int32_t file_id, std::int32_t region_id) const;
    /// Regions of the image that have requirements of that kind, ascending.
    std::vector<std::int32_t> regions(std::int32_t file_id, RequirementKind kind) const;

    /// What a connection requires there; nullptr: nothing.
    const Requirements* find(const RequirementKey& key) const;

    /// The connection has gone. Lost: its requirements wait for an heir, but for previews, which hold much memory, and
    /// views that are pushed, for which a client has to be there. Closed: they are forgotten.
    void connection_lost(std::uint64_t connection);
    void connection_closed(std::uint64_t connection);
    /// Gives `heir` what lost connections have left, except where it has requirements of its own. Returns the keys that are new to it, ascending.
    std::vector<RequirementKey> inherit(std::uint64_t heir);

    /// For snapshots: the requirements of all connections but previews and pushed views, joined by place. The connection of a key is 0.
    std::vector<std::pair<RequirementKey, Requirements>> saved() const;
    /// From a snapshot: waits for an heir.
    void restore(RequirementKey key, Requirements requirements);

private:
    std::map<RequirementKey, Requirements> active_;
    std::map<RequirementKey, Requirements> left_; // by lost connections; the connection of a key is 0
};

} // namespace cubelink::server
