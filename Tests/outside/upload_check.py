"""Compares what tt's uploads and backfills leave in the table of vectors with what other programs read.

    python Tests/outside/upload_check.py --tt PATH_TO_TT

Parquet files by tt, pyarrow and pandas go to a development server (scripts/supabase-dev) and straight into PostgreSQL;
psycopg, pgvector, numpy and the supabase client read the table back. Then uploads and backfills are killed at random
moments. Prints a line per check and a closing line; exit status 1 when one failed.
"""

import datetime
import json
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile

import numpy
import pandas
import pyarrow
import pyarrow.parquet
import supabase

import common
from dev_server import ROOT, DevServer, Report, environment, run
from upload_kills import kill_backfills, kill_uploads

DIM = 32
VIDEOS = 1200
SETTINGS = ("--set", "training.epochs=1", "--set", f"artifacts.embedding_dim={DIM}", "--set", "training.batch_size=256")


def bundle(tt, folder):
    """A demo database, a checkpoint and embeddings."""
    database = f"sqlite:{folder}/demo.sqlite"
    for words in (["demo.lua", "--db", database, "--users", "60", "--videos", str(VIDEOS), "--decisions", "4000"],
                  ["pipeline.lua", "--db", database, *SETTINGS]):
        subprocess.run([tt, ROOT / "lua" / words[0], *words[1:]], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    return database, folder / "checkpoints/latest.pt", folder / "artifacts/video_embeddings.parquet"


def read_parquet(path):
    """Ids and vectors by pyarrow; of equal repeats the first."""
    table = pyarrow.parquet.read_table(path)
    ids = [text.lower() for text in table.column("video_id").to_pylist()]
    matrix = numpy.array(table.column("embedding").to_pylist(), numpy.float32).reshape(len(ids), -1)
    return dict(zip(ids, matrix))


def read_table(server):
    """Ids and vectors by psycopg."""
    rows = server.db.execute("SELECT video_id::text, embedding::real[] FROM video_embeddings").fetchall()
    return {key: numpy.array(vector, numpy.float32) for key, vector in rows}


def difference(expected, found):
    if expected.keys() != found.keys():
        return f"{len(expected)} ids expected, {len(found)} found, {len(expected.keys() & found.keys())} common"
    wrong = [key for key in expected if not numpy.array_equal(expected[key], found[key])]
    return f"{len(wrong)} vectors differ, such as that of {wrong[0]}" if wrong else None


def unit_rows(count, seed):
    rows = numpy.random.default_rng(seed).standard_normal((count, DIM))
    rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
    ids = [f"{number:08x}-0000-4000-8000-{seed:012x}" for number in range(count)]
    return ids, rows.astype(numpy.float32)


def foreign_files(folder):
    """Parquet by pyarrow and by pandas, in forms that tt does not write: other text types, small row groups, upper
    case, rows that stand twice."""
    ids, rows = unit_rows(1500, 1)
    lists = pyarrow.list_(pyarrow.field("element", pyarrow.float32()))
    for name, text, options in (("strings", pyarrow.string(), {"row_group_size": 97}),
                                ("large_strings", pyarrow.large_string(), {"compression": "zstd", "version": "1.0"})):
        path = folder / name / "video_embeddings.parquet"
        path.parent.mkdir()
        twice = ids + [key.upper() for key in ids[:20]]
        table = pyarrow.table({"video_id": pyarrow.array(twice, text),
                               "embedding": pyarrow.array([*rows.tolist(), *rows[:20].tolist()], lists)})
        pyarrow.parquet.write_table(table, path, **options)
        yield f"pyarrow, {name}", path
    path = folder / "pandas" / "video_embeddings.parquet"
    path.parent.mkdir()
    pandas.DataFrame({"video_id": ids, "embedding": list(rows)}).to_parquet(path)
    yield "pandas", path


def check_files(report, server, tt, files):
    for name, path in files:
        expected = read_parquet(path)
        for way, flags in (("REST", ()), ("COPY", ("--pg-dsn", server.dsn))):
            server.db.execute("TRUNCATE video_embeddings")
            status, said = run(tt, server, "upload_embeddings.lua", "--parquet", path, *flags)
            report.check(f"{name} by {way}: psycopg reads what pyarrow reads", f"exit status {status}: {said}" if status
                         else "the key was printed" if server.key in said else difference(expected, read_table(server)))


def check_refusal(report, server, tt, folder):
    """A file that is spoiled in one place writes nothing."""
    ids, rows = unit_rows(1000, 2)
    server.db.execute("TRUNCATE video_embeddings")
    for name, spoil in (("a vector of another length", lambda: rows[700].__imul__(1.01)),
                        ("NaN", lambda: rows[700].__setitem__(3, numpy.nan))):
        _, rows = unit_rows(1000, 2)
        spoil()
        path = folder / "spoiled.parquet"
        pandas.DataFrame({"video_id": ids, "embedding": list(rows)}).to_parquet(path)
        server.control("DELETE", "/_dev/requests")
        status, said = run(tt, server, "upload_embeddings.lua", "--parquet", path)
        problem = None
        if status != 1 or f"row 701 (id {ids[700]})" not in said:
            problem = f"exit status {status}: {said}"
        elif server.control("GET", "/_dev/requests"):
            problem = "something was sent"
        report.check(f"{name} in row 701 is refused before anything is sent", problem)


def check_neighbours(report, server, vectors):
    """pgvector's cosine order, with the index and without, is numpy's."""
    ids = list(vectors)
    matrix = numpy.stack([vectors[key] for key in ids]).astype(numpy.float64)
    problem = None
    for row in range(0, len(ids), len(ids) // 20):
        distances = 1 - matrix @ matrix[row]
        best = numpy.argsort(distances, kind="stable")[:10]
        found = server.db.execute("SELECT video_id::text, embedding <=> %s::vector AS distance FROM video_embeddings "
                                  "ORDER BY 2, 1 LIMIT 10", [str(vectors[ids[row]].tolist())]).fetchall()
        gap = max(abs(distances[place] - distance) for place, (_, distance) in zip(best, found))
        named = {key for key, _ in found}
        # Ids may differ only where distances tie.
        certain = {ids[place] for place in best if distances[place] < distances[best[-1]] - 1e-5}
        if len(found) != 10 or gap > 1e-5 or not certain <= named:
            problem = f"of video {ids[row]}: largest difference {gap}, {len(certain - named)} ids missing"
            break
    report.check("pgvector's ten nearest are numpy's", problem)
    used = server.db.execute("SET enable_seqscan = off").connection.execute(
        "EXPLAIN SELECT video_id FROM video_embeddings ORDER BY embedding <=> %s::vector LIMIT 10",
        [str(vectors[ids[0]].tolist())]).fetchall()
    server.db.execute("RESET enable_seqscan")
    report.check("the index answers cosine queries", None if "Index Scan" in str(used) else str(used))


def check_client(report, server, vectors):
    """The official client reads a sample."""
    client = supabase.create_client(server.url, server.key)
    ids = sorted(vectors)[::40]
    rows = client.table("video_embeddings").select("video_id,embedding,updated_at").in_("video_id", ids).execute().data
    found = {row["video_id"]: numpy.array(json.loads(row["embedding"]), numpy.float32) for row in rows}
    report.check("the supabase client reads a sample", difference({key: vectors[key] for key in ids}, found))
    now = datetime.datetime.now(datetime.timezone.utc)
    ages = {now - datetime.datetime.fromisoformat(row["updated_at"]) for row in rows}
    fresh = len(ages) == 1 and datetime.timedelta() <= ages.pop() < datetime.timedelta(minutes=10)
    report.check("all rows have the time of the upload", None if fresh else "they have not")


def check_backfill(report, server, tt, folder, database, checkpoint, vectors):
    """A backfill of all dates stores what the embedding stage wrote, bit by bit; one of some dates only those."""
    with sqlite3.connect(database[7:]) as db:
        days = dict(db.execute("SELECT id, created_at FROM videos"))
    since, until = min(filter(None, days.values()))[:10], "2026-01-01"

    def backfill(*flags):
        words = [tt, ROOT / "examples/backfill.lua", "--db", database, "--checkpoint", checkpoint, *flags]
        done = subprocess.run(words, cwd=folder, env=environment(server), text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        return f"exit status {done.returncode}: {done.stdout}" if done.returncode else None

    for way, flags in (("REST", ()), ("COPY", ("--target-dsn", server.dsn))):
        server.db.execute("TRUNCATE video_embeddings")
        problem = backfill("--since", since, "--until", until, "--chunk", "4w", "--undated", *flags)
        report.check(f"a backfill of all dates by {way} stores the stage's vectors",
                     problem or difference(vectors, read_table(server)))
    server.db.execute("TRUNCATE video_embeddings")
    problem = backfill("--since", "2024-01-01", "--until", "2024-07-01", "--chunk", "1w", "--restart")
    inside = {key for key, day in days.items() if day and "2024-01-01" <= day < "2024-07-01"}
    report.check("a backfill of half a year stores its videos only", problem or difference(
        {key: vector for key, vector in vectors.items() if key in inside}, read_table(server)))


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--kills", type=int, default=17, help="uploads by REST to kill (17)")
    options = parser.parse_args()
    tt = options.tt
    report = Report()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        shutil.copytree(ROOT / "config", folder / "config")
        database, checkpoint, parquet = bundle(tt, folder)
        with DevServer(folder, "--dim", str(DIM)) as server:
            check_files(report, server, tt, [*foreign_files(folder), ("tt", parquet)])
            vectors = read_parquet(parquet)
            status, said = run(tt, server, "upload_embeddings.lua", "--parquet", parquet, "--pg-dsn", server.dsn,
                               "--rebuild-index")
            report.check("the index is built anew", f"exit status {status}: {said}" if status else None)
            check_neighbours(report, server, vectors)
            check_client(report, server, vectors)
            check_refusal(report, server, tt, folder)
            check_backfill(report, server, tt, folder, database, checkpoint, vectors)
            kill_uploads(report, server, tt, parquet, options.kills)
            kill_backfills(report, server, tt, checkpoint, database, "2024-01-01", "2024-03-01")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
