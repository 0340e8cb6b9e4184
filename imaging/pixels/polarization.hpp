#pragma once
/// Computed polarizations: an image whose planes with stokes 13 to 17 are made from those of I, Q, U and V. Thread-safe, as its base is.
///
///     13 Ptotal   sqrt(Q² + U² + V²)     15 PFtotal   100 Ptotal / I      17 Pangle  ½ atan2(U, Q) in degrees
///     14 Plinear  sqrt(Q² + U²)          16 PFlinear  100 Plinear / I
///
/// A pixel that lacks a finite value of any input is NaN. Block means of Pangle are made from the means of Q and U over the pixels that have both.

#include "imaging/kernels/polarization.hpp"
#include "imaging/source/image_source.hpp"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::imaging {

/// True for 13 to 17.
bool is_computed_stokes(std::int32_t stokes);
/// "Ptotal", "Plinear", "PFtotal", "PFlinear", "Pangle".
const char* polarization_name(Polarization type);
/// `bunit` for Ptotal and Plinear, "%" for fractions, "degree" for the angle.
std::string polarization_unit(Polarization type, const std::string& bunit);

enum class StokesParameter : std::uint8_t { i, q, u, v };

class PolarizationSource final : public ImageSource {
public:
    /// `stokes_values`: the FITS value of each index of the stokes axis (1…4 = I, Q, U, V; others are not used). If empty (type of the
    /// axis unknown), indices 0…3 are taken for I, Q, U, V as far as they exist.
    PolarizationSource(std::shared_ptr<const ImageSource> base, const std::vector<int>& stokes_values);

    /// Which can be computed, ascending.
    std::vector<Polarization> available() const;
    bool has(Polarization type) const;
    /// On the stokes axis; −1 if the image has none.
    std::int32_t index_of(StokesParameter parameter) const { return index_[static_cast<std::size_t>(parameter)]; }
    const std::shared_ptr<const ImageSource>& base() const { return base_; }
    /// What a type is computed from: indices on the stokes axis of I, Q, U and V; −1 for those that it doesn't need. Throws std::out_of_range.
    std::array<std::int32_t, 4> inputs_of(Polarization type) const;

    // ImageSource. Planes and spectra of a computed stokes that is not available throw std::out_of_range.
    const ImageShape& shape() const override { return base_->shape(); }
    PixelType stored_type() const override { return base_->stored_type(); }
    const Capabilities& capabilities() const override { return base_->capabilities(); }
    const ImageIdentity& identity() const override { return base_->identity(); }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override;
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                       const CancelToken& cancel) const override;
    void read_int64(const Rect& rect, PlaneId plane, std::span<std::int64_t> out, int threads, const CancelToken& cancel) const override {
        base_->read_int64(rect, plane, out, threads, cancel);
    }
    void read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                     const CancelToken& cancel) const override;
    void read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                       const CancelToken& cancel) const override;
    std::optional<AngleParts> angle_parts(PlaneId plane) const override;
    void visit_files(const std::function<void(const FileState&)>& see) const override { base_->visit_files(see); }
    void check_unchanged() const override { base_->check_unchanged(); }

private:
    std::shared_ptr<const ImageSource> base_;
    std::array<std::int32_t, 4> index_{-1, -1, -1, -1}; // of I, Q, U, V on the stokes axis
};

/// One value from its inputs, those not needed ignored. NaN if any needed one is not finite.
double computed_polarization(Polarization type, double i, double q, double u, double v);

} // namespace cubelink::imaging
