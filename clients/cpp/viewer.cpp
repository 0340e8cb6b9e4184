#include "clients/cpp/viewer.hpp"

#include <algorithm>
#include <bit>
#include <condition_variable>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>

namespace cubelink::client {

using rpc::Map;
using rpc::Value;

namespace {

static_assert(std::endian::native == std::endian::little, "pixels arrive little-endian and are taken as they are");

const Value& field(const Value& value, std::string_view name) {
    static const Value none;
    const auto* map = value.get_if<Map>();
    const auto* found = map ? map->find(name) : nullptr;
    return found ? *found : none;
}

std::int64_t number(const Value& value, std::int64_t otherwise = 0) {
    if (const auto* integer = value.get_if<std::int64_t>()) return *integer;
    if (const auto* real = value.get_if<double>(); real && *real >= -0x1p63 && *real < 0x1p63) return static_cast<std::int64_t>(*real);
    return otherwise;
}

std::string text(const Value& value) {
    const auto* string = value.get_if<std::string>();
    return string ? *string : std::string();
}

/// The session that was made or joined. Throws SessionNotFound.
std::uint32_t join(Client& client, std::uint32_t wanted) {
    try {
        const auto ack = wanted ? client.call("session.join", {wanted}).get() : client.call("carta.register.viewer", {Map{}}).get();
        return static_cast<std::uint32_t>(number(field(ack, "session_id")));
    } catch (const rpc::CallError& refused) {
        if (!wanted || refused.error().code != rpc::code::method_failed) throw;
        throw SessionNotFound("there is no session " + std::to_string(wanted) + " that could be joined: it has ended, or belongs to another user");
    }
}

template <class T>
void append_as_double(const rpc::Bytes& bytes, std::vector<double>& values) {
    values.resize(bytes.size() / sizeof(T));
    for (std::size_t i = 0; i < values.size(); ++i) {
        T item;
        std::memcpy(&item, bytes.data() + i * sizeof(T), sizeof(T));
        values[i] = static_cast<double>(item);
    }
}

std::vector<double> as_doubles(const rpc::Bytes& bytes, const std::string& dtype) {
    std::vector<double> values;
    if (dtype == "<f4") append_as_double<float>(bytes, values);
    else if (dtype == "<f8") append_as_double<double>(bytes, values);
    else if (dtype == "|u1") append_as_double<std::uint8_t>(bytes, values);
    else if (dtype == "|i1") append_as_double<std::int8_t>(bytes, values);
    else if (dtype == "<i2") append_as_double<std::int16_t>(bytes, values);
    else if (dtype == "<u2") append_as_double<std::uint16_t>(bytes, values);
    else if (dtype == "<i4") append_as_double<std::int32_t>(bytes, values);
    else if (dtype == "<u4") append_as_double<std::uint32_t>(bytes, values);
    else if (dtype == "<i8") append_as_double<std::int64_t>(bytes, values);
    else if (dtype == "<u8") append_as_double<std::uint64_t>(bytes, values);
    else throw rpc::CallError(rpc::code::method_failed, "image.read: values of type \"" + dtype + "\"");
    return values;
}

} // namespace

/// What arrives for the images of a viewer: tiles in any order, and what is told of files.
struct Image::Tiles {
    struct Arrived {
        Tile tile;
        std::pair<std::int32_t, std::int32_t> plane; // channel and stokes
    };
    std::mutex turn; // held by whoever waits for a tile: a newer request for tiles of a file replaces an older one
    std::mutex mutex;
    std::condition_variable arrived;
    std::map<std::pair<std::int32_t, std::int64_t>, Arrived> ready; // (file, tile code)
    std::string failure;                                            // the last that was told of tiles
    std::string lost;                                               // why the last interruption was
    std::uint64_t interruptions = 0;                                // what was promised before one does not come any more
    std::int32_t next_file = 0;

    void take(const Value& message) {
        const auto file = static_cast<std::int32_t>(number(field(message, "file_id")));
        const std::pair plane{static_cast<std::int32_t>(number(field(message, "channel"))), static_cast<std::int32_t>(number(field(message, "stokes")))};
        const auto* tiles = field(message, "tiles").get_if<rpc::Array>();
        if (!tiles) return;
        std::lock_guard lock(mutex);
        for (const auto& item : *tiles) {
            const auto* data = field(item, "image_data").get_if<rpc::Bytes>();
            const auto width = number(field(item, "width")), height = number(field(item, "height"));
            // A server is no more to be trusted with sizes than a client.
            if (!data || width < 0 || height < 0 || width > 65536 || height > 65536) continue;
            if (data->size() != static_cast<std::size_t>(width * height) * sizeof(float)) continue;
            Tile tile{static_cast<std::int32_t>(width), static_cast<std::int32_t>(height), std::vector<float>(static_cast<std::size_t>(width * height))};
            if (!tile.pixels.empty()) std::memcpy(tile.pixels.data(), data->data(), data->size());
            for (auto& pixel : tile.pixels)
                if (pixel <= std::numeric_limits<float>::lowest()) pixel = std::numeric_limits<float>::quiet_NaN();
            const auto code = number(field(item, "layer")) << 24 | number(field(item, "y")) << 12 | number(field(item, "x"));
            ready[{file, code}] = {std::move(tile), plane};
        }
        arrived.notify_all();
    }

    /// ERROR_DATA: tiles that were promised and can't be made.
    void take_error(const Value& message) {
        const auto* tags = field(message, "tags").get_if<rpc::Array>();
        const auto severity = text(field(message, "severity"));
        // A warning, too: that of a file which was written again while it was open.
        if (!tags || (severity != "WARNING" && severity != "ERROR" && severity != "CRITICAL")) return;
        for (const auto& tag : *tags) {
            if (text(tag) != "tiles") continue;
            std::lock_guard lock(mutex);
            failure = text(field(message, "message"));
            arrived.notify_all();
        }
    }

    void take_end(const std::string& why) {
        std::lock_guard lock(mutex);
        lost = why;
        ++interruptions;
        arrived.notify_all();
    }

    /// session.changed: others open images, too.
    void take_change(const Value& message) {
        std::lock_guard lock(mutex);
        next_file = std::max(next_file, static_cast<std::int32_t>(number(field(message, "next_file_id"))));
    }
};

Viewer::Viewer(Client& client, std::uint32_t session_id) : client_(client), tiles_(std::make_shared<Image::Tiles>()) {
    client.listen("carta.raster.tile.data", [tiles = tiles_](const Value& message) { tiles->take(message); });
    client.listen("carta.error.data", [tiles = tiles_](const Value& message) { tiles->take_error(message); });
    client.listen("session.changed", [tiles = tiles_](const Value& message) { tiles->take_change(message); });
    client.on_state([tiles = tiles_](Client::State state, const std::string& why) {
        if (state != Client::State::connected) tiles->take_end(why);
    });
    session_id_ = join(client, session_id);
    if (session_id) tiles_->take_change(client.call("session.state").get());
    client.on_restore([&client, tiles = tiles_, id = session_id_] {
        join(client, id);
        tiles->take_change(client.call("session.state").get());
    });
}

Image Viewer::open(const std::string& path, const std::string& hdu) {
    const auto slash = path.rfind('/');
    const auto directory = slash == std::string::npos ? std::string() : path.substr(0, slash);
    const auto file = slash == std::string::npos ? path : path.substr(slash + 1);
    // Images of others must not be replaced, and what is told of them may still be on its way.
    const auto connections = client_.call("session.connections").get();
    const auto* list = connections.get_if<rpc::Array>();
    if (list && list->size() > 1) tiles_->take_change(client_.call("session.state").get());
    std::int32_t id = 0;
    {
        std::lock_guard lock(tiles_->mutex);
        id = tiles_->next_file++;
    }
    auto ack = client_.call("carta.open.file", {Map{{"directory", directory}, {"file", file}, {"hdu", hdu}, {"file_id", id}}}).get();
    return Image(client_, id, std::move(ack), tiles_);
}

Image::Image(Client& client, std::int32_t file_id, Value ack, std::shared_ptr<Tiles> tiles)
    : client_(client), file_id_(file_id), ack_(std::move(ack)), tiles_(std::move(tiles)) {
    const auto& info = field(ack_, "file_info_extended");
    width_ = number(field(info, "width"), 1);
    height_ = number(field(info, "height"), 1);
    channels_ = std::max<std::int64_t>(1, number(field(info, "depth"), 1));
    stokes_ = std::max<std::int64_t>(1, number(field(info, "stokes"), 1));
}

Block Image::read(Range x, Range y, Range channel, Range stokes) {
    const auto whole = [](Range range, std::int64_t length) { return Value(rpc::Array{range.from, range.to < 0 ? length : range.to, range.step}); };
    const auto answer = client_
                            .call("image.read", {},
                                  Map{{"file_id", file_id_},
                                      {"x", whole(x, width_)},
                                      {"y", whole(y, height_)},
                                      {"channel", whole(channel, channels_)},
                                      {"stokes", whole(stokes, stokes_)}})
                            .get();
    Block block;
    if (const auto* shape = field(answer, "shape").get_if<rpc::Array>(); shape && shape->size() == 4)
        for (std::size_t i = 0; i < 4; ++i) block.shape[i] = number((*shape)[i]);
    if (const auto* data = field(answer, "data").get_if<rpc::Bytes>()) block.values = as_doubles(*data, text(field(answer, "dtype")));
    return block;
}

std::vector<double> Image::spectrum(std::int64_t x, std::int64_t y, std::int64_t stokes) {
    return read(Range::at(x), Range::at(y), {}, Range::at(stokes)).values;
}

Tile Image::tile(int layer, int x, int y, std::chrono::milliseconds patience) {
    const auto code = static_cast<std::int64_t>(layer) << 24 | static_cast<std::int64_t>(y) << 12 | x;
    const std::pair key{file_id_, code};
    std::lock_guard turn(tiles_->turn);
    std::uint64_t interruptions = 0;
    {
        std::lock_guard lock(tiles_->mutex);
        tiles_->ready.erase(key); // of an earlier channel, perhaps
        tiles_->failure.clear();
        interruptions = tiles_->interruptions;
    }
    client_.call("carta.add.required.tiles", {Map{{"file_id", file_id_}, {"tiles", rpc::Array{code}}, {"compression_type", "NONE"}}}).get();
    std::unique_lock lock(tiles_->mutex);
    const auto there = [&] {
        const auto found = tiles_->ready.find(key);
        return found != tiles_->ready.end() && (!plane_ || *plane_ == found->second.plane);
    };
    if (!tiles_->arrived.wait_for(lock, patience, [&] { return there() || !tiles_->failure.empty() || tiles_->interruptions != interruptions; }))
        throw ConnectionLost("no tile came in time");
    if (!there() && tiles_->interruptions != interruptions) throw ConnectionLost(tiles_->lost);
    if (!there()) throw rpc::CallError(rpc::code::method_failed, tiles_->failure);
    auto found = tiles_->ready.extract(key);
    return std::move(found.mapped().tile);
}

void Image::set_channel(std::int32_t channel, std::int32_t stokes) {
    client_.call("carta.set.image.channels", {Map{{"file_id", file_id_}, {"channel", channel}, {"stokes", stokes}}}).get();
    plane_.emplace(channel, stokes);
}

void Image::close() { client_.call("carta.close.file", {Map{{"file_id", file_id_}}}).get(); }

} // namespace cubelink::client
