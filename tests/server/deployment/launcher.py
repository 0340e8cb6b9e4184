#!/usr/bin/python3
"""What wslink's launcher does for a page, written from the description of its HTTP exchange: a server for each session.

    launcher.py CONFIG.json        prints "port N" and serves until it is told to end; then so do its servers

POST /<endpoint>/ with {"application": …, …} takes a port, substitutes `$name` and `${name}` in the application's command line from
the request, from what the launcher adds (id, host, port, secret) and from the configuration's properties, starts it with its output
in <log_dir>/<id>.txt, looks into that every second for the ready line, and answers with the session: its id, sessionURL and the fields that
the configuration names. 400 for a request without an application, 503 when there is no port or the server does not come up in time.
"""

import asyncio
import json
import os
import re
import secrets
import signal
import string
import subprocess
import sys
import uuid

from aiohttp import web


def without_comments(text):
    """JSON as the launcher's configurations are written; strings are left as they are."""
    return re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', lambda match: match[1] or "", text, flags=re.S)


class Launcher:
    def __init__(self, config):
        self.config, self.general = config, config["configuration"]
        self.free = [(place["host"], port) for place in config["resources"] for port in range(place["port_range"][0], place["port_range"][1] + 1)]
        self.sessions, self.processes = {}, {}

    def substitute(self, text, session):
        for values in (session, self.config.get("properties", {})):
            text = string.Template(text).safe_substitute({name: value for name, value in values.items() if isinstance(value, (str, int, float))})
        return text

    def write_proxy_file(self):
        if path := self.general.get("proxy_file"):
            with open(path, "w") as file:
                file.writelines(f"{id} {session['host']}:{session['port']}\n" for id, session in self.sessions.items())

    def end(self, id):
        process, session = self.processes.pop(id), self.sessions.pop(id)
        if process.poll() is None:
            process.terminate()
        process.wait()
        self.free.append((session["host"], session["port"]))
        self.write_proxy_file()

    def log_of(self, id):
        return os.path.join(self.general["log_dir"], id + ".txt")

    async def launch(self, request):
        try:
            wanted = await request.json()
            application = self.config["apps"][wanted["application"]]
        except (ValueError, KeyError, TypeError):
            return web.json_response({"error": "The request is not complete"}, status=400)
        for id in [id for id, process in self.processes.items() if process.poll() is not None]:
            self.end(id)
        if not self.free:
            return web.json_response({"error": "All the resources are currently taken"}, status=503)
        host, port = self.free.pop()
        session = {**wanted, "id": str(uuid.uuid4()), "host": host, "port": port}
        session.setdefault("secret", secrets.token_hex(8))
        session["sessionURL"] = self.substitute(self.general["sessionURL"], session)
        for name, value in self.config.get("sessionData", {}).items():
            session[name] = self.substitute(value, session)
        command = [self.substitute(word, session) for word in application["cmd"]]
        id = session["id"]
        with open(self.log_of(id), "w") as log:
            self.processes[id] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.sessions[id] = session
        self.write_proxy_file()
        for _ in range(int(self.general["timeout"])):
            with open(self.log_of(id)) as log:
                if application["ready_line"] in log.read():
                    public = {"id", "sessionURL", "sessionManagerURL", *self.general["fields"]}
                    return web.json_response({name: value for name, value in session.items() if name in public})
            if self.processes[id].poll() is not None:
                break
            await asyncio.sleep(1)
        self.end(id)
        return web.json_response({"error": "Session did not start before timeout expired. Check session logs."}, status=503)

    async def serve(self):
        app = web.Application()
        app.add_routes([web.post(f"/{self.general['endpoint']}/", self.launch)])
        if content := self.general.get("content"):
            app.add_routes([web.static("/", content)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, self.general["host"], int(self.general["port"]))
        await site.start()
        print("port", site._server.sockets[0].getsockname()[1], flush=True)
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        await told.wait()
        for id in list(self.processes):
            self.end(id)
        await runner.cleanup()


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        asyncio.run(Launcher(json.loads(without_comments(file.read()))).serve())
