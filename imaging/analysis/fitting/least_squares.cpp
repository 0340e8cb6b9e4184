#include "imaging/analysis/fitting/least_squares.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

using Vector = Eigen::VectorXd;
using Matrix = Eigen::MatrixXd;

constexpr double epsilon = std::numeric_limits<double>::epsilon();

std::optional<Vector> finite(Vector x) {
    if (!x.allFinite()) return std::nullopt;
    return x;
}

/// Of a symmetric matrix the eigenvectors are the singular ones.
Vector solve_by_svd(const Matrix& matrix, const Vector& right) {
    const Eigen::SelfAdjointEigenSolver<Matrix> eigen(matrix);
    const double cut = eigen.eigenvalues().cwiseAbs().maxCoeff() * epsilon;
    const Vector along = eigen.eigenvectors().transpose() * right;
    Vector scaled = Vector::Zero(along.size());
    for (Eigen::Index k = 0; k < along.size(); ++k)
        if (eigen.eigenvalues()[k] > cut) scaled[k] = along[k] / eigen.eigenvalues()[k];
    return eigen.eigenvectors() * scaled;
}

std::optional<Vector> solve_by(Decomposition decomposition, const Matrix& matrix, const Vector& right) {
    switch (decomposition) {
    case Decomposition::qr: {
        const Eigen::ColPivHouseholderQR<Matrix> qr(matrix);
        if (!qr.isInvertible()) return std::nullopt;
        return finite(qr.solve(right));
    }
    case Decomposition::cholesky: {
        const Eigen::LLT<Matrix> llt(matrix);
        if (llt.info() != Eigen::Success) return std::nullopt;
        return finite(llt.solve(right));
    }
    case Decomposition::modified_cholesky: {
        // P A Pᵀ = L D Lᵀ, with the elements of D that are not safely positive raised.
        const Eigen::LDLT<Matrix> ldlt(matrix);
        if (ldlt.info() != Eigen::Success) return std::nullopt;
        Vector d = ldlt.vectorD();
        d = d.cwiseMax(d.cwiseAbs().maxCoeff() * epsilon * double(d.size()));
        Vector x = ldlt.transpositionsP() * right;
        ldlt.matrixL().solveInPlace(x);
        x = x.cwiseQuotient(d);
        ldlt.matrixU().solveInPlace(x);
        x = ldlt.transpositionsP().transpose() * x;
        return finite(std::move(x));
    }
    case Decomposition::svd: return finite(solve_by_svd(matrix, right));
    }
    return std::nullopt;
}

/// State at one point.
struct Point {
    std::vector<double> x, gradient, matrix;
    double sum = 0;

    explicit Point(std::size_t p) : x(p), gradient(p), matrix(p * p) {}
    bool evaluate(LeastSquaresProblem& problem) {
        sum = problem.evaluate(x, gradient, matrix);
        if (!std::isfinite(sum)) return false;
        for (const double g : gradient)
            if (!std::isfinite(g)) return false;
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t k = 0; k <= i; ++k)
                if (!std::isfinite(matrix[i * x.size() + k])) return false;
        return true;
    }
    double diagonal(std::size_t i) const { return matrix[i * x.size() + i]; }
    double element(std::size_t i, std::size_t k) const { return i >= k ? matrix[i * x.size() + k] : matrix[k * x.size() + i]; }
};

class Solver {
public:
    Solver(LeastSquaresProblem& problem, std::span<const double> start, const LeastSquaresOptions& options)
        : problem_(problem), options_(options), p_(start.size()), now_(p_), next_(p_), scale_(p_, 0.0) {
        std::copy(start.begin(), start.end(), now_.x.begin());
    }

    LeastSquaresSolution run() {
        solution_.end = iterate();
        solution_.x = now_.x;
        solution_.sum = now_.sum;
        if (solution_.end != LeastSquaresEnd::no_value) find_variances();
        return std::move(solution_);
    }

private:
    LeastSquaresEnd iterate() {
        if (!now_.evaluate(problem_)) return LeastSquaresEnd::no_value;
        problem_.accept();
        update_scale();
        double damping = 1e-3, growth = 2;
        for (int iteration = 0;; ++iteration) {
            if (orthogonal()) return LeastSquaresEnd::gradient;
            if (iteration == options_.max_iterations) return LeastSquaresEnd::iteration_limit;
            bool valid = false;
            for (;;) { // until a step lowers the sum
                const double promised = step(damping);
                const bool small = small_step();
                const bool finite = next_.evaluate(problem_);
                valid |= finite;
                const double gained = now_.sum - next_.sum;
                // Differences of sums that are all rounding say nothing: there the gradient has to become less.
                const bool rounding = promised <= 1e3 * epsilon * now_.sum;
                if (finite && rounding && !(steepness(next_) < 0.9 * steepness(now_))) return finish(iteration, small ? LeastSquaresEnd::step : LeastSquaresEnd::rounding);
                if (finite && (rounding || (gained >= 0 && promised > 0))) {
                    std::swap(now_, next_);
                    problem_.accept();
                    update_scale();
                    if (small) return finish(iteration, LeastSquaresEnd::step);
                    const double t = rounding ? 1 : 2 * gained / promised - 1;
                    damping = std::max(damping * std::max(1.0 / 3, 1 - t * t * t), 1e-15);
                    growth = 2;
                    break;
                }
                if (finite && small) return finish(iteration, LeastSquaresEnd::step);
                damping *= growth;
                growth *= 2;
                if (!(damping < 1e60)) return finish(iteration, valid ? LeastSquaresEnd::rounding : LeastSquaresEnd::no_value);
            }
            solution_.iterations = iteration + 1;
            if (options_.on_iteration) options_.on_iteration(iteration);
        }
    }

    LeastSquaresEnd finish(int iteration, LeastSquaresEnd end) {
        solution_.iterations = iteration + 1;
        if (options_.on_iteration) options_.on_iteration(iteration);
        return end;
    }

    /// Lengths of the columns of J, the largest ones so far (Moré 1978): a parameter that has lost its influence is not thrown far away.
    void update_scale() {
        for (std::size_t i = 0; i < p_; ++i) scale_[i] = std::max(scale_[i], std::sqrt(std::max(0.0, now_.diagonal(i))));
    }

    /// The largest one of the cosines between the residuals and the columns of J, times their length.
    static double steepness(const Point& point) {
        double most = 0;
        for (std::size_t i = 0; i < point.x.size(); ++i)
            if (point.diagonal(i) > 0) most = std::max(most, std::abs(point.gradient[i]) / std::sqrt(point.diagonal(i)));
        return most;
    }
    bool orthogonal() const { return steepness(now_) <= options_.tolerance * std::sqrt(now_.sum); }

    /// next_.x from now_. Returns by how much the sum is to become less if the model were linear.
    double step(double damping) {
        active_.clear();
        for (std::size_t i = 0; i < p_; ++i) // a parameter without influence stays
            if (scale_[i] > 0 && now_.diagonal(i) > 0) active_.push_back(i);
        const auto n = static_cast<Eigen::Index>(active_.size());
        next_.x = now_.x;
        if (n == 0) return 0;
        Matrix matrix(n, n);
        Vector right(n);
        for (Eigen::Index i = 0; i < n; ++i) {
            const std::size_t a = active_[std::size_t(i)];
            right[i] = -now_.gradient[a] / scale_[a];
            for (Eigen::Index k = 0; k < n; ++k) {
                const std::size_t b = active_[std::size_t(k)];
                matrix(i, k) = now_.element(a, b) / scale_[a] / scale_[b];
            }
        }
        Matrix damped = matrix;
        damped.diagonal().array() += damping;
        std::optional<Vector> found = solve_by(options_.decomposition, damped, right);
        if (!found) {
            ++solution_.fallbacks;
            found = solve_by_svd(damped, right);
        }
        for (Eigen::Index i = 0; i < n; ++i) next_.x[active_[std::size_t(i)]] += (*found)[i] / scale_[active_[std::size_t(i)]];
        // Σr² − |r + J h|² with (JᵀJ + damping) h = −Jᵀr
        return found->dot(right) + damping * found->squaredNorm();
    }

    bool small_step() const {
        const auto degrees = double(std::max<std::int64_t>(1, problem_.observations() - std::int64_t(p_)));
        const double deviation = std::sqrt(now_.sum / degrees);
        for (const std::size_t i : active_) {
            const double size = std::max(std::abs(now_.x[i]), deviation / scale_[i]);
            if (std::abs(next_.x[i] - now_.x[i]) > options_.tolerance * size) return false;
        }
        return true;
    }

    void find_variances() {
        solution_.variances.assign(p_, std::numeric_limits<double>::infinity());
        active_.clear();
        for (std::size_t i = 0; i < p_; ++i)
            if (now_.diagonal(i) > 0) active_.push_back(i);
        const auto n = static_cast<Eigen::Index>(active_.size());
        if (n == 0) return;
        Matrix matrix(n, n);
        for (Eigen::Index i = 0; i < n; ++i)
            for (Eigen::Index k = 0; k < n; ++k) {
                const std::size_t a = active_[std::size_t(i)], b = active_[std::size_t(k)];
                matrix(i, k) = now_.element(a, b) / std::sqrt(now_.diagonal(a)) / std::sqrt(now_.diagonal(b));
            }
        const Eigen::SelfAdjointEigenSolver<Matrix> eigen(matrix);
        const double cut = eigen.eigenvalues().maxCoeff() * epsilon;
        for (Eigen::Index i = 0; i < n; ++i) {
            double variance = 0;
            for (Eigen::Index k = 0; k < n; ++k) {
                const double component = eigen.eigenvectors()(i, k) * eigen.eigenvectors()(i, k);
                if (eigen.eigenvalues()[k] > cut) variance += component / eigen.eigenvalues()[k];
                else if (component > epsilon) variance = std::numeric_limits<double>::infinity();
            }
            const std::size_t a = active_[std::size_t(i)];
            solution_.variances[a] = variance / now_.diagonal(a);
        }
    }

    LeastSquaresProblem& problem_;
    const LeastSquaresOptions& options_;
    const std::size_t p_;
    Point now_, next_;
    std::vector<double> scale_;
    std::vector<std::size_t> active_;
    LeastSquaresSolution solution_;
};

} // namespace

std::string_view name_of(Decomposition decomposition) {
    switch (decomposition) {
    case Decomposition::qr: return "QR";
    case Decomposition::cholesky: return "Cholesky";
    case Decomposition::modified_cholesky: return "modified Cholesky";
    case Decomposition::svd: return "SVD";
    }
    return "QR";
}

LeastSquaresSolution solve_least_squares(LeastSquaresProblem& problem, std::span<const double> start, const LeastSquaresOptions& options) {
    if (start.empty() || start.size() != problem.parameters()) throw std::invalid_argument("one start value is needed for each parameter");
    return Solver(problem, start, options).run();
}

} // namespace cubelink::imaging
