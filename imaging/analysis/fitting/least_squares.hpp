#pragma once
/// Nonlinear least squares by Levenberg and Marquardt, on normal equations: the caller adds up JᵀJ and Jᵀr over its observations in any way that it
/// likes, so that no matrix of observations × parameters exists. Any thread.
///
/// The damping is Marquardt's (scaled by the diagonal of JᵀJ, so that units of parameters don't matter), steered by the gain ratio after Nielsen,
/// "Damping parameter in Marquardt's method", IMM-REP-1999-05 (1999).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

/// How the damped normal equations are solved; numbers as in ICD FittingSolverType. All give the same step but for rounding.
enum class Decomposition { qr = 0, cholesky = 1, modified_cholesky = 2, svd = 3 };
/// "QR", "Cholesky", "modified Cholesky", "SVD".
std::string_view name_of(Decomposition decomposition);

class LeastSquaresProblem {
public:
    virtual ~LeastSquaresProblem() = default;
    virtual std::size_t parameters() const = 0;
    /// Of those that count, more than 0.
    virtual std::int64_t observations() const = 0;
    /// Σ r² at `x` (parameters() values). Fills `gradient` with Jᵀr and `matrix`, p × p row by row, with JᵀJ: all of it, or the lower triangle. Where the model
    /// has no value, the sum is not finite. What it throws ends the solution.
    virtual double evaluate(std::span<const double> x, std::span<double> gradient, std::span<double> matrix) = 0;
    /// The point that was evaluated last is the current one from now on. At the end it is the solution.
    virtual void accept() {}
};

struct LeastSquaresOptions {
    Decomposition decomposition = Decomposition::qr;
    /// Ends when all cosines between the residuals and the columns of J are below it, or when a step changes each parameter by less than this part
    /// of the larger one of the parameter and its least standard error.
    double tolerance = 1e-8;
    int max_iterations = 200;
    /// Called after each iteration with its number, from 0 on. May throw.
    std::function<void(int)> on_iteration;
};

enum class LeastSquaresEnd {
    gradient,        // residuals are orthogonal to the columns of J
    step,            // parameters don't change any more
    rounding,        // the sum can't be lowered within the precision of doubles
    iteration_limit, // not converged
    no_value         // the model has no finite value at the start, or around it
};

struct LeastSquaresSolution {
    std::vector<double> x;
    double sum = 0; // Σ r² at x
    int iterations = 0;
    LeastSquaresEnd end = LeastSquaresEnd::gradient;
    bool converged() const { return end != LeastSquaresEnd::iteration_limit && end != LeastSquaresEnd::no_value; }
    /// How often the decomposition failed, so that the singular value decomposition took its place.
    int fallbacks = 0;
    /// Diagonal of (JᵀJ)⁻¹ at x: variances for residuals of variance 1. Infinite for parameters that the observations don't determine.
    std::vector<double> variances;
};

/// From `start`, one value for each parameter; at least one. Takes some 5 p² doubles of memory, beside the problem's.
LeastSquaresSolution solve_least_squares(LeastSquaresProblem& problem, std::span<const double> start, const LeastSquaresOptions& options);

} // namespace cubelink::imaging
