"""Kills a publisher at random moments: whatever was left is completed by a rerun, and equals an undisturbed run.

`kill_check` takes what it needs, so that other checks can call it; publish_check.py does.
"""

import random
import signal
import subprocess
import time

from dev_server import ROOT, environment

BUCKET, PREFIX = "model-artifacts", "two-tower/v3"


def objects_below(client, prefix):
    """Paths of all objects below a prefix, by the official client."""
    found, offset = [], 0
    while page := client.storage.from_(BUCKET).list(prefix, {"limit": 100, "offset": offset}):
        for entry in page:
            path = f"{prefix}/{entry['name']}"
            found += [path] if entry["id"] else objects_below(client, path)
        offset += len(page)
    return found


def snapshot(client, prefix=PREFIX):
    """All objects with their bytes."""
    bucket = client.storage.from_(BUCKET)
    return {path: bucket.download(path) for path in objects_below(client, prefix)}


def clear(client):
    paths = objects_below(client, PREFIX)
    for first in range(0, len(paths), 100):
        client.storage.from_(BUCKET).remove(paths[first:first + 100])


def start(tt, server, *arguments):
    return subprocess.Popen([tt, ROOT / "lua/publish.lua", *map(str, arguments)], env=environment(server),
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process):
    said, _ = process.communicate(timeout=120)
    return process.returncode, said


def reader_problem(found, whole):
    """What a reader would stumble over: a version whose manifest is there must be that version, whole."""
    for name, files in whole.items():
        base = f"{PREFIX}/{name}/"
        there = {path[len(base):]: data for path, data in found.items() if path.startswith(base)}
        if "manifest.json" in there and there != files:
            return f"version {name} is announced and not whole"
        if any(files.get(path) != data for path, data in there.items()):
            return f"version {name} holds other bytes"
    current = {path[len(PREFIX) + 9:]: data for path, data in found.items() if path.startswith(f"{PREFIX}/current/")}
    manifest = current.get("manifest.json")
    newest = list(whole.values())[-1]
    if manifest == newest["manifest.json"] and any(current.get(path) != data for path, data in newest.items()):
        return "current/ has the new manifest and not all its files"
    for path, data in current.items():
        if all(files.get(path) != data for files in whole.values()):
            return f"current/{path} is of no version"
    return None


def kill_check(report, tt, server, client, bundles, kills=20, seed=1):
    """Publishes the second of two bundles over the first, killed at a random moment each time.

    `bundles` maps versions to their folders: the one that is current at first, and the one published.
    """
    old, new = bundles
    whole = {name: {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*")
                    if path.is_file() and not path.name.startswith(".")} for name, folder in bundles.items()}
    rng = random.Random(seed)

    def reset():
        clear(client)
        status, said = finish(start(tt, server, "--artifacts", bundles[old]))
        assert status == 0, said

    # Requests are slowed a little, so that a kill meets them under way.
    slow = [{"match": {"path": "^/storage/v1/"}, "fault": "slow", "args": {"delay_s": 0.01}}]
    reset()
    server.faults(slow)
    began = time.monotonic()
    status, said = finish(start(tt, server, "--artifacts", bundles[new]))
    assert status == 0, said
    seconds = time.monotonic() - began
    server.faults([])
    expected = snapshot(client)
    report.check("an undisturbed run leaves both versions and the new one as current",
                 None if expected == {**{f"{PREFIX}/{name}/{path}": data for name, files in whole.items()
                                         for path, data in files.items()},
                                      **{f"{PREFIX}/current/{path}": data for path, data in whole[new].items()}}
                 else "the objects differ")
    killed, moments = 0, set()
    for attempt in range(3 * kills):
        if killed == kills:
            break
        reset()
        server.faults(slow)
        process = start(tt, server, "--artifacts", bundles[new])
        time.sleep(rng.uniform(0, seconds))
        process.send_signal(signal.SIGKILL)
        finish(process)
        server.faults([])
        if process.returncode != -signal.SIGKILL:
            continue
        killed += 1
        found = snapshot(client)
        moments.add(len(set(found.items()) & set(expected.items())) - len(whole[old]))
        problem = reader_problem(found, whole)
        status, said = finish(start(tt, server, "--artifacts", bundles[new]))
        if not problem and status:
            problem = f"the rerun failed: {said}"
        if not problem and snapshot(client) != expected:
            problem = "the objects differ from those of an undisturbed run"
        report.check(f"killed ({killed}), read, and run again", problem)
    report.check(f"{kills} runs were killed, at different moments",
                 None if killed == kills and len(moments) > 3 else f"{killed} killed, states {sorted(moments)}")
