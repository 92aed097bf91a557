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
    said, _ = process.communicate(timeout=600)
    return process.returncode, said


def reader_problem(found, whole, target):
    """What a reader would stumble over: a version whose manifest is there must be that version, whole, and so must
    current/ once it has the manifest of the version that it is brought to."""
    for name, files in whole.items():
        base = f"{PREFIX}/{name}/"
        there = {path[len(base):]: data for path, data in found.items() if path.startswith(base)}
        if "manifest.json" in there and there != files:
            return f"version {name} is announced and not whole"
        if any(files.get(path) != data for path, data in there.items()):
            return f"version {name} holds other bytes"
    base = f"{PREFIX}/current/"
    current = {path[len(base):]: data for path, data in found.items() if path.startswith(base)}
    if "manifest.json" not in current:
        return "current/ has lost its manifest"
    for path, data in current.items():
        if all(files.get(path) != data for files in whole.values()):
            return f"current/{path} is of no version"
    for name, files in whole.items():
        if current["manifest.json"] != files["manifest.json"]:
            continue
        if missing := sorted(set(files) - set(current)):
            return f"current/ has the manifest of {name} and not {missing}"
        if name == target and any(current[path] != data for path, data in files.items()):
            return f"current/ has the manifest of {name} and not all its bytes"
    return None


def kill_check(report, tt, server, client, bundles, kills=20, seed=1):
    """Publishes the second of two bundles over the first, and rolls back to the first, killed at random moments.

    `bundles` maps versions to their folders: the one that is current at first, and the one published.
    """
    old, new = bundles
    whole = {name: {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*")
                    if path.is_file() and not path.name.startswith(".")} for name, folder in bundles.items()}
    versions = {f"{PREFIX}/{name}/{path}": data for name, files in whole.items() for path, data in files.items()}
    expected = {name: {**versions, **{f"{PREFIX}/current/{path}": data for path, data in files.items()}}
                for name, files in whole.items()}
    commands = {new: ("--artifacts", bundles[new]), old: ("--rollback", old)}
    rng = random.Random(seed)
    # Requests are slowed a little, so that a kill meets them under way.
    slow = [{"match": {"path": "^/storage/v1/"}, "fault": "slow", "args": {"delay_s": 0.01}}]

    def reset():
        clear(client)
        status, said = finish(start(tt, server, "--artifacts", bundles[old]))
        assert status == 0, said

    reset()
    seconds = {}
    for target in (new, old):
        server.faults(slow)
        began = time.monotonic()
        status, said = finish(start(tt, server, *commands[target]))
        seconds[target] = time.monotonic() - began
        server.faults([])
        problem = said if status else None if snapshot(client) == expected[target] else "the objects differ"
        report.check(f"an undisturbed run ends with {target} as current", problem)
    killed, tries, states = 0, 0, set()
    while killed < kills and tries < 4 * kills:
        target = new if tries % 2 == 0 else old
        tries += 1
        if target == new:
            reset()
        server.faults(slow)
        process = start(tt, server, *commands[target])
        time.sleep(rng.uniform(0, seconds[target]))
        process.send_signal(signal.SIGKILL)
        finish(process)
        server.faults([])
        was_killed = process.returncode == -signal.SIGKILL
        if not was_killed:
            seconds[target] *= 0.9  # the machine may have been busier when the time was taken
        found = snapshot(client)
        problem = reader_problem(found, whole, target)
        status, said = finish(start(tt, server, *commands[target]))
        if not problem and status:
            problem = f"the rerun failed: {said}"
        if not problem and snapshot(client) != expected[target]:
            problem = "the objects differ from those of an undisturbed run"
        if was_killed or problem:
            killed += 1
            states.add((target, sum(found.get(path) == data for path, data in expected[target].items())))
            report.check(f"killed on the way to {target} ({killed}), read, and run again", problem)
    report.check(f"{kills} runs were killed, in different states",
                 None if killed == kills and len(states) > 3 else f"{killed} killed, states {sorted(states)}")
