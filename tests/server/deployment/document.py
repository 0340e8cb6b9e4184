"""What stands in docs/deployment.md, for tests to run it."""

import json
import random
import re
import socket
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs" / "deployment.md").read_text()


def block(language, holding):
    """The one block of code in that language which has a certain text in it."""
    found = [text for text in re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.M | re.S) if holding in text]
    assert len(found) == 1, f"{len(found)} blocks of {language} with {holding!r}"
    return found[0]


def options_of_the_unit():
    """What the systemd unit gives to the server, beside its folder and what only cubelink knows."""
    words = re.search(r"^ExecStart=(.*)$", block("ini", "ExecStart"), re.M)[1].split()[2:]
    return [word for word in words if word != "--read-only"]


def launcher_config(example, folder, ports, after):
    """The launcher's configuration with this machine's paths and ports in it, in a file; and with time for a busy machine to start servers."""
    config = json.loads(block("json", '"ready_line"'))
    config["configuration"].update(port=0, timeout=120, content=str(folder), log_dir=str(folder), proxy_file=str(folder / "sessions.txt"))
    config["resources"][0]["port_range"] = list(ports)
    config["properties"].update(example=str(example), after=str(after))
    path = folder / "launcher.json"
    path.write_text("// from the document\n" + json.dumps(config, indent=4))
    return path


def free_ports(count):
    """Consecutive ports that nobody listens on just now. Below those that the system gives out; others who look for some at the same time find other ones."""
    for _ in range(1000):
        first = random.randrange(21000, 32000)
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first, first + count - 1
        except OSError:
            continue
    raise RuntimeError("no free ports")


def make_certificate(folder, name="server"):
    """By the command of the document. The paths of the certificate and of its key."""
    command = block("sh", "openssl req").strip().replace("server.key", f"{name}.key").replace("server.pem", f"{name}.pem")
    subprocess.run(command, shell=True, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder / f"{name}.pem", folder / f"{name}.key"
