#include "imaging/world/wcs.hpp"

#include "imaging/world/axes.hpp"
#include "imaging/world/frame_of_header.hpp"
#include "imaging/world/header.hpp"
#include "imaging/world/wcs_build.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <mutex>
#include <wcslib/wcs.h>

namespace cubelink::imaging {

namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t batch = 512; // positions that are given to wcslib at once

SpectralKind kind_of(const std::string& name) {
    if (name == "WAVE") return SpectralKind::wavelength;
    if (name == "AWAV") return SpectralKind::air_wavelength;
    if (name == "VRAD") return SpectralKind::velocity_radio;
    if (name == "VOPT" || name == "ZOPT") return SpectralKind::velocity_optical;
    if (name == "VELO" || name == "BETA") return SpectralKind::velocity_relativistic;
    return SpectralKind::frequency;
}

/// What turns the axis' own value into an SI value of kind_of(name).
double factor_of(const std::string& name) {
    constexpr double c = 299792458.0, planck = 6.62607015e-34;
    if (name == "ZOPT" || name == "BETA") return c;
    if (name == "ENER") return 1 / planck;
    if (name == "WAVN") return c;
    return 1;
}

std::string short_number(double value) {
    std::array<char, 64> text{};
    const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 10);
    return {text.data(), end};
}

double wrapped(double longitude) {
    const double rest = longitude - 360 * std::floor(longitude / 360);
    return rest < 360 ? rest : 0; // a tiny negative one is rounded up to 360
}

bool finite(double a, double b) { return std::isfinite(a) && std::isfinite(b); }

} // namespace

struct Wcs::Impl {
    WcsRecipe recipe;
    mutable std::mutex lock;
    mutable std::vector<WcsPointer> idle;

    int axes = 0, dimensions = 0;
    int x = 0, y = 1, depth = -1, stokes = -1; // 0-based
    PixelPoint middle;
    int lon = -1, lat = -1, spectral = -1;
    SkySystem system;
    std::string frame, projection;
    std::vector<AxisFacts> facts;
    std::vector<double> crpix;
    std::optional<std::array<double, 4>> matrix;
    std::shared_ptr<const SpectralAxis> spectrum;

    /// A structure of one's own for as long as a call lasts.
    class Lease {
    public:
        explicit Lease(const Impl& impl) : impl_(impl) {
            {
                const std::lock_guard guard(impl_.lock);
                if (!impl_.idle.empty()) {
                    copy_ = std::move(impl_.idle.back());
                    impl_.idle.pop_back();
                }
            }
            if (!copy_) copy_ = impl_.recipe.make();
        }
        ~Lease() {
            if (!copy_) return;
            const std::lock_guard guard(impl_.lock);
            if (impl_.idle.size() < 64) impl_.idle.push_back(std::move(copy_));
        }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        wcsprm* get() const { return copy_.get(); }

    private:
        const Impl& impl_;
        WcsPointer copy_;
    };

    bool left_out(std::size_t axis) const { return axis < recipe.left_out().size() && recipe.left_out()[axis]; }

    /// FITS pixel coordinates of all axes. What the image lacks but the description has is its first pixel.
    void pixel_of(PixelPoint pixel, double channel, double stokes_index, double* out) const {
        for (int i = 0; i < axes; ++i) out[i] = 1;
        const auto put = [&](int axis, double value) {
            if (axis >= 0 && axis < axes) out[axis] = value + 1;
        };
        put(depth, channel);
        put(stokes, stokes_index);
        put(x, pixel.x);
        put(y, pixel.y);
    }

    /// World values of `count` positions; NaN in all axes of one that has no answer.
    void to_world(wcsprm* wcs, std::vector<double>& pixels, std::size_t count, std::vector<double>& world) const {
        const auto width = static_cast<std::size_t>(axes);
        world.assign(count * width, nothing);
        if (wcs == nullptr) return;
        std::vector<double> image(count * width), phi(count), theta(count);
        std::vector<int> status(count);
        const int result = wcsp2s(wcs, static_cast<int>(count), axes, pixels.data(), image.data(), phi.data(), theta.data(), world.data(), status.data());
        if (result != 0 && result != 8) {
            world.assign(count * width, nothing);
            return;
        }
        for (std::size_t i = 0; i < count; ++i) {
            for (std::size_t axis = 0; axis < width; ++axis) {
                double& value = world[i * width + axis];
                if ((status[i] & (1 << axis)) != 0 || left_out(axis)) value = nothing;
                else if (static_cast<int>(axis) == lon) value = wrapped(value);
            }
        }
    }

    /// The inverse, in place: `world` in, 1-based pixels out.
    void to_pixels(wcsprm* wcs, std::vector<double>& world, std::size_t count, std::vector<double>& pixels) const {
        const auto width = static_cast<std::size_t>(axes);
        pixels.assign(count * width, nothing);
        if (wcs == nullptr) return;
        std::vector<double> image(count * width), phi(count), theta(count);
        std::vector<int> status(count);
        const int result = wcss2p(wcs, static_cast<int>(count), axes, world.data(), phi.data(), theta.data(), image.data(), pixels.data(), status.data());
        if (result != 0 && result != 9) {
            pixels.assign(count * width, nothing);
            return;
        }
        for (std::size_t i = 0; i < count; ++i) {
            if (status[i] != 0) std::fill_n(pixels.begin() + static_cast<std::ptrdiff_t>(i * width), width, nothing);
        }
    }

    /// World values of the axes that do not vary over the plane.
    std::vector<double> plane_world_base(wcsprm* wcs, double channel) const {
        std::vector<double> pixel(static_cast<std::size_t>(axes)), world;
        const auto reference = [&](int axis) { return axis < axes ? crpix[static_cast<std::size_t>(axis)] - 1 : 0.0; };
        pixel_of({reference(x), reference(y)}, channel, 0, pixel.data());
        to_world(wcs, pixel, 1, world);
        for (std::size_t i = 0; i < world.size(); ++i) {
            if (!std::isfinite(world[i])) world[i] = facts[i].crval;
        }
        return world;
    }

    /// False if the rendered axes have no world values that could be turned into pixels.
    bool plane_is_known() const {
        return x < axes && y < axes && !left_out(static_cast<std::size_t>(x)) && !left_out(static_cast<std::size_t>(y));
    }

    void refer_tables(const std::vector<int>& types);
    PixelPoint find_pixel_from(wcsprm* wcs, PixelPoint guess, std::array<double, 2> values, double channel) const;
    void find_matrix(const wcsprm& wcs);
    void find_spectrum(const std::string& frame, const ImageInfo& info);
};

/// The pixel with these values, by Newton's method from a guess; NaN if it diverges. wcslib cannot invert a plane that has one of two
/// celestial axes: the value of the other one at the channel depends on the pixel itself.
PixelPoint Wcs::Impl::find_pixel_from(wcsprm* wcs, PixelPoint guess, std::array<double, 2> values, double channel) const {
    constexpr double step = 0.01;
    const auto width = static_cast<std::size_t>(axes);
    std::vector<double> pixels(3 * width), world;
    double last = 1;
    for (int round = 0; round < 30; ++round) {
        pixel_of(guess, channel, 0, pixels.data());
        pixel_of({guess.x + step, guess.y}, channel, 0, pixels.data() + width);
        pixel_of({guess.x, guess.y + step}, channel, 0, pixels.data() + 2 * width);
        to_world(wcs, pixels, 3, world);
        const auto change = [&](int axis, double from, double to) { return axis == lon ? std::remainder(to - from, 360.0) : to - from; };
        const auto at = [&](std::size_t i, int axis) { return world[i * width + static_cast<std::size_t>(axis)]; };
        const double xx = change(x, at(0, x), at(1, x)) / step, xy = change(x, at(0, x), at(2, x)) / step;
        const double yx = change(y, at(0, y), at(1, y)) / step, yy = change(y, at(0, y), at(2, y)) / step;
        const double rest_x = change(x, at(0, x), values[0]), rest_y = change(y, at(0, y), values[1]), determinant = xx * yy - xy * yx;
        const PixelPoint by{(yy * rest_x - xy * rest_y) / determinant, (xx * rest_y - yx * rest_x) / determinant};
        if (!finite(by.x, by.y)) break;
        guess = {guess.x + by.x, guess.y + by.y};
        // The digits of the values limit how far it converges.
        const double moved = std::max(std::fabs(by.x), std::fabs(by.y));
        if (moved < 1e-9 || (moved < 1e-3 && moved >= last)) return guess;
        last = moved;
    }
    return {nothing, nothing};
}

void Wcs::Impl::find_matrix(const wcsprm& wcs) {
    if (lon < 0 || lat < 0 || x >= axes || y >= axes) return;
    const double* pc = wcs.lin.pc;
    const double* cdelt = wcs.lin.cdelt;
    const auto element = [&](int world, int pixel) { return cdelt[world] * pc[world * axes + pixel]; };
    const std::array<double, 4> found{element(lon, x), element(lon, y), element(lat, x), element(lat, y)};
    if (std::all_of(found.begin(), found.end(), [](double value) { return std::isfinite(value); })) matrix = found;
}

void Wcs::Impl::find_spectrum(const std::string& frame, const ImageInfo& info) {
    // A header can claim any length; no receiver has more channels than this.
    if (spectral < 0 || spectral >= axes || spectral >= dimensions || info.spectral_length > (1 << 22)) return;
    const std::string name = axis_name(facts[static_cast<std::size_t>(spectral)].ctype);
    if (!is_spectral_type(name)) return;
    const auto width = static_cast<std::size_t>(axes);
    const double factor = factor_of(name);
    std::vector<double> values;
    values.reserve(static_cast<std::size_t>(info.spectral_length));
    const Lease lease(*this);
    const auto append = [&](std::size_t count, double first, double step, std::vector<double>& out) {
        std::vector<double> pixels(count * width), world;
        for (std::size_t i = 0; i < count; ++i) {
            std::copy(crpix.begin(), crpix.end(), pixels.begin() + static_cast<std::ptrdiff_t>(i * width));
            pixels[i * width + static_cast<std::size_t>(spectral)] = first + static_cast<double>(i) * step;
        }
        to_world(lease.get(), pixels, count, world);
        for (std::size_t i = 0; i < count; ++i) out.push_back(world[i * width + static_cast<std::size_t>(spectral)] * factor);
    };
    for (std::int64_t from = 0; from < info.spectral_length; from += static_cast<std::int64_t>(batch)) {
        const auto count = static_cast<std::size_t>(std::min<std::int64_t>(static_cast<std::int64_t>(batch), info.spectral_length - from));
        append(count, static_cast<double>(from) + 1, 1, values);
    }
    std::vector<double> ends;
    append(2, 0.5, static_cast<double>(info.spectral_length), ends);
    spectrum = std::make_shared<const SpectralAxis>(std::move(values), kind_of(name), info.rest_frequency, frame, std::array{ends[0], ends[1]});
}

Wcs::Wcs() : impl_(std::make_unique<Impl>()) {}
Wcs::~Wcs() = default;

/// Reference value and increment of "-TAB" axes: CRVAL and CDELT are of the table's index, not of the world.
void Wcs::Impl::refer_tables(const std::vector<int>& types) {
    const auto width = static_cast<std::size_t>(axes);
    for (std::size_t axis = 0; axis < width && axis < types.size(); ++axis) {
        if (types[axis] / 100 % 10 != 5) continue; // wcsprm::types: its hundreds say 5 for table lookup
        const Lease lease(*this);
        std::vector<double> pixels, world;
        for (const double offset : {0.0, 1.0, -1.0}) {
            pixels.insert(pixels.end(), crpix.begin(), crpix.end());
            pixels[pixels.size() - width + axis] += offset;
        }
        to_world(lease.get(), pixels, 3, world);
        const double here = world[axis], after = world[width + axis], before = world[2 * width + axis];
        facts[axis].crval = here;
        facts[axis].cdelt = std::isfinite(after) ? after - here : here - before;
    }
}

std::shared_ptr<const Wcs> Wcs::make(const Header& header, const ImageInfo& info, const ArrayLookup& arrays, std::vector<std::string>* warnings) {
    std::shared_ptr<Wcs> result(new Wcs());
    Impl& impl = *result->impl_;
    std::vector<std::string> own;
    std::vector<std::string>& texts = warnings == nullptr ? own : *warnings;
    auto built = WcsRecipe::of(header, info.axis_lengths, arrays, texts);
    if (!built) return nullptr;
    impl.recipe = std::move(built->recipe);
    const wcsprm& wcs = *built->wcs;
    impl.axes = wcs.naxis;
    impl.dimensions = info.dimensions;
    impl.x = info.rendered_axes[0] - 1;
    impl.y = info.rendered_axes[1] - 1;
    impl.middle = {static_cast<double>(info.shape.width - 1) / 2, static_cast<double>(info.shape.height - 1) / 2};
    impl.depth = info.axes.depth - 1;
    impl.stokes = info.axes.stokes - 1;
    impl.lon = wcs.lng;
    impl.lat = wcs.lat;
    impl.spectral = info.axes.spectral - 1;
    for (int i = 0; i < wcs.naxis; ++i) {
        const double value = i == wcs.lng ? wrapped(wcs.crval[i]) : wcs.crval[i];
        impl.facts.push_back({wcs.ctype[i], wcs.cunit[i], wcs.crpix[i], value, wcs.cdelt[i], !impl.left_out(static_cast<std::size_t>(i))});
        impl.crpix.push_back(wcs.crpix[i]);
    }
    if (wcs.lng >= 0 && wcs.lat >= 0) {
        const HeaderFrame declared = frame_of_header(header, axis_name(wcs.ctype[wcs.lng]), texts);
        impl.system = declared.system;
        impl.frame = declared.text;
        impl.projection.assign(wcs.cel.prj.code, 3);
    }
    impl.find_matrix(wcs);
    // The increment as the interface shows it: with CD the diagonal (or the whole column's length where it is rotated) is all there is.
    for (int i = 0; i < wcs.naxis; ++i) {
        if (!(wcs.altlin & 1) && (wcs.altlin & 2)) {
            double square = 0;
            for (int j = 0; j < wcs.naxis; ++j) square += wcs.lin.pc[j * wcs.naxis + i] * wcs.lin.pc[j * wcs.naxis + i];
            impl.facts[static_cast<std::size_t>(i)].cdelt = std::copysign(std::sqrt(square), wcs.lin.pc[i * wcs.naxis + i]);
        }
    }
    // Older headers have it in CTYPE ("VELO-LSR") or VELREF: wcslib's fixes have moved it to SPECSYS.
    const std::string frame = header.text("SPECSYS").value_or(wcs.specsys);
    const std::vector<int> types(wcs.types, wcs.types + wcs.naxis);
    impl.idle.push_back(std::move(built->wcs));
    impl.refer_tables(types);
    impl.find_spectrum(frame, info);
    return result;
}

int Wcs::axes() const { return impl_->axes; }
bool Wcs::has_celestial() const { return impl_->lon >= 0 && impl_->lat >= 0; }
bool Wcs::celestial_plane() const {
    return has_celestial() && ((impl_->lon == impl_->x && impl_->lat == impl_->y) || (impl_->lon == impl_->y && impl_->lat == impl_->x));
}
const SkySystem& Wcs::sky_system() const { return impl_->system; }
const std::string& Wcs::frame_text() const { return impl_->frame; }
const std::string& Wcs::projection() const { return impl_->projection; }
std::shared_ptr<const SpectralAxis> Wcs::spectral_axis() const { return impl_->spectrum; }
const std::vector<Wcs::AxisFacts>& Wcs::axis_facts() const { return impl_->facts; }

std::vector<double> Wcs::pixel_to_world(PixelPoint pixel, double channel, double stokes) const {
    const Impl::Lease lease(*impl_);
    std::vector<double> pixels(static_cast<std::size_t>(impl_->axes)), world;
    impl_->pixel_of(pixel, channel, stokes, pixels.data());
    impl_->to_world(lease.get(), pixels, 1, world);
    return world;
}

std::array<double, 2> Wcs::plane_world(PixelPoint pixel, double channel) const {
    const auto world = pixel_to_world(pixel, channel);
    const auto value = [&](int axis) { return axis < impl_->axes ? world[static_cast<std::size_t>(axis)] : nothing; };
    return {value(impl_->x), value(impl_->y)};
}

void Wcs::pixels_to_sky(std::span<const PixelPoint> pixels, double channel, std::span<SkyPoint> out) const {
    if (pixels.size() != out.size()) throw std::out_of_range("as many positions out as in");
    if (!has_celestial()) {
        std::fill(out.begin(), out.end(), SkyPoint{nothing, nothing});
        return;
    }
    const Impl::Lease lease(*impl_);
    const auto width = static_cast<std::size_t>(impl_->axes);
    std::vector<double> fits, world;
    for (std::size_t from = 0; from < pixels.size(); from += batch) {
        const std::size_t count = std::min(batch, pixels.size() - from);
        fits.resize(count * width);
        for (std::size_t i = 0; i < count; ++i) impl_->pixel_of(pixels[from + i], channel, 0, fits.data() + i * width);
        impl_->to_world(lease.get(), fits, count, world);
        for (std::size_t i = 0; i < count; ++i) {
            const double lon = world[i * width + static_cast<std::size_t>(impl_->lon)], lat = world[i * width + static_cast<std::size_t>(impl_->lat)];
            out[from + i] = finite(lon, lat) ? SkyPoint{lon, lat} : SkyPoint{nothing, nothing};
        }
    }
}

void Wcs::pixels_to_sky(std::span<const PixelPoint> pixels, double channel, const SkySystem& frame, std::span<SkyPoint> out) const {
    pixels_to_sky(pixels, channel, out);
    convert(out, impl_->system, frame);
}

void Wcs::sky_to_pixels(std::span<const SkyPoint> points, double channel, std::span<PixelPoint> out) const {
    if (points.size() != out.size()) throw std::out_of_range("as many positions out as in");
    std::fill(out.begin(), out.end(), PixelPoint{nothing, nothing});
    if (!celestial_plane() || !impl_->plane_is_known()) return;
    const Impl::Lease lease(*impl_);
    const auto width = static_cast<std::size_t>(impl_->axes);
    const auto base = impl_->plane_world_base(lease.get(), channel);
    std::vector<double> world, fits;
    std::vector<std::size_t> places;
    for (std::size_t from = 0; from < points.size(); from += batch) {
        world.clear();
        places.clear();
        for (std::size_t i = from; i < std::min(from + batch, points.size()); ++i) {
            if (!finite(points[i].lon, points[i].lat) || std::fabs(points[i].lat) > 90) continue;
            world.insert(world.end(), base.begin(), base.end());
            double* last = world.data() + world.size() - width;
            last[impl_->lon] = points[i].lon;
            last[impl_->lat] = points[i].lat;
            places.push_back(i);
        }
        if (places.empty()) continue;
        impl_->to_pixels(lease.get(), world, places.size(), fits);
        for (std::size_t i = 0; i < places.size(); ++i)
            out[places[i]] = {fits[i * width + static_cast<std::size_t>(impl_->x)] - 1, fits[i * width + static_cast<std::size_t>(impl_->y)] - 1};
    }
}

void Wcs::sky_to_pixels(std::span<const SkyPoint> points, double channel, const SkySystem& frame, std::span<PixelPoint> out) const {
    std::vector<SkyPoint> own(points.begin(), points.end());
    convert(own, frame, impl_->system);
    sky_to_pixels(own, channel, out);
}

PixelPoint Wcs::plane_pixel(std::array<double, 2> values, double channel) const {
    if (!finite(values[0], values[1]) || !impl_->plane_is_known()) return {nothing, nothing};
    const Impl::Lease lease(*impl_);
    auto world = impl_->plane_world_base(lease.get(), channel);
    world[static_cast<std::size_t>(impl_->x)] = values[0];
    world[static_cast<std::size_t>(impl_->y)] = values[1];
    std::vector<double> fits;
    impl_->to_pixels(lease.get(), world, 1, fits);
    const PixelPoint found{fits[static_cast<std::size_t>(impl_->x)] - 1, fits[static_cast<std::size_t>(impl_->y)] - 1};
    if (!has_celestial() || celestial_plane()) return found;
    const PixelPoint near_middle = impl_->find_pixel_from(lease.get(), impl_->middle, values, channel);
    return finite(near_middle.x, near_middle.y) ? near_middle : impl_->find_pixel_from(lease.get(), found, values, channel);
}

std::string Wcs::format_plane_value(int axis, double value) const {
    const int number = axis == 0 ? impl_->x : impl_->y;
    if (!std::isfinite(value) || number >= impl_->axes) return "nan";
    const AxisFacts& facts = impl_->facts[static_cast<std::size_t>(number)];
    if (number == impl_->lon && axis_name(facts.ctype) == "RA") return format_hours(value, 4);
    if (number == impl_->lon || number == impl_->lat) return format_degrees(value, 3);
    return short_number(value) + (facts.unit.empty() ? "" : " " + facts.unit);
}

std::array<std::string, 2> Wcs::plane_names() const {
    const auto name = [&](int axis) { return axis < impl_->axes ? axis_name(impl_->facts[static_cast<std::size_t>(axis)].ctype) : std::string{}; };
    return {name(impl_->x), name(impl_->y)};
}

std::array<std::string, 2> Wcs::plane_units() const {
    const auto unit = [&](int axis) { return axis < impl_->axes ? impl_->facts[static_cast<std::size_t>(axis)].unit : std::string{}; };
    return {unit(impl_->x), unit(impl_->y)};
}

std::optional<std::array<double, 4>> Wcs::celestial_matrix() const { return celestial_plane() ? impl_->matrix : std::nullopt; }

std::optional<double> Wcs::pixel_area() const {
    const auto matrix = celestial_matrix();
    if (!matrix) return std::nullopt;
    return std::fabs((*matrix)[0] * (*matrix)[3] - (*matrix)[1] * (*matrix)[2]);
}

} // namespace cubelink::imaging
