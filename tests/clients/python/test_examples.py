"""What the README and the notebook say works as it stands, but for the server's address; in a running event loop as well, which Jupyter has."""

import ast
import asyncio
import contextlib
import inspect
import io
import json
import os
import re
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

import nbformat
import numpy
from astropy.io import fits
from nbclient import NotebookClient

os.environ["MPLBACKEND"] = "Agg"  # without a screen
sys.path.insert(0, str(Path(__file__).resolve().parent))
from images import ROOT, WithImages  # noqa: E402

import cubelink  # noqa: E402
from cubelink import blocking, connection, errors  # noqa: E402
from patience import PATIENCE  # noqa: E402

PYTHON = ROOT / "clients/python"


class Examples(WithImages, unittest.TestCase):
    def setUp(self):
        self.before = os.getcwd()
        folder = tempfile.TemporaryDirectory(prefix="cubelink-examples-")
        self.addCleanup(folder.cleanup)
        os.chdir(folder.name)
        self.addCleanup(os.chdir, self.before)

    def with_address(self, code):
        address = f"http://localhost:{self.server.port}/?token={self.server.secret.replace(' ', '%20')}"
        self.assertIn("http://localhost:1234/?token=…", code)
        return code.replace("http://localhost:1234/?token=…", address)

    def check_readme(self, names):
        numpy.testing.assert_array_equal(names["plane"], self.cube[64])
        numpy.testing.assert_array_equal(names["block"], self.cube[::2, 200:300, 200:300])
        numpy.testing.assert_array_equal(names["spectrum"], self.cube[:, 256, 256])
        self.assertEqual((names["velocity"].unit, names["velocity"].shape, names["wcs"].naxis, names["mean"].shape), ("m/s", (66,), 3, (66,)))
        for picture in ("peak.png", "moment0.png"):
            self.assertEqual(Path(picture).read_bytes()[1:4], b"PNG")
        self.assertEqual(fits.getdata("moment0.fits").shape, (1, 310, 320))
        self.assertEqual(names["flux"].unit, "Jy")
        values = self.cube[:10][numpy.isfinite(self.cube[:10])].astype("f8")
        self.assertAlmostEqual(names["noise"].to_value("Jy/beam"), numpy.median(abs(values - numpy.median(values))), delta=1e-12)

    def test_readme(self):
        code = self.with_address("\n".join(re.findall(r"```python\n(.*?)```", (PYTHON / "README.md").read_text(), re.S)))
        names, printed = {}, io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), names)
        self.assertIn("disk_cube.fits", printed.getvalue())
        self.assertIn("(66, 310, 320) Jy / beam", printed.getvalue())
        self.check_readme(names)

        async def cell():
            names = {}
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(code, "README.md", "exec"), names)
            self.check_readme(names)

        asyncio.run(cell())

    def test_readme_of_the_repository(self):
        code = self.with_address(re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1])
        names = {}
        exec(compile("import cubelink\n" + code, "README.md", "exec"), names)
        numpy.testing.assert_array_equal(names["plane"], self.cube[64])
        self.assertEqual(names["spectrum"].shape, (66,))

    def test_notebook(self):
        """Cell by cell, and what the last lines show."""
        cells = json.loads((PYTHON / "examples/first_look.ipynb").read_text())["cells"]
        names, shown = {}, []
        for number, cell in enumerate(cell for cell in cells if cell["cell_type"] == "code"):
            code = "".join(cell["source"])
            tree = ast.parse(self.with_address(code) if number == 0 else code)
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, f"cell {number}", "exec"), names)
            if last:
                value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
                for show in ("_repr_png_", "_repr_html_", "__repr__"):
                    if hasattr(value, show):
                        shown.append((show, getattr(value, show)()))
                        break
        self.assertEqual([show for show, _ in shown], ["_repr_html_", "_repr_png_", "__repr__", "_repr_html_", "_repr_png_", "_repr_html_", "__repr__"])
        self.assertIn("<iframe", shown[5][1])
        for output in [cell.get("outputs", []) for cell in cells]:
            self.assertEqual(output, [], "the notebook is kept without its outputs")


    def test_notebook_in_jupyter(self):
        """The same by Jupyter's own kernel, whose cells run inside an event loop; and there the asyncio face is awaited."""
        notebook = nbformat.read(PYTHON / "examples/first_look.ipynb", 4)
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        first.source = self.with_address(first.source)
        theirs = len(notebook.cells)
        for source in ("async with cubelink.connect(client.view().url, session_id=client.session_id) as other:\n    planes = [await one[0:1] for one in (await other.opened()).values()]\n"
                       "[plane.shape for plane in planes]", "image.render(200)", "client.close()"):  # fmt: skip
            notebook.cells.append(nbformat.v4.new_code_cell(source))
        with unittest.mock.patch.dict(os.environ, PYTHONPATH=str(PYTHON), PYDEVD_DISABLE_FILE_VALIDATION="1"):
            NotebookClient(notebook, timeout=PATIENCE, startup_timeout=PATIENCE, kernel_name="python3").execute()
        shown = [[set(output["data"]) for output in cell.outputs if output.output_type == "execute_result"] for cell in notebook.cells if cell.cell_type == "code"]
        kinds = [("text/html",), ("image/png",), (), ("text/html",), ("image/png",), ("text/html",), (), (), ("image/png",), None]
        for expected, found in zip(kinds, shown, strict=True):
            self.assertEqual(found, [] if expected is None else [{"text/plain", *expected}])
        self.assertEqual(notebook.cells[theirs].outputs[0]["data"]["text/plain"], "[(1, 310, 320), (1, 320)]")


class Documentation(unittest.TestCase):
    def test_every_part_is_described(self):
        """All public names, and the methods and properties of public classes, have a docstring; what they return has a type."""
        kinds = [getattr(cubelink, name) for name in cubelink.__all__]
        for kind in (*kinds, blocking.Client, blocking.Image, blocking.Region, blocking.Publications, connection.Connection, cubelink.image, cubelink.blocking):
            self.assertTrue(kind.__doc__, kind)
            for name, member in vars(kind).items() if isinstance(kind, type) else ():
                member = member.fget if isinstance(member, property) else member
                if name.startswith("_") or not inspect.isfunction(member):
                    continue
                with self.subTest(kind=kind, name=name):
                    self.assertTrue(member.__doc__)
                    self.assertIn("return", member.__annotations__)

    def test_arrays_have_shapes(self):
        """What returns an array says which shape it has, or of which argument it is."""
        for kind in (cubelink.Image, cubelink.Region, cubelink.Picture, cubelink.RenderedPicture):
            for name, member in vars(kind).items():
                member = member.fget if isinstance(member, property) else member
                if name.startswith("_") or not inspect.isfunction(member) or "ndarray" not in str(member.__annotations__.get("return")):
                    continue
                with self.subTest(kind=kind, name=name):
                    self.assertRegex(member.__doc__, r"\([a-z]+,( [a-z0-9]+)*\)|\(height, width|shape|axis|array of|See Image")

    def test_one_face_has_what_the_other_has(self):
        from cubelink import client, image, regions

        for ours, theirs in ((blocking.Image, image.Image), (blocking.Client, client.Client), (blocking.Region, regions.Region)):
            missing = [name for name in dir(theirs) if not name.startswith("_") and not hasattr(ours, name)]
            self.assertEqual([name for name in missing if name not in ("add_attachment", "wait_closed")], [], ours)

    def test_one_base(self):
        for name, kind in vars(errors).items():
            if isinstance(kind, type) and issubclass(kind, Exception):
                self.assertTrue(issubclass(kind, errors.CubelinkError), name)


if __name__ == "__main__":
    unittest.main()
