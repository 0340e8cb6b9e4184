"""pip installs the package from a checkout, without a network; it is imported from elsewhere, and names the packages that it misses."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from images import ROOT, WithImages  # noqa: E402

PROGRAM = """
import sys
for name in ("astropy", "dask", "matplotlib", "PIL", "regions"):
    sys.modules[name] = None  # as if it were not installed
import cubelink, pathlib
print(pathlib.Path(cubelink.__file__).parent, (pathlib.Path(cubelink.__file__).parent / "py.typed").exists())
client = cubelink.connect_blocking(sys.argv[1])
image = client.open("disk_cube.fits")
print(image[3:5, 7, 8].tolist() == image.spectrum(8, 7)[3:5].tolist(), list(image.statistics(["Max"])), image.render(50).format)
for use in (client.files, image.header, image.wcs, image.spectral_axis, lambda: image.sky(1, 2), lambda: image.unit, lambda: image.spectrum_table(3, 4), image.as_dask,
            lambda: client.read_catalog("none.xml"), lambda: image.render(50, format="jpeg").rgba, lambda: image.picture(colour_map="viridis")):
    try:
        use()
    except (ImportError, ValueError) as missing:
        print(type(missing).__name__, missing)
"""


class Installed(WithImages, unittest.TestCase):
    maxDiff = None

    def test_from_a_checkout(self):
        with tempfile.TemporaryDirectory(prefix="cubelink-pip-") as folder:
            shutil.copytree(ROOT / "clients/python", f"{folder}/checkout")  # pip leaves its work there
            pip = ["/usr/bin/python3", "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps", "--root-user-action", "ignore", "--target", f"{folder}/packages"]
            subprocess.run([*pip, f"{folder}/checkout"], check=True)
            address = f"http://localhost:{self.server.port}/?token={self.server.secret.replace(' ', '%20')}"
            environment = {**os.environ, "PYTHONPATH": f"{folder}/packages"}
            said = subprocess.run(["/usr/bin/python3", "-c", PROGRAM, address], cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()
            self.assertEqual(said[:2], [f"{folder}/packages/cubelink True", "True ['Max'] png"])
            astropy = ['pip install "astropy", or on Debian apt install python3-astropy'] * 8
            wanted = [*astropy[:7], 'pip install "dask[array]", or on Debian apt install python3-dask', astropy[7],
                      'pip install "pillow", or on Debian apt install python3-pil', 'pip install "matplotlib", or on Debian apt install python3-matplotlib']  # fmt: skip
            self.assertEqual([line.split(": ", 1)[-1] for line in said[2:]], wanted, said)


if __name__ == "__main__":
    unittest.main()
