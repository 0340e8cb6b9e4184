#pragma once
/// A view of an image that the server draws for a connection and pushes to it as pictures (viewport.image.push…), and what it looks like. Plain values.

#include "imaging/render/colouring.hpp"
#include "imaging/render/framing.hpp"
#include "imaging/render/grid.hpp"
#include "imaging/world/celestial.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace cubelink::server {

/// How the values of a plane become colours, as a client says it.
struct LookRequest {
    const imaging::ColourMap* map = nullptr;              // not null
    bool inverted = false;
    std::optional<imaging::Stretch> stretch{};            // nothing: by the plane's histogram
    std::optional<imaging::ClipLimits> limits{};          // nothing: by the percentile
    double percentile = imaging::default_clip_percentile; // more than 0, 100 at most
    imaging::Rgba blank = imaging::Look{}.blank, background = imaging::Look{}.background;
    friend bool operator==(const LookRequest&, const LookRequest&) = default;
};

/// Lines of equal longitude and latitude. `frame`: nothing: the image's own.
struct GridRequest {
    std::optional<imaging::SkySystem> frame{};
    imaging::GridNotation notation = imaging::GridNotation::automatic;
    bool labels = true;
    friend bool operator==(const GridRequest&, const GridRequest&) = default;
};

/// It belongs to the connection that observes it, as a requirement of that connection and the image (region -1), a list of one: it ends with either. It is not
/// saved with the session, nor inherited.
struct ViewportRequirement {
    std::uint64_t number = 0;   // unique in the process
    bool active = false;        // its client calls it -1, the active view
    std::int32_t observers = 1; // how often the client has added itself
    bool enabled = true;
    imaging::PictureSize size{400, 400};      // on the client's screen; nothing is drawn if a side is 0
    std::optional<imaging::Framing> framing{}; // for that size; nothing: the whole image
    LookRequest look;
    std::optional<GridRequest> grid{};
    bool beam = false;
    std::optional<int> quality{};   // of JPEG; nothing: less while it moves
    std::optional<double> ratio{};  // pixels of the picture per pixel on the screen; nothing: fewer while it moves
    bool moving = false;            // a button is held, or the wheel turns
    int buttons = 0;                // that are held
    double x = 0, y = 0;            // where the pointer was, and where it was when the first button was pressed: parts of the view's sides, from the
    double press_x = 0, press_y = 0; // lower left corner
    double frames_per_second = 30;  // at most
    std::uint64_t revision = 0;     // of what is to be seen
    std::chrono::steady_clock::time_point drawn{}; // when the revision was made
    bool waits = false;             // for its next revision, because the latest is so young
    friend bool operator==(const ViewportRequirement&, const ViewportRequirement&) = default;

    int effective_quality() const { return quality.value_or(moving ? 60 : 95); }
    double effective_ratio() const { return ratio.value_or(moving ? 0.5 : 1); }
};

} // namespace cubelink::server
