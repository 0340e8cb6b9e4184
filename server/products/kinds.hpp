#pragma once
/// The kinds of product there are. Adding one is a file that defines a ProductKind, and its name in kinds.cpp.

#include "server/products/product.hpp"
#include "server/session/session.hpp"

#include <optional>
#include <span>
#include <vector>

namespace cubelink::server {

struct ProductContext {
    Session& session;
    imaging::BudgetCache& cache;
};

/// The changes after which the products of a kind have to be listed again. All are listed when an image is opened and when the session's connections or
/// what these receive has changed.
struct DependsOn {
    bool plane = false;
    bool cursor = false;
    bool region = false;
    std::optional<RequirementKind> requirement{};
};

struct ProductKind {
    const char* name; // unique
    const char* tag;  // of ERROR_DATA for what goes wrong
    DependsOn depends;
    /// All products of this kind that there are of the image in its present state. Called by commands.
    void (*list)(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out);
};

std::span<const ProductKind* const> product_kinds();

} // namespace cubelink::server
