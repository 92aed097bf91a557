"""Serves users as the consumer does, without tt: payloads from the database's functions, the published JSON files, the
ONNX model in ONNX Runtime; compared with what tt says it trained on.

    python Tests/outside/serving_check.py --tt PATH_TO_TT

A demo lies in a development server (scripts/supabase-dev), in tables as deployed. Payloads are also aggregated here,
from the rows. Prints a line per check and a closing line; exit status 1 when one failed.
"""

import collections
import datetime
import fractions
import json
import math
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import numpy
import onnxruntime
import supabase

import common
from dev_server import ROOT, DevServer, Report

DIM = 32
SETTINGS = ("--set", "training.epochs=2", "--set", f"artifacts.embedding_dim={DIM}", "--set", "training.batch_size=256")
UTC = datetime.timezone.utc
NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")


# ---- the consumer's rules

def number(value, default):
    if isinstance(value, str):
        found = NUMBER.match(value)
        value = float(found.group(1)) if found else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return default
    return float(value)


def moment(value):
    try:
        return datetime.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def part(payload, name):
    value = payload.get(name) if isinstance(payload, dict) else None
    return value if isinstance(value, dict) else {}


def days(now, value):
    then = moment(value)
    return (now - then) / datetime.timedelta(days=1) if then else 0.0


def bag(names, tokens):
    counts = collections.Counter(name for name in names if isinstance(name, str)) if isinstance(names, list) else {}
    vector = numpy.array([counts.get(token, 0) for token in tokens], numpy.float64)
    norm = math.sqrt(float((vector ** 2).sum()))
    return vector / norm if norm else vector


def vector(bundle, payload, now):
    """The input of one user, by contract: eight numbers standardised, the hour, two bags."""
    stats, prices = part(payload, "decision_stats"), part(payload, "price_stats")
    likes, nopes = number(stats.get("like_count"), 0.0), number(stats.get("nope_count"), 0.0)
    decisions = number(stats.get("decision_count"), likes + nopes)
    raw = {
        "account_age_days": days(now, part(payload, "profile").get("created_at")),
        "mean_price": number(prices.get("mean"), 0.0), "median_price": number(prices.get("median"), 0.0),
        "like_ratio": min(max(likes / decisions, 0.0), 1.0) if decisions > 0 else 0.5,
        "like_count": likes, "nope_count": nopes, "decision_count": decisions,
        "recent_like_days": days(now, stats.get("recent_like_at")),
    }
    scale = bundle["normalizer"]["user_numeric"]
    numbers = [(raw.get(name, 0.0) - scale[name]["mean"]) / scale[name]["std"]
               for name in bundle["feature_schema"]["segments"][0]["features"]]
    hour = min(max(number(stats.get("average_like_hour"), 12.0), 0.0), 23.0) / 23
    return numpy.concatenate([numbers, [hour], bag(payload.get("tags"), bundle["vocab_tag"]["tokens"]),
                              bag(payload.get("performers"), bundle["vocab_actress"]["tokens"])]).astype(numpy.float32)


# ---- payloads from the rows

def aggregate(db):
    """Payloads of all users who decided, aggregated here; times as datetimes."""
    created = dict(db.execute("SELECT user_id::text, nullif(nullif(created_at, 'infinity'), '-infinity') FROM profiles"))
    price = {key: None if value is None or not value.is_finite() else fractions.Fraction(value)
             for key, value in db.execute("SELECT id::text, price FROM videos")}
    names = {}
    for kind in ("tag", "performer"):
        names[kind] = collections.defaultdict(set)
        for video, name in db.execute(f"SELECT l.video_id::text, n.name FROM video_{kind}s AS l "
                                      f"JOIN {kind}s AS n ON n.id = l.{kind}_id"):
            if name and video in price:
                names[kind][video].add(name)
    oldest = datetime.datetime.min.replace(tzinfo=UTC)
    chosen = {}
    for user, video, kind, at in db.execute(
            "SELECT user_id::text, video_id::text, decision_type, nullif(nullif(created_at, 'infinity'), '-infinity') "
            "FROM user_video_decisions"):
        have = chosen.get((user, video))
        newer = have is None or (at or oldest) > (have[1] or oldest)
        if newer or (at == have[1] and kind.encode() < have[0].encode()):
            chosen[user, video] = (kind, at)
    found = {}
    for (user, video), (kind, at) in chosen.items():
        one = found.setdefault(user, {"counts": collections.Counter(), "dates": [], "prices": [],
                                      "tags": collections.Counter(), "performers": collections.Counter()})
        one["counts"][kind] += 1
        if kind == "like":
            if at:
                one["dates"].append(at.astimezone(UTC))
            if price.get(video) is not None:
                one["prices"].append(price[video])
            one["tags"].update(names["tag"][video])
            one["performers"].update(names["performer"][video])
    for user, one in found.items():
        one["created"] = created.get(user)
    return found


def unlike(payload, own):
    """What a payload says otherwise than the rows; None when nothing."""
    stats, prices = payload["decision_stats"], payload["price_stats"]
    hours = [at.hour for at in own["dates"]]
    exact = {
        "like_count": (stats["like_count"], own["counts"]["like"]),
        "nope_count": (stats["nope_count"], own["counts"]["nope"]),
        "decision_count": (stats["decision_count"], own["counts"].total()),
        "recent_like_at": (moment(stats["recent_like_at"]), max(own["dates"], default=None)),
        "created_at": (moment(payload["profile"]["created_at"]), own["created"]),
        "tags": (collections.Counter(payload["tags"]), own["tags"]),
        "performers": (collections.Counter(payload["performers"]), own["performers"]),
    }
    near = {
        "average_like_hour": (stats["average_like_hour"], sum(hours) / len(hours) if hours else 12.0),
        "mean": (prices["mean"], float(statistics.mean(own["prices"])) if own["prices"] else 0),
        "median": (prices["median"], float(statistics.median(own["prices"])) if own["prices"] else 0),
    }
    for name, (theirs, ours) in exact.items():
        if theirs != ours:
            return f"{name} is {theirs}, the rows give {ours}"
    for name, (theirs, ours) in near.items():
        if not math.isclose(theirs, ours, rel_tol=1e-12, abs_tol=1e-12):
            return f"{name} is {theirs}, the rows give {ours}"
    return None


# ---- the checks

def check_payloads(report, server):
    server.db.execute("SET TIME ZONE 'Asia/Tokyo'")
    own = aggregate(server.db)
    pages, offset = {}, 0
    while rows := server.db.execute("SELECT user_id::text, payload FROM get_user_embedding_feature_batch(50, %s)",
                                    [offset]).fetchall():
        offset += len(rows)
        pages.update(rows)
    report.check("pages hold every user who decided, ascending", None if list(pages) == sorted(own) else "others")
    wrong = [f"{user}: {problem}" for user, payload in pages.items() if (problem := unlike(payload, own[user]))]
    report.check(f"{len(pages)} payloads say what the rows say", "; ".join(wrong[:3]))
    report.check("some users like nothing, some videos are gone", None if any(
        not one["counts"]["like"] for one in own.values()) and any(
        one["counts"]["like"] > len(one["prices"]) for one in own.values()) else "the demo is too tidy")
    client = supabase.create_client(server.url, server.key)
    for user, payload in list(pages.items())[:3]:
        answer = client.rpc("get_user_embedding_features", {"user_id": user}).execute().data
        report.check(f"the supabase client gets the same payload of {user}", None if answer == payload else answer)
    return pages


def check_users(report, bundle, session, pages, path, what):
    worst_input = worst_embedding = 0.0
    listed = json.loads(path.read_text())
    for one in listed:
        expected = vector(bundle, pages[one["user_id"]], moment(one["now"]))
        given = numpy.array(one["input"], numpy.float32)
        if given.shape != expected.shape:
            report.check(f"{what}: width", f"{given.shape} instead of {expected.shape}")
            return
        worst_input = max(worst_input, float((abs(given - expected) / numpy.maximum(1, abs(expected))).max()))
        (result,) = session.run(["user_embedding"], {bundle["feature_schema"]["input_name"]: given[None]})
        worst_embedding = max(worst_embedding, float(abs(result[0] - numpy.array(one["embedding"])).max()))
        if abs(numpy.linalg.norm(result[0]) - 1) > 1e-5:
            report.check(f"{what}: unit length", one["user_id"])
    report.check(f"{what}: inputs of {len(listed)} users within 1e-6 (largest difference {worst_input:.2g})",
                 None if worst_input <= 1e-6 else "too far")
    report.check(f"{what}: embeddings by ONNX Runtime within 1e-5 (largest difference {worst_embedding:.2g})",
                 None if worst_embedding <= 1e-5 else "too far")
    now = moment(bundle["model_meta"]["reference_time"])
    report.check(f"{what}: the time is that of model_meta.json",
                 None if all(moment(one["now"]) == now for one in listed) else "another")


def main():
    tt = common.parser(__doc__).parse_args().tt
    report = Report()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        local = f"sqlite:{folder}/demo.sqlite"

        def run(*words, env=None):
            done = subprocess.run([tt, str(ROOT / "lua" / words[0]), *words[1:]], cwd=folder, env=env, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode:
                sys.exit(f"{' '.join(words)} failed with status {done.returncode}:\n{done.stdout}")
            return done.stdout

        run("demo.lua", "--db", local, "--users", "150", "--videos", "400", "--decisions", "5000")
        with DevServer(folder, "--seed-from", local, "--dim", str(DIM)) as server:
            pages = check_payloads(report, server)
            output = run("pipeline.lua", "--pg-dsn", server.dsn, *SETTINGS)
            report.check("training took payloads from the functions", None if "payloads  from=" in output else output)
            run("verify.lua", "parity", "--pg-dsn", server.dsn, "--artifacts", "artifacts")
            bundle = {name: json.loads((folder / "artifacts" / f"{name}.json").read_text()) for name in
                      ("feature_schema", "normalizer", "vocab_tag", "vocab_actress", "model_meta")}
            session = onnxruntime.InferenceSession((folder / "artifacts/user_tower.onnx").read_bytes(),
                                                   providers=["CPUExecutionProvider"])
            users = [word for user in list(pages)[::4] for word in ("--user", user)]
            run("verify.lua", "serving", "--pg-dsn", server.dsn, "--output", "database.json", *users)
            check_users(report, bundle, session, pages, folder / "database.json", "functions of the database")
            environment = {"PATH": "/usr/bin:/bin", "SUPABASE_URL": server.url, "SUPABASE_SERVICE_ROLE_KEY": server.key}
            run("verify.lua", "serving", "--db", local, "--rpc", "rest", "--output", "rest.json", env=environment)
            check_users(report, bundle, session, pages, folder / "rest.json", "functions of the project")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
