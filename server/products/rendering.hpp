#pragma once
/// Pictures of images as files: what image.render answers and what pushed views are made of. By jobs.

#include "imaging/render/encode.hpp"
#include "imaging/world/celestial.hpp"
#include "rpc/values/bytes.hpp"
#include "server/session/image.hpp"

#include <functional>
#include <optional>

namespace cubelink::server {

/// How the values of a plane become colours, as a client says it.
struct LookRequest {
    const imaging::ColourMap* map = nullptr; // not null
    bool inverted = false;
    std::optional<imaging::Stretch> stretch{};       // nothing: by the plane's histogram
    std::optional<imaging::ClipLimits> limits{};     // nothing: by the percentile
    double percentile = imaging::default_clip_percentile; // more than 0, 100 at most
    imaging::Rgba blank = imaging::Look{}.blank, background = imaging::Look{}.background;
    friend bool operator==(const LookRequest&, const LookRequest&) = default;
};

/// Lines of equal longitude and latitude. `frame`: nothing: the image's own.
struct GridRequest {
    std::optional<imaging::SkySystem> frame{};
    friend bool operator==(const GridRequest&, const GridRequest&) = default;
};

struct RenderRequest {
    imaging::PlaneId plane; // of the image
    imaging::PictureSize size;
    imaging::Framing framing;
    LookRequest look;
    std::optional<GridRequest> grid{};
    bool beam = false;
    imaging::Encoding encoding;
    friend bool operator==(const RenderRequest&, const RenderRequest&) = default;
};

struct RenderedFile {
    rpc::Bytes bytes;
    imaging::ClipLimits limits;   // that were used
    imaging::Stretch stretch{};   // that was used
    bool sampled = false;         // limits or stretch follow from a sample of the plane's pixels
};

/// Bytes that render() takes at most, the file included.
std::size_t render_bytes(const RenderRequest& request);

/// Draws and encodes. Memory is reserved in the cache's budget. `check` is called from time to time and may throw. Throws as draw_plane() and encode().
RenderedFile render(const Image& image, const RenderRequest& request, imaging::BudgetCache& cache, const imaging::ThreadShare& threads,
                    const imaging::CancelToken& cancel, const std::function<void()>& check = {});

} // namespace cubelink::server
