"""The pipeline of lua/pipeline.lua as one would tune it with PyTorch, for scripts/bench to compare with.

    peer_torch.py pipeline --db DSN     tables to checkpoint, JSON, Parquet and manifest, in one process
    peer_torch.py train --db DSN        tables to checkpoint
    peer_torch.py embeddings --db DSN   checkpoint and tables to Parquet

DSN is sqlite:PATH or one of PostgreSQL. Same samples, split, rule of negatives, features, model, optimizer, clipping,
batches and evaluation as the shipped configuration says (docs of the contract are in the code it mirrors); drawn negatives
and initial weights are its own. Tables come as Arrow through ADBC (binary COPY on PostgreSQL), features are computed with
numpy and pyarrow on whole columns, users and items are two dense matrices, and a batch is two gathers from them.

Prints one JSON line per stage: seconds, rows, peak_mb (of the process so far), and what belongs to the stage. Infinite
times are not looked for, and the ONNX file is left out; both would only add to its times.
"""

import time

STARTED = time.perf_counter()

import argparse
import concurrent.futures
import hashlib
import json
import os
import sys

MAX_VOCAB = {"tag": 512, "performer": 256}
MIN_FREQ = {"tag": 3, "performer": 2}
RATIO, SPLIT = 3, 0.1
LR, DECAY, BETAS, EPS, CLIP, PATIENCE = 1e-3, 1e-5, (0.9, 0.999), 1e-8, 5.0, 5
SCALE = 10.0
EMBEDDING_DIM = 256
DAY = 86400e6
NULL_TIME = -(1 << 62)
NUMBERS = ["account_age_days", "mean_price", "median_price", "like_ratio", "like_count", "nope_count",
           "decision_count", "recent_like_days"]
ITEM_NUMBERS = ["price", "recency_days", "duration_seconds"]


def arguments():
    parser = argparse.ArgumentParser(description="The pipeline with PyTorch.")
    parser.add_argument("command", choices=["pipeline", "train", "embeddings"])
    parser.add_argument("--db", required=True)
    parser.add_argument("--dir", default=".", help="where checkpoints/ and artifacts/ are written")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="torch.compile the training step")
    parser.add_argument("--seed", type=int, default=42, help="of the split, weights, dropout, batches and negatives")
    parser.add_argument("--steps", type=int, default=0, help="end each epoch after so many steps (to look at speed)")
    return parser.parse_args()


given = arguments()
# Read when the libraries are loaded. On one thread BLAS must not start a second one either.
os.environ.setdefault("OMP_NUM_THREADS", str(given.threads))

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(given.threads)
torch.set_flush_denormal(True)
# Work that numpy and pyarrow do without the interpreter's lock runs on both cores.
pool = concurrent.futures.ThreadPoolExecutor(2)


def peak_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))


def say(stage, seconds, rows=None, **more):
    record = {"stage": stage, "seconds": round(seconds, 6), "rows": rows, "peak_mb": peak_mb(), **more}
    print(json.dumps(record), flush=True)


class Timer:
    def __init__(self):
        self.last = time.perf_counter()

    def lap(self):
        now = time.perf_counter()
        seconds, self.last = now - self.last, now
        return seconds


# ---- tables


def queries(sqlite):
    number = (lambda name: f"CAST({name} AS REAL)") if sqlite else (lambda name: f"{name}::float8")
    prefix = "" if sqlite else "public."
    return {
        "profiles": f"SELECT user_id, created_at FROM {prefix}profiles",
        "videos": f"SELECT id, {number('price')} AS price, {number('duration_seconds')} AS duration_seconds, "
                  f"product_released_at FROM {prefix}videos",
        "tag": f"SELECT video_id, tag_name AS token FROM {prefix}video_tags WHERE tag_name <> ''",
        "performer": f"SELECT video_id, performer_name AS token FROM {prefix}video_performers WHERE performer_name <> ''",
        "decisions": f"SELECT user_id, video_id, decision_type, created_at FROM {prefix}user_video_decisions",
    }


def read(db, names):
    """Arrow tables by name; the big one on one connection, the others meanwhile on another."""
    sqlite = db.startswith("sqlite:")
    if sqlite:
        import adbc_driver_sqlite.dbapi as driver
        uri = os.path.abspath(db[len("sqlite:"):])
    else:
        import adbc_driver_postgresql.dbapi as driver
        uri = db
    texts = queries(sqlite)

    def fetch(group):
        with driver.connect(uri) as connection, connection.cursor() as cursor:
            if sqlite:
                cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": 65536})
            found = {}
            for name in group:
                cursor.execute(texts[name])
                found[name] = cursor.fetch_arrow_table()
            return found

    groups = [[name] for name in names if name == "decisions"] + [[name for name in names if name != "decisions"]]
    tables = {}
    for part in pool.map(fetch, groups):
        tables.update(part)
    return tables


HEX = np.full(256, 255, np.uint8)
HEX[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
HEX[np.frombuffer(b"ABCDEF", np.uint8)] = np.arange(10, 16)
DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
PLACES = np.array([p for p in range(36) if p not in (8, 13, 18, 23)])


def flat(column):
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column


def ids(column):
    """UUIDs as pairs of 64-bit numbers in the order of their bytes: (n, 2)."""
    column = flat(column)
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_fixed_size_binary(column.type):
        raw = np.frombuffer(column.buffers()[1], np.uint8)[16 * column.offset:16 * (column.offset + len(column))]
    else:
        text = column.cast(pa.large_string())
        start = np.frombuffer(text.buffers()[1], np.int64)[text.offset:text.offset + len(text) + 1]
        if not (np.diff(start) == 36).all():
            sys.exit("peer_torch.py: an id is no UUID of 36 characters")
        digits = HEX[np.frombuffer(text.buffers()[2], np.uint8)[start[0]:start[-1]].reshape(-1, 36)[:, PLACES]]
        raw = (digits[:, 0::2] << 4) | digits[:, 1::2]
    return np.ascontiguousarray(raw).view(">u8").astype(np.uint64).reshape(-1, 2)


def texts(pairs):
    """UUIDs as text: n values of 36 bytes."""
    raw = pairs.astype(">u8").view(np.uint8).reshape(-1, 16)
    out = np.full((len(raw), 36), ord("-"), np.uint8)
    both = np.empty((len(raw), 32), np.uint8)
    both[:, 0::2], both[:, 1::2] = DIGITS[raw >> 4], DIGITS[raw & 15]
    out[:, PLACES] = both
    return out.view("V36").reshape(-1)


def micros(column):
    column = flat(column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.timestamp("us", tz="UTC"))
    return column.cast(pa.int64()).fill_null(NULL_TIME).to_numpy(zero_copy_only=False)


def numbers(column):
    """float64, NaN for what is null or not finite."""
    values = flat(column).cast(pa.float64()).to_numpy(zero_copy_only=False).copy()
    values[~np.isfinite(values)] = np.nan
    return values


def places(pairs, known):
    """Row of each id in `known`, -1 where there is none. The first halves of random UUIDs differ; the second are compared."""
    keys = pa.array(known[:, 0])
    found = pc.index_in(pa.array(np.ascontiguousarray(pairs[:, 0])), keys).fill_null(-1).to_numpy()
    if len(pc.unique(keys)) < len(keys):
        sys.exit("peer_torch.py: two ids share their first half")
    return np.where((found >= 0) & (known[found, 1] == pairs[:, 1]), found, -1)


class Items:
    def __init__(self, tables):
        videos = tables["videos"]
        pairs = ids(videos["id"])
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        self.ids = pairs[order]
        self.n = len(order)
        self.price = numbers(videos["price"])[order]
        self.duration = numbers(videos["duration_seconds"])[order]
        self.released = micros(videos["product_released_at"])[order]

        def named(kind):
            table = tables[kind]
            video = places(ids(table["video_id"]), self.ids)
            coded = flat(table["token"]).dictionary_encode()
            codes = coded.indices.to_numpy()
            here = video >= 0
            # Each pair once, ascending by video.
            width = len(coded.dictionary)
            keys = np.unique(video[here].astype(np.int64) * width + codes[here])
            return keys // width, keys % width, coded.dictionary.to_pylist()

        self.names = dict(zip(("tag", "performer"), pool.map(named, ("tag", "performer"))))

    def fit_vocabularies(self):
        vocabularies = {}
        for kind, (_, code, tokens) in self.names.items():
            counts = np.bincount(code, minlength=len(tokens))
            kept = [i for i in np.flatnonzero(counts >= MIN_FREQ[kind])]
            kept.sort(key=lambda i: (-counts[i], tokens[i].encode()))
            vocabularies[kind] = [tokens[i] for i in kept[:MAX_VOCAB[kind]]]
        return vocabularies

    def bags(self, vocabularies):
        """Per kind the slots that stand on each video: first (n + 1) and slots."""
        found = []
        for kind in ("tag", "performer"):
            video, code, tokens = self.names[kind]
            slot_of = {token: slot for slot, token in enumerate(vocabularies[kind])}
            slot = np.array([slot_of.get(token, -1) for token in tokens], np.int64)[code] if tokens else code
            inside = slot >= 0
            first = np.zeros(self.n + 1, np.int64)
            np.cumsum(np.bincount(video[inside], minlength=self.n), out=first[1:])
            found.append((first, slot[inside]))
        return found

    def numbers(self, now):
        recency = np.where(self.released == NULL_TIME, 0.0, (now - self.released) / DAY)
        return np.stack([np.nan_to_num(self.price), recency, np.nan_to_num(self.duration)], 1)


def fit_scaler(values):
    mean = values.mean(0)
    std = np.sqrt(((values - mean) ** 2).mean(0))
    return mean, np.where(std <= 1e-9 * np.maximum(1, np.abs(mean)), 1.0, std)


def item_matrix(items, bags, sizes, now, scaler):
    values = items.numbers(now)
    scaler = scaler or fit_scaler(values)
    matrix = np.zeros((items.n, 3 + sum(sizes)), np.float32)
    matrix[:, :3] = (values - scaler[0]) / scaler[1]
    start = 3
    for (first, slot), size in zip(bags, sizes):
        count = np.diff(first)
        row = np.repeat(np.arange(items.n), count)
        matrix[row, start + slot] = 1 / np.sqrt(count[row])
        start += size
    return matrix, scaler


# ---- decisions, samples


class Decisions:
    """The effective ones of users with a profile, ascending by user and video."""

    def __init__(self, table, users, items):
        columns = (table["user_id"], users), (table["video_id"], items.ids)
        (user, _), (video, pairs) = pool.map(lambda given: (lambda own: (places(own, given[1]), own))(ids(given[0])),
                                             columns)
        created = micros(table["created_at"])
        self.newest = int(created.max()) if len(created) else NULL_TIME
        coded = flat(table["decision_type"]).dictionary_encode()
        names = coded.dictionary.to_pylist()
        rank = {name: place for place, name in enumerate(sorted(names, key=str.encode))}
        kind = np.array([rank[name] for name in names], np.int8)[coded.indices.to_numpy()]
        # Videos that are gone keep an identity behind those that exist.
        gone = np.flatnonzero(video < 0)
        video = video.astype(np.int64)
        if len(gone):
            _, places_ = np.unique(pairs[gone], axis=0, return_inverse=True)
            video[gone] = items.n + places_.reshape(-1)
        width = int(video.max(initial=0)) + 1
        known = np.flatnonzero(user >= 0)
        keys = user[known].astype(np.int64) * width + video[known]
        order = known[np.argsort(keys)]
        keys = user[order].astype(np.int64) * width + video[order]
        same = np.flatnonzero(keys[1:] == keys[:-1])
        if len(same):
            # The few groups of several rows: the newest first, then by the kind's name.
            double = np.zeros(len(keys), bool)
            double[same] = double[same + 1] = True
            at = np.flatnonzero(double)
            rows = order[at]
            order[at] = rows[np.lexsort((kind[rows], -created[rows], keys[at]))]
            keep = np.ones(len(keys), bool)
            keep[same + 1] = False
            order = order[keep]
        self.user, self.video, self.created, kind = user[order], video[order], created[order], kind[order]
        self.like, self.nope = kind == rank.get("like", -1), kind == rank.get("nope", -1)
        self.eligible = (self.like | self.nope) & (self.video < items.n)


def digests(user, video, user_texts, video_texts):
    """First 64 bits of the SHA-256 of each `seed:user:video`."""
    head = f"{given.seed}:".encode()
    layout = np.dtype([("head", f"S{len(head)}"), ("user", "V36"), ("colon", "S1"), ("video", "V36")])
    width = layout.itemsize
    out = np.empty(len(user), np.uint64)
    # For few rows the interpreter's own loop is done before a database is loaded.
    few = len(user) < 300000
    if not few:
        import duckdb
        connection = duckdb.connect()
    for start in range(0, len(user), 1000000):
        stop = min(start + 1000000, len(user))
        text = np.empty(stop - start, layout)
        text["head"], text["colon"] = head, b":"
        text["user"], text["video"] = user_texts[user[start:stop]], video_texts[video[start:stop]]
        if few:
            raw, sha = text.tobytes(), hashlib.sha256
            joined = b"".join([sha(raw[i:i + width]).digest()[:8] for i in range(0, len(raw), width)])
            out[start:stop] = np.frombuffer(joined, ">u8")
        else:
            offsets = pa.py_buffer(np.arange(0, width * len(text) + 1, width, dtype=np.int32))
            column = pa.StringArray.from_buffers(len(text), offsets, pa.py_buffer(text))
            rows = pa.table({"t": column})
            rows = pa.Table.from_batches(rows.to_batches(max_chunksize=122880))
            # `rows` is the table that the statement names.
            hashed = flat(connection.sql("SELECT left(sha256(t), 16) AS h FROM rows").to_arrow_table()["h"])
            offset = np.frombuffer(hashed.buffers()[1], np.int32)[hashed.offset]
            digit = HEX[np.frombuffer(hashed.buffers()[2], np.uint8)[offset:offset + 16 * len(text)].reshape(-1, 16)]
            out[start:stop] = ((digit[:, 0::2] << 4) | digit[:, 1::2]).copy().view(">u8").reshape(-1)
    return out


def draw_negatives(user, like, nope, taken, users, items, generator):
    """Per user max(0, ratio * max(1, likes) - nopes) videos without a decision, all different; as many as there are."""
    likes, nopes = np.bincount(user[like], minlength=users), np.bincount(user[nope], minlength=users)
    wanted = np.where(likes + nopes > 0, np.maximum(0, RATIO * np.maximum(1, likes) - nopes), 0)
    free = items - np.bincount(taken // items, minlength=users)
    wanted = np.minimum(wanted, free)
    parts = []
    # Users who want a good part of what is free choose from a list of it; there are few.
    for one in np.flatnonzero(wanted > free // 3):
        mine = taken[np.searchsorted(taken, one * items):np.searchsorted(taken, (one + 1) * items)] - one * items
        rest = np.setdiff1d(np.arange(items), mine, assume_unique=True)
        parts.append(one * items + generator.permutation(rest)[:wanted[one]])
        wanted[one] = 0
    # The others draw what they lack until nothing was taken or drawn before.
    have = np.empty(0, np.int64)
    lack = wanted
    while lack.any():
        owner = np.repeat(np.arange(users, dtype=np.int64), lack)
        keys = np.sort(owner * items + generator.integers(0, items, len(owner)))
        for known in (taken, have):
            if len(known):
                at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
                keys = keys[known[at] != keys]
        keys = keys[np.r_[True, keys[1:] != keys[:-1]]] if len(keys) else keys
        have = np.sort(np.concatenate([have, keys]))
        lack = wanted - np.bincount(have // items, minlength=users)
    keys = np.concatenate([have, *parts])
    return keys // items, keys % items


def make_samples(made, items, users, generator):
    """Both sides as (user, item, label), and which decisions validate."""
    eligible = np.flatnonzero(made.eligible)
    count = int(len(eligible) * SPLIT)
    validates = np.zeros(len(made.user), bool)
    if count:
        digest = digests(made.user[eligible], made.video[eligible], texts(users), texts(items.ids))
        validates[eligible[np.argpartition(digest, count - 1)[:count]]] = True
    here = made.video < items.n
    taken = made.user[here].astype(np.int64) * items.n + made.video[here]
    sides = []
    for mine in (made.eligible & ~validates, made.eligible & validates):
        user, video, like = made.user[mine], made.video[mine], made.like[mine]
        other_user, other_video = draw_negatives(user, like, ~like, taken, len(users), items.n, generator)
        sides.append((np.concatenate([user, other_user]), np.concatenate([video, other_video]),
                      np.concatenate([like, np.zeros(len(other_user), bool)]).astype(np.float32)))
    return sides[0], sides[1], validates


# ---- user features


def user_matrix(made, validates, created_at, items, bags, sizes, now, fitted):
    users = len(created_at)
    view = ~validates
    user, like = made.user[view], made.like[view]
    decisions = np.bincount(user, minlength=users)
    nopes = np.bincount(user[made.nope[view]], minlength=users)
    liker, liked, when = user[like], made.video[view][like], made.created[view][like]
    likes = np.bincount(liker, minlength=users)
    dated = when != NULL_TIME
    hour = (when[dated] // 3600000000) % 24
    dated_count = np.bincount(liker[dated], minlength=users)
    hours = np.bincount(liker[dated], hour, minlength=users)
    recent = np.full(users, NULL_TIME)
    starts = np.flatnonzero(np.r_[True, liker[1:] != liker[:-1]]) if len(liker) else np.empty(0, np.int64)
    if len(starts):
        recent[liker[starts]] = np.maximum.reduceat(when, starts)

    here = liked < items.n
    liker, liked = liker[here], liked[here]
    price = items.price[liked]
    priced = ~np.isnan(price)
    owner, price = liker[priced], price[priced]
    count = np.bincount(owner, minlength=users)
    mean = np.bincount(owner, price, minlength=users) / np.maximum(count, 1)
    # Prices ascending within each user, by one sort of whole numbers.
    levels, level = np.unique(items.price[~np.isnan(items.price)], return_inverse=True)
    level_of = np.zeros(items.n, np.int64)
    level_of[~np.isnan(items.price)] = level
    ordered = np.sort(owner.astype(np.int64) * max(len(levels), 1) + level_of[liked[priced]])
    ordered = levels[ordered % max(len(levels), 1)] if len(levels) else np.zeros(0)
    first = np.cumsum(count) - count
    median = np.zeros(users)
    some = np.flatnonzero(count)
    median[some] = (ordered[first[some] + (count[some] - 1) // 2] + ordered[first[some] + count[some] // 2]) / 2

    values = np.stack([
        np.where(created_at == NULL_TIME, 0.0, (now - created_at) / DAY), mean, median,
        np.where(decisions > 0, likes / np.maximum(decisions, 1), 0.5), likes, nopes, decisions,
        np.where(recent == NULL_TIME, 0.0, (now - recent) / DAY),
    ], 1)
    scaler = fit_scaler(values[fitted])
    matrix = np.empty((users, 9 + sum(sizes)), np.float32)
    matrix[:, :8] = (values - scaler[0]) / scaler[1]
    matrix[:, 8] = np.where(dated_count > 0, hours / np.maximum(dated_count, 1), 12) / 23

    bounds = np.searchsorted(liker, np.arange(users + 1))
    start = 9
    for (begin, slot), size in zip(bags, sizes):
        # Blocks of users, so that what is expanded stays small.
        for low in range(0, users if size else 0, 8192):
            high = min(low + 8192, users)
            own, video = liker[bounds[low]:bounds[high]], liked[bounds[low]:bounds[high]]
            length = begin[video + 1] - begin[video]
            ends = np.cumsum(length)
            total = int(ends[-1]) if len(ends) else 0
            at = np.arange(total) + np.repeat(begin[video] - (ends - length), length)
            keys = np.repeat((own - low).astype(np.int64) * size, length) + slot[at]
            counts = np.bincount(keys, minlength=(high - low) * size).reshape(high - low, size).astype(np.float64)
            norm = np.sqrt(np.einsum("ij,ij->i", counts, counts))
            counts /= np.where(norm > 0, norm, 1)[:, None]
            matrix[low:high, start:start + size] = counts
        start += size
    return matrix, scaler


# ---- model


class Tower(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(inputs, 512), nn.ReLU(), nn.Dropout(0.2), nn.Linear(512, 256), nn.ReLU(),
                                      nn.Dropout(0.1), nn.Linear(256, EMBEDDING_DIM))

    def forward(self, rows):
        return F.normalize(self.backbone(rows), dim=-1, eps=1e-12)


class Towers(nn.Module):
    def __init__(self, user_dim, item_dim, bias):
        super().__init__()
        self.user_tower, self.item_tower = Tower(user_dim), Tower(item_dim)
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def forward(self, users, items, labels):
        scores = (self.user_tower(users) * self.item_tower(items)).sum(-1) * SCALE + self.bias
        return F.binary_cross_entropy_with_logits(scores, labels)


def embed(tower, matrix, block=4096):
    return torch.cat([tower(matrix[start:start + block]) for start in range(0, len(matrix), block)])


def validate(model, users, items, side):
    model.eval()
    with torch.inference_mode():
        user, item, label = side
        own, other = embed(model.user_tower, users), embed(model.item_tower, items)
        scores = torch.cat([(own[user[at:at + 4096]] * other[item[at:at + 4096]]).sum(-1)
                            for at in range(0, len(user), 4096)]) * SCALE + model.bias
        loss = F.binary_cross_entropy_with_logits(scores, label).item()
        return loss, ((scores > 0) == (label > 0.5)).float().mean().item()


def run_training(users, items, train, val):
    torch.manual_seed(given.seed)
    users, items = torch.from_numpy(users), torch.from_numpy(items)
    train, val = ([torch.from_numpy(np.ascontiguousarray(part)) for part in side] for side in (train, val))
    train[0], train[1] = train[0].long(), train[1].long()
    val[0], val[1] = val[0].long(), val[1].long()
    n = len(train[2])
    share = min(max(train[2].mean().item(), 0.5 / n), 1 - 0.5 / n)
    model = Towers(users.shape[1], items.shape[1], np.log(share / (1 - share)))
    weights = [weight for name, weight in model.named_parameters() if name != "bias"]
    optimizer = torch.optim.AdamW([{"params": weights, "weight_decay": DECAY}, {"params": [model.bias], "weight_decay": 0.0}],
                                  lr=LR, betas=BETAS, eps=EPS, fused=True)
    parameters = list(model.parameters())
    forward = torch.compile(model, dynamic=False) if given.compile else model
    best, without_gain = None, 0
    for epoch in range(1, given.epochs + 1):
        timer = Timer()
        model.train()
        order = torch.randperm(n)
        total = torch.zeros(())
        user, item, label = (part[order] for part in train)
        stop = min(n, given.steps * given.batch_size) if given.steps else n
        for start in range(0, stop, given.batch_size):
            at = slice(start, min(start + given.batch_size, n))
            # The last, short batch is not worth compiling for.
            step = forward if at.stop - start == given.batch_size else model
            loss = step(users.index_select(0, user[at]), items.index_select(0, item[at]), label[at])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, CLIP, foreach=True)
            optimizer.step()
            total += loss.detach() * (at.stop - at.start)
        if not torch.isfinite(total):
            sys.exit("peer_torch.py: the loss is not finite")
        trained = timer.lap()
        val_loss = val_acc = None
        if len(val[2]):
            val_loss, val_acc = validate(model, users, items, val)
        better = best is None or val_loss is None or val_loss < best[0] - 1e-4
        if better:
            best = (val_loss, epoch, {name: value.clone() for name, value in model.state_dict().items() if name != "bias"})
        without_gain = 0 if better else without_gain + 1
        say("epoch", trained + timer.lap(), stop, epoch=epoch, step_seconds=trained, train_loss=total.item() / stop,
            val_loss=val_loss, val_acc=val_acc, best=better)
        if without_gain >= PATIENCE:
            break
    model.load_state_dict({**best[2], "bias": model.bias.detach()})
    return model, best


# ---- stages


def path(*parts):
    full = os.path.join(given.dir, *parts)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    return full


def write_whole(name, write):
    """Writes beside, then renames."""
    write(name + ".new")
    os.replace(name + ".new", name)


def train_stage():
    timer = Timer()
    tables = read(given.db, ["profiles", "videos", "tag", "performer", "decisions"])
    rows = sum(len(table) for table in tables.values())
    say("extract", timer.lap(), rows)

    items = Items(tables)
    profiles = tables["profiles"]
    pairs = ids(profiles["user_id"])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs, created = pairs[order], micros(profiles["created_at"])[order]
    made = Decisions(tables["decisions"], pairs, items)
    del tables, profiles
    now = made.newest if made.newest != NULL_TIME else int(time.time() * 1e6)
    # Users are those with a profile and an eligible decision, numbered anew.
    present = np.bincount(made.user[made.eligible], minlength=len(pairs)) > 0
    number = np.cumsum(present) - 1
    keep = present[made.user]
    for name in ("user", "video", "created", "like", "nope", "eligible"):
        setattr(made, name, getattr(made, name)[keep])
    made.user = number[made.user]
    pairs, created = pairs[present], created[present]

    train, val, validates = make_samples(made, items, pairs, np.random.default_rng(given.seed))
    if not len(train[0]):
        sys.exit("peer_torch.py: there is no sample to train on")
    vocabularies = items.fit_vocabularies()
    bags, sizes = items.bags(vocabularies), [len(vocabularies[kind]) for kind in ("tag", "performer")]
    newest = int(items.released.max(initial=NULL_TIME))
    fitted = np.bincount(made.user[made.eligible & ~validates], minlength=len(pairs)) > 0
    item_rows, item_scaler = item_matrix(items, bags, sizes, newest, None)
    user_rows, user_scaler = user_matrix(made, validates, created, items, bags, sizes, now, fitted)
    del made
    say("features", timer.lap(), rows, train=len(train[0]), val=len(val[0]), users=len(user_rows), items=len(item_rows),
        user_dim=user_rows.shape[1], item_dim=item_rows.shape[1])

    model, best = run_training(user_rows, item_rows, train, val)
    timer.lap()
    pipeline = {"vocabularies": vocabularies, "user_scaler": [part.tolist() for part in user_scaler],
                "item_scaler": [part.tolist() for part in item_scaler], "reference_time": now,
                "item_reference_time": newest, "user_dim": user_rows.shape[1], "item_dim": item_rows.shape[1]}
    state = {name: value for name, value in model.state_dict().items() if name != "bias"}
    write_whole(path("checkpoints", "latest.pt"), lambda name: torch.save({"model_state": state, "pipeline": pipeline}, name))
    say("checkpoint", timer.lap(), best_val_loss=best[0], best_epoch=best[1])
    return model.item_tower, torch.from_numpy(item_rows), items, pipeline


def write_embeddings(tower, matrix, items):
    """One row group after the other: the next is computed while the last is encoded."""
    text = texts(items.ids)
    schema = pa.schema([("video_id", pa.string()), ("embedding", pa.list_(pa.float32()))])
    tower.eval()

    def write(name):
        pending = None
        with pq.ParquetWriter(name, schema, compression="snappy", use_dictionary=False) as writer, torch.inference_mode():
            for low in range(0, len(matrix), 65536):
                rows = embed(tower, matrix[low:low + 65536])
                if not torch.allclose(torch.linalg.vector_norm(rows, dim=-1), torch.ones(()), atol=1e-4):
                    sys.exit("peer_torch.py: an embedding is no unit vector")
                count = len(rows)
                own = pa.StringArray.from_buffers(count, pa.py_buffer(np.arange(0, 36 * count + 1, 36, dtype=np.int32)),
                                                  pa.py_buffer(np.ascontiguousarray(text[low:low + count])))
                offsets = pa.array(np.arange(0, EMBEDDING_DIM * count + 1, EMBEDDING_DIM, dtype=np.int32))
                block = pa.table([own, pa.ListArray.from_arrays(offsets, pa.array(rows.numpy().reshape(-1)))], schema)
                if pending:
                    pending.result()
                pending = pool.submit(writer.write_table, block)
            if pending:
                pending.result()

    write_whole(path("artifacts", "video_embeddings.parquet"), write)


def embeddings_stage():
    timer = Timer()
    loaded = torch.load(path("checkpoints", "latest.pt"), weights_only=True)
    pipeline = loaded["pipeline"]
    tower = Tower(pipeline["item_dim"])
    tower.load_state_dict({name[len("item_tower."):]: value for name, value in loaded["model_state"].items()
                           if name.startswith("item_tower.")})
    tables = read(given.db, ["videos", "tag", "performer"])
    say("items extract", timer.lap(), sum(len(table) for table in tables.values()))
    items = Items(tables)
    vocabularies = pipeline["vocabularies"]
    sizes = [len(vocabularies[kind]) for kind in ("tag", "performer")]
    scaler = [np.array(part) for part in pipeline["item_scaler"]]
    matrix, _ = item_matrix(items, items.bags(vocabularies), sizes, pipeline["item_reference_time"], scaler)
    matrix = torch.from_numpy(matrix)
    say("items features", timer.lap(), items.n)
    write_embeddings(tower, matrix, items)
    say("embeddings", timer.lap(), items.n)


def write_json(name, value):
    text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"

    def write(target):
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)

    write_whole(path("artifacts", name), write)


def manifest_stage(pipeline):
    vocabularies = pipeline["vocabularies"]
    sizes = [len(vocabularies[kind]) for kind in ("tag", "performer")]
    write_json("feature_schema.json", {"version": "v2", "input_dim": pipeline["user_dim"], "embedding_dim": EMBEDDING_DIM,
               "segments": [{"name": "numeric", "size": 8, "features": NUMBERS}, {"name": "hour_of_day", "size": 1},
                            {"name": "tag_vector", "size": sizes[0]}, {"name": "actress_vector", "size": sizes[1]}]})
    scaled = lambda names, scaler: {name: {"mean": m, "std": s} for name, m, s in zip(names, *scaler)}
    write_json("normalizer.json", {"user_numeric": scaled(NUMBERS, pipeline["user_scaler"]),
                                   "item_numeric": scaled(ITEM_NUMBERS, pipeline["item_scaler"])})
    write_json("vocab_tag.json", {"tokens": vocabularies["tag"]})
    write_json("vocab_actress.json", {"tokens": vocabularies["performer"]})
    files = []
    for name in sorted(os.listdir(path("artifacts", ""))):
        if name != "manifest.json":
            with open(path("artifacts", name), "rb") as file:
                files.append({"path": name, "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
                              "size": os.path.getsize(path("artifacts", name))})
    write_json("manifest.json", {"files": files})


def main():
    say("start", time.perf_counter() - STARTED, threads=given.threads, compiled=given.compile,
        versions={"python": sys.version.split()[0], "torch": torch.__version__, "numpy": np.__version__,
                  "pyarrow": pa.__version__})
    if given.command == "embeddings":
        embeddings_stage()
    else:
        tower, matrix, items, pipeline = train_stage()
        if given.command == "pipeline":
            timer = Timer()
            write_embeddings(tower, matrix, items)
            say("embeddings", timer.lap(), items.n)
            manifest_stage(pipeline)
            say("manifest", timer.lap())
    say("done", time.perf_counter() - STARTED)


main()
