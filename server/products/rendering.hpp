#pragma once
/// Pictures of images as files: what image.render answers and what pushed views are made of. By jobs.

#include "imaging/render/encode.hpp"
#include "rpc/values/bytes.hpp"
#include "server/session/image.hpp"
#include "server/session/viewport.hpp"

#include <functional>
#include <optional>

namespace cubelink::server {

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
