#pragma once
/// Images through a Client: open one, and take tiles, spectra and blocks of exact pixels from it as plain arrays.
///
/// Calls block until the answer is there. Thread-safe as Client is; calls for tiles of one viewer take their turns. An Image may be copied; set_channel() is to
/// be called for one of the copies only, and not beside its other calls.

#include "clients/cpp/client.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cubelink::client {

/// A half-open range with a step; the default is the whole axis.
struct Range {
    std::int64_t from = 0, to = -1, step = 1; // to < 0: the end
    static Range at(std::int64_t index) { return {index, index + 1, 1}; }
};

/// Values of (stokes, channel, y, x), x fastest, whatever type they have in the file.
struct Block {
    std::array<std::int64_t, 4> shape{};
    std::vector<double> values;
};

/// Row-major from the bottom up; blanks are NaN.
struct Tile {
    std::int32_t width = 0, height = 0;
    std::vector<float> pixels;
};

class Image {
public:
    std::int32_t file_id() const { return file_id_; }
    std::int64_t width() const { return width_; }
    std::int64_t height() const { return height_; }
    std::int64_t channels() const { return channels_; }
    std::int64_t stokes() const { return stokes_; }
    /// OPEN_FILE_ACK as it came.
    const rpc::Value& acknowledgement() const { return ack_; }

    Block read(Range x = {}, Range y = {}, Range channel = {}, Range stokes = {});
    std::vector<double> spectrum(std::int64_t x, std::int64_t y, std::int64_t stokes = 0);
    /// A tile of the current channel; layer 0 is the whole plane in one tile. Throws rpc::CallError if there is no such tile or it can't be
    /// read, ConnectionLost when none comes in time or can come any more.
    Tile tile(int layer, int x, int y, std::chrono::milliseconds patience = std::chrono::seconds(60));
    void set_channel(std::int32_t channel, std::int32_t stokes = 0);
    void close();

private:
    friend class Viewer;
    struct Tiles;
    Image(Client& client, std::int32_t file_id, rpc::Value ack, std::shared_ptr<Tiles> tiles);
    Client& client_;
    std::int32_t file_id_;
    rpc::Value ack_;
    std::shared_ptr<Tiles> tiles_;
    std::optional<std::pair<std::int32_t, std::int32_t>> plane_; // channel and stokes, once set_channel() was called
    std::int64_t width_ = 1, height_ = 1, channels_ = 1, stokes_ = 1;
};

/// There is no session with the id that was to be joined, or it may not be joined.
class SessionNotFound : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

class Viewer {
public:
    /// Registers as a viewer; `session_id` 0 makes a session, another joins that one. When the client has made its connection again, the viewer
    /// joins its session again, with the images that are open in it. At most one viewer for a client, which must outlive the viewer and its
    /// images. Throws SessionNotFound, and what calls throw.
    explicit Viewer(Client& client, std::uint32_t session_id = 0);
    std::uint32_t session_id() const { return session_id_; }
    /// `path` below the server's folder, with slashes. Throws rpc::CallError with the server's words.
    Image open(const std::string& path, const std::string& hdu = "");

private:
    Client& client_;
    std::uint32_t session_id_ = 0;
    std::shared_ptr<Image::Tiles> tiles_;
};

} // namespace cubelink::client
