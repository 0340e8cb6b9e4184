#pragma once
/// JᵀJ and Jᵀr of the model of Gaussians, summed over pixels. For the .cpp files of this folder.

#include "imaging/analysis/fitting/fit_pixels.hpp"
#include "imaging/analysis/fitting/gaussian_model.hpp"

#include <span>
#include <vector>

namespace cubelink::imaging {

/// Sums over some pixels, with P = 6n + 1 parameters: those of the components one after the other, then the offset.
struct NormalEquations {
    explicit NormalEquations(std::size_t p) : gradient(p), matrix(p * p) {}
    void clear();
    void add(const NormalEquations& other);

    double squares = 0;           // Σ r²
    std::int64_t count = 0;       // of finite pixels
    std::vector<double> gradient; // Jᵀr
    std::vector<double> matrix;   // JᵀJ, row by row; the lower triangle only
};

/// Cuts the rows of `pixels` into the same chunks for any number of threads, sums each, and adds the sums in the order of the rows.
class NormalSummation {
public:
    NormalSummation(const FitPixels& pixels, std::size_t components, const ThreadShare& threads);

    /// The result stands until the next call. Sums are not finite where the model is not. Throws as FitPixels::rows, Cancelled.
    const NormalEquations& sum(std::span<const GaussianComponent> components, double offset, const CancelToken& cancel);

    static std::size_t bytes_needed(const FitPixels& pixels, std::size_t components, const ThreadShare& threads);

private:
    struct Workspace {
        std::vector<float> floats; // rows, if they have to be read
        std::vector<double> doubles;
        std::vector<double> residuals, finite, gaussians;
    };
    void sum_chunk(std::size_t chunk, std::span<const RowModel> models, double offset, Workspace& work, const CancelToken& cancel);
    template <class T>
    void sum_rows(std::int64_t from, std::int64_t to, std::span<const RowModel> models, double offset, std::vector<T>& buffer, Workspace& work,
                  NormalEquations& out, const CancelToken& cancel) const;
    template <class T>
    void sum_segment(const T* data, std::int64_t y, std::int64_t x0, std::size_t n, std::span<const RowModel> models, double offset, Workspace& work,
                     NormalEquations& out) const;

    const FitPixels& pixels_;
    const ThreadShare threads_;
    std::vector<NormalEquations> chunks_;
    NormalEquations total_;
    std::vector<Workspace> workspaces_;
};

} // namespace cubelink::imaging
