#pragma once
/// What is remembered of a session beyond the server's life: enough to open everything again as it was. JSON text in the store.
/// Pure, but for snapshot_of(), which reads a session and so belongs into a command of its queue.

#include "server/session/image.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::server {

class Session;

struct SavedImage {
    std::int32_t file_id = 0;
    std::string directory, file, hdu; // as the client said them; the HDU's number as text
    bool support_aips_beam = false;
    imaging::PlaneId plane;
    std::optional<CursorPosition> cursor;
    std::vector<SpatialRequirement> cursor_spatial;
    std::vector<SpectralRequirement> cursor_spectral;
    std::vector<HistogramRequirement> histograms;
    std::vector<StatsRequirement> statistics;
};

struct SavedSession {
    std::vector<SavedImage> images; // in the order of their ids
    std::int32_t next_file_id = 0;
    std::optional<std::int32_t> cursor_file;
};

SavedSession snapshot_of(const Session& session);

std::string to_text(const SavedSession& saved);
/// Throws rpc::CallError, which names the field, for text that is no snapshot.
SavedSession saved_session_of(std::string_view text);

/// Gives a newly opened image the plane and the cursor that it had, as far as it still has such channels and stokes: the file may be another by now.
void apply(const SavedImage& saved, Image& image);
/// What was required of it, as far as it still exists, waits in the table for an heir.
void restore_requirements(const SavedImage& saved, const Image& image, RequirementTable& table);

} // namespace cubelink::server
