#pragma once
/// Model and residual of a fit as images of a session: at once, and again from their recipes ("fit_model", "fit_residual").

#include "server/tasks/images/image_recipes.hpp"

#include "imaging/analysis/fitting/fit_images.hpp"
#include "imaging/source/pixel_mask.hpp"

#include <memory>
#include <optional>
#include <string>

namespace cubelink::server {

/// The image that was fitted.
struct FittedImage {
    std::shared_ptr<const imaging::ImageSource> source; // with computed polarizations
    imaging::ImageInfo info;
    std::shared_ptr<const imaging::Wcs> wcs; // may be null
    std::string cards;
    imaging::PlaneId plane;
};

struct FitOutcome {
    imaging::FittedModel model;
    std::optional<imaging::Shape> region; // on the image; none: all of it
    std::shared_ptr<const imaging::PixelMask> mask; // of the region; null: all of the rectangle
};

enum class FitImageKind { model, residual };

/// Takes no pixels into memory. Throws ImageError.
imaging::OpenedImage fit_image(FitImageKind kind, const FittedImage& of, const FitOutcome& outcome, const std::string& name);
rpc::Map fit_recipe(FitImageKind kind, const rpc::Map& source, imaging::PlaneId plane, const FitOutcome& outcome, const std::string& name);

/// "m51_model.fits" of "m51.fits", "m51_model.fits.moment.average" of "m51.fits.moment.average". The name of an image of an expression is the expression, which
/// has no ending: "0.5*m51.fits_model". `recipe`: of the image that was fitted.
std::string name_of_fit(FitImageKind kind, const std::string& file, const rpc::Map& recipe);

/// The pixels of a shape, with their memory; null if they are all of the image's or of their bounding box, which goes to `rect`. Throws
/// ImageError, OverBudget, Cancelled, and PathError if there are none.
std::shared_ptr<const imaging::PixelMask> fit_mask(const imaging::Shape& shape, const imaging::ImageShape& image, imaging::BudgetCache& budget,
                                                   const imaging::CancelToken& cancel, imaging::Rect& rect);

// Makers of recipes.
imaging::OpenedImage make_fit_model(const rpc::Map& recipe, const MakeContext& context);
imaging::OpenedImage make_fit_residual(const rpc::Map& recipe, const MakeContext& context);

} // namespace cubelink::server
