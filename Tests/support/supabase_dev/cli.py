"""scripts/supabase-dev: starts and stops the server."""

import argparse
import json
import os
import pathlib
import re
import secrets
import shlex
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request

import psycopg

from . import auth, seed
from .app import Server
from .database import ROOT, Database
from .faults import Faults
from .objects import Objects
from .postgrest import Rest
from .storage import Storage
from .tus import Tus

POSTGRES = ROOT / "Tests" / "support" / "postgres"


def parser():
    top = argparse.ArgumentParser(prog="scripts/supabase-dev", description="A development server for Supabase's REST and "
                                  "Storage, over a real PostgreSQL. For tests on this machine: it listens on 127.0.0.1.")
    actions = top.add_subparsers(dest="action", required=True)
    for name, text in (("start", "start in the background, print shell lines with its address and keys"),
                       ("run", "the same in the foreground, until interrupted")):
        action = actions.add_parser(name, help=text)
        action.add_argument("dir", metavar="DIR", type=pathlib.Path, help="where keys, objects and the log are kept")
        action.add_argument("--port", type=int, default=0, help="default: the port of last time, or a free one")
        action.add_argument("--pg-dsn", help="a PostgreSQL with pgvector (default: a private one)")
        action.add_argument("--dim", type=int, default=256, help="dimension of video_embeddings (256)")
        action.add_argument("--max-rows", type=int, default=1000, help="PostgREST's silent cap on rows; 0 = none (1000)")
        action.add_argument("--size-limit", type=int, default=50 * 1024 * 1024 * 1024, help="bytes an object may have")
        action.add_argument("--no-gzip", action="store_true", help="do not compress answers")
        action.add_argument("--no-functions", action="store_true", help="tables only, without the functions tt ships")
        action.add_argument("--seed-from", metavar="sqlite:PATH|DSN", help="copy tt's local tables into the deployed ones")
    stop = actions.add_parser("stop", help="stop it, and the private PostgreSQL with its data; objects stay in DIR")
    stop.add_argument("dir", metavar="DIR", type=pathlib.Path)
    stop.add_argument("--keep-postgres", action="store_true", help="leave the private PostgreSQL running for the next start")
    return top


def write_private(path, text):
    temporary = path.with_name(f".{path.name}.new")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
    os.replace(temporary, path)


def project_secret(folder):
    path = folder / "secret"
    if not path.exists():
        write_private(path, secrets.token_hex(32) + "\n")
    return path.read_text().strip()


def last_port(folder):
    try:
        found = re.search(r"^SUPABASE_URL=http://127\.0\.0\.1:(\d+)$", (folder / "env").read_text(), re.M)
        return int(found.group(1)) if found else 0
    except OSError:
        return 0


def private_postgres(folder):
    result = subprocess.run([POSTGRES, "start", folder / "postgres"], stdout=subprocess.PIPE, text=True,
                            env={**os.environ, "TT_PYTHON": sys.executable})
    if result.returncode != 0:
        raise SystemExit("supabase-dev: no PostgreSQL could be started; name one with --pg-dsn")
    return result.stdout.strip()


def alive(folder):
    """The process that serves DIR, if any."""
    try:
        pid = int((folder / "pid").read_text())
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if b"supabase_dev" in command else None


def open_server(port, *parts):
    try:
        return Server(port, *parts)
    except OSError:
        if port == 0:
            raise
    return None


def serve(options):
    folder = options.dir
    folder.mkdir(parents=True, exist_ok=True)
    if alive(folder) not in (None, os.getpid()):
        raise SystemExit(f"supabase-dev: '{folder}' is being served already; stop it first")
    own_postgres = not options.pg_dsn
    dsn = options.pg_dsn or private_postgres(folder)
    secret = project_secret(folder)
    database = Database(dsn)
    try:
        database.prepare(options.dim, functions=not options.no_functions)
        if options.seed_from:
            print(f"supabase-dev: {seed.copy(options.seed_from, dsn)}", file=sys.stderr)
    except (psycopg.Error, sqlite3.Error) as bad:
        raise SystemExit(f"supabase-dev: {str(bad).strip()}") from None
    store = Objects(folder / "storage")
    parts = (Rest(database, secret, options.max_rows or None),
             Storage(store, secret, Tus(folder / "storage" / "uploads"), options.size_limit), Faults(database),
             not options.no_gzip)
    server = open_server(options.port or last_port(folder), *parts)
    if server is None:
        if options.port:
            raise SystemExit(f"supabase-dev: port {options.port} is in use")
        server = open_server(0, *parts)
    values = {"SUPABASE_URL": f"http://127.0.0.1:{server.server_port}",
              "SUPABASE_SERVICE_ROLE_KEY": auth.project_key(secret, "service_role"),
              "SUPABASE_ANON_KEY": auth.project_key(secret, "anon"), "SUPABASE_DEV_PG_DSN": dsn}
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    write_private(folder / "pid", f"{os.getpid()}\n")
    write_private(folder / "env", lines)
    if options.action == "run":
        print(lines, end="", flush=True)

    def leave(*_):
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    store.close()
    database.close()
    (folder / "pid").unlink(missing_ok=True)
    if own_postgres and options.action == "run":
        subprocess.run([POSTGRES, "stop", folder / "postgres"])


def answers_at(url):
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/_dev/health", timeout=5) as answer:
            return json.load(answer)["ok"]
    except (OSError, ValueError):
        return False


def start(options):
    folder = options.dir
    folder.mkdir(parents=True, exist_ok=True)
    if alive(folder):
        raise SystemExit(f"supabase-dev: '{folder}' is being served already; stop it first")
    dsn = options.pg_dsn or private_postgres(folder)
    try:
        launch(options, folder, dsn)
    except BaseException:
        if not options.pg_dsn:
            subprocess.run([POSTGRES, "stop", folder / "postgres"])
        raise


def launch(options, folder, dsn):
    # The DSNs go by the environment: process lists show arguments.
    arguments = [sys.executable, "-m", "supabase_dev", "serve", str(folder), "--port", str(options.port), "--dim",
                 str(options.dim), "--max-rows", str(options.max_rows), "--size-limit", str(options.size_limit)]
    arguments += ["--no-gzip"] if options.no_gzip else []
    arguments += ["--no-functions"] if options.no_functions else []
    environment = {**os.environ, "SUPABASE_DEV_SERVE_DSN": dsn, "SUPABASE_DEV_SERVE_SEED": options.seed_from or ""}
    with open(folder / "log", "ab") as log:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                   env=environment)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.stderr.write("".join((folder / "log").read_text(errors="replace").splitlines(True)[-20:]))
            raise SystemExit("supabase-dev: the server did not start")
        if alive(folder) == process.pid and answers_at(f"http://127.0.0.1:{last_port(folder)}"):
            print((folder / "env").read_text(), end="")
            return
        time.sleep(0.05)
    process.terminate()
    raise SystemExit("supabase-dev: the server did not answer in time")


def stop(options):
    pid = alive(options.dir)
    if pid:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while alive(options.dir) and time.monotonic() < deadline:
            time.sleep(0.05)
        if alive(options.dir):
            os.kill(pid, signal.SIGKILL)
    (options.dir / "pid").unlink(missing_ok=True)
    if not options.keep_postgres and (options.dir / "postgres").exists():
        subprocess.run([POSTGRES, "stop", options.dir / "postgres"], check=True)


def main(arguments):
    # `serve` is `start`'s child: the same as `run`, but its PostgreSQL belongs to start and stop.
    child = arguments[:1] == ["serve"]
    options = parser().parse_args(["run", *arguments[1:]] if child else arguments)
    if child:
        options.action = "serve"
        options.pg_dsn = os.environ.pop("SUPABASE_DEV_SERVE_DSN")
        options.seed_from = os.environ.pop("SUPABASE_DEV_SERVE_SEED") or None
    {"start": start, "run": serve, "serve": serve, "stop": stop}[options.action](options)


if __name__ == "__main__":
    main(sys.argv[1:])
