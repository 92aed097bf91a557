"""What Storage keeps: bytes in files of their own, and an index (SQLite) that says which file an object is.

A new version is written beside the old one, synced, and then takes its place in the index in one transaction: after a
crash there is the old object or the new one.
"""

import datetime
import hashlib
import json
import os
import pathlib
import sqlite3
import threading
import uuid

TABLES = """
CREATE TABLE IF NOT EXISTS buckets (id TEXT PRIMARY KEY, public INTEGER NOT NULL, file_size_limit INTEGER,
    allowed_mime_types TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS objects (bucket TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, version TEXT NOT NULL,
    size INTEGER NOT NULL, mimetype TEXT NOT NULL, cache_control TEXT NOT NULL, etag TEXT NOT NULL, user_metadata TEXT,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL, PRIMARY KEY (bucket, name)) WITHOUT ROWID;
"""


class Exists(Exception):
    """There is an object of that name, and it is not to be replaced."""


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Incoming:
    """Bytes on their way in."""

    def __init__(self, path):
        self.path = path
        self.stream = open(path, "wb")
        self.digest = hashlib.md5()
        self.size = 0

    def write(self, data):
        self.stream.write(data)
        self.digest.update(data)
        self.size += len(data)

    def close(self):
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()

    def discard(self):
        self.stream.close()
        self.path.unlink(missing_ok=True)


class Objects:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.files = self.folder / "files"
        self.files.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self.index = sqlite3.connect(self.folder / "index.sqlite", check_same_thread=False, isolation_level=None)
        self.index.row_factory = sqlite3.Row
        self.index.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + TABLES)
        self.sweep()

    def sweep(self):
        """Removes files that no object has: what a killed server left."""
        known = {row["version"] for row in self.rows("SELECT version FROM objects")}
        for path in self.files.iterdir():
            if path.name not in known:
                path.unlink(missing_ok=True)

    def close(self):
        with self.lock:
            self.index.close()

    def rows(self, text, *values):
        with self.lock:
            return [dict(row) for row in self.index.execute(text, values)]

    def row(self, text, *values):
        found = self.rows(text, *values)
        return found[0] if found else None

    # ---- buckets

    def bucket(self, name):
        return self.row("SELECT * FROM buckets WHERE id = ?", name)

    def buckets(self):
        return self.rows("SELECT * FROM buckets ORDER BY id")

    def put_bucket(self, name, public, limit, types, new):
        types = json.dumps(types) if types is not None else None
        with self.lock:
            if new:
                self.index.execute("INSERT INTO buckets VALUES (?, ?, ?, ?, ?, ?)", (name, public, limit, types, now(), now()))
            else:
                self.index.execute("UPDATE buckets SET public = ?, file_size_limit = ?, allowed_mime_types = ?, "
                                   "updated_at = ? WHERE id = ?", (public, limit, types, now(), name))

    def drop_bucket(self, name):
        with self.lock:
            self.index.execute("DELETE FROM buckets WHERE id = ?", (name,))

    # ---- objects

    def object(self, bucket, name):
        return self.row("SELECT * FROM objects WHERE bucket = ? AND name = ?", bucket, name)

    def objects(self, bucket, prefix=""):
        return self.rows("SELECT * FROM objects WHERE bucket = ? AND substr(name, 1, ?) = ? ORDER BY name",
                         bucket, len(prefix), prefix)

    def path(self, found):
        return self.files / found["version"]

    def incoming(self):
        return Incoming(self.files / str(uuid.uuid4()))

    def store(self, bucket, name, incoming, mimetype, cache_control, metadata, upsert, etag=None):
        """Gives the bytes their name. Raises Exists unless `upsert`."""
        incoming.close()
        etag = etag or f'"{incoming.digest.hexdigest()}"'
        with self.lock:
            old = self.object(bucket, name)
            if old and not upsert:
                incoming.path.unlink(missing_ok=True)
                raise Exists(name)
            found = {"bucket": bucket, "name": name, "id": old["id"] if old else str(uuid.uuid4()),
                     "version": incoming.path.name, "size": incoming.size, "mimetype": mimetype,
                     "cache_control": cache_control, "etag": etag,
                     "user_metadata": json.dumps(metadata) if metadata is not None else None,
                     "created_at": old["created_at"] if old else now(), "updated_at": now()}
            self.index.execute("REPLACE INTO objects VALUES (:bucket, :name, :id, :version, :size, :mimetype, "
                               ":cache_control, :etag, :user_metadata, :created_at, :updated_at)", found)
        if old:
            self.path(old).unlink(missing_ok=True)
        return found

    def copy(self, source, bucket, name, mimetype, cache_control, metadata, upsert):
        """The bytes of an object under another name. Whatever its parts were, the copy is marked as one of a single part."""
        incoming = self.incoming()
        with open(self.path(source), "rb") as stream:
            while data := stream.read(1 << 20):
                incoming.write(data)
        return self.store(bucket, name, incoming, mimetype, cache_control, metadata, upsert)

    def move(self, source, bucket, name):
        with self.lock:
            if self.object(bucket, name):
                raise Exists(name)
            self.index.execute("UPDATE objects SET bucket = ?, name = ?, updated_at = ? WHERE bucket = ? AND name = ?",
                               (bucket, name, now(), source["bucket"], source["name"]))

    def remove(self, bucket, names):
        removed = []
        with self.lock:
            for name in names:
                found = self.object(bucket, name)
                if found:
                    self.index.execute("DELETE FROM objects WHERE bucket = ? AND name = ?", (bucket, name))
                    removed.append(found)
        for found in removed:
            self.path(found).unlink(missing_ok=True)
        return removed
