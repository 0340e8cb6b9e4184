"""extract.py DOCUMENT FOLDER: writes the code blocks of docs/writing-a-server.md into files, as the document names them."""

import re
import sys
from pathlib import Path

NAMES = {"cpp": "thermometer.cpp", "cmake": "CMakeLists.txt", "html": "www/index.html", "js": "www/page.js"}


def main():
    text = Path(sys.argv[1]).read_text()
    for language, name in NAMES.items():
        blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)
        if len(blocks) != 1 or f"`{name}`" not in text:
            sys.exit(f"{sys.argv[1]}: expected one block for {name}")
        path = Path(sys.argv[2]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != blocks[0]:
            path.write_text(blocks[0])


main()
