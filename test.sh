#!/usr/bin/env bash
# ./test.sh [quick | STEP…]
# Everything: units (plain, ASan+UBSan, TSan), fuzzing in short, conformance with clients that we did not write, browsers.
# quick: the release build's units and conformance only, for daily work. STEP: as tests/run.py --list names them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=tools/install.sh
. tools/install.sh
# shellcheck disable=SC2086
install_packages $build_packages $test_packages
install_node
exec /usr/bin/python3 tests/run.py "$@"
