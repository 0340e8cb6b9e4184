#!/usr/bin/env python3
"""Includes run downwards only: each folder may include itself and the folders named for it here (docs/architecture.md draws the same).

    check_includes.py [ROOT]
"""

import re
import sys
from pathlib import Path

# What each folder may include besides itself. The longest prefix of a file's path counts.
MAY = {
    "platform": [],
    "imaging/base": ["platform"],
    "imaging/kernels": ["platform", "imaging/base"],
    "imaging/world": ["platform", "imaging/base", "imaging/source"],
    "imaging/source": ["platform", "imaging/base", "imaging/world"],
    "imaging/pixels": ["platform", "imaging/base", "imaging/kernels", "imaging/source", "imaging/world"],
    "imaging/fits": ["platform", "imaging/base", "imaging/kernels", "imaging/source", "imaging/world"],
    "imaging/regions": ["platform", "imaging/base", "imaging/source", "imaging/world"],
    "imaging/analysis": ["platform", "imaging/base", "imaging/kernels", "imaging/source", "imaging/world", "imaging/pixels", "imaging/regions"],
    "imaging/render": ["platform", "imaging/base", "imaging/kernels", "imaging/source", "imaging/world", "imaging/pixels"],
    "imaging/expressions": ["platform", "imaging/base", "imaging/kernels", "imaging/source", "imaging/world", "imaging/pixels", "imaging/fits"],
    "imaging/tables": ["platform", "imaging/base", "imaging/fits", "imaging/source", "imaging/world"],
    "imaging": ["platform", "imaging"],
    "rpc": ["platform"],
    "pubsub": ["platform", "rpc"],
    "server/net": ["platform", "rpc", "pubsub"],
    "server/compute": ["platform", "imaging", "server/net"],
    "server/files": ["platform", "imaging", "rpc", "server/net"],
    "server/remote": ["platform", "imaging", "server/files"],
    "server/store": ["platform", "rpc", "server/net"],
    "server/session": ["platform", "imaging", "rpc", "pubsub", "server/net", "server/compute", "server/files", "server/store"],
    "server/products": ["platform", "imaging", "rpc", "pubsub", "server/net", "server/compute", "server/session"],
    "server/tasks": ["platform", "imaging", "rpc", "pubsub", "server/net", "server/compute", "server/files", "server/remote", "server/store", "server/session",
                     "server/products"],  # fmt: skip
    "server/api": ["platform", "imaging", "rpc", "pubsub", "server/net", "server/store", "server/session"],
    "server/handlers": ["platform", "imaging", "rpc", "pubsub", "server/net", "server/compute", "server/files", "server/store", "server/session",
                        "server/products", "server/tasks", "server/api"],  # fmt: skip
    "server": ["platform", "imaging", "rpc", "pubsub", "server"],
    "clients/cpp": ["platform", "rpc"],
    "clients/cli": ["platform", "rpc", "clients/cpp"],
}


def folder_of(path):
    """The longest prefix of a path that stands in MAY, or None."""
    parts = path.split("/")[:-1]
    for n in range(len(parts), 0, -1):
        if (name := "/".join(parts[:n])) in MAY:
            return name
    return None


def below(folder, allowed):
    return folder == allowed or folder.startswith(allowed + "/")


def wrong_includes(root):
    """The tree's own sources, not what is built or installed beside them."""
    for source in sorted(found for top in {name.split("/")[0] for name in MAY} for found in (root / top).rglob("*.[ch]pp")):
        path = source.relative_to(root).as_posix()
        own = folder_of(path)
        if own is None:
            continue
        for number, line in enumerate(source.read_text().splitlines(), 1):
            included = re.match(r'#include "((?:platform|imaging|rpc|pubsub|server|clients)/[^"]+)"', line)
            if not included or included[1].endswith(".pb.h"):
                continue
            other = folder_of(included[1])
            if other is None or not any(below(other, allowed) for allowed in [own, *MAY[own]]):
                yield f"{path}:{number}: {own}/ must not include {included[1]}"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
    wrong = list(wrong_includes(root))
    print("\n".join(wrong))
    print(f"{0 if wrong else 1} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
