"""package_test.py BUILD CMAKE GENERATOR COMPILER [LAUNCHER]: what `cmake --install` installs serves a project outside of the tree.

Installs the development component of BUILD below BUILD/package, configures and builds tests/package/project against that alone, and lets its client
talk to its server.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
build, cmake, generator, compiler, *launcher = sys.argv[1:]
LIMIT = 600  # seconds for whatever might hang


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


class Package(unittest.TestCase):
    def test_a_project_outside_of_the_tree(self):
        place = Path(build) / "package"
        shutil.rmtree(place, ignore_errors=True)
        run(cmake, "--install", build, "--component", "development", "--prefix", place / "prefix")
        installed = [path for path in (place / "prefix").rglob("*") if path.is_file()]
        self.assertTrue(any(path.name == "wslink_server.hpp" for path in installed))
        repository = str(HERE.parent.parent)
        for path in installed:
            if path.suffix in (".cmake", ".hpp"):
                self.assertNotIn(repository, path.read_text(), path)

        with tempfile.TemporaryDirectory(prefix="cubelink-package-") as outside:
            project = Path(outside) / "project"
            shutil.copytree(HERE / "project", project)
            options = [f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher[0]}"] if launcher else []
            run(cmake, "-S", project, "-B", project / "build", "-G", generator, f"-DCMAKE_CXX_COMPILER={compiler}", "-DCMAKE_CXX_FLAGS=-Wall -Wextra",
                f"-DCMAKE_PREFIX_PATH={place / 'prefix'}", *options)
            said = run(cmake, "--build", project / "build")
            self.assertNotIn("-Werror", said)
            server = subprocess.Popen([project / "build/barometer", "a-secret"], stdout=subprocess.PIPE, text=True)
            try:
                port = None
                for line in server.stdout:
                    found = re.search(r"127\.0\.0\.1:(\d+)", line)
                    port = found[1] if found else port
                    if "Starting factory" in line:
                        break
                self.assertEqual(run(project / "build/ask", f"http://127.0.0.1:{port}/?token=a-secret").split(), ["1013.25", "987.50"])
            finally:
                server.terminate()
                self.assertEqual(server.wait(LIMIT), 0)
                server.stdout.close()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
