"""Checks frames read from JSON and written as JSON against Python's json and numpy.

    python Tests/outside/json_check.py --tt PATH_TO_TT [--seed N]

Random pages in many shapes, written by Python with random spacing, escapes and member order, must give the values
Python reads; what tt writes must be what Python's own writer and numpy's float32 texts give. Values that are not of
their column's type must be refused by row and column. Needs numpy. Prints a line per check and a closing line; exit
status 1 when one failed.
"""

import datetime as dt
import json
import math
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import uuid

import numpy

import common

TYPES = ["uuid", "timestamp", "float64", "float32", "int64", "bool", "string", "list<string>", "list<float32>", "json"]
ALPHABET = list("abc \"\\/\n\t\r\b\f\0\x01\x1f\x7f") + ["é", "日", "本", "\u2028", "\uffff", "😀", "\U0010ffff"]

SCRIPT = """
local null = tt.json.null
for _, job in ipairs(tt.json.read(arg[1])) do
    local ok, result = pcall(function()
        local columns = {}
        for index, column in ipairs(job.columns) do
            columns[index] = { column[1], column[2], path = column[3] ~= null and column[3] or nil }
        end
        local frame = tt.frame.from_json(tt.fs.read(job.source), { columns = columns })
        tt.fs.write(job.target, frame:to_json { json = job.json })
        return #frame
    end)
    if not ok then
        local details = result.details or {}
        tt.json.write(job.target, { code = result.code, row = details.row, column = details.column,
            message = result.message })
    end
end
"""


class Text:
    """Writes a value as JSON text with random spacing and escapes."""

    def __init__(self, rng):
        self.rng = rng

    def space(self):
        return self.rng.choice(["", "", "", " ", "\n", "\t ", "\r\n"])

    def string(self, text):
        parts = []
        for char in text:
            code = ord(char)
            if char in '"\\' or code < 0x20 or self.rng.random() < 0.1:
                short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f",
                         "/": "\\/"}.get(char)
                if short and self.rng.random() < 0.7:
                    parts.append(short)
                elif code > 0xFFFF:
                    high, low = struct.unpack(">HH", char.encode("utf-16-be"))
                    parts.append("\\u%04x\\u%04X" % (high, low))
                else:
                    parts.append("\\u%04X" % code)
            else:
                parts.append(char)
        return '"' + "".join(parts) + '"'

    def value(self, value):
        if isinstance(value, dict):
            members = [self.space() + self.string(k) + self.space() + ":" + self.value(v) for k, v in value.items()]
            return self.space() + "{" + ",".join(members) + self.space() + "}" + self.space()
        if isinstance(value, list):
            return self.space() + "[" + ",".join(self.value(v) for v in value) + self.space() + "]" + self.space()
        text = self.string(value) if isinstance(value, str) else json.dumps(value)
        return self.space() + text + self.space()


def random_text(rng, most=20):
    return "".join(rng.choice(ALPHABET) for _ in range(rng.randrange(most)))


def random_float(rng):
    while True:
        value = rng.choice([
            rng.random(), rng.uniform(-1e6, 1e6), float(rng.randrange(-1000, 1000)), 10.0 ** rng.randrange(-20, 20),
            struct.unpack("<d", rng.randbytes(8))[0], -0.0,
        ])
        if math.isfinite(value):
            return value


def random_float32(rng):
    while True:
        value = numpy.frombuffer(rng.randbytes(4), numpy.float32)[0] if rng.random() < 0.5 else numpy.float32(rng.gauss(0, 1))
        if numpy.isfinite(value):
            return value


def random_plain(rng, depth=0):
    kind = rng.randrange(8 if depth < 3 else 6)
    if kind < 2:
        return random_text(rng)
    if kind == 6:
        return [random_plain(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 7:
        return {random_text(rng).replace("\0", "0"): random_plain(rng, depth + 1) for _ in range(rng.randrange(4))}
    return [None, True, rng.randrange(-(2**63), 2**63), random_float(rng)][kind - 2]


def cell(rng, kind):
    """A value as it stands in the page, and as it is expected back."""
    if rng.random() < 0.15:
        return None, None
    if kind == "uuid":
        value = str(uuid.UUID(int=rng.getrandbits(128)))
        return rng.choice([value, value.upper()]), value
    if kind == "timestamp":
        if rng.random() < 0.1:
            return rng.choice(["infinity", "-infinity"]), None
        moment = dt.datetime(1900, 1, 1, tzinfo=dt.timezone.utc) + dt.timedelta(microseconds=rng.randrange(10**16))
        if rng.random() < 0.3:
            moment = moment.replace(microsecond=0)
        zone = dt.timezone(dt.timedelta(minutes=rng.choice([0, 0, 540, -330])))
        expected = moment.strftime("%Y-%m-%dT%H:%M:%S") + (".%06d" % moment.microsecond if moment.microsecond else "") + "Z"
        return moment.astimezone(zone).isoformat(sep=rng.choice("T ")), expected
    if kind == "float64":
        if rng.random() < 0.1:
            return rng.choice(["NaN", "Infinity", "-Infinity", " nan "]), None
        value = random_float(rng)
        return rng.choice([value, repr(value)]), value
    if kind == "float32":
        value = random_float32(rng)
        written = rng.choice([float(str(value)), str(value), float(value)])
        return written, value
    if kind == "int64":
        value = rng.randrange(-(2**63), 2**63) if rng.random() < 0.5 else rng.randrange(-1000, 1000)
        return rng.choice([value, str(value)] + ([float(value)] if abs(value) < 2**53 else [])), value
    if kind == "bool":
        value = rng.random() < 0.5
        return value, value
    if kind == "string":
        value = random_text(rng)
        return value, value
    if kind == "list<string>":
        value = [None if rng.random() < 0.1 else random_text(rng) for _ in range(rng.randrange(5))]
        return value, value
    if kind == "list<float32>":
        value = [random_float32(rng) for _ in range(rng.randrange(6))]
        if rng.random() < 0.5:
            return "[" + ",".join(str(v) for v in value) + "]", value
        return [float(str(v)) for v in value], value
    value = random_plain(rng)
    return value, value


def same(a, b):
    """Equal in value and kind; what is expected as float32 must have been written as its shortest text."""
    if isinstance(b, numpy.floating):
        return isinstance(a, float) and numpy.float32(a) == b and len(digits(repr(a))) <= len(digits(str(b)))
    if isinstance(b, list):
        return isinstance(a, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(b, dict):
        return isinstance(a, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in b)
    if isinstance(b, float):
        return isinstance(a, float) and struct.pack("<d", a) == struct.pack("<d", b)
    return type(a) is type(b) and a == b


def digits(text):
    """The significant digits of a number's text."""
    return "".join(c for c in text.lower().split("e")[0] if c.isdigit()).strip("0")


def make_page(rng, rows):
    columns = [["%s%d" % (random_text(rng, 6).replace("\0", "0"), index), rng.choice(TYPES)] for index in range(rng.randrange(1, 9))]
    names = [name for name, _ in columns]
    page, expected = [], []
    for _ in range(rows):
        row, wanted = {}, {}
        for name, kind in columns:
            given, back = cell(rng, kind)
            wanted[name] = back
            if given is not None or rng.random() < 0.5:
                row[name] = given
        if rng.random() < 0.3:
            row["ignored"] = random_plain(rng)
        if rng.random() < 0.2:
            members = list(row.items())
            rng.shuffle(members)
            row = dict(members)
        page.append(row)
        expected.append(wanted)
    return columns, names, page, expected


def nested_page(rng, rows):
    page, expected = [], []
    for number in range(rows):
        links = rng.choice([None, [], [rng.choice([None, {}, {"tag": None}, {"tag": {"name": None}},
                                                   {"tag": {"other": [1], "name": random_text(rng)}}])
                                       for _ in range(rng.randrange(6))]])
        inner = rng.choice([None, {}, {"b": None}, {"b": number}])
        page.append({"links": links, "a": inner})
        names = None if links is None else [l["tag"]["name"] for l in links
                                            if l and l.get("tag") and l["tag"].get("name") is not None]
        expected.append({"names": names, "b": (inner or {}).get("b"), "raw": links})
    return [["names", "list<string>", "links[].tag.name"], ["b", "int64", "a.b"], ["raw", "json", "links"]], page, expected


WRONG = {
    "uuid": [5, "x", True, [], {}], "timestamp": [5, "yesterday", "2025-13-01", True, {}], "float64": ["x", True, [], "1,5", ""],
    "float32": ["x", False, {}, 1e39], "int64": [0.5, "0.5", "x", True, 2**63, 1e300], "bool": [0, 1, "true", []],
    "string": [True, [], {}], "list<string>": ["x", {}, 5, [True], [[]]], "list<float32>": [["x"], "x", "[1,x]", {}, 5, [[]]],
}


class Run:
    def __init__(self, options, folder):
        self.options, self.folder, self.jobs, self.failed = options, folder, [], 0

    def add(self, label, columns, text, check):
        stem = self.folder / str(len(self.jobs))
        stem.with_suffix(".in").write_bytes(text.encode("utf-8", "surrogatepass"))
        self.jobs.append({
            "label": label, "check": check, "source": str(stem.with_suffix(".in")), "target": str(stem.with_suffix(".out")),
            "columns": [c + [None] * (3 - len(c)) for c in columns], "json": [c[0] for c in columns if c[1] == "json"],
        })

    def finish(self):
        script, jobs = self.folder / "run.lua", self.folder / "jobs.json"
        script.write_text(SCRIPT)
        jobs.write_text(json.dumps([{k: v for k, v in job.items() if k not in ("label", "check")} for job in self.jobs]))
        subprocess.run([self.options.tt, str(script), str(jobs)], check=True)
        counts = {}
        for job in self.jobs:
            raw = pathlib.Path(job["target"]).read_bytes()
            problem = job["check"](raw)
            fine, total = counts.get(job["label"], (0, 0))
            counts[job["label"]] = (fine + (problem is None), total + 1)
            if problem is not None:
                self.failed += 1
                if self.failed <= 5:
                    print("FAILED: %s (%s)\n  %s" % (job["label"], job["source"], problem[:600]))
        for label, (fine, total) in counts.items():
            print("%s: %d of %d" % (label, fine, total))


def rows_check(expected):
    def check(raw):
        text = raw.decode("utf-8")
        got = json.loads(text)
        if isinstance(got, dict):
            return "refused: %s" % got
        if len(got) != len(expected):
            return "%d rows, expected %d" % (len(got), len(expected))
        for number, (a, b) in enumerate(zip(got, expected)):
            if not same(a, b):
                return "row %d: %r, expected %r" % (number + 1, a, b)
        return None

    return check


def refusal_check(row, column):
    def check(raw):
        got = json.loads(raw)
        if isinstance(got, list):
            return "was read: %r" % got
        if (got.get("code"), got.get("row"), got.get("column")) != ("json.column", row, column):
            return "refused as %r" % got
        return None

    return check


def exact_check(expected):
    """Byte for byte what Python's writer gives."""
    def check(raw):
        return None if raw == expected else "%r, expected %r" % (raw, expected)

    return check


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--seed", type=int, default=20250131)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    text = Text(rng)
    with tempfile.TemporaryDirectory() as name:
        run = Run(options, pathlib.Path(name))
        for _ in range(400):
            columns, _, page, expected = make_page(rng, rng.randrange(12))
            run.add("pages of random rows", columns, text.value(page), rows_check(expected))
        for _ in range(100):
            columns, page, expected = nested_page(rng, rng.randrange(12))
            run.add("values further inside", columns, text.value(page), rows_check(expected))
        for kind, values in WRONG.items():
            for value in values:
                page = [{"a": 1}, {"b": value, "a": 2}]
                run.add("values of another type", [["a", "int64"], ["b", kind]], text.value(page), refusal_check(2, "b"))
        for _ in range(50):
            page = [{"n": rng.randrange(-(2**63), 2**63), "s": random_text(rng), "l": [random_text(rng)], "o": rng.random() < 0.5}
                    for _ in range(10)]
            columns = [["n", "int64"], ["s", "string"], ["l", "list<string>"], ["o", "bool"]]
            expected = json.dumps(page, ensure_ascii=False, separators=(",", ":")).encode()
            run.add("texts equal to Python's", columns, text.value(page), exact_check(expected))
        run.finish()
    print("json check passed" if run.failed == 0 else "json check FAILED: %d" % run.failed)
    sys.exit(1 if run.failed else 0)


main()
