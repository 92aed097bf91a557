"""/storage/v1 as Supabase Storage answers it. Errors keep their real status in the body, behind HTTP 400."""

import base64
import datetime
import email
import email.utils
import json
import re

from . import auth
from .objects import Exists
from .web import ApiError, Response

KEY = re.compile(r"[\w/!\-.*'() &$@=;:+,?]*", re.ASCII)
UNITS = {"gb": 10**9, "mb": 10**6, "kb": 10**3, "b": 1}


def error(status, kind, message):
    """A Storage error: only 500 is seen as HTTP status, everything else hides behind 400."""
    return Response.json(500 if status == 500 else 400, {"statusCode": str(status), "error": kind, "message": message})


def fail(status, kind, message):
    raise ApiError(error(status, kind, message))


def no_bucket():
    fail(404, "Bucket not found", "Bucket not found")


def no_object():
    fail(404, "not_found", "Object not found")


def duplicate():
    fail(409, "Duplicate", "The resource already exists")


def too_large():
    fail(413, "Payload too large", "The object exceeded the maximum allowed size")


def check_key(name):
    if not name or not KEY.fullmatch(name) or any(part in (".", "..") for part in name.split("/")):
        fail(400, "InvalidKey", f"Invalid key: {name}")


def entry(found, name=None):
    """An object as listings and removals describe it."""
    return {"name": name or found["name"], "id": found["id"], "updated_at": found["updated_at"],
            "created_at": found["created_at"], "last_accessed_at": found["created_at"],
            "metadata": {"eTag": found["etag"], "size": found["size"], "mimetype": found["mimetype"],
                         "cacheControl": found["cache_control"], "lastModified": found["updated_at"],
                         "contentLength": found["size"], "httpStatusCode": 200}}


class Storage:
    def __init__(self, objects, secret, tus, size_limit):
        self.objects = objects
        self.secret = secret
        self.tus = tus
        self.size_limit = size_limit
        # Type and cache control of versions whose downloads have others than the index says.
        self.served = {}

    def handle(self, request):
        path = request.path.removeprefix("/storage/v1")
        if path.startswith("/object/public/") or path.startswith("/object/info/public/"):
            if request.method in ("GET", "HEAD"):
                return self.public(request, path)
        if path.startswith("/upload/resumable"):
            return self.tus.handle(request, path.removeprefix("/upload/resumable"), self)
        self.authorise(request)
        if path == "/bucket" or path.startswith("/bucket/"):
            return self.bucket(request, path.removeprefix("/bucket").strip("/"))
        if path.startswith("/object/"):
            return self.object(request, path.removeprefix("/object/"))
        return Response.json(404, {"statusCode": "404", "error": "Not Found",
                                   "message": f"Route {request.method}:{path} not found"})

    def authorise(self, request):
        token = auth.bearer(request)
        if token is None:
            fail(400, "Error", "headers should have required property 'authorization'")
        try:
            request.role = auth.claims(self.secret, token).get("role")
        except auth.BadToken as bad:
            fail(403, "Unauthorized", bad.storage)
        if request.role != "service_role":
            # No policies here: row-level security hides everything from the others and lets them write nothing.
            if request.method in ("GET", "HEAD"):
                no_object()
            fail(403, "Unauthorized", "new row violates row-level security policy")

    def json_body(self, request):
        try:
            value = json.loads(request.body() or b"{}")
        except ValueError:
            value = None
        if not isinstance(value, dict):
            fail(400, "Error", "body must be object")
        return value

    def need_bucket(self, name):
        return self.objects.bucket(name) or no_bucket()

    def need_object(self, bucket, name):
        self.need_bucket(bucket)
        return self.objects.object(bucket, name) or no_object()

    # ---- buckets

    @staticmethod
    def shown_bucket(row):
        types = json.loads(row["allowed_mime_types"]) if row["allowed_mime_types"] else None
        return {"id": row["id"], "name": row["id"], "owner": "", "public": bool(row["public"]), "type": "STANDARD",
                "file_size_limit": row["file_size_limit"], "allowed_mime_types": types,
                "created_at": row["created_at"], "updated_at": row["updated_at"]}

    def bucket(self, request, name):
        method = request.method
        if not name:
            if method == "GET":
                return Response.json(200, [self.shown_bucket(row) for row in self.objects.buckets()])
            if method == "POST":
                return self.create_bucket(self.json_body(request))
        elif name.endswith("/empty") and method == "POST":
            name = name.removesuffix("/empty")
            self.need_bucket(name)
            self.objects.remove(name, [found["name"] for found in self.objects.objects(name)])
            return Response.json(200, {"message": "Successfully emptied"})
        elif method == "GET":
            return Response.json(200, self.shown_bucket(self.need_bucket(name)))
        elif method == "PUT":
            old, value = self.shown_bucket(self.need_bucket(name)), self.json_body(request)
            merged = {**old, **value}
            self.objects.put_bucket(name, bool(merged["public"]), self.file_limit(merged["file_size_limit"]),
                                    merged["allowed_mime_types"], new=False)
            return Response.json(200, {"message": "Successfully updated"})
        elif method == "DELETE":
            self.need_bucket(name)
            if self.objects.objects(name):
                fail(409, "InvalidRequest", "The bucket you tried to delete is not empty")
            self.objects.drop_bucket(name)
            return Response.json(200, {"message": "Successfully deleted"})
        return Response.json(404, {"statusCode": "404", "error": "Not Found",
                                   "message": f"Route {method}:/bucket/{name} not found"})

    @staticmethod
    def file_limit(value):
        if value is None or isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(gb|mb|kb|b)", str(value).lower())
        if not found:
            fail(400, "InvalidRequest", "Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B")
        return int(float(found.group(1)) * UNITS[found.group(2)])

    def create_bucket(self, value):
        name = value.get("id") or value.get("name")
        if not isinstance(name, str) or not name or len(name) > 63 or "/" in name or not KEY.fullmatch(name):
            fail(400, "Invalid Input", "Bucket name invalid")
        if self.objects.bucket(name):
            duplicate()
        self.objects.put_bucket(name, bool(value.get("public")), self.file_limit(value.get("file_size_limit")),
                                value.get("allowed_mime_types"), new=True)
        return Response.json(200, {"name": name})

    # ---- objects

    def object(self, request, path):
        method, (first, _, rest) = request.method, path.partition("/")
        if method == "POST":
            if first == "list":
                return self.list(rest, self.json_body(request))
            if path == "copy":
                return self.copy(request, self.json_body(request))
            if path == "move":
                return self.move(self.json_body(request))
        if method in ("GET", "HEAD"):
            if first == "info":
                return self.info(request, rest.removeprefix("authenticated/"))
            bucket, _, name = (rest if first == "authenticated" else path).partition("/")
            return self.download(request, self.need_object(bucket, name))
        if method in ("POST", "PUT") and rest:
            return self.upload(request, first, rest)
        if method == "DELETE":
            if rest:
                found = self.need_object(first, rest)
                self.objects.remove(first, [found["name"]])
                return Response.json(200, {"message": "Successfully deleted"})
            self.need_bucket(first)
            names = self.json_body(request).get("prefixes")
            if not isinstance(names, list) or not names:
                fail(400, "Error", "body/prefixes must NOT have fewer than 1 items")
            return Response.json(200, [{"bucket_id": first, "owner": "", "owner_id": None, "version": found["version"],
                                        **entry(found)} for found in self.objects.remove(first, names)])
        return Response.json(404, {"statusCode": "404", "error": "Not Found",
                                   "message": f"Route {method}:/object/{path} not found"})

    def public(self, request, path):
        info = path.startswith("/object/info/")
        bucket, _, name = path.removeprefix("/object/info" if info else "/object").removeprefix("/public/").partition("/")
        row = self.objects.bucket(bucket)
        if not row or not row["public"]:
            no_bucket()
        return self.info(request, f"{bucket}/{name}") if info else self.download(request, self.need_object(bucket, name))

    def info(self, request, path):
        bucket, _, name = path.partition("/")
        found = self.need_object(bucket, name)
        value = {"id": found["id"], "name": found["name"], "version": found["version"], "bucket_id": bucket,
                 "size": found["size"], "content_type": found["mimetype"], "cache_control": found["cache_control"],
                 "etag": found["etag"], "last_modified": found["updated_at"], "created_at": found["created_at"],
                 "metadata": json.loads(found["user_metadata"]) if found["user_metadata"] else None}
        return Response.json(200, value, {"ETag": found["etag"], "Cache-Control": "no-cache"})

    def download(self, request, found):
        changed = datetime.datetime.fromisoformat(found["updated_at"])
        kind, cache = self.served.get(found["version"], (found["mimetype"], found["cache_control"]))
        kind = "text/plain" if "text/html" in kind else kind
        headers = {"Content-Type": kind, "ETag": found["etag"], "Cache-Control": cache,
                   "Accept-Ranges": "bytes", "Last-Modified": email.utils.format_datetime(changed, usegmt=True)}
        asked = dict(request.params).get("download")
        if asked is not None:
            headers["Content-Disposition"] = f"attachment; filename={asked}" if asked else "attachment;"
        seen = [mark.strip().removeprefix("W/") for mark in request.header("If-None-Match", "").split(",")]
        if found["etag"] in seen or "*" in seen:
            return Response(304, b"", headers)
        status, first, length = 200, 0, found["size"]
        part = re.fullmatch(r"bytes=(\d*)-(\d*)", request.header("Range", "").strip())
        if part and any(part.groups()):
            if part.group(1):
                first = int(part.group(1))
                last = min(int(part.group(2) or found["size"]), found["size"] - 1)
            else:
                first, last = max(0, found["size"] - int(part.group(2))), found["size"] - 1
            if first > last:
                return Response(416, b"", {"Content-Range": f"bytes */{found['size']}"})
            status, length = 206, last - first + 1
            headers["Content-Range"] = f"bytes {first}-{last}/{found['size']}"
        return Response(status, headers=headers, file=(self.objects.path(found), first, length))

    def list(self, bucket, value):
        """The entries of one folder: folders (without id) first, then objects."""
        self.need_bucket(bucket)
        prefix = value.get("prefix") or ""
        prefix = prefix + "/" if prefix and not prefix.endswith("/") else prefix
        search = (value.get("search") or "").lower()
        sort = value.get("sortBy") or {}
        column, backwards = sort.get("column") or "name", sort.get("order") == "desc"
        if column not in ("name", "updated_at", "created_at", "last_accessed_at"):
            fail(400, "Error", "body/sortBy/column must be equal to one of the allowed values")
        folders, objects = set(), []
        for found in self.objects.objects(bucket, prefix):
            name, deeper, _ = found["name"][len(prefix):].partition("/")
            if not name.lower().startswith(search):
                continue
            if deeper:
                folders.add(name)
            else:
                objects.append(entry(found, name))
        objects.sort(key=lambda shown: shown[column], reverse=backwards)
        empty = {"id": None, "updated_at": None, "created_at": None, "last_accessed_at": None, "metadata": None}
        entries = [{"name": name, **empty} for name in sorted(folders, reverse=backwards)] + objects
        offset = int(value.get("offset") or 0)
        return Response.json(200, entries[offset:offset + int(value.get("limit") or 100)])

    def source_and_target(self, value):
        missing = [key for key in ("bucketId", "sourceKey", "destinationKey") if not isinstance(value.get(key), str)]
        if missing:
            fail(400, "Error", f"body must have required property '{missing[0]}'")
        check_key(value["destinationKey"])
        found = self.objects.object(value["bucketId"], value["sourceKey"]) or no_object()
        target = value.get("destinationBucket") or value["bucketId"]
        self.need_bucket(target)
        return found, target, value["destinationKey"]

    def copy(self, request, value):
        """Sizes and types that the bucket takes are not looked at: the service asks for permission only."""
        found, target, name = self.source_and_target(value)
        kind, cache = found["mimetype"], found["cache_control"]
        kept = json.loads(found["user_metadata"]) if found["user_metadata"] else None
        if value.get("copyMetadata", True) is False:
            given = value.get("metadata") or {}
            kind, cache = given.get("mimetype", kind), given.get("cacheControl", cache)
            kept = self.user_metadata(request)
        try:
            copied = self.objects.copy(found, target, name, kind, cache, kept, request.header("x-upsert") == "true")
        except Exists:
            duplicate()
        if request.fault("copy_serves_source") is not None:
            self.served[copied["version"]] = found["mimetype"], found["cache_control"]
        return Response.json(200, {"Id": copied["id"], "Key": f"{target}/{name}", "bucket_id": target, "owner": "",
                                   "owner_id": None, "version": copied["version"], **entry(copied)})

    @staticmethod
    def user_metadata(request):
        """The JSON of the header x-metadata; what cannot be read counts as nothing."""
        try:
            return json.loads(base64.b64decode(request.header("x-metadata", ""), validate=True) or b"null")
        except ValueError:
            return None

    def move(self, value):
        found, target, name = self.source_and_target(value)
        try:
            self.objects.move(found, target, name)
        except Exists:
            duplicate()
        return Response.json(200, {"message": "Successfully moved", "Id": found["id"], "Key": f"{target}/{name}"})

    # ---- uploads

    def limits(self, bucket):
        row = self.need_bucket(bucket)
        limit = min(row["file_size_limit"] or self.size_limit, self.size_limit)
        return limit, json.loads(row["allowed_mime_types"]) if row["allowed_mime_types"] else None

    @staticmethod
    def check_type(kind, allowed):
        plain = kind.split(";")[0].strip()
        if allowed and not any(plain == one or one.endswith("/*") and plain.startswith(one[:-1]) for one in allowed):
            fail(415, "invalid_mime_type", f"mime type {plain} is not supported")

    def upload(self, request, bucket, name):
        limit, allowed = self.limits(bucket)
        check_key(name)
        upsert = request.method == "PUT" or request.header("x-upsert") == "true"
        if not upsert and self.objects.object(bucket, name):
            duplicate()
        kind = request.header("Content-Type") or "application/octet-stream"
        metadata = None
        incoming = self.objects.incoming()
        try:
            if kind.startswith("multipart/form-data"):
                kind, cache, metadata, data = self.multipart(kind, request.body())
                incoming.write(data)
            else:
                cache = request.header("Cache-Control") or "no-cache"
                while data := request.stream.read(1 << 20):
                    incoming.write(data)
            if incoming.size > limit:
                too_large()
            self.check_type(kind, allowed)
            found = self.objects.store(bucket, name, incoming, kind, cache, metadata, upsert)
        except Exists:
            duplicate()
        except BaseException:
            incoming.discard()
            raise
        return Response.json(200, {"Id": found["id"], "Key": f"{bucket}/{name}"})

    @staticmethod
    def multipart(kind, body):
        """Type, cache control, metadata and bytes of a form as the official clients send it."""
        boundary = email.message_from_string(f"Content-Type: {kind}\n\n").get_boundary()
        fields, data, kind = {}, None, None
        for part in (b"\r\n" + body).split(b"\r\n--" + (boundary or "").encode())[1:]:
            head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            headers = email.message_from_bytes(head)
            name = headers.get_param("name", header="content-disposition")
            if headers.get_filename() is not None or name == "":
                data, kind = content, headers.get_content_type()
            elif name:
                fields[name] = content.decode()
        if data is None:
            fail(400, "InvalidRequest", "No content provided")
        cache = f"max-age={fields['cacheControl']}" if fields.get("cacheControl") else "no-cache"
        metadata = json.loads(fields["metadata"]) if fields.get("metadata") else None
        return kind, cache, metadata, data
