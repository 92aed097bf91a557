"""Resumable uploads: TUS 1.0.0 with creation and termination, at /storage/v1/upload/resumable.

Storage asks for chunks of 6 MiB. This server is stricter than Storage about it, so that a client that does not keep to
it is noticed: no chunk is larger, and one that does not end the upload is not smaller, unless it goes on from where a
broken connection left off.
"""

import base64
import binascii
import hashlib
import json
import os
import re
import threading
import uuid

from .objects import Exists, Incoming
from .storage import check_key
from .web import ApiError, Response

CHUNK = 6 * 1024 * 1024


def fail(status, message):
    raise ApiError(Response(status, message, {"Tus-Resumable": "1.0.0", "Content-Type": "text/plain; charset=utf-8"}))


def metadata_of(text):
    found = {}
    for pair in filter(None, (text or "").split(",")):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            fail(400, "Upload-Metadata is invalid\n")
    return found


class Tus:
    """Uploads under way: DIR/ID holds the bytes so far, DIR/ID.json the rest, so that they survive a restart."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.locks = {}
        self.lock = threading.Lock()

    def handle(self, request, path, storage):
        if request.method == "OPTIONS":
            return Response(204, headers={"Tus-Resumable": "1.0.0", "Tus-Version": "1.0.0", "Tus-Extension":
                                          "creation,creation-with-upload,termination", "Tus-Max-Size": str(storage.size_limit)})
        if request.method != "HEAD":
            storage.authorise(request)
        if request.header("Tus-Resumable") != "1.0.0":
            fail(412, "Tus-Resumable Required\n")
        name = path.strip("/")
        try:
            if not name:
                if request.method != "POST":
                    fail(404, "Not found\n")
                return self.create(request, storage)
            upload = self.find(name)
            with self.lock:
                lock = self.locks.setdefault(name, threading.Lock())
            with lock:
                handler = {"HEAD": self.head, "PATCH": self.patch, "DELETE": self.delete}.get(request.method)
                if handler is None:
                    fail(404, "Not found\n")
                return handler(request, upload, storage)
        except ApiError as bad:
            # Storage's own errors come unwrapped here: the status is real, the body is the message.
            if bad.response.headers.get("Content-Type", "").startswith("application/json"):
                value = json.loads(bad.response.body)
                fail(int(value["statusCode"]), value["message"])
            raise

    # ---- what is known of an upload

    def find(self, name):
        try:
            key = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode().rpartition("/")[2]
        except (binascii.Error, UnicodeDecodeError):
            key = ""
        state = self.folder / f"{key}.json"
        if not re.fullmatch(r"[0-9a-f-]{36}", key) or not state.exists():
            fail(404, "The file for this url was not found\n")
        return json.loads(state.read_text())

    def data(self, upload):
        return self.folder / upload["key"]

    def save(self, upload):
        temporary = self.folder / f".{upload['key']}.json"
        temporary.write_text(json.dumps(upload))
        os.replace(temporary, self.folder / f"{upload['key']}.json")

    def drop(self, upload):
        (self.folder / f"{upload['key']}.json").unlink(missing_ok=True)
        self.data(upload).unlink(missing_ok=True)

    def offset(self, upload):
        return upload["length"] if upload["done"] else self.data(upload).stat().st_size

    # ---- requests

    def create(self, request, storage):
        metadata = metadata_of(request.header("Upload-Metadata"))
        length = request.header("Upload-Length") or ""
        if not length.isdigit():
            fail(400, "Upload-Length or Upload-Defer-Length header required\n")
        bucket, name = metadata.get("bucketName", ""), metadata.get("objectName", "")
        limit, allowed = storage.limits(bucket)
        check_key(name)
        if int(length) > limit:
            fail(413, "Maximum size exceeded\n")
        kind = metadata.get("contentType") or "application/octet-stream"
        storage.check_type(kind, allowed)
        upload = {"key": str(uuid.uuid4()), "bucket": bucket, "name": name, "length": int(length), "kind": kind,
                  "cache": metadata.get("cacheControl", ""), "metadata": metadata.get("metadata"),
                  "header": request.header("Upload-Metadata"), "upsert": request.header("x-upsert") == "true", "done": False}
        self.refuse_existing(upload, storage)
        self.data(upload).touch()
        self.save(upload)
        host = request.header("Host")
        address = base64.urlsafe_b64encode(f"{bucket}/{name}/{upload['key']}".encode()).rstrip(b"=").decode()
        headers = {"Tus-Resumable": "1.0.0", "Location": f"http://{host}/storage/v1/upload/resumable/{address}"}
        if upload["length"] == 0 or request.header("Content-Type") == "application/offset+octet-stream":
            headers["Upload-Offset"] = str(self.receive(request, upload, storage))
        return Response(201, headers=headers)

    @staticmethod
    def refuse_existing(upload, storage):
        if not upload["upsert"] and storage.objects.object(upload["bucket"], upload["name"]):
            fail(409, "The resource already exists")

    def head(self, request, upload, storage):
        return Response(200, headers={"Tus-Resumable": "1.0.0", "Cache-Control": "no-store",
                                      "Upload-Offset": str(self.offset(upload)), "Upload-Length": str(upload["length"]),
                                      "Upload-Metadata": upload["header"]})

    def patch(self, request, upload, storage):
        if request.header("Content-Type") != "application/offset+octet-stream":
            fail(400, "Content-Type header required\n")
        given = request.header("Upload-Offset") or ""
        if not given.isdigit():
            fail(403, "Upload-Offset header required\n")
        if int(given) != self.offset(upload):
            fail(409, "Upload-Offset conflict\n")
        if not upload["done"]:
            self.refuse_existing(upload, storage)
        return Response(204, headers={"Tus-Resumable": "1.0.0", "Upload-Offset": str(self.receive(request, upload, storage))})

    def delete(self, request, upload, storage):
        self.drop(upload)
        return Response(204, headers={"Tus-Resumable": "1.0.0"})

    def receive(self, request, upload, storage):
        """Adds the body to what is there. What arrives before a connection breaks is kept. Returns the new offset."""
        if upload["done"]:
            return upload["length"]
        offset = self.offset(upload)
        size = request.stream.length if not request.stream.chunked else None
        if size is not None:
            if offset + size > upload["length"]:
                fail(413, "upload's size exceeded\n")
            if size > CHUNK:
                fail(413, f"chunks have {CHUNK} bytes, not {size}\n")
            if size < CHUNK and offset % CHUNK == 0 and offset + size < upload["length"] and request.method == "PATCH":
                fail(400, f"chunks before the last have {CHUNK} bytes, not {size}\n")
        with open(self.data(upload), "ab", buffering=0) as stream:
            while data := request.stream.read(1 << 20):
                offset += len(data)
                if offset > upload["length"]:
                    fail(413, "upload's size exceeded\n")
                stream.write(data)
        if offset == upload["length"]:
            self.finish(upload, storage)
        return offset

    def finish(self, upload, storage):
        path = storage.objects.files / str(uuid.uuid4())
        incoming = Incoming(path)
        parts = []
        with open(self.data(upload), "rb") as stream:
            while data := stream.read(CHUNK):
                incoming.write(data)
                parts.append(hashlib.md5(data).digest())
        # An object of several parts is marked as S3 does it.
        etag = f'"{hashlib.md5(b"".join(parts)).hexdigest()}-{len(parts)}"' if len(parts) > 1 else None
        cache = f"max-age={upload['cache']}" if re.fullmatch(r"-?\d+", upload["cache"]) else "no-cache"
        try:
            metadata = json.loads(upload["metadata"]) if upload["metadata"] else None
        except ValueError:
            metadata = None
        try:
            storage.objects.store(upload["bucket"], upload["name"], incoming, upload["kind"], cache, metadata,
                                  upload["upsert"], etag)
        except Exists:
            fail(409, "The resource already exists")
        upload["done"] = True
        self.save(upload)
        self.data(upload).unlink(missing_ok=True)
