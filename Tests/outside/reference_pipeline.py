"""Recomputes a bundle from its database, without tt, and compares.

Reads the tables with sqlite3 or psycopg, follows the written data contract in plain Python and numpy (cleaning rules,
effective decisions, split, training view, features, vocabularies, normaliser), rebuilds both towers in torch from the
checkpoint, and checks every artifact: JSON, ONNX (onnx.checker, onnxruntime), Parquet (pyarrow, DuckDB, polars), manifest.

    python Tests/outside/reference_pipeline.py --db sqlite:demo.sqlite|DSN --checkpoint latest.pt --artifacts artifacts

Prints one line a check; exit status 1 when one fails.
"""

import argparse
import collections
import datetime
import hashlib
import json
import math
import os
import random
import sqlite3
import statistics
import sys

import numpy as np

DAY = 86_400_000_000
USER_NUMERIC = [
    "account_age_days", "mean_price", "median_price", "like_ratio", "like_count", "nope_count", "decision_count",
    "recent_like_days",
]
ITEM_NUMERIC = ["price", "recency_days", "duration_seconds"]
failures = 0


def check(name, good, detail=""):
    global failures
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {name}{': ' + str(detail) if detail != '' else ''}")


# ---------------------------------------------------------------- tables


def micros(text):
    """Microseconds since 1970 in UTC of an ISO 8601 text; None for null and infinite."""
    if text is None or isinstance(text, int):
        return text
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    delta = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def number(value):
    if value is None:
        return None
    value = float(value)
    return value if math.isfinite(value) else None


def canonical(identifier):
    """The lower-case text of a UUID."""
    return str(identifier).lower()


def read_tables(dsn):
    if dsn.startswith("sqlite:"):
        connection = sqlite3.connect(f"file:{dsn[7:]}?mode=ro", uri=True)
        instant = lambda name: name  # noqa: E731
    else:
        import psycopg

        connection = psycopg.connect(dsn)
        instant = lambda name: (  # noqa: E731
            f"case when isfinite({name}) then (extract(epoch from {name}) * 1000000)::bigint end")
    cursor = connection.cursor()

    def rows(sql):
        cursor.execute(sql)
        return cursor.fetchall()

    profiles = {canonical(u): micros(at) for u, at in rows(f"select user_id, {instant('created_at')} from profiles")}
    videos = {
        canonical(v): (number(price), number(seconds), micros(released))
        for v, price, seconds, released in rows(
            f"select id, price, duration_seconds, {instant('product_released_at')} from videos")
    }
    names = {}
    for kind, table, column in (("tag", "video_tags", "tag_name"), ("actress", "video_performers", "performer_name")):
        names[kind] = collections.defaultdict(set)
        for video, name in rows(f"select video_id, {column} from {table}"):
            if name:
                names[kind][canonical(video)].add(name)
    best = {}
    for user, video, kind, at in rows(
            f"select user_id, video_id, decision_type, {instant('created_at')} from user_video_decisions"):
        key, at = (canonical(user), canonical(video)), micros(at)
        rank = (at is not None, at or 0)
        old = best.get(key)
        if old is None or rank > old[0] or (rank == old[0] and kind < old[1]):
            best[key] = (rank, kind, at)
    decisions = [(user, video, kind, at) for (user, video), (_, kind, at) in best.items()]
    return profiles, videos, names, decisions


# ---------------------------------------------------------------- features


def payload_features(likes, nopes, count, created, now, videos, names):
    """The eight numbers, the hour, and the repeated names of one user. `likes` are (video, at)."""
    prices = [videos[v][0] for v, _ in likes if v in videos and videos[v][0] is not None]
    hours = [at // 3_600_000_000 % 24 for _, at in likes if at is not None]
    recent = max((at for _, at in likes if at is not None), default=None)
    hour = sum(hours) / len(hours) if hours else 12.0
    ratio = min(max(len(likes) / count, 0.0), 1.0) if count > 0 else 0.5
    numeric = [
        (now - created) / DAY if created is not None else 0.0,
        math.fsum(prices) / len(prices) if prices else 0.0,
        float(statistics.median(prices)) if prices else 0.0,
        ratio, float(len(likes)), float(nopes), float(count),
        (now - recent) / DAY if recent is not None else 0.0,
    ]
    bags = {kind: collections.Counter(n for v, _ in likes if v in videos for n in names[kind].get(v, ()))
            for kind in names}
    return numeric, min(max(hour, 0.0), 23.0) / 23, bags


def bag(counter, index):
    row = np.zeros(len(index))
    for name, count in counter.items():
        if name in index:
            row[index[name]] = count
    norm = math.sqrt(float((row * row).sum()))
    return row / norm if norm > 0 else row


def vocabulary(videos, names, least, cap):
    counts = collections.Counter(n for v in videos for n in names.get(v, ()))
    tokens = sorted((n for n, c in counts.items() if c >= least), key=lambda n: (-counts[n], n.encode()))
    return tokens[:cap] if cap > 0 else tokens


def normaliser(rows):
    matrix = np.array(rows, dtype=np.float64).reshape(len(rows), -1)
    mean = np.array([math.fsum(c) / len(c) for c in matrix.T])
    std = np.array([math.sqrt(math.fsum((c - m) ** 2) / len(c)) for c, m in zip(matrix.T, mean)])
    return mean, np.where(std <= 1e-9 * np.maximum(1, np.abs(mean)), 1.0, std)


def close(a, b, tolerance=1e-6):
    a, b = np.asarray(a, float), np.asarray(b, float)
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= tolerance * np.maximum(1, np.abs(b))))


def fingerprint(state):
    digest = hashlib.sha256()
    for tensor in state.values():
        digest.update(tensor.contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def tower(state, name):
    import torch

    layers = [(state[f"{name}.backbone.{i}.weight"], state[f"{name}.backbone.{i}.bias"]) for i in (0, 3, 6)]

    def run(x):
        x = torch.as_tensor(np.asarray(x, dtype=np.float32))
        for position, (weight, bias) in enumerate(layers):
            x = torch.nn.functional.linear(x, weight, bias)
            if position < 2:
                x = torch.relu(x)
        return torch.nn.functional.normalize(x, dim=1, eps=1e-12).numpy()

    return run


def area_under_curve(positive, negative):
    order = np.concatenate([positive, negative])
    ranks = np.empty(len(order))
    values, inverse, counts = np.unique(order, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    n, m = len(positive), len(negative)
    return (ranks[:n].sum() - n * (n + 1) / 2) / (n * m)


# ---------------------------------------------------------------- the comparison


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--db", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--artifacts", required=True)
    options = parser.parse_args()
    import torch

    path = lambda name: os.path.join(options.artifacts, name)  # noqa: E731
    load = lambda name: json.load(open(path(name), encoding="utf-8"))  # noqa: E731

    checkpoint = torch.load(options.checkpoint, weights_only=True)
    state, pipeline, config = checkpoint["model_state"], checkpoint["pipeline"], checkpoint["config"]
    layers = [f"{t}_tower.backbone.{i}.{p}" for t in ("user", "item") for i in (0, 3, 6) for p in ("weight", "bias")]
    check("checkpoint: the twelve tensors in order", list(state) == layers)
    check("checkpoint: float32, contiguous, finite",
          all(t.dtype == torch.float32 and t.is_contiguous() and bool(t.isfinite().all()) for t in state.values()))

    profiles, videos, names, decisions = read_tables(options.db)
    limits = config["artifacts"]
    vocab = {
        "tag": vocabulary(videos, names["tag"], limits["min_tag_freq"], limits["max_tag_vocab"]),
        "actress": vocabulary(videos, names["actress"], limits["min_actress_freq"], limits["max_actress_vocab"]),
    }
    index = {kind: {name: i for i, name in enumerate(tokens)} for kind, tokens in vocab.items()}
    for kind in vocab:
        check(f"vocabulary {kind}", pipeline[f"{kind}_vocab"] == vocab[kind], f"{len(vocab[kind])} tokens")
        check(f"vocab_{kind}.json", load(f"vocab_{kind}.json")["tokens"] == vocab[kind])

    # Samples and the training view.
    seed, training = config["seed"], config["training"]
    eligible = [d for d in decisions if d[2] in ("like", "nope") and d[0] in profiles and d[1] in videos]
    eligible.sort(key=lambda d: hashlib.sha256(f"{seed}:{d[0]}:{d[1]}".encode()).digest())
    held = int(len(eligible) * training["train_val_split"])
    validation, kept = eligible[:held], eligible[held:]
    left_out = {(d[0], d[1]) for d in validation}
    # Where nothing is dated, the start of the run counts.
    now = max((d[3] for d in decisions if d[3] is not None), default=micros(pipeline["reference_time"]))
    view, decided = collections.defaultdict(list), collections.defaultdict(set)
    for decision in decisions:
        decided[decision[0]].add(decision[1])
        if (decision[0], decision[1]) not in left_out:
            view[decision[0]].append(decision)

    def side(rows):
        likes, nopes = collections.Counter(), collections.Counter()
        for user, _, kind, _ in rows:
            (likes if kind == "like" else nopes)[user] += 1
        total = len(rows)
        for user in likes | nopes:
            free = len(videos) - sum(v in videos for v in decided[user])
            total += min(free, max(0, training["negative_sampling_ratio"] * max(1, likes[user]) - nopes[user]))
        return total

    meta = load("model_meta.json")
    if "training" in meta:
        check("training samples", meta["training"]["train_samples"] == side(kept), side(kept))
        check("validation samples", meta["training"]["val_samples"] == side(validation), side(validation))

    def user_features(user):
        rows = view[user]
        likes = [(d[1], d[3]) for d in rows if d[2] == "like"]
        return payload_features(
            likes, sum(d[2] == "nope" for d in rows), len(rows), profiles.get(user), now, videos, names)

    users = sorted({d[0] for d in kept})
    rows = {user: user_features(user) for user in users}
    user_mean, user_std = normaliser([rows[u][0] for u in users])
    latest = max((v[2] for v in videos.values() if v[2] is not None), default=None)
    ids = sorted(videos)
    item_rows = []
    for video in ids:
        price, seconds, released = videos[video]
        item_rows.append([price or 0.0, (latest - released) / DAY if released is not None else 0.0, seconds or 0.0])
    item_mean, item_std = normaliser(item_rows)
    for kind, features, mean, std in (("user", USER_NUMERIC, user_mean, user_std), ("item", ITEM_NUMERIC, item_mean, item_std)):
        stored = pipeline[f"{kind}_numeric_normalizer"]
        check(f"normaliser {kind}: names", list(stored["feature_names"]) == features)
        check(f"normaliser {kind}: mean", close(stored["mean"], mean), f"{len(rows) if kind == 'user' else len(ids)} rows")
        check(f"normaliser {kind}: std", close(stored["scale"], std))
        side_file = load("normalizer.json")[f"{kind}_numeric"]
        check(f"normalizer.json {kind}", list(side_file) == features
              and [side_file[f]["mean"] for f in features] == list(stored["mean"])
              and [side_file[f]["std"] for f in features] == list(stored["scale"]))
    check("reference_time", micros(pipeline["reference_time"]) == now, pipeline["reference_time"])
    check("item_reference_time", micros(pipeline["item_reference_time"]) == latest, pipeline["item_reference_time"])

    # Dimensions and JSON.
    tags, actresses = len(vocab["tag"]), len(vocab["actress"])
    width, item_width, size = 9 + tags + actresses, 3 + tags + actresses, config["artifacts"]["embedding_dim"]
    check("dimensions of the towers", (state[layers[0]].shape[1], state[layers[6]].shape[1], state[layers[4]].shape[0])
          == (width, item_width, size), (width, item_width, size))
    check("dimensions in the checkpoint", (pipeline["user_feature_dim"], pipeline["item_feature_dim"]) == (width, item_width))
    schema = load("feature_schema.json")
    expected = [
        {"name": "numeric", "size": 8, "features": USER_NUMERIC, "type": "standard_score"},
        {"name": "hour_of_day", "size": 1, "type": "scaled_bucket", "range": [0, 1]},
        {"name": "tag_vector", "size": tags, "type": "l2_normalized_bow"},
        {"name": "actress_vector", "size": actresses, "type": "l2_normalized_bow"},
    ]
    check("feature_schema.json", schema["version"] == "v2" and schema["segments"] == expected
          and schema["input_dim"] == width and schema["embedding_dim"] == size)
    check("model_meta.json: dimensions", [meta[k] for k in (
        "embedding_dim", "user_feature_dim", "item_feature_dim", "tag_vocab_size", "actress_vocab_size")]
        == [size, width, item_width, tags, actresses])
    check("model_meta.json: fingerprint of the weights", meta["model_fingerprint"] == fingerprint(state))
    check("model_meta.json: exported_at has an offset",
          datetime.datetime.fromisoformat(meta["exported_at"]).tzinfo is not None)

    # ONNX.
    import onnx
    import onnxruntime

    model = onnx.load(path("user_tower.onnx"))
    onnx.checker.check_model(model, full_check=True)
    check("user_tower.onnx: checker, opset 17, IR 8",
          model.ir_version == 8 and [(o.domain, o.version) for o in model.opset_import] == [("", 17)])
    session = onnxruntime.InferenceSession(path("user_tower.onnx"), providers=["CPUExecutionProvider"])
    user_tower, item_tower = tower(state, "user_tower"), tower(state, "item_tower")

    def user_vector(user):
        numeric, hour, bags = rows[user] if user in rows else user_features(user)
        return np.concatenate([
            (np.array(numeric) - user_mean) / user_std, [hour], bag(bags["tag"], index["tag"]), bag(bags["actress"], index["actress"])])

    sample = np.array([user_vector(u) for u in users[:1000]], dtype=np.float32)
    for batch in (sample[:0], sample[:1], sample[:7], sample, np.zeros((3, width), np.float32)):
        out = session.run(["user_embedding"], {schema["input_name"]: batch})[0]
        worst = float(np.abs(out - user_tower(batch)).max()) if len(batch) else 0.0
        check(f"user_tower.onnx against torch, batch {len(batch)}",
              out.shape == (len(batch), size) and worst <= 1e-5 and bool(np.isfinite(out).all()), worst)

    # Parquet, by three readers.
    import duckdb
    import polars
    import pyarrow.parquet

    parquet = path("video_embeddings.parquet")
    table = pyarrow.parquet.read_table(parquet)
    check("video_embeddings.parquet: types", str(table.schema.field("video_id").type) in ("string", "large_string")
          and str(table.schema.field("embedding").type) == "list<element: float>", table.schema.field("embedding").type)
    footer = pyarrow.parquet.read_metadata(parquet).metadata or {}
    check("video_embeddings.parquet: fingerprint", footer.get(b"tt.model_fingerprint", b"").decode() == fingerprint(state))
    check("video_embeddings.parquet: every video, ascending, no nulls", table.column("video_id").to_pylist() == ids
          and table.column("embedding").null_count == 0, f"{len(ids)} rows")
    stored = np.stack(table.column("embedding").to_pylist()).astype(np.float32) if ids else np.zeros((0, size))
    check("video_embeddings.parquet: unit rows", bool(np.all(np.abs(np.linalg.norm(stored, axis=1) - 1) < 1e-4)))
    item_vectors = np.array([
        np.concatenate([(np.array(numbers) - item_mean) / item_std]
                       + [bag(collections.Counter(names[k].get(video, ())), index[k]) for k in ("tag", "actress")])
        for video, numbers in zip(ids, item_rows)])
    worst = float(np.abs(stored - item_tower(item_vectors)).max())
    check("video_embeddings.parquet against torch on independent features", worst <= 1e-4, worst)
    ((count, total),) = duckdb.sql(f"select count(*), sum(len(embedding)) from '{parquet}'").fetchall()
    check("DuckDB reads it", (count, total) == (len(ids), len(ids) * size))
    check("polars reads it", polars.read_parquet(parquet).height == len(ids))

    # Manifest.
    if os.path.exists(path("manifest.json")):
        manifest = load("manifest.json")
        files = sorted(os.path.relpath(os.path.join(folder, f), options.artifacts) for folder, _, fs in os.walk(options.artifacts)
                       for f in fs if not f.startswith(".") and f != "manifest.json")
        check("manifest.json: files", [f["path"] for f in manifest["files"]] == files, len(files))
        check("manifest.json: hashes and sizes", all(
            f["sha256"] == hashlib.sha256(open(path(f["path"]), "rb").read()).hexdigest()
            and f["size"] == os.path.getsize(path(f["path"])) for f in manifest["files"]))
        check("manifest.json: model_meta", manifest["model_meta"] == meta)

    # Does it rank? Held-out likes against videos the user never decided on; popularity is the like count in training.
    popularity = collections.Counter(d[1] for d in decisions if d[2] == "like" and (d[0], d[1]) not in left_out)
    draw, position = random.Random(1), {video: i for i, video in enumerate(ids)}
    held_users = sorted({d[0] for d in validation})[:2000]
    vectors = dict(zip(held_users, user_tower(np.array([user_vector(u) for u in held_users])))) if held_users else {}
    scores = {"model": ([], []), "popularity": ([], [])}
    for user, video, kind, _ in sorted(validation):
        if kind != "like" or user not in vectors:
            continue
        others = [v for v in draw.sample(ids, min(len(ids), 30)) if v not in decided[user]]
        for where, candidates in ((0, [video]), (1, others)):
            for candidate in candidates:
                scores["model"][where].append(float(vectors[user] @ stored[position[candidate]]))
                scores["popularity"][where].append(popularity[candidate])
    if scores["model"][0] and scores["model"][1]:
        auc = {name: area_under_curve(np.array(p), np.array(n)) for name, (p, n) in scores.items()}
        print(f"     ranking AUC on held-out likes: model {auc['model']:.4f}, popularity {auc['popularity']:.4f}")

    print(f"reference: {'all checks passed' if failures == 0 else f'{failures} checks FAILED'}")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
