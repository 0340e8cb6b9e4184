#include "server/tasks/images/remote_file.hpp"

#include "server/tasks/images/image_recipes.hpp"

#include "imaging/formats.hpp"
#include "platform/text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <memory>
#include <utility>

namespace cubelink::server {

namespace {

constexpr std::int64_t pixel_limit = 50'000'000;
constexpr std::size_t text_limit = 8000; // bytes of all texts of a request
constexpr const char* fits_begins_with = "SIMPLE  =";

std::string escaped(std::string_view text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) out += c;
        else out += {'%', digits[static_cast<unsigned char>(c) >> 4], digits[static_cast<unsigned char>(c) & 15]};
    }
    return out;
}

std::string shortest(float value) {
    std::array<char, 64> text{};
    return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

void check(const icd::RemoteFileRequest& request) {
    const auto refuse = [](const std::string& why) { throw PathError("This image can't be asked for: " + why + "."); };
    if (request.hips().empty()) refuse("hips, the name of the survey, is missing");
    const std::int64_t pixels = std::int64_t{request.width()} * request.height();
    if (request.width() < 1 || request.height() < 1 || pixels > pixel_limit)
        refuse("it would have " + std::to_string(request.width()) + " × " + std::to_string(request.height()) + " pixels, where 1 to 50 million are possible");
    if (request.hips().size() + request.wcs().size() + request.projection().size() + request.coordsys().size() + request.object().size() > text_limit)
        refuse("its texts are longer than " + std::to_string(text_limit) + " bytes");
    const auto& frame = request.coordsys();
    if (!frame.empty() && !platform::equal_ignoring_case(frame, "icrs") && !platform::equal_ignoring_case(frame, "galactic"))
        refuse("coordsys is \"" + frame + "\", where icrs and galactic are possible");
    for (const float number : {request.fov(), request.ra(), request.dec(), request.rotation_angle()})
        if (!std::isfinite(number)) refuse("a number is not finite");
    if (!request.wcs().empty()) return;
    if (request.projection().empty()) refuse("projection is missing");
    if (!(request.fov() > 0)) refuse("fov, the field of view in degrees, must be above 0");
    if (request.object().empty() && (std::fabs(request.dec()) > 90 || std::fabs(request.ra()) > 360))
        refuse("its centre (" + shortest(request.ra()) + ", " + shortest(request.dec()) + ") is not on the sky, and no object was given");
}

icd::RemoteFileRequest request_of(const rpc::Map& recipe) {
    icd::RemoteFileRequest request;
    const auto size = [&](const char* field) {
        const auto value = integer_of_recipe(recipe, field);
        return value >= 0 && value <= pixel_limit ? static_cast<std::int32_t>(value) : 0;
    };
    const auto number = [&](const char* field) { return static_cast<float>(number_of_recipe(recipe, field)); };
    request.set_hips(text_of_recipe(recipe, "hips"));
    request.set_wcs(text_of_recipe(recipe, "wcs"));
    request.set_width(size("width"));
    request.set_height(size("height"));
    request.set_projection(text_of_recipe(recipe, "projection"));
    request.set_fov(number("fov"));
    request.set_ra(number("ra"));
    request.set_dec(number("dec"));
    request.set_coordsys(text_of_recipe(recipe, "coordsys"));
    request.set_rotation_angle(number("rotation_angle"));
    request.set_object(text_of_recipe(recipe, "object"));
    return request;
}

bool contains_remote_file(const rpc::Value& value, int depth) {
    if (depth > 100) return false; // deeper ones aren't made
    if (const auto* map = value.get_if<rpc::Map>()) {
        if (is_remote_file(*map)) return true;
        for (const auto& entry : *map)
            if (contains_remote_file(entry.second, depth + 1)) return true;
    } else if (const auto* list = value.get_if<rpc::Array>()) {
        for (const auto& entry : *list)
            if (contains_remote_file(entry, depth + 1)) return true;
    }
    return false;
}

} // namespace

bool is_remote_file(const rpc::Map& recipe) {
    const auto* kind = recipe.find("kind");
    const auto* text = kind ? kind->get_if<std::string>() : nullptr;
    return text && *text == "remote_file";
}

bool needs_remote_files(const rpc::Map& recipe) {
    for (const auto& entry : recipe)
        if (contains_remote_file(entry.second, 0)) return true;
    return is_remote_file(recipe);
}

std::string url_of(const std::string& service, const icd::RemoteFileRequest& request) {
    std::string url = service;
    char between = service.find('?') == std::string::npos ? '?' : '&';
    const auto add = [&](const char* name, const std::string& value) {
        url += std::exchange(between, '&') + std::string(name) + "=" + escaped(value);
    };
    add("hips", request.hips());
    add("width", std::to_string(request.width()));
    add("height", std::to_string(request.height()));
    add("format", "fits");
    // What a WCS says, it says alone.
    if (!request.wcs().empty()) {
        add("wcs", request.wcs());
        return url;
    }
    add("projection", request.projection());
    add("fov", shortest(request.fov()));
    if (!request.object().empty()) {
        add("object", request.object());
    } else {
        add("ra", shortest(request.ra()));
        add("dec", shortest(request.dec()));
    }
    if (!request.coordsys().empty()) add("coordsys", platform::lower_case(request.coordsys()));
    if (request.rotation_angle() != 0) add("rotation_angle", shortest(request.rotation_angle()));
    return url;
}

Opening opening_of_remote_file(const icd::RemoteFileRequest& request, const std::string& name) {
    check(request);
    Opening opening;
    opening.request.set_file_id(request.file_id());
    opening.request.set_file(name);
    opening.task = "remote_file";
    opening.recipe = {{"kind", "remote_file"},
                      {"name", name},
                      {"hips", request.hips()},
                      {"wcs", request.wcs()},
                      {"width", request.width()},
                      {"height", request.height()},
                      {"projection", request.projection()},
                      {"fov", request.fov()},
                      {"ra", request.ra()},
                      {"dec", request.dec()},
                      {"coordsys", request.coordsys()},
                      {"rotation_angle", request.rotation_angle()},
                      {"object", request.object()}};
    return opening;
}

imaging::OpenedImage make_of_remote_file(const rpc::Map& recipe, const MakeContext& context) {
    const RemoteSettings& remote = context.settings.remote;
    if (remote.hosts.empty()) throw PathError(no_remote_files);
    const icd::RemoteFileRequest request = request_of(recipe);
    check(request);
    Fetch what;
    what.url = url_of(remote.url, request);
    what.begins_with = fits_begins_with;
    what.kind = "FITS";
    what.expected = std::int64_t{request.width()} * request.height() * static_cast<std::int64_t>(sizeof(float));
    what.scratch = context.settings.scratch;
    what.cancel = context.cancel;
    what.progress = context.progress;

    /// The file has no name: it is there as long as its descriptor is open.
    struct Held {
        Descriptor file;
        std::shared_ptr<const imaging::ImageSource> source;
        imaging::ComplexParts complex;
    };
    const auto held = std::make_shared<Held>();
    held->file = fetch(remote, what);
    imaging::OpenOptions options;
    options.name = text_of_recipe(recipe, "name");
    options.scratch = context.settings.scratch;
    options.cancel = context.cancel;
    options.threads = context.threads;
    options.budget = &context.budget;
    const auto* format = imaging::formats().find("FITS");
    if (!format) throw PathError("This server reads no FITS files.");
    auto opened = format->open(path_through(held->file), "", options);
    const auto& shape = opened.info.shape;
    if (shape.width != request.width() || shape.height != request.height())
        throw RemoteError("The file that was fetched has " + std::to_string(shape.width) + " × " + std::to_string(shape.height) + " pixels, not the " +
                          std::to_string(request.width()) + " × " + std::to_string(request.height()) + " that were asked for.");
    held->source = std::move(opened.source);
    opened.source = {held, held->source.get()};
    if (opened.complex) {
        held->complex = std::move(*opened.complex);
        opened.complex = imaging::ComplexParts{{held, held->complex.real.get()}, {held, held->complex.imaginary.get()}};
    }
    return opened;
}

} // namespace cubelink::server
