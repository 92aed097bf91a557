"""What the checks share: tt of the command line, running it, and a count."""

import argparse
import pathlib
import subprocess
import sys


class Check:
    """Counts and prints checks."""

    def __init__(self):
        self.failed = self.passed = self.skipped = 0

    def __call__(self, name, good, note=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
        told = f": {str(note)[:1000]}" if note != "" and not good else ""
        print(("ok    " if good else "FAIL  ") + name + told, flush=True)

    def same(self, name, found, wanted):
        self(name, found == wanted, f"{found!r} instead of {wanted!r}")

    def skip(self, name, reason):
        self.skipped += 1
        print(f"skip  {name}: {reason}", flush=True)

    def close(self, what):
        """Prints the count; the exit status."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{what}: {self.passed} checks passed, {self.failed} failed{skipped}")
        return 1 if self.failed or not self.passed else 0


def parser(documentation):
    found = argparse.ArgumentParser(description=documentation.splitlines()[0])
    found.add_argument("--tt", required=True, help="the tt binary", type=lambda path: str(pathlib.Path(path).resolve()))
    return found


def run(tt, *words, **more):
    """What tt prints; leaves when it fails."""
    done = subprocess.run([tt, *map(str, words)], capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"tt {words[0]} failed with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def run_script(tt, folder, code, *words):
    """What a script prints, given as text."""
    path = pathlib.Path(folder) / "script.lua"
    path.write_text(code)
    return run(tt, path, *words)
