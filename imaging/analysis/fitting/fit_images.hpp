#pragma once
/// Images of a fit: its model and what is left of the data, computed as they are read, so that they take no memory. One plane each, of the size of the rectangle
/// that was fitted. Immutable; any thread.

#include "imaging/analysis/fitting/gaussian_model.hpp"
#include "imaging/source/image_source.hpp"

#include <memory>
#include <vector>

namespace cubelink::imaging {

struct FittedModel {
    std::vector<GaussianComponent> components; // in pixels of the image that was fitted
    double offset = 0;
    Rect rect; // the part of the image that this is the model of: not empty
};

/// What is common to both.
class FitImage : public ImageSource {
public:
    const ImageShape& shape() const override { return shape_; }
    PixelType stored_type() const override { return PixelType::float32; }
    const Capabilities& capabilities() const override { return capabilities_; }
    const ImageIdentity& identity() const override { return identity_; }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override;
    /// The same values: images of fits are made of floats.
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override;
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const override;

protected:
    FitImage(FittedModel model, Capabilities capabilities);
    const FittedModel model_;

private:
    /// Rows of the fitted image, of which `model` holds the model: replaced by the image's values.
    virtual void finish(const Rect& rect, std::span<double> model, const CancelToken& cancel) const = 0;

    ImageShape shape_;
    Capabilities capabilities_;
    ImageIdentity identity_ = ImageIdentity::of_computed();
};

class ModelImage final : public FitImage {
public:
    explicit ModelImage(FittedModel model);
    void check_unchanged() const override {}

private:
    void finish(const Rect&, std::span<double>, const CancelToken&) const override {}
};

/// data − model; NaN outside of the region and where the data are not finite.
class ResidualImage final : public FitImage {
public:
    /// `mask`: the region, in pixels of the image; null: all of the rectangle.
    ResidualImage(FittedModel model, std::shared_ptr<const ImageSource> data, PlaneId plane, std::shared_ptr<const PixelMask> mask);
    void check_unchanged() const override { data_->check_unchanged(); }

private:
    void finish(const Rect& rect, std::span<double> model, const CancelToken& cancel) const override;

    const std::shared_ptr<const ImageSource> data_;
    const PlaneId plane_;
    const std::shared_ptr<const PixelMask> mask_;
};

} // namespace cubelink::imaging
