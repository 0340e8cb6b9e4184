"""The package's annotations hold by mypy's strictest rules, and so do those that a program of its user's gets from it."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[3] / "clients/python"

USER = """
import numpy.typing
from typing import Any, List
import cubelink

def spectrum(address: str) -> "numpy.typing.NDArray[Any]":
    with cubelink.connect_blocking(address) as client:
        image = client.open("disk_cube.fits", hdu=1)
        moments = image.moments(["INTEGRATED_OF_THE_SPECTRUM"], channels=(2, 9))
        image.render((300, 200), colour_map="Heat").save("map.png")
        names: List[str] = [moment.name for moment in moments]
        print(names, image[4].shape, image.as_dask().shape)
        return image.spectrum(3, 4)

async def awaited(address: str) -> "numpy.typing.NDArray[Any]":
    async with cubelink.connect(address) as client:
        image = await client.open("disk_cube.fits")
        region = await image.add_region("POINT", [[3, 4]])
        return await region.spectrum()
"""

WRONG = """
import cubelink

def wrong(client: cubelink.Client) -> int:
    return client.open("disk_cube.fits")
"""


def mypy(*arguments):
    with tempfile.TemporaryDirectory(prefix="cubelink-mypy-") as cache:
        environment = {**os.environ, "MYPYPATH": str(PYTHON)}
        run = subprocess.run(["/usr/bin/python3", "-m", "mypy", "--cache-dir", cache, "--no-error-summary", *arguments], cwd=PYTHON, env=environment, capture_output=True, text=True)
        return run.stdout + run.stderr


class Types(unittest.TestCase):
    maxDiff = None

    def test_package_and_program(self):
        with tempfile.TemporaryDirectory(prefix="cubelink-types-") as folder:
            user, wrong = Path(folder, "user_program.py"), Path(folder, "wrong_program.py")
            user.write_text(USER)
            wrong.write_text(WRONG)
            said = mypy("cubelink", str(user), str(wrong))
        self.assertEqual([line.split("wrong_program.py")[-1] for line in said.splitlines()],
                         [':5: error: Incompatible return value type (got "Coroutine[Any, Any, Image]", expected "int")  [return-value]'])  # fmt: skip


if __name__ == "__main__":
    unittest.main()
