"""Kills syncs at random moments (SIGKILL): every table is then as it was or complete, videos together with their names,
and a second run leaves what a run that nobody disturbed leaves. For checks that have a development server at hand."""

import random
import shutil
import subprocess
import time

from dev_server import ROOT, difference, environment, leftovers, local_rows

TOGETHER = (("profiles",), ("videos", "video_tags", "video_performers"), ("user_video_decisions",))
RUNS_PER_KILL = 4


class Course:
    """A sync into a target that starts as a copy of `before`."""

    def __init__(self, server, tt, kind, before, folder, arguments):
        self.server, self.kind, self.before, self.folder = server, kind, before, folder
        self.target = f"sqlite:{folder}/killed.sqlite" if kind == "sqlite" else None
        self.words = [tt, ROOT / "lua/pull_remote.lua", *arguments]

    def begin(self):
        if self.kind == "sqlite":
            for path in self.folder.glob("killed.sqlite*"):
                path.unlink()
            shutil.copy(self.before[7:], self.target[7:])
        else:
            self.target = self.server.new_database("killed", template=self.before)

    def start(self):
        return subprocess.Popen([*self.words, "--db", self.target], env=environment(self.server),
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def kill(self, after):
        """True when the process was still at work."""
        process = self.start()
        time.sleep(after)
        at_work = process.poll() is None
        process.kill()
        process.communicate()
        while self.kind != "sqlite" and self.server.db.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = 'killed'").fetchone()[0]:
            time.sleep(0.02)  # the server may still be at the statement that was under way
        return at_work

    def finish(self):
        process = self.start()
        said, _ = process.communicate(timeout=600)
        if process.returncode:
            raise RuntimeError(f"exit status {process.returncode}: {said}")
        return said


def torn(found, before, after):
    """The first group of tables that is neither as it was nor complete, and how many are complete."""
    complete = 0
    for group in TOGETHER:
        now = {name: found[name] for name in group}
        if now == {name: after[name] for name in group}:
            complete += 1
        elif now != {name: before[name] for name in group}:
            return group, complete
    return None, complete


def kill_syncs(report, server, tt, kind, before, folder, arguments, kills, seed=1):
    """Syncs over copies of `before`, killed at a random moment, some of them twice, each followed by a run to the end."""
    rng = random.Random(seed)
    course = Course(server, tt, kind, before, folder, arguments)
    rows_before = local_rows(before)[0]
    course.begin()
    began = time.monotonic()
    course.finish()
    seconds = time.monotonic() - began
    expected = local_rows(course.target)[0]
    done = runs = went_on = partly = 0
    problem = None
    while done < kills and not problem and runs < kills * RUNS_PER_KILL:
        runs += 1
        course.begin()
        # More often towards the end, when tables are applied one after the other.
        hit = course.kill(seconds * rng.uniform(0, 1.1) if rng.random() < 0.5 else seconds * rng.uniform(0.7, 1.1))
        if hit and rng.random() < 0.3:
            done += course.kill(rng.uniform(0, seconds))
        done += hit
        if not hit:
            seconds *= 0.9  # the machine may have been busier when the time was taken
        group, complete = torn(local_rows(course.target)[0], rows_before, expected)
        partly += 0 < complete < len(TOGETHER)
        if group:
            problem = f"a killed run left {', '.join(group)} half-way"
            break
        went_on += "going on with an interrupted sync" in course.finish()
        problem = difference(expected, local_rows(course.target)[0])
        if not problem and leftovers(course.target):
            problem = f"left behind: {leftovers(course.target)}"
    if not problem and done < kills:
        problem = f"only {done} of {runs} runs could be killed in their {seconds:.2f} s"
    if not problem and not went_on:
        problem = "no run went on where a killed one had stopped"
    report.check(f"{kind}: {done} killed syncs, {went_on} of {runs} gone on with, {partly} between two tables, leave what "
                 "an undisturbed one leaves", problem)
    return done
