#!/usr/bin/env bash
# ./run.sh [FOLDER] [--carta] [server options]
# Installs what is missing, builds the server and its page, and serves the images below FOLDER (demo images if none is given).
# --carta also installs CARTA's own web page from npm and serves it at /carta/. The rest goes to the server: ./run.sh --help-server lists it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder="" carta=no
options=()
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
    folder=$(cd "$1" 2>/dev/null && pwd) || { echo "run.sh: no such folder: $1" >&2; exit 2; }
    shift
fi
while [ $# -gt 0 ]; do
    case "$1" in
        --carta) carta=yes ;;
        -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
        --help-server) options+=(--help) ;;
        *) options+=("$1") ;;
    esac
    shift
done

cd "$here"
# shellcheck source=tools/install.sh
. tools/install.sh
# shellcheck disable=SC2086
install_packages $build_packages
install_node
echo "Building the server (the first time takes some minutes)"
build_server release cubelink cubelink_demo_data
build_page

if [ -z "$folder" ]; then
    folder="$here/build/demo"
    build/release/tools/cubelink_demo_data "$folder"
fi
if [ "$carta" = yes ]; then
    npm_install tools/carta
    options+=(--carta-frontend "$here/tools/carta/node_modules/carta-frontend/build")
fi
exec build/release/server/cubelink "$folder" --content "$here/www/dist" ${options[@]+"${options[@]}"}
