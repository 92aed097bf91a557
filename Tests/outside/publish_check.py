"""Publishes bundles with tt and reads the bucket with the official supabase client.

    python Tests/outside/publish_check.py --tt PATH_TO_TT [--kills N]

From an empty bucket: publish, list, verify, a second version, roll back, prune, refusals; a reader that polls current/
all the while; two publishers at once; runs killed at random moments. Every object is downloaded by the client and its
digest compared. Prints a line per check and a closing line; exit status 1 when one failed.
"""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

import pyarrow.parquet
import supabase

import common
from dev_server import ROOT, DevServer, Report, run
from publish_kill import BUCKET, PREFIX, clear, finish, kill_check, objects_below, start

SMALL = ("--set", "training.epochs=1", "--set", "artifacts.embedding_dim=8", "--set", "training.batch_size=256")
CACHE = {"version": "max-age=31536000", "current": "max-age=60", "pointer": "no-cache"}


def digest(data):
    return hashlib.sha256(data).hexdigest()


def make_bundles(tt, folder):
    """Two bundles of one database; the second one carries a file that goes in pieces."""
    def tt_run(script, *arguments):
        subprocess.run([tt, ROOT / "lua" / script, *map(str, arguments)], check=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)

    database = f"sqlite:{folder / 'demo.sqlite'}"
    tt_run("demo.lua", "--db", database, "--users", 60, "--videos", 120, "--decisions", 1500)
    bundles = {}
    for seed, version in enumerate(("one", "two")):
        bundles[version] = folder / version
        tt_run("pipeline.lua", "--db", database, "--artifacts", folder / version, "--checkpoint", folder / "latest.pt",
               "--version", version, "--set", f"seed={seed}", *SMALL)
    (folder / "two/ort-wasm-simd-threaded.wasm").write_bytes(b"\0asm" * 1_700_000)
    (folder / "two/ort-wasm-simd-threaded.mjs").write_text("export default 1;\n")
    tt_run("build_manifest.lua", "--artifacts-dir", folder / "two", "--version", "two")
    return bundles


class Poller(threading.Thread):
    """A reader without a key: the manifest, then every file it lists, again and again."""

    def __init__(self, url, bundles):
        super().__init__(daemon=True)
        self.base = f"{url}/storage/v1/object/public/{BUCKET}/{PREFIX}"
        self.manifests = {name: digest((folder / "manifest.json").read_bytes()) for name, folder in bundles.items()}
        # The version that current/ is brought to: once its manifest is there, so are all its files.
        self.target = "two"
        self.known = {digest(path.read_bytes()) for folder in bundles.values() for path in folder.rglob("*")
                      if path.is_file()}
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.done = threading.Event()
        self.problem, self.rounds, self.seen = None, 0, set()

    def get(self, path):
        try:
            with self.opener.open(f"{self.base}/{path}") as answer:
                return answer.read()
        except urllib.error.HTTPError:
            return None

    def look(self):
        target, manifest = self.target, self.get("current/manifest.json")
        if manifest is None:
            return None
        self.seen.add(digest(manifest))
        files = {entry["path"]: entry["sha256"] for entry in json.loads(manifest)["files"]}
        found = {path: self.get(f"current/{path}") for path in files}
        stays = self.get("current/manifest.json") == manifest
        for path, data in found.items():
            if data is None and stays:
                return f"{path} is listed and not there"
            if data is not None and digest(data) not in self.known:
                return f"{path} is of no version"
            is_target = digest(manifest) == self.manifests[target] and target == self.target
            if is_target and stays and digest(data) != files[path]:
                return f"{path} is not the new manifest's"
        # A version that has a manifest is whole from then on.
        manifest = self.get("two/manifest.json")
        for entry in json.loads(manifest)["files"] if manifest else ():
            data = self.get("two/" + entry["path"])
            if data is None or digest(data) != entry["sha256"]:
                return f"two/{entry['path']} is announced and not whole"
        return None

    def run(self):
        while not self.done.is_set() and not self.problem:
            self.problem = self.look()
            self.rounds += 1

    def end(self):
        self.done.set()
        self.join(30)
        return self.problem


class Check:
    def __init__(self, tt, server, report, bundles, folder):
        self.tt, self.server, self.report, self.bundles, self.folder = tt, server, report, bundles, folder
        self.client = supabase.create_client(server.url, server.key)
        self.public = supabase.create_client(server.url, server.env["SUPABASE_ANON_KEY"])
        self.said = []

    def publish(self, *arguments, **more):
        status, said = run(self.tt, self.server, "publish.lua", *map(str, arguments), **more)
        self.said.append(said)
        return status, said

    def well(self, name, *arguments):
        status, said = self.publish(*arguments)
        self.report.check(name, f"exit status {status}: {said}" if status else None)
        return said

    def refused(self, name, words, *arguments, status=1):
        code, said = self.publish(*arguments)
        self.report.check(name, None if code == status and words in said else f"exit status {code}: {said}")

    def holds(self, name, **expected):
        """The folders of the bucket, by the client: exactly the files of these bundles, under these names."""
        problem = None
        there = {path.split("/")[2] for path in objects_below(self.client, PREFIX)}
        if there != set(expected):
            problem = f"there are {sorted(there)}, not {sorted(expected)}"
        for prefix, version in expected.items():
            files = {path.relative_to(self.bundles[version]).as_posix(): path.read_bytes()
                     for path in self.bundles[version].rglob("*") if path.is_file() and not path.name.startswith(".")}
            base = f"{PREFIX}/{prefix}"
            paths = {path[len(base) + 1:] for path in objects_below(self.client, base)}
            if paths != set(files):
                problem = problem or f"{prefix}: {sorted(paths ^ set(files))}"
            for path in paths & set(files):
                data = self.client.storage.from_(BUCKET).download(f"{base}/{path}")
                if digest(data) != digest(files[path]):
                    problem = problem or f"{prefix}/{path} differs"
                info = self.client.storage.from_(BUCKET).info(f"{base}/{path}")
                kind = "pointer" if (prefix, path) == ("current", "manifest.json") else \
                    "current" if prefix == "current" else "version"
                if info["cache_control"] != CACHE[kind]:
                    problem = problem or f"{prefix}/{path} has cache control {info['cache_control']}"
        self.report.check(name, problem)

    # ---- the courses

    def course(self):
        one, two = (self.bundles[name] for name in ("one", "two"))
        self.refused("nothing is there to roll back to", "no version 'one'", "--rollback", "one")
        said = self.well("a dry run sends nothing", "--artifacts", one, "--dry-run")
        self.report.check("a dry run tells the objects", None if f"{PREFIX}/current/manifest.json" in said else said)
        self.well("publishing into an empty project", "--artifacts", one)
        self.holds("the first version and current/ are the bundle", one="one", current="one")
        said = self.well("publishing the same again", "--artifacts", one)
        self.report.check("which sends nothing", None if "nothing is sent" in said else said)
        self.well("a second version", "--artifacts", two)
        self.holds("both versions, and the second is current", one="one", two="two", current="two")
        self.anonymous()
        said = self.well("the list", "--list", "--json")
        value = json.loads(said)
        self.report.check("the list knows both, and which is current", None if value["current"] == "two" and
                          sorted(entry["version"] for entry in value["versions"] if entry["complete"]) == ["one", "two"]
                          else said)
        for name in ("current", "one", f"{self.server.url}/storage/v1/object/public/{BUCKET}/{PREFIX}/two"):
            self.well(f"verify {name.rpartition('/')[2]}", "--verify", name)
        self.overwriting(one)
        self.well("rolling back", "--rollback", "one")
        self.holds("the first is current again, without the second's files", one="one", two="two", current="one")
        self.refused("rolling back to what is not there", "no version 'three'", "--rollback", "three")
        self.refused("two actions at once", "exclude each other", "--list", "--prune", "1", status=2)
        self.vectors()
        self.well("forward again", "--rollback", "two")
        self.pruning()

    def vectors(self):
        """--embeddings stores the vectors of the version that becomes current."""
        for name, arguments in (("two", ("--artifacts", self.bundles["two"])), ("one", ("--rollback", "one"))):
            self.well(f"a dry run with the vectors of {name}", *arguments, "--embeddings", "--dry-run")
            self.well(f"{name} with its vectors", *arguments, "--embeddings")
            rows = pyarrow.parquet.read_table(self.bundles[name] / "video_embeddings.parquet").to_pylist()
            expected = {row["video_id"]: row["embedding"] for row in rows}
            found = {str(video): json.loads(vector) for video, vector in self.server.db.execute(
                "SELECT video_id, embedding::text FROM video_embeddings").fetchall()}
            is_same = found.keys() == expected.keys() and all(
                max(abs(a - b) for a, b in zip(found[video], expected[video])) < 1e-6 for video in expected)
            self.report.check(f"the table holds the vectors of {name}", None if is_same else f"{len(found)} others")

    def anonymous(self):
        """Everybody may read, nobody else may write."""
        problem = None
        url = self.public.storage.from_(BUCKET).get_public_url(f"{PREFIX}/current/model_meta.json")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as answer:
            if answer.read() != (self.bundles["two"] / "model_meta.json").read_bytes():
                problem = "the public address gives other bytes"
        self.report.check("everybody reads current/", problem)
        self.refused("the public key is refused", "role is 'anon'", "--artifacts", self.bundles["one"],
                     "--service-role-key", self.server.env["SUPABASE_ANON_KEY"], status=2)

    def overwriting(self, one):
        other = self.folder / "other"
        shutil.copytree(one, other)
        (other / "note.txt").write_text("changed\n")
        subprocess.run([self.tt, ROOT / "lua/build_manifest.lua", "--artifacts-dir", other, "--version", "one"],
                       check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.refused("a version is not overwritten", "already in the bucket with other bytes", "--artifacts", other)
        (other / "normalizer.json").write_text("{}")
        self.refused("a bundle that is not whole is not published", "normalizer.json", "--artifacts", other)
        self.holds("nothing has changed", one="one", two="two", current="two")

    def pruning(self):
        said = self.well("a dry run of prune", "--prune", "1", "--dry-run")
        self.holds("removes nothing", one="one", two="two", current="two")
        self.report.check("and names the version", None if said.rstrip().endswith("one") else said)
        self.well("prune", "--prune", "1")
        self.holds("only the newest is left", two="two", current="two")

    def concurrent(self):
        """A reader polls while publishers replace what it reads."""
        clear(self.client)
        self.well("for the reader: a version", "--artifacts", self.bundles["one"])
        self.server.faults([{"match": {"method": "POST", "path": "^/storage/v1/(object/model|upload)"}, "fault": "slow",
                             "args": {"delay_s": 0.1}}])
        poller = Poller(self.server.url, self.bundles)
        poller.start()
        self.well("a version while a reader polls", "--artifacts", self.bundles["two"])
        for version in ("one", "two"):
            poller.target = version
            self.well("rolling back and forth", "--rollback", version)
        problem = poller.end()
        self.server.faults([])
        self.report.check("the reader saw whole things", problem or (
            None if poller.rounds > 3 and len(poller.seen) == 2 else f"{poller.rounds} rounds, {len(poller.seen)} seen"))

        clear(self.client)
        copies = []
        for index in range(3):
            copies.append(self.folder / f"copy{index}")
            shutil.copytree(self.bundles["two"], copies[-1])
        ended = [finish(process) for process in [start(self.tt, self.server, "--artifacts", copy) for copy in copies]]
        self.report.check("three publishers of the same bundle at once", "\n".join(
            said for status, said in ended if status) or None)
        self.holds("leave it whole", two="two", current="two")

    def secrets(self):
        found = [said for said in self.said if self.server.key in said]
        paths = objects_below(self.client, PREFIX)
        for path in paths:
            if self.server.key.encode() in self.client.storage.from_(BUCKET).download(path):
                found.append(path)
        self.report.check("the key is in no output and no object", found[0] if found or not paths else None)


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--kills", type=int, default=18)
    options = parser.parse_args()
    tt = options.tt
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        bundles = make_bundles(tt, folder)
        with DevServer(folder, "--dim", "8") as server:
            check = Check(tt, server, report, bundles, folder)
            check.course()
            check.concurrent()
            check.secrets()
            kill_check(report, tt, server, check.client, bundles, kills=options.kills)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
