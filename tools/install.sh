# Sourced by run.sh and test.sh: installs what is missing and says so. Debian 12 packages and npm packages only.

build_packages="g++ cmake ninja-build ccache pkg-config protobuf-compiler libprotobuf-dev libwebsocketpp-dev libasio-dev libssl-dev
    libmsgpack-cxx-dev nlohmann-json3-dev libcfitsio-dev wcslib-dev liberfa-dev libzfp-dev libzstd-dev zlib1g-dev libexpat1-dev libre2-dev libsqlite3-dev
    libpng-dev libjpeg62-turbo-dev libwebp-dev libcurl4-openssl-dev libeigen3-dev libspdlog-dev libcli11-dev doctest-dev libbenchmark-dev"

test_packages="clang-14 zsh fish libclang-rt-14-dev libomp-14-dev llvm-14 chromium nginx-light openssl curl fitsverify python3 python3-numpy python3-scipy python3-astropy
    python3-websockets python3-aiohttp python3-msgpack python3-protobuf python3-reproject python3-spectral-cube python3-regions python3-photutils python3-pil python3-contourpy python3-casacore
    python3-dask python3-matplotlib python3-nbclient python3-ipykernel
    python3-pip python3-setuptools python3-wheel mypy"

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# install_packages PACKAGE…: those of them that are not installed.
install_packages() {
    local missing="" package
    for package in "$@"; do
        case "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" in
            installed) ;;
            *) missing="$missing $package" ;;
        esac
    done
    [ -z "$missing" ] && return 0
    echo "Installing Debian packages:$missing"
    as_root apt-get update -qq -o Acquire::Retries=3
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Acquire::Retries=3 --no-install-recommends $missing >/dev/null
}

install_node() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        install_packages nodejs npm
    fi
}

# npm_install FOLDER: installs the packages of FOLDER/package-lock.json, unless they are installed already.
npm_install() {
    local stamp="$1/node_modules/.installed"
    if [ -e "$stamp" ] && cmp -s "$stamp" "$1/package-lock.json"; then return 0; fi
    echo "Installing npm packages of $1"
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    cp "$1/package-lock.json" "$stamp"
}

# ccache hits are independent of the folder of the checkout.
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1

# build_server PRESET [TARGET…]
build_server() {
    local preset="$1"
    shift
    if [ ! -e "build/$preset/build.ninja" ]; then cmake --preset "$preset" >/dev/null; fi
    cmake --build --preset "$preset" ${1:+--target "$@"} -- --quiet
}

# build_page: the viewer, if its sources are newer than what was built.
build_page() {
    npm_install clients/js
    npm_install www
    if [ ! -e www/dist/index.html ] || [ -n "$(find www clients/js imaging/render/colour_maps.json -path '*/node_modules' -prune -o -path '*/dist' -prune -o -type f -newer www/dist/index.html -print -quit)" ]; then
        echo "Building the page"
        if [ -d clients/js ]; then (cd clients/js && npm run --silent build >/dev/null); fi
        (cd www && npm run --silent build >/dev/null)
        touch www/dist/index.html
    fi
}
