"""What the checks against scripts/supabase-dev share: a server, a project's rows, tt on a target, and a count."""

import json
import os
import pathlib
import random
import re
import shlex
import sqlite3
import subprocess
import urllib.request
import uuid

import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[2]
VIDEO = ("id", "external_id", "title", "description", "thumbnail_url", "preview_video_url", "distribution_code",
         "maker_code", "director", "series", "maker", "label", "sample_video_url", "source", "product_url", "image_urls",
         "price", "duration_seconds", "product_released_at", "distribution_started_at", "published_at", "created_at",
         "safety_level", "region_codes", "is_active")
COLUMNS = {"profiles": ("user_id", "display_name", "created_at"), "videos": VIDEO,
           "user_video_decisions": ("user_id", "video_id", "decision_type", "created_at"),
           "video_tags": ("video_id", "tag_name"), "video_performers": ("video_id", "performer_name")}
TIMES = {"created_at", "product_released_at", "distribution_started_at", "published_at"}
IDS = {"id", "user_id", "video_id"}
LISTS = {"image_urls", "region_codes"}


class Report:
    """Counts checks; a failed one is printed with what was seen."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, problem=None):
        if problem:
            self.failed += 1
            print(f"FAILED: {name}: {problem}", flush=True)
        else:
            self.passed += 1
            print(f"ok: {name}", flush=True)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0


class DevServer:
    """A development server with a database of its own, gone at the end of the block."""

    def __init__(self, folder, *options):
        self.folder, self.options = pathlib.Path(folder) / "dev", options

    def __enter__(self):
        done = subprocess.run([ROOT / "scripts/supabase-dev", "start", self.folder, *self.options], check=True,
                              stdout=subprocess.PIPE, text=True)
        lines = (shlex.split(line)[0].split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        self.env = dict(lines)
        self.url, self.dsn = self.env["SUPABASE_URL"], self.env["SUPABASE_DEV_PG_DSN"]
        self.key = self.env["SUPABASE_SERVICE_ROLE_KEY"]
        self.db = psycopg.connect(self.dsn, autocommit=True)
        self.db.execute("SET TIME ZONE 'UTC'")
        return self

    def __exit__(self, *_):
        self.db.close()
        subprocess.run([ROOT / "scripts/supabase-dev", "stop", self.folder], check=True, stdout=subprocess.DEVNULL)

    def control(self, method, path, value=None):
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(self.url + path, body, {"content-type": "application/json"}, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def faults(self, rules):
        self.control("POST", "/_dev/faults", rules)

    def new_database(self, name, template=None):
        """A database beside the project's, as a target: empty, or a copy of another; its DSN. The server is this block's
        own, and so are all databases on it."""
        self.db.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        source = psycopg.conninfo.conninfo_to_dict(template)["dbname"] if template else "template1"
        self.db.execute(f"CREATE DATABASE {name} TEMPLATE {source}")
        return psycopg.conninfo.make_conninfo(self.dsn, dbname=name)


def environment(server, **more):
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**env, "SUPABASE_URL": server.url, "SUPABASE_SERVICE_ROLE_KEY": server.key, **more}


def run(tt, server, script, *arguments, **more):
    """Runs a script of lua/; its exit status and all it said."""
    done = subprocess.run([tt, ROOT / "lua" / script, *arguments], env=environment(server, **more), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    return done.returncode, done.stdout


# ---- a project's rows

def fill(server, seed=1, users=120, videos=300, decisions=3000):
    """Fills the project's tables with rows of every kind that a real one may hold."""
    rng = random.Random(seed)

    def new_id():
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))

    def moment(null=0.1):
        roll = rng.random()
        if roll < null:
            return None
        if roll < null + 0.02:
            return rng.choice(["infinity", "-infinity"])
        fraction = rng.choice(["", ".5", ".123456", ".000001"])
        return (f"20{rng.randrange(10, 26)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02} "
                f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}{fraction}+00")

    def word():
        return rng.choice(["", "plain", "naïve", "日本語", "😀", 'quote " and \\', "comma, (paren)", "two\nlines", "null",
                           "{braces}", "tab\there"])

    def maybe(value, null=0.2):
        return None if rng.random() < null else value

    def price():
        return rng.choice(["1980", "1980.10", "0", "NaN", "0.1", "12345678901234567890.123456789", "99.99", None])

    user_ids, video_ids = [new_id() for _ in range(users)], [new_id() for _ in range(videos)]
    names = {kind: [(new_id(), name) for name in [f"{kind} {index} {word()}" for index in range(40)] + ["", None, "twice",
                                                                                                     "twice"]]
             for kind in ("tags", "performers")}
    pairs = set()
    while len(pairs) < decisions:
        pairs.add((rng.choice(user_ids) if rng.random() < 0.98 else new_id(),
                   rng.choice(video_ids) if rng.random() < 0.98 else new_id()))
    with server.db.transaction(), server.db.cursor() as cursor:
        cursor.execute("TRUNCATE profiles, videos, tags, performers, video_tags, video_performers, user_video_decisions")

        def copy(table, columns, rows):
            with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as stream:
                for row in rows:
                    stream.write_row(row)

        copy("profiles", COLUMNS["profiles"], ((one, maybe(word()), moment()) for one in user_ids))
        makers = {"id": None, "price": price, "duration_seconds": lambda: maybe(rng.randrange(0, 2**31)),
                  "image_urls": lambda: maybe([word() for _ in range(rng.randrange(3))]),
                  "safety_level": lambda: maybe(rng.randrange(-3, 4)),
                  "region_codes": lambda: maybe([word() for _ in range(rng.randrange(3))]),
                  "is_active": lambda: maybe(rng.random() < 0.8), **{name: moment for name in TIMES}}
        copy("videos", VIDEO, ([one] + [makers[name]() if name in makers else maybe(word()) for name in VIDEO[1:]]
                               for one in video_ids))
        for kind, link, column in (("tags", "video_tags", "tag_id"), ("performers", "video_performers", "performer_id")):
            copy(kind, ("id", "name"), names[kind])
            copy(link, ("video_id", column), ((video, name) for video in video_ids
                                              for name, _ in rng.sample(names[kind], rng.randrange(6))))
        copy("user_video_decisions", COLUMNS["user_video_decisions"],
             ((user, video, rng.choice(["like", "nope", "watched"]), moment()) for user, video in sorted(pairs)))
    return user_ids, video_ids


# ---- comparing

def plain(column, value):
    """A value in one form, wherever it comes from: what cannot be told apart by tt's rules is equal."""
    if value is None or column in TIMES and str(value).endswith("infinity"):
        return None
    if column in IDS:
        return str(value).lower()
    if column in LISTS:
        return value if isinstance(value, list) else json.loads(value)
    if column == "price":
        return "NaN" if str(value).lower() == "nan" else float(value)
    if column in TIMES:
        moment = re.sub(r"(Z|\+00(:00)?)$", "", str(value).replace("T", " "))
        return moment.rstrip("0").rstrip(".") if "." in moment else moment
    if column == "is_active":
        return bool(value)
    return value


def shown(column):
    return f"{column}::text" if column in TIMES | {"price"} else \
        f"to_jsonb({column})" if column in LISTS else column


def remote_rows(server):
    """The project's rows as the flattened local tables should have them."""
    found = {}
    for table in ("profiles", "videos", "user_video_decisions"):
        columns = COLUMNS[table]
        rows = server.db.execute(f"SELECT {', '.join(shown(name) for name in columns)} FROM {table}").fetchall()
        found[table] = {tuple(map(plain, columns, row)) if not LISTS & set(columns) else repr([*map(plain, columns, row)])
                        for row in rows}
    for table, named, column in (("video_tags", "tags", "tag_id"), ("video_performers", "performers", "performer_id")):
        found[table] = {(str(video), name) for video, name in server.db.execute(
            f"SELECT l.video_id, n.name FROM {table} l JOIN {named} n ON n.id = l.{column} WHERE n.name <> ''")}
    return found


def local_rows(target):
    """The rows of a target as sets, and complaints about rows that stand twice."""
    found, doubles = {}, []
    is_sqlite = target.startswith("sqlite:")
    with (sqlite3.connect(target[7:]) if is_sqlite else psycopg.connect(target)) as db:
        if not is_sqlite:
            db.execute("SET TIME ZONE 'UTC'")
        for table, columns in COLUMNS.items():
            selected = ", ".join(columns if is_sqlite else map(shown, columns))
            rows = db.execute(f"SELECT {selected} FROM {table}").fetchall()
            plains = [tuple(map(plain, columns, row)) if not LISTS & set(columns) else repr([*map(plain, columns, row)])
                      for row in rows]
            found[table] = set(plains)
            if len(found[table]) < len(plains):
                doubles.append(f"{table}: {len(plains) - len(found[table])} rows stand twice")
    return found, doubles


def leftovers(target):
    """Tables that a sync should have removed."""
    is_sqlite = target.startswith("sqlite:")
    query = "SELECT name FROM sqlite_schema WHERE type = 'table'" if is_sqlite else \
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    with (sqlite3.connect(target[7:]) if is_sqlite else psycopg.connect(target)) as db:
        return sorted(name for (name,) in db.execute(query) if name.startswith("tt_sync_") and name != "tt_sync_runs")


def difference(expected, found):
    """Where two sets of tables differ, or None."""
    for table, rows in expected.items():
        missing, extra = rows - found[table], found[table] - rows
        if missing or extra:
            sample = next(iter(missing or extra))
            return (f"{table}: {len(missing)} rows missing, {len(extra)} too many, such as "
                    f"{'missing' if missing else 'extra'} {str(sample)[:300]}")
    return None
