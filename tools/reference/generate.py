#!/usr/bin/env python3
"""Writes docs/reference.md, the reference for authors of clients, from the ICD as data (tests/rpc/icd/icd30.json) and the notes
in notes.md beside this script, for the events of implemented.txt. With --check it only compares, and fails if the committed file is another one."""

import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ICD = ROOT / "tests/rpc/icd/icd30.json"
OUTPUT = ROOT / "docs/reference.md"
IMPLEMENTED = HERE / "implemented.txt"

SCALARS = {
    "sfixed32": ("integer", "0"),
    "int32": ("integer", "0"),
    "fixed32": ("integer, not negative", "0"),
    "sfixed64": ("64-bit integer", "0"),
    "float": ("32-bit float", "0.0"),
    "double": ("float", "0.0"),
    "bool": ("bool", "false"),
    "string": ("text", '""'),
    "bytes": ("bytes", "empty"),
}


def read_notes(path):
    """notes.md: texts under second-level headings, which are names of events or of sections. What stands before the first is a comment."""
    notes = {}
    for section in re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
        title, _, text = section.partition("\n")
        title = title.strip()
        if title in notes:
            raise SystemExit(f"notes.md: {title} twice")
        notes[title] = text.strip()
    return notes


def read_implemented():
    lines = (line.strip() for line in IMPLEMENTED.read_text(encoding="utf-8").splitlines())
    return {line for line in lines if line and not line.startswith("#")}


class Reference:
    def __init__(self, icd, notes, implemented):
        self.enums = icd["enums"]
        self.messages = icd["messages"]
        self.events = sorted((e for e in icd["events"] if e["message"]), key=lambda e: e["name"])
        self.by_name = {e["name"]: e for e in self.events}
        if unknown := implemented - set(self.by_name):
            raise SystemExit(f"implemented.txt: no such events: {', '.join(sorted(unknown))}")
        self.implemented = implemented
        self.notes = notes
        self.used = set()

    def note(self, title):
        if title not in self.notes:
            raise SystemExit(f"notes.md: nothing about {title}")
        self.used.add(title)
        return self.notes[title]

    @staticmethod
    def method(event):
        return "carta." + event["name"].lower().replace("_", ".")

    @staticmethod
    def anchor(name):
        return re.sub(r"[^\w]", "", name.lower())

    def link(self, name):
        return f"[{name}](#{self.anchor(name)})"

    def type_and_default(self, field):
        kind = field["type"]
        if field["map"]:
            key, value = re.fullmatch(r"map<(\w+),([\w.]+)>", kind).groups()
            return f"map from {self.single(key)[0]} to {self.single(value)[0]}", "{}"
        text, default = self.single(kind)
        return (f"list of {text}", "[]") if field["repeated"] else (text, default)

    def single(self, kind):
        if kind in SCALARS:
            return SCALARS[kind]
        if kind in self.enums:
            first = next(name for name, number in self.enums[kind].items() if number == 0)
            return self.link(kind), first
        return self.link(kind), "unset"

    def fields(self, message):
        fields = self.messages[message]["fields"]
        if not fields:
            return "No fields."
        lines = ["| field | type | default | number |", "| --- | --- | --- | --- |"]
        for field in fields:
            kind, default = self.type_and_default(field)
            lines.append(f"| `{field['name']}` | {kind} | {default} | {field['number']} |")
        return "\n".join(lines)

    def call(self, event):
        if "reply" in event:
            reply = self.by_name[event["reply"]]
            answer = f"Answer: {self.link(reply['message'])} ({reply['name']})."
        else:
            answer = "Answer: null."
        return (f"### {self.method(event)}\n\n{event['name']}, event {event['number']}, message `{event['message']}`. {answer}\n\n"
                f"{self.note(event['name'])}\n\n{self.fields(event['message'])}\n")

    def topic(self, event):
        return (f"### {self.method(event)}\n\n{event['name']}, event {event['number']}, message `{event['message']}`.\n\n"
                f"{self.note(event['name'])}\n\n{self.fields(event['message'])}\n")

    def enum(self, name):
        lines = ["| name | number |", "| --- | --- |"]
        lines += [f"| `{value}` | {number} |" for value, number in self.enums[name].items()]
        return f"### {name}\n\n" + "\n".join(lines) + "\n"

    def reachable(self, roots):
        """The messages and enums that the fields of these messages lead to, themselves included."""
        messages, enums, waiting = set(), set(), sorted(roots)
        while waiting:
            name = waiting.pop()
            if name in messages:
                continue
            messages.add(name)
            for field in self.messages[name]["fields"]:
                for kind in re.findall(r"[\w.]+", field["type"]):
                    if kind in self.messages:
                        waiting.append(kind)
                    elif kind in self.enums:
                        enums.add(kind)
        return messages, enums

    def document(self):
        clients = [e for e in self.events if e["direction"] == "frontend->backend"]
        to_server = [e for e in clients if e["name"] in self.implemented]
        replies = {e["reply"] for e in clients if "reply" in e}
        topics = [e for e in self.events if e["direction"] == "backend->frontend" and e["name"] not in replies and e["name"] in self.implemented]
        own = {e["message"] for e in to_server + topics}
        answers = {self.by_name[e["reply"]]["message"] for e in to_server if "reply" in e}
        messages, enums = self.reachable(own | answers)
        parts = sorted(messages - own)
        out = ["<!-- Made by tools/reference/generate.py. Change tools/reference/notes.md, not this. -->\n# Reference for authors of clients\n",
               self.note("Introduction") + "\n",
               "## Calls\n", self.note("Calls") + "\n",
               *(self.call(e) for e in to_server),
               "## Topics\n", self.note("Topics") + "\n",
               *(self.topic(e) for e in topics),
               "## The server's own methods\n", self.note("Own methods") + "\n",
               "## Errors\n", self.note("Errors") + "\n",
               "## Answers and parts of messages\n",
               *(f"### {name}\n\n" + (self.note(name) + "\n\n" if name in self.notes else "") + self.fields(name) + "\n" for name in parts),
               "## Enums\n", self.note("Enums") + "\n",
               *(self.enum(name) for name in sorted(enums) if name != "EventType")]
        # What is said of events that are not implemented yet is kept for the day when they are.
        unused = set(self.notes) - self.used - set(self.by_name) - set(self.messages)
        if unused:
            raise SystemExit(f"notes.md: about nothing that there is: {', '.join(sorted(unused))}")
        return "\n".join(out)


def main():
    text = Reference(json.loads(ICD.read_text(encoding="utf-8")), read_notes(HERE / "notes.md"), read_implemented()).document()
    if sys.argv[1:] == ["--check"]:
        if not OUTPUT.exists() or OUTPUT.read_text(encoding="utf-8") != text:
            raise SystemExit("docs/reference.md is out of date: run tools/reference/generate.py")
    elif sys.argv[1:]:
        raise SystemExit("usage: generate.py [--check]")
    else:
        OUTPUT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
