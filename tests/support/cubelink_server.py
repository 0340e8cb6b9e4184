"""Runs the server for a test: a free port, a secret of our own, and an end that is looked at."""

import os
import re
import signal
import subprocess
import threading
import urllib.request

from patience import PATIENCE


class Server:
    """with Server(program, folder, "--option", …) as server: server.url, server.secret"""

    def __init__(self, program, *arguments, secret="a secret of the tests"):
        self.secret = secret
        self.command = [program, *map(str, arguments), "--port", "0"]
        self.environment = {**os.environ, "CUBELINK_AUTHKEY": secret}

    def __enter__(self):
        self.process = subprocess.Popen(self.command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.errors = []
        threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True).start()
        self.lines = []
        self.port = None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            found = re.search(r"https?://[^/\s]*:(\d+)", line)
            if found and self.port is None:
                self.port = int(found.group(1))
            if "Starting factory" in line:
                break
        else:
            self.process.wait()
            raise RuntimeError(f"the server did not start: {self.lines} {''.join(self.errors)}")
        threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True).start()
        self.url = f"ws://127.0.0.1:{self.port}/ws"
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"SIGTERM did not stop the server within {PATIENCE} s")
        self.status = self.process.returncode
        if self.status != 0:
            raise RuntimeError(f"the server ended with {self.status}: {''.join(self.errors)[-3000:]}")

    def gauge(self, name):
        """What /metrics says of a name, its labels included."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/metrics", headers={"Authorization": f"Bearer {self.secret}"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line.rsplit(" ", 1)[1] for line in lines if line.rsplit(" ", 1)[0] == name))

    def idle(self):
        """Whether nothing is computed and nothing waits to be sent, to whomever."""
        return self.gauge("cubelink_jobs_running") + self.gauge("cubelink_jobs_waiting") + self.gauge("wslink_outbox_bytes") == 0

    def memory(self):
        """Resident bytes, but for mapped files: those are page cache."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            resident, of_files = map(int, file.read().split()[1:3])
        return (resident - of_files) * os.sysconf("SC_PAGE_SIZE")

    def processor_time(self):
        """Seconds, of all its threads."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            user, system = file.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
