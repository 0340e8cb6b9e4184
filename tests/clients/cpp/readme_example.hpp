#pragma once
/// What the README's example has found, for the test to look at.

#include <string>
#include <utility>
#include <vector>

struct ReadmeResults {
    std::vector<double> spectrum, block;
    std::pair<int, int> tile;
    std::string name;
};

ReadmeResults readme_example(const std::string& url, const std::string& secret);
