// The solver against the certified values of the NIST Statistical Reference Datasets for nonlinear regression (nist/, in the public domain):
// https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml

#include "imaging/analysis/fitting/least_squares.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <numbers>
#include <sstream>
#include <string>

using namespace cubelink::imaging;

namespace {

struct Dataset {
    std::vector<double> starts[2], certified, deviations, y, x;
    double sum = 0;
};

Dataset read_dataset(const std::string& name) {
    Dataset set;
    std::ifstream file("tests/imaging/fitting/nist/" + name + ".dat");
    REQUIRE_MESSAGE(file.good(), "no data of ", name);
    bool data = false;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        if (data) {
            double y = 0, x = 0;
            if (words >> y >> x) set.y.push_back(y), set.x.push_back(x);
        } else if (line.starts_with("  b")) {
            std::string parameter, equals;
            double values[4] = {};
            if (words >> parameter >> equals >> values[0] >> values[1] >> values[2] >> values[3]) {
                set.starts[0].push_back(values[0]);
                set.starts[1].push_back(values[1]);
                set.certified.push_back(values[2]);
                set.deviations.push_back(values[3]);
            }
        } else if (line.starts_with("Residual Sum of Squares:")) {
            set.sum = std::stod(line.substr(line.find(':') + 1));
        }
        data |= line.starts_with("Data:") && line.find('(') == std::string::npos && line.find("Response") == std::string::npos;
    }
    REQUIRE(!set.certified.empty());
    REQUIRE(!set.y.empty());
    return set;
}

using Values = std::span<const double>;
using Function = double (*)(Values b, double x);

/// Derivatives by central differences of fourth order: good to some 12 digits for these functions.
class Problem : public LeastSquaresProblem {
public:
    Problem(const Dataset& set, Function function) : set_(set), function_(function) {}
    std::size_t parameters() const override { return set_.certified.size(); }
    std::int64_t observations() const override { return std::int64_t(set_.y.size()); }
    double evaluate(Values b, std::span<double> gradient, std::span<double> matrix) override {
        const std::size_t p = b.size();
        std::fill(gradient.begin(), gradient.end(), 0.0);
        std::fill(matrix.begin(), matrix.end(), 0.0);
        double sum = 0;
        std::vector<double> at(b.begin(), b.end()), row(p);
        for (std::size_t n = 0; n < set_.y.size(); ++n) {
            const double r = function_(b, set_.x[n]) - set_.y[n];
            sum += r * r;
            for (std::size_t i = 0; i < p; ++i) {
                const double h = 1e-4 * std::abs(b[i]);
                const auto value = [&](double steps) {
                    at[i] = b[i] + steps * h;
                    const double f = function_(at, set_.x[n]);
                    at[i] = b[i];
                    return f;
                };
                row[i] = (8 * (value(1) - value(-1)) - (value(2) - value(-2))) / (12 * h);
            }
            for (std::size_t i = 0; i < p; ++i) {
                gradient[i] += row[i] * r;
                for (std::size_t k = 0; k <= i; ++k) matrix[i * p + k] += row[i] * row[k];
            }
        }
        return sum;
    }

private:
    const Dataset& set_;
    Function function_;
};

double exponential_and_peaks(Values b, double x) {
    const auto square = [](double t) { return t * t; };
    return b[0] * std::exp(-b[1] * x) + b[2] * std::exp(-square((x - b[3]) / b[4])) + b[5] * std::exp(-square((x - b[6]) / b[7]));
}
double cubic_by_cubic(Values b, double x) {
    return (b[0] + x * (b[1] + x * (b[2] + x * b[3]))) / (1 + x * (b[4] + x * (b[5] + x * b[6])));
}
double saturation(Values b, double x) { return b[0] * (1 - std::exp(-b[1] * x)); }

struct Case {
    const char* name;
    Function function;
    unsigned starts; // bit 0: from start 1, bit 1: from start 2
    double digits;   // of the parameters, at least
};

const Case cases[] = {
    {"Misra1a", saturation, 3, 9},
    {"Chwirut2", [](Values b, double x) { return std::exp(-b[0] * x) / (b[1] + b[2] * x); }, 3, 8},
    {"Lanczos3",
     [](Values b, double x) { return b[0] * std::exp(-b[1] * x) + b[2] * std::exp(-b[3] * x) + b[4] * std::exp(-b[5] * x); }, 3, 6},
    {"Gauss1", exponential_and_peaks, 3, 8},
    {"Gauss2", exponential_and_peaks, 3, 8},
    {"Gauss3", exponential_and_peaks, 3, 8},
    {"DanWood", [](Values b, double x) { return b[0] * std::pow(x, b[1]); }, 3, 9},
    {"Misra1b", [](Values b, double x) { return b[0] * (1 - std::pow(1 + b[1] * x / 2, -2)); }, 3, 9},
    {"Kirby2", [](Values b, double x) { return (b[0] + x * (b[1] + x * b[2])) / (1 + x * (b[3] + x * b[4])); }, 3, 8},
    {"Hahn1", cubic_by_cubic, 3, 7},
    {"MGH17", [](Values b, double x) { return b[0] + b[1] * std::exp(-x * b[3]) + b[2] * std::exp(-x * b[4]); }, 2, 7},
    {"Roszman1", [](Values b, double x) { return b[0] - b[1] * x - std::atan(b[2] / (x - b[3])) / std::numbers::pi; }, 3, 7},
    {"ENSO",
     [](Values b, double x) {
         const double turn = 2 * std::numbers::pi * x;
         return b[0] + b[1] * std::cos(turn / 12) + b[2] * std::sin(turn / 12) + b[4] * std::cos(turn / b[3]) + b[5] * std::sin(turn / b[3]) +
                b[7] * std::cos(turn / b[6]) + b[8] * std::sin(turn / b[6]);
     },
     3, 6},
    {"MGH09", [](Values b, double x) { return b[0] * (x * x + x * b[1]) / (x * x + x * b[2] + b[3]); }, 3, 6},
    {"Thurber", cubic_by_cubic, 3, 7},
    {"BoxBOD", saturation, 2, 7},
    {"Rat42", [](Values b, double x) { return b[0] / (1 + std::exp(b[1] - b[2] * x)); }, 3, 8},
    {"Rat43", [](Values b, double x) { return b[0] / std::pow(1 + std::exp(b[1] - b[2] * x), 1 / b[3]); }, 3, 7},
    {"Eckerle4",
     [](Values b, double x) {
         const double t = (x - b[2]) / b[1];
         return b[0] / b[1] * std::exp(-0.5 * t * t);
     },
     3, 8},
    {"MGH10", [](Values b, double x) { return b[0] * std::exp(b[1] / (x + b[2])); }, 2, 6},
};

} // namespace

TEST_CASE("Certified values: NIST's nonlinear problems, from both starts, by all decompositions") {
    for (const Case& problem : cases) {
        const Dataset set = read_dataset(problem.name);
        for (const auto decomposition : {Decomposition::qr, Decomposition::cholesky, Decomposition::modified_cholesky, Decomposition::svd}) {
            for (int start = 0; start < 2; ++start) {
                if (((problem.starts >> start) & 1) == 0) continue;
                Problem sums(set, problem.function);
                LeastSquaresOptions options;
                options.decomposition = decomposition;
                options.max_iterations = 2000;
                options.tolerance = 1e-10;
                const auto solution = solve_least_squares(sums, set.starts[start], options);
                INFO(std::string(problem.name) << " from start " << start + 1 << ", " << name_of(decomposition) << ", iterations " << solution.iterations << ", end "
                                  << int(solution.end));
                CHECK(solution.converged());
                CHECK(solution.sum == doctest::Approx(set.sum).epsilon(1e-8));
                const double variance = set.sum / double(set.y.size() - set.certified.size());
                for (std::size_t i = 0; i < set.certified.size(); ++i) {
                    INFO("b" << i + 1 << " " << solution.x[i] << " certified " << set.certified[i]);
                    CHECK(std::abs(solution.x[i] / set.certified[i] - 1) < std::pow(10, -problem.digits));
                    CHECK(std::sqrt(variance * solution.variances[i]) == doctest::Approx(set.deviations[i]).epsilon(1e-4));
                }
            }
        }
    }
}

TEST_CASE("The certified values are those of the data: sums of squares agree") {
    for (const Case& problem : cases) {
        const Dataset set = read_dataset(problem.name);
        double sum = 0;
        for (std::size_t n = 0; n < set.y.size(); ++n) {
            const double r = problem.function(set.certified, set.x[n]) - set.y[n];
            sum += r * r;
        }
        INFO(problem.name);
        CHECK(sum == doctest::Approx(set.sum).epsilon(1e-8));
    }
}
