#pragma once
/// An image that is open in a session: its pixels, its facts, and which plane and cursor position it shows.
///
/// The facts never change and may be used from any thread. The state below them belongs to the session's command queue: only commands
/// read and change it; jobs get copies of what they need. What clients require of it is in the session's RequirementTable.

#include "imaging/base/budget_cache.hpp"
#include "imaging/source/format.hpp"
#include "imaging/world/wcs.hpp"
#include "imaging/pixels/polarization.hpp"
#include "rpc/message.hpp"
#include "server/session/contour_streams.hpp"
#include "server/session/object.hpp"
#include "server/session/parking.hpp"
#include "server/session/requirements.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cubelink::server {

struct CursorPosition {
    float x = 0, y = 0; // pixels, as the client said
    friend bool operator==(const CursorPosition&, const CursorPosition&) = default;
};

class Image : public Object {
public:
    explicit Image(std::int32_t id) : Object(image_id(id)), file_id(id) {}

    // Facts, complete before it is given to a session.
    const std::int32_t file_id;
    std::string directory, file; // of a computed image: its source's folder, and the name that it was given
    /// What it was made from, if it was computed: see server/tasks/images/image_recipes.hpp. Empty: from a file.
    rpc::Map recipe;
    std::int32_t hdu = 0;
    bool support_aips_beam = false; // as it was opened
    std::string cards; // the header as it stands in the file: 80 bytes each, without END
    imaging::ImageInfo info;
    std::shared_ptr<const imaging::Wcs> wcs; // may be null
    std::shared_ptr<const imaging::PolarizationSource> source;
    rpc::BodyPtr acknowledgement; // the OPEN_FILE_ACK, for session.state
    imaging::Reservation memory;  // what all this takes of --memory-limit
    mutable std::atomic<bool> changed_reported{false}; // that the file was written again

    mutable ContourStreams contour_streams;
    /// What waits for clients to read on. Closed with the image.
    const std::shared_ptr<Parking> waiting = std::make_shared<Parking>();

    // State.
    imaging::PlaneId plane;
    std::optional<CursorPosition> cursor;

    rpc::Map saved() const override;

    const imaging::ImageShape& shape() const { return source->shape(); }
    /// An index on the stokes axis, or a computed polarization that this image allows.
    bool has_stokes(std::int32_t stokes) const;
    bool has_channel(std::int32_t channel) const { return channel >= 0 && channel < shape().depth; }
};
using ImagePtr = std::shared_ptr<Image>;

/// Takes out of a list of requirements what this image can't give: a coordinate or channel that it does not have.
void remove_impossible(Requirements& requirements, std::int32_t region_id, const Image& image);

/// "z", "Qx", "Ptotalz", "I": which axis (0: none named) and which stokes is meant.
struct Coordinate {
    char axis = 0;
    std::optional<std::int32_t> stokes; // nothing: the current one
};
/// Nothing if the image has no such stokes, or the text is no coordinate.
std::optional<Coordinate> parse_coordinate(std::string_view text, const Image& image);

/// The pixel under a position (half away from zero), if that lies in the image.
struct PixelIndex {
    std::int64_t x = 0, y = 0;
};
std::optional<PixelIndex> pixel_at(imaging::PixelPoint position, const imaging::ImageShape& shape);
std::optional<PixelIndex> pixel_at(const CursorPosition& position, const imaging::ImageShape& shape);

} // namespace cubelink::server
