"""Kills uploads and backfills at random moments (SIGKILL) and lets a second run finish: the rows must be those of a run
that nobody disturbed. For checks that have a development server and a bundle at hand."""

import json
import pathlib
import random
import subprocess
import time

from dev_server import ROOT, environment

ATTEMPTS_PER_KILL = 4


def stored(server):
    return dict(server.db.execute("SELECT video_id::text, embedding::text FROM video_embeddings"))


def count(server):
    return server.db.execute("SELECT count(*) FROM video_embeddings").fetchone()[0]


class Course:
    """A command that is started over and over on an empty table, and killed."""

    def __init__(self, server, tt, arguments, folder, cwd=None):
        self.server, self.folder, self.cwd = server, pathlib.Path(folder), cwd
        self.words = [tt, *map(str, arguments), "--log-json"]

    def begin(self):
        self.server.db.execute("TRUNCATE video_embeddings")
        for journal in self.folder.glob(".*.journal"):
            journal.unlink()

    def start(self):
        return subprocess.Popen(self.words, env=environment(self.server), cwd=self.cwd, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def finish(self):
        """Runs to the end; the log's last line."""
        process = self.start()
        said, _ = process.communicate(timeout=600)
        if process.returncode:
            raise RuntimeError(f"exit status {process.returncode}: {said}")
        return json.loads(said.strip().splitlines()[-1])

    def kill(self, after):
        """True when the process was still at work."""
        process = self.start()
        time.sleep(after)
        at_work = process.poll() is None
        process.kill()
        process.communicate()
        return at_work


def killed(report, name, course, kills, seed, atomic=False):
    """Kills `kills` runs, some of them twice, each followed by a run to the end. `atomic`: a killed run leaves nothing
    or everything."""
    rng = random.Random(seed)
    course.begin()
    began = time.monotonic()
    course.finish()
    seconds = time.monotonic() - began
    expected = stored(course.server)
    done = partly = attempts = 0
    problem = None
    while done < kills and not problem and attempts < kills * ATTEMPTS_PER_KILL:
        attempts += 1
        course.begin()
        hit = course.kill(rng.uniform(0, seconds))
        if hit and rng.random() < 0.3:
            done += course.kill(rng.uniform(0, seconds))
        done += hit
        if not hit:
            seconds *= 0.9  # the machine may have been busier when the time was taken
        if atomic:
            # The server may still be at the statement that was under way.
            while course.server.db.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tt'"
                                           " AND datname = current_database()").fetchone()[0]:
                time.sleep(0.02)
        left = count(course.server)
        partly += 0 < left < len(expected)
        if atomic and left not in (0, len(expected)):
            problem = f"a killed run left {left} of {len(expected)} rows"
            break
        course.finish()
        found = stored(course.server)
        if found != expected:
            differing = [key for key in expected if found.get(key) != expected[key]]
            problem = f"{len(differing)} of {len(expected)} rows differ, {len(found)} are stored, after {attempts} runs"
    if not problem and done < kills:
        problem = f"only {done} of {attempts} runs could be killed in their {seconds:.2f} s"
    if not problem and not atomic and not partly:
        problem = f"none of {done} kills hit a run half-way"
    report.check(f"{name}: {done} kills, {partly} of them half-way, leave what an undisturbed run leaves", problem)
    return done


def kill_uploads(report, server, tt, parquet, kills=17, seed=1):
    """By REST, from journals beside the Parquet file, and straight into the database, in one transaction."""
    parquet = pathlib.Path(parquet)
    script = ROOT / "lua/upload_embeddings.lua"
    done = killed(report, "upload by REST", Course(
        server, tt, [script, "--parquet", parquet, "--batch-size", "20"], parquet.parent), kills, seed)
    done += killed(report, "upload by COPY", Course(
        server, tt, [script, "--parquet", parquet, "--pg-dsn", server.dsn], parquet.parent), 5, seed + 1, atomic=True)
    return done


def kill_backfills(report, server, tt, checkpoint, source, since, until, kills=8, seed=3):
    """Windows from a journal beside the checkpoint."""
    checkpoint = pathlib.Path(checkpoint)
    words = [ROOT / "examples/backfill.lua", "--db", source, "--checkpoint", checkpoint, "--since", since, "--until",
             until, "--chunk", "12h", "--batch-size", "50"]
    return killed(report, "backfill", Course(server, tt, words, checkpoint.parent), kills, seed)
