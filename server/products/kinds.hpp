#pragma once
/// The kinds of product there are. Adding one is a file that defines a ProductKind, and its name in kinds.cpp.

#include "server/products/board.hpp"
#include "server/products/product.hpp"
#include "server/session/session.hpp"

#include <optional>
#include <span>
#include <vector>

namespace cubelink::server {

struct ProductKind;

struct ProductContext {
    Session& session;
    imaging::BudgetCache& cache;
    const ProductBoard& board;
    std::optional<std::int32_t> region_id{};
    std::optional<std::uint64_t> requested_by{}; // the connection whose requirements are all that has changed

    /// The regions of which a kind has to list what is required: the one that is named, or all of the image that have requirements of that kind. Those
    /// that have been removed are left out.
    std::vector<RegionPtr> regions(const Image& image, RequirementKind kind) const;
    /// Whether a product of that kind and region was due before the change and has not been published.
    bool was_due(const ProductKind& kind, const Image& image, std::int32_t of_region) const;
};

/// Which region of the ICD's the products of a kind are of.
enum class ProductsOf : std::uint8_t {
    image,   // -1
    cube,    // -2
    cursor,  // 0
    regions, // from 1 on
};

/// The changes after which the products of a kind have to be listed again. All are listed when an image is opened and when the session's connections or
/// what these receive has changed.
struct DependsOn {
    bool plane = false;  // channel or stokes
    bool stokes = false; // stokes alone
    bool cursor = false;
    bool region = false; // a region's shape
    bool drag = false;   // where a region is dragged to
    std::optional<RequirementKind> requirement{};
};

struct ProductKind {
    const char* name; // unique
    const char* tag;  // of ERROR_DATA for what goes wrong
    ProductsOf of;
    DependsOn depends;
    /// All products of this kind that there are of the image in its present state; of kinds of regions, all of one region if `context` names one. Called by
    /// commands.
    void (*list)(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out);
};

std::span<const ProductKind* const> product_kinds();

} // namespace cubelink::server
