"""Checks that scripts/supabase-dev answers as Supabase does: the official Python client makes its round trips against it.

    python Tests/outside/supabase_client_check.py --tt PATH_TO_TT

Needs supabase, psycopg and tuspy, and a PostgreSQL with pgvector as Tests/support/postgres finds it; tt is not run. What
the client does not show (statuses, headers, ranges, misbehaviour) is looked at with plain HTTP and compared with what
PostgREST and Storage document. Prints a line per check and a closing line; exit status 1 when one failed.
"""

import base64
import hashlib
import io
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time
import uuid

import httpx
import psycopg
import supabase
from postgrest.exceptions import APIError
from storage3.exceptions import StorageApiError
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

import common

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVER = ROOT / "scripts" / "supabase-dev"
CHUNK = 6 * 1024 * 1024
VIDEOS = [f"00000000-0000-4000-8000-{number:012x}" for number in range(1, 26)]
USERS = [f"10000000-0000-4000-8000-{number:012x}" for number in range(1, 4)]

FUNCTIONS = """
CREATE FUNCTION check_add(a integer, b integer DEFAULT 10) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
CREATE FUNCTION check_titles(p_limit integer) RETURNS TABLE (id uuid, title text) LANGUAGE sql STABLE
    AS 'SELECT v.id, v.title FROM videos v ORDER BY v.id LIMIT p_limit';
CREATE FUNCTION check_videos() RETURNS SETOF videos LANGUAGE sql STABLE AS 'SELECT * FROM videos';
CREATE FUNCTION check_fail() RETURNS integer LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'no such thing' USING ERRCODE = 'P0001', HINT = 'look elsewhere', DETAIL = 'at all'; END$$;
CREATE TABLE check_locked (id integer PRIMARY KEY);
"""


class Check(common.Check):
    def raises(self, name, kind, call, **wanted):
        try:
            value = call()
        except kind as error:
            found = {key: getattr(error, key) for key in wanted}
            self.same(name, found, wanted)
        except Exception as error:
            self(name, False, f"{type(error).__name__}: {error}")
        else:
            self(name, False, f"no error, but {value!r}")


class Project:
    """A running server, the official client and a plain one."""

    def __init__(self, folder, *options):
        self.folder = folder
        result = subprocess.run([SERVER, "start", folder, *options], capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"scripts/supabase-dev start failed with status {result.returncode}:\n{result.stdout}{result.stderr}")
        values = dict(line.split("=", 1) for line in shlex.split(result.stdout))
        self.url, self.key = values["SUPABASE_URL"], values["SUPABASE_SERVICE_ROLE_KEY"]
        self.anon, self.dsn = values["SUPABASE_ANON_KEY"], values["SUPABASE_DEV_PG_DSN"]
        self.client = supabase.create_client(self.url, self.key)
        self.http = httpx.Client(base_url=self.url, headers={"apikey": self.key, "Authorization": f"Bearer {self.key}"},
                                 trust_env=False, timeout=30)

    def get(self, path, **headers):
        return self.http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def faults(self, *rules):
        self.http.post("/_dev/faults", json=list(rules)).raise_for_status()

    def stop(self, *options):
        subprocess.run([SERVER, "stop", self.folder, *options], check=True)

    def kill(self):
        os.kill(int((self.folder / "pid").read_text()), 9)


def fill(check, client):
    rows = [{"id": video, "title": f"title {number:02d}", "price": number * 100 + 0.5, "image_urls": [f"{number}.jpg", "é"],
             "created_at": f"2025-01-{number % 28 + 1:02d}T12:00:00.123456+09:00", "is_active": number % 2 == 0,
             "duration_seconds": number if number % 3 else None} for number, video in enumerate(VIDEOS)]
    answer = client.table("videos").insert(rows).execute()
    check.same("insert returns the rows", [row["id"] for row in answer.data], VIDEOS)
    check.same("values come back as PostgREST shows them",
               {key: answer.data[1][key] for key in ("price", "image_urls", "created_at", "region_codes", "duration_seconds")},
               {"price": 100.5, "image_urls": ["1.jpg", "é"], "created_at": "2025-01-02T03:00:00.123456+00:00",
                "region_codes": [], "duration_seconds": 1})
    tags = client.table("tags").insert([{"name": name} for name in ("drama", "日本", 'a "b", (c)')]).execute().data
    links = [{"video_id": VIDEOS[at], "tag_id": tag["id"]} for at in range(10) for tag in tags[:at % 4]]
    client.table("video_tags").insert(links).execute()
    client.table("profiles").insert([{"user_id": user, "display_name": None} for user in USERS]).execute()
    client.table("user_video_decisions").insert(
        [{"user_id": user, "video_id": video, "decision_type": "like"} for user in USERS for video in VIDEOS[:20]]).execute()


def check_reads(check, client):
    videos = client.table("videos")
    answer = videos.select("id,title,video_tags(tags(name)),video_performers(performers(name))").eq("id", VIDEOS[3]).execute()
    row = answer.data[0]
    check.same("embedded resources over two foreign keys", sorted(link["tags"]["name"] for link in row["video_tags"]),
               sorted(("drama", "日本", 'a "b", (c)')))
    check.same("an embedded list may be empty", row["video_performers"], [])
    row = client.table("videos").select("name:title,tags(name)").eq("id", VIDEOS[1]).single().execute().data
    check.same("alias, many-to-many, one object", row, {"name": "title 01", "tags": [{"name": "drama"}]})
    row = client.table("video_tags").select("tags(*),videos(title)").eq("video_id", VIDEOS[1]).execute().data[0]
    check.same("many-to-one gives objects", (row["tags"]["name"], row["videos"]), ("drama", {"title": "title 01"}))
    rows = client.table("videos").select("id,tags!inner(name)").eq("tags.name", "日本").order("id").execute().data
    check.same("!inner with a filter on the embedded resource", [row["id"] for row in rows],
               [VIDEOS[at] for at in range(10) if at % 4 >= 2])
    row = client.table("videos").select("id,tags(name)").eq("id", VIDEOS[3]).order("name", foreign_table="tags").limit(
        2, foreign_table="tags").execute().data[0]
    check("order and limit of an embedded resource", len(row["tags"]) == 2
          and row["tags"] == sorted(row["tags"], key=lambda tag: tag["name"]), row)

    def ids(query):
        return [VIDEOS.index(row["id"]) for row in query.order("id").execute().data]

    def all_videos():
        return client.table("videos").select("id")

    check.same("eq", ids(all_videos().eq("price", 300.5)), [3])
    check.same("neq", len(ids(all_videos().neq("price", 300.5))), 24)
    check.same("gt, lte", ids(all_videos().gt("id", VIDEOS[20]).lte("id", VIDEOS[22])), [21, 22])
    check.same("gte, lt", ids(all_videos().gte("price", 500.5).lt("price", 700.5)), [5, 6])
    check.same("in", ids(all_videos().in_("title", ["title 04", "title 02", 'no,"such"'])), [2, 4])
    check.same("is null", ids(all_videos().is_("duration_seconds", "null").lt("price", 700)), [0, 3, 6])
    check.same("not is null", ids(all_videos().not_.is_("duration_seconds", "null").lt("price", 500)), [1, 2, 4])
    check.same("is true", len(ids(all_videos().is_("is_active", "true"))), 13)
    check.same("like, ilike", (ids(all_videos().like("title", "%1%2")), ids(all_videos().ilike("title", "TITLE 0%"))[:2]),
               ([12], [0, 1]))
    check.same("not", ids(all_videos().not_.gt("price", 200)), [0, 1])
    check.same("or, and nested", ids(all_videos().or_("price.eq.100.5,and(price.gt.2000,price.lte.2200.5),"
                                                      "title.in.(\"title 07\",x)")), [1, 7, 20, 21, 22])
    check.same("contains", ids(all_videos().contains("image_urls", ["4.jpg"])), [4])
    names = client.table("tags").select("name").eq("name", 'a "b", (c)').execute().data
    check.same("values with quotes, commas and parentheses", names, [{"name": 'a "b", (c)'}])

    rows = client.table("user_video_decisions").select("user_id,video_id").or_(
        f"user_id.gt.{USERS[0]},and(user_id.eq.{USERS[0]},video_id.gt.{VIDEOS[18]})").order("user_id").order(
        "video_id").limit(3).execute().data
    check.same("keyset condition on two columns", [(row["user_id"], row["video_id"]) for row in rows],
               [(USERS[0], VIDEOS[19]), (USERS[1], VIDEOS[0]), (USERS[1], VIDEOS[1])])
    rows = client.table("videos").select("duration_seconds").order("duration_seconds", desc=True, nullsfirst=False).execute()
    found = [row["duration_seconds"] for row in rows.data]
    check("order desc nullslast", found[0] == 23 and found[-1] is None, found)
    rows = client.table("videos").select("id", count="exact").order("id").range(5, 9).execute()
    check.same("range and exact count", ([row["id"] for row in rows.data], rows.count), (VIDEOS[5:10], 25))
    check.same("count alone", client.table("videos").select("*", count="exact", head=True).execute().count, 25)
    planned = client.table("videos").select("id", count="planned").eq("title", "title 01").execute().count
    check("planned count", isinstance(planned, int), planned)
    estimated = client.table("videos").select("id", count="estimated").eq("title", "title 01").execute().count
    check.same("estimated count of a small table is exact", estimated, 1)
    rows = client.table("video_tags").select("...videos(title),at:video_id").eq("video_id", VIDEOS[1]).execute().data
    check.same("a spread", rows, [{"title": "title 01", "at": VIDEOS[1]}])
    check.same("a path into a list", client.table("videos").select("first:image_urls->>0").eq("id", VIDEOS[1]).execute().data,
               [{"first": "1.jpg"}])
    check.same("maybe_single of nothing", client.table("videos").select("id").eq("title", "?").maybe_single().execute(), None)
    check.same("cast", client.table("videos").select("price::text").eq("id", VIDEOS[1]).execute().data, [{"price": "100.5"}])


def check_writes(check, project):
    client = project.client
    vector = [(number % 7 - 3) / 64 for number in range(256)]
    table = client.table("video_embeddings")
    rows = [{"video_id": video, "embedding": vector, "updated_at": "2025-06-01T00:00:00Z"} for video in VIDEOS[:3]]
    answer = table.upsert(rows, on_conflict="video_id", returning="minimal").execute()
    check.same("upsert with return=minimal has no rows", answer.data, [])
    stored = client.table("video_embeddings").select("embedding").eq("video_id", VIDEOS[0]).execute().data[0]["embedding"]
    check.same("a vector is stored and shown as text", json.loads(stored), vector)
    rows[1]["updated_at"] = "2025-07-01T00:00:00Z"
    answer = client.table("video_embeddings").upsert(rows[1:] + [{**rows[0], "video_id": VIDEOS[4]}], on_conflict="video_id",
                                                     count="exact").execute()
    check.same("upsert again updates and inserts", (len(answer.data), answer.data[0]["updated_at"], answer.count),
               (3, "2025-07-01T00:00:00+00:00", 3))
    answer = client.table("video_embeddings").upsert(
        [{**rows[0], "updated_at": "2030-01-01T00:00:00Z"}], on_conflict="video_id", ignore_duplicates=True).execute()
    kept = client.table("video_embeddings").select("updated_at").eq("video_id", VIDEOS[0]).execute().data
    check.same("ignore-duplicates leaves the row", (answer.data, kept), ([], [{"updated_at": "2025-06-01T00:00:00+00:00"}]))
    check.raises("a vector of another dimension", APIError, lambda: client.table("video_embeddings").upsert(
        {"video_id": VIDEOS[0], "embedding": [1, 2, 3]}).execute(), code="22000", message="expected 256 dimensions, not 3")

    answer = client.table("profiles").update({"display_name": "ん"}).in_("user_id", USERS[:2]).execute()
    check.same("update returns the rows", [row["display_name"] for row in answer.data], ["ん", "ん"])
    answer = client.table("profiles").insert({"user_id": str(uuid.uuid4())}, count="exact").execute()
    check("an omitted column takes its default", answer.data[0]["created_at"] is not None and answer.count == 1, answer)
    answer = client.table("profiles").delete().eq("user_id", answer.data[0]["user_id"]).execute()
    check.same("delete returns the rows", len(answer.data), 1)
    check.same("delete of nothing", client.table("profiles").delete().eq("user_id", VIDEOS[0]).execute().data, [])
    answer = client.table("videos").insert([{"id": str(uuid.uuid4()), "title": "t"}, {"id": str(uuid.uuid4())}],
                                           default_to_null=False).execute()
    check.same("missing=default", [row["safety_level"] for row in answer.data], [0, 0])
    client.table("videos").delete().in_("id", [row["id"] for row in answer.data]).execute()
    check.same("insert of no rows", client.table("videos").insert([]).execute().data, [])


def check_errors(check, project):
    client = project.client
    check.raises("insert conflict", APIError, lambda: client.table("videos").insert({"id": VIDEOS[0]}).execute(), code="23505",
                 message='duplicate key value violates unique constraint "videos_pkey"',
                 details=f"Key (id)=({VIDEOS[0]}) already exists.", hint=None)
    check.raises("unknown table, with a hint", APIError, lambda: client.table("video").select("*").execute(), code="PGRST205",
                 message="Could not find the table 'public.video' in the schema cache",
                 hint="Perhaps you meant the table 'public.videos'")
    check.raises("unknown column read", APIError, lambda: client.table("videos").select("nope").execute(), code="42703",
                 message="column videos.nope does not exist")
    check.raises("unknown column written", APIError, lambda: client.table("videos").insert({"nope": 1}).execute(),
                 code="PGRST204", message="Could not find the 'nope' column of 'videos' in the schema cache")
    check.raises("unreadable value", APIError, lambda: client.table("videos").select("id").eq("id", "x").execute(),
                 code="22P02", message='invalid input syntax for type uuid: "x"')
    check.raises("no relationship", APIError, lambda: client.table("videos").select("profiles(*)").execute(), code="PGRST200",
                 message="Could not find a relationship between 'videos' and 'profiles' in the schema cache")
    check.raises("null in a column that forbids it", APIError, lambda: client.table("user_video_decisions").insert(
        {"user_id": USERS[0]}).execute(), code="23502")
    check.raises("unknown reference", APIError, lambda: client.table("video_tags").insert(
        {"video_id": VIDEOS[0], "tag_id": VIDEOS[0]}).execute(), code="23503")
    check.raises("one object of many", APIError, lambda: client.table("videos").select("*").single().execute(),
                 code="PGRST116", details="The result contains 25 rows")
    check.raises("delete without a condition", APIError, lambda: client.table("profiles").delete().execute(), code="21000",
                 message="DELETE requires a WHERE clause")
    check.raises("bad operator", APIError, lambda: client.table("videos").select("id").filter("id", "foo", "1").execute(),
                 code="PGRST100")
    check.raises("aggregates are switched off", APIError, lambda: client.table("videos").select("price.sum()").execute(),
                 code="PGRST123", message="Use of aggregate functions is not allowed")
    check.raises("upsert that names a row twice", APIError, lambda: client.table("video_embeddings").upsert(
        [{"video_id": VIDEOS[0], "embedding": [0] * 256}] * 2).execute(), code="21000")


def check_functions(check, project):
    client = project.client
    with psycopg.connect(project.dsn, autocommit=True) as connection:
        connection.execute(FUNCTIONS)
        connection.execute("REVOKE ALL ON check_locked FROM anon, authenticated, service_role")
    check.same("scalar function", client.rpc("check_add", {"a": 1, "b": 2}).execute().data, 3)
    check.same("default argument", client.rpc("check_add", {"a": 1}).execute().data, 11)
    check.same("by GET", client.rpc("check_add", {"a": 5}, get=True).execute().data, 15)
    check.same("function returning a table", client.rpc("check_titles", {"p_limit": 2}).execute().data,
               [{"id": VIDEOS[0], "title": "title 00"}, {"id": VIDEOS[1], "title": "title 01"}])
    answer = client.rpc("check_videos", {}).select("id,tags(name)").gt("price", 2200).order("id").limit(1).execute()
    check.same("select, filter, order, limit on a set of rows", answer.data, [{"id": VIDEOS[22], "tags": []}])
    check.raises("unknown argument", APIError, lambda: client.rpc("check_add", {"x": 1}).execute(), code="PGRST202",
                 message="Could not find the function public.check_add(x) in the schema cache")
    check.raises("raised error", APIError, lambda: client.rpc("check_fail", {}).execute(), code="P0001",
                 message="no such thing", hint="look elsewhere", details="at all")
    check.raises("no privilege", APIError, lambda: client.table("check_locked").select("*").execute(), code="42501",
                 message="permission denied for table check_locked")
    check.same("status without privilege", project.get("/rest/v1/check_locked").status_code, 403)
    with psycopg.connect(project.dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE check_locked")
    payload = client.rpc("get_user_embedding_features", {"user_id": USERS[0]}).execute().data
    check.same("the payload of a user", (payload["user_id"], payload["decision_stats"]["like_count"]), (USERS[0], 20))
    rows = client.rpc("get_item_embedding_feature_batch", {"p_limit": 3, "p_offset": 1}).execute().data
    check.same("a batch of payloads", [row["video_id"] for row in rows], [VIDEOS[2], VIDEOS[4], VIDEOS[6]])


def check_http(check, project):
    get = project.get
    answer = get("/rest/v1/videos?select=id&order=id", Range="0-9", Prefer="count=exact")
    check.same("a part by Range is 206", (answer.status_code, answer.headers["content-range"], len(answer.json())),
               (206, "0-9/25", 10))
    answer = get("/rest/v1/videos?select=id&order=id&limit=10", Range="5-", Range_Unit="items")
    check.same("Range and limit are both kept", (answer.headers["content-range"], [row["id"] for row in answer.json()]),
               ("5-9/*", VIDEOS[5:10]))
    answer = get("/rest/v1/videos?select=id", Prefer="count=exact")
    check.same("all is 200", (answer.status_code, answer.headers["content-range"]), (200, "0-24/25"))
    answer = get("/rest/v1/videos?select=id&offset=25", Prefer="count=exact")
    check.same("nothing left", (answer.status_code, answer.headers["content-range"], answer.json()), (206, "*/25", []))
    answer = get("/rest/v1/videos?select=id&offset=26", Prefer="count=exact")
    check.same("beyond the end is 416", (answer.status_code, answer.json()), (416, {
        "code": "PGRST103", "details": "An offset of 26 was requested, but there are only 25 rows.", "hint": None,
        "message": "Requested range not satisfiable"}))
    check.same("beyond the end without a count", get("/rest/v1/videos?select=id&offset=99").json(), [])
    answer = project.http.head("/rest/v1/videos?select=id", headers={"Prefer": "count=exact"})
    check.same("HEAD", (answer.status_code, answer.headers["content-range"], answer.content), (200, "0-24/25", b""))
    check.same("content type", answer.headers["content-type"], "application/json; charset=utf-8")
    check("large answers are compressed", get("/rest/v1/videos").headers.get("content-encoding") == "gzip")

    def post(path, value, prefer="", **more):
        return project.http.post(path, json=value, headers={"Prefer": prefer, **more})

    row = {"video_id": VIDEOS[9], "embedding": [0.0625] * 256}
    path, merge = "/rest/v1/video_embeddings?on_conflict=video_id", "resolution=merge-duplicates,return=minimal"
    first, second = post(path, [row], merge), post(path, [row], merge)
    check.same("upsert: 201 with a new row, 200 without", (first.status_code, second.status_code, first.content), (201, 200, b""))
    check.same("insert conflict is 409", post(path, [row]).status_code, 409)
    check.same("broken JSON", (answer := project.http.post(path, content=b"[{", headers={"Content-Type": "application/json"})).
               status_code, 400)
    check.same("its code", answer.json()["code"], "PGRST102")
    check.same("different keys", post("/rest/v1/tags", [{"name": "a"}, {"id": VIDEOS[0]}]).json()["message"],
               "All object keys must match")
    check.same("columns= chooses", post("/rest/v1/tags?columns=name", [{"name": "chosen", "nope": 1}],
                                        "return=representation").json()[0]["name"], "chosen")
    check.same("update and delete are 204", (
        project.http.patch("/rest/v1/tags?name=eq.chosen", json={"name": "again"}).status_code,
        project.http.delete("/rest/v1/tags?name=eq.again").status_code), (204, 204))
    check.same("a body in chunks", project.http.post(
        path, content=iter([b"[", json.dumps(row).encode(), b"]"]),
        headers={"Content-Type": "application/json", "Prefer": merge}).status_code, 200)

    plain = httpx.Client(base_url=project.url, trust_env=False)
    answer = plain.get("/rest/v1/videos")
    check.same("without a key", (answer.status_code, answer.json()["message"]), (401, "No API key found in request"))
    answer = plain.get("/rest/v1/videos", headers={"apikey": "wrong"})
    check.same("with a wrong key", (answer.status_code, answer.json()["message"]), (401, "Invalid API key"))
    body = base64.urlsafe_b64encode(json.dumps({"role": "service_role", "exp": 1}).encode()).rstrip(b"=").decode()
    forged = ".".join([project.key.split(".")[0], body, project.key.split(".")[2]])
    answer = plain.get("/rest/v1/videos", headers={"apikey": project.key, "Authorization": f"Bearer {forged}"})
    check.same("with a forged token", (answer.status_code, answer.json()["code"]), (401, "PGRST301"))
    log = project.http.get("/_dev/requests").text
    check("the log has requests and no key", "/rest/v1/video_embeddings" in log and project.key not in log)


def check_cap(check, project):
    """The silent cap on rows, in PostgREST's way: the total tells, nothing else does."""
    with psycopg.connect(project.dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO tags (name) SELECT 'cap ' || n FROM generate_series(1, 1200) AS n")
    answer = project.get("/rest/v1/tags?select=name&name=like.cap*&limit=1100", Prefer="count=exact")
    check.same("1000 rows at most", (len(answer.json()), answer.headers["content-range"]), (1000, "0-999/1200"))
    with psycopg.connect(project.dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM tags WHERE name LIKE 'cap %'")


def check_storage(check, project):
    storage = project.client.storage
    storage.create_bucket("model-artifacts", options={"public": True})
    storage.create_bucket("private", options={"file_size_limit": 1000, "allowed_mime_types": ["text/*"]})
    check.same("buckets", [(bucket.id, bucket.public) for bucket in storage.list_buckets()],
               [("model-artifacts", True), ("private", False)])
    check.same("a bucket's limits", (storage.get_bucket("private").file_size_limit,
                                     storage.get_bucket("private").allowed_mime_types), (1000, ["text/*"]))
    check.raises("a bucket twice", StorageApiError, lambda: storage.create_bucket("private"), status="409", code="Duplicate",
                 message="The resource already exists")
    check.raises("no such bucket", StorageApiError, lambda: storage.get_bucket("nope"), status="404", code="Bucket not found")

    bucket = storage.from_("model-artifacts")
    data = bytes(range(256)) * 40 + b"\r\n--x\r\n"
    answer = bucket.upload("two-tower/v3/a/user_tower.onnx", data,
                           {"content-type": "application/octet-stream", "cache-control": "31536000"})
    check.same("upload", answer.full_path, "model-artifacts/two-tower/v3/a/user_tower.onnx")
    check("download gives the same bytes", bucket.download("two-tower/v3/a/user_tower.onnx") == data)
    check.raises("upload again", StorageApiError, lambda: bucket.upload("two-tower/v3/a/user_tower.onnx", data), status="409",
                 code="Duplicate", message="The resource already exists")
    bucket.upload("two-tower/v3/a/user_tower.onnx", b"{}", {"content-type": "application/json", "upsert": "true"})
    check.same("upload with upsert", bucket.download("two-tower/v3/a/user_tower.onnx"), b"{}")
    bucket.update("two-tower/v3/a/user_tower.onnx", data, {"content-type": "application/wasm", "cache-control": "60"})
    info = bucket.info("two-tower/v3/a/user_tower.onnx")
    check.same("info after an update", (info["size"], info["content_type"], info["cache_control"]),
               (len(data), "application/wasm", "max-age=60"))
    check.same("exists", (bucket.exists("two-tower/v3/a/user_tower.onnx"), bucket.exists("nope")), (True, False))
    for name in ("two-tower/v3/a/manifest.json", "two-tower/v3/b/manifest.json", "two-tower/v3/notes (1).txt"):
        bucket.upload(name, b"1", {"content-type": "application/json", "metadata": {"of": name}})
    shown = bucket.list("two-tower/v3")
    check.same("list: folders first, without id", [(entry["name"], entry["id"] is None) for entry in shown],
               [("a", True), ("b", True), ("notes (1).txt", False)])
    shown = bucket.list("two-tower/v3/a", {"sortBy": {"column": "name", "order": "desc"}, "limit": 1})
    check.same("list: sorted, limited", [(entry["name"], entry["metadata"]["size"]) for entry in shown],
               [("user_tower.onnx", len(data))])
    shown = bucket.list("two-tower/v3/a", {"offset": 1, "search": ""})
    check.same("list: offset", [entry["name"] for entry in shown], ["user_tower.onnx"])
    check.same("list: search", [entry["name"] for entry in bucket.list("two-tower/v3/a", {"search": "mani"})], ["manifest.json"])
    check.same("list: nothing there", bucket.list("nowhere"), [])

    url = bucket.get_public_url("two-tower/v3/a/user_tower.onnx").rstrip("?")
    plain = httpx.Client(trust_env=False)
    answer = plain.get(url)
    check.same("public URL without a key", (answer.status_code, answer.content == data, answer.headers["content-type"],
                                            answer.headers["cache-control"], answer.headers["content-length"]),
               (200, True, "application/wasm", "max-age=60", str(len(data))))
    check.same("its ETag", (answer.headers["etag"], plain.get(url, headers={"If-None-Match": answer.headers["etag"]}).status_code),
               (f'"{hashlib.md5(data).hexdigest()}"', 304))
    part = plain.get(url, headers={"Range": "bytes=10-19"})
    check.same("a range of it", (part.status_code, part.content, part.headers["content-range"]),
               (206, data[10:20], f"bytes 10-19/{len(data)}"))
    head = plain.head(url)
    check.same("HEAD of it", (head.status_code, head.headers["content-length"], head.content), (200, str(len(data)), b""))
    check.same("no such public object", (answer := plain.get(url + "x")).json(),
               {"statusCode": "404", "error": "not_found", "message": "Object not found"})
    check.same("its status is hidden behind 400", answer.status_code, 400)

    bucket.copy("two-tower/v3/a/user_tower.onnx", "two-tower/v3/current/user_tower.onnx")
    check.same("a copy keeps bytes and type", (bucket.download("two-tower/v3/current/user_tower.onnx") == data,
               bucket.info("two-tower/v3/current/user_tower.onnx")["content_type"]), (True, "application/wasm"))
    check.raises("copy onto an object", StorageApiError, lambda: bucket.copy(
        "two-tower/v3/a/manifest.json", "two-tower/v3/current/user_tower.onnx"), status="409", code="Duplicate")
    check.raises("copy of nothing", StorageApiError, lambda: bucket.copy("nope", "x"), status="404", code="not_found")
    check_copies(check, project, bucket, plain)
    bucket.move("two-tower/v3/current/user_tower.onnx", "moved.onnx")
    check.same("move", (bucket.exists("two-tower/v3/current/user_tower.onnx"), bucket.download("moved.onnx") == data),
               (False, True))
    removed = bucket.remove(["moved.onnx", "never there"])
    check.same("remove tells what was there", [entry["name"] for entry in removed], ["moved.onnx"])
    check.raises("download of nothing", StorageApiError, lambda: bucket.download("moved.onnx"), status="404",
                 code="not_found", message="Object not found")

    private = storage.from_("private")
    private.upload("a.txt", b"text", {"content-type": "text/plain"})
    check.same("a private object with the key", private.download("a.txt"), b"text")
    answer = plain.get(private.get_public_url("a.txt").rstrip("?"))
    check.same("not by a public URL", (answer.status_code, answer.json()["message"]), (400, "Bucket not found"))
    anonymous = supabase.create_client(project.url, project.anon).storage.from_("private")
    check.raises("not by the anon key", StorageApiError, lambda: anonymous.download("a.txt"), status="404", code="not_found")
    check.raises("no writing by the anon key", StorageApiError, lambda: anonymous.upload("b.txt", b"x"), status="403",
                 code="Unauthorized")
    check.raises("too large", StorageApiError, lambda: private.upload("b.txt", b"x" * 1001, {"content-type": "text/plain"}),
                 status="413", code="Payload too large", message="The object exceeded the maximum allowed size")
    check.raises("a type that is not allowed", StorageApiError, lambda: private.upload(
        "b.png", b"x", {"content-type": "image/png"}), status="415", code="invalid_mime_type")
    check.raises("a bucket with objects", StorageApiError, lambda: storage.delete_bucket("private"), status="409")
    storage.empty_bucket("private")
    storage.delete_bucket("private")
    check.same("emptied and deleted", [found.id for found in storage.list_buckets()], ["model-artifacts"])
    path = "/storage/v1/object/model-artifacts/raw.json"
    answer = project.http.post(path, content=b"{}", headers={"Content-Type": "application/json", "Cache-Control": "max-age=5"})
    check.same("a raw body", (answer.status_code, answer.json()["Key"]), (200, "model-artifacts/raw.json"))
    check.same("its headers", (project.get(path).headers["cache-control"], project.get(path).headers["content-type"]),
               ("max-age=5", "application/json"))
    answer = httpx.get(project.url + path, trust_env=False)
    check.same("without authorization", (answer.status_code, answer.json()["message"]),
               (400, "headers should have required property 'authorization'"))


def check_copies(check, project, bucket, plain):
    """What the client does not ask for: copies over an object, and with a type and cache control of their own."""
    source, name = "two-tower/v3/a/manifest.json", "two-tower/v3/current/manifest.json"

    def copy(upsert, headers=None, **more):
        return project.http.post("/storage/v1/object/copy", headers={"x-upsert": upsert, **(headers or {})}, json={
            "bucketId": "model-artifacts", "sourceKey": source, "destinationKey": name, **more})

    def seen():
        answer, info = plain.get(bucket.get_public_url(name).rstrip("?")), bucket.info(name)
        return (answer.headers["content-type"], answer.headers["cache-control"], info["content_type"],
                info["cache_control"], info["metadata"])

    rule = {"cacheControl": "max-age=60", "mimetype": "text/plain"}
    bucket.upload(source, b"1", {"content-type": "application/json", "upsert": "true", "metadata": {"of": source}})
    as_source = ("application/json", "max-age=3600") * 2 + ({"of": source},)
    answer = copy("false", metadata=rule).json()
    check.same("a copy's answer", (answer["Key"], answer["Id"] == answer["id"], answer["name"], answer["metadata"]["size"]),
               (f"model-artifacts/{name}", True, name, 1))
    check.same("metadata is not heeded unless the source's is declined", seen(), as_source)
    answer = copy("false", metadata=rule, copyMetadata=False)
    check.same("a copy onto an object, plain", (answer.status_code, answer.json()["statusCode"]), (400, "409"))
    own = base64.b64encode(b'{"own": 1}').decode()
    check.same("a copy over an object", (copy("true", {"x-metadata": own}, metadata=rule, copyMetadata=False).status_code,
               seen()), (200, ("text/plain", "max-age=60", "text/plain", "max-age=60", {"own": 1})))
    copy("true", metadata={"cacheControl": "no-cache"}, copyMetadata=False)
    check.same("what is not named stays the source's", seen(), ("application/json", "no-cache") * 2 + (None,))
    project.http.post("/_dev/faults", json=[{"match": {"path": "/object/copy$"}, "fault": "copy_serves_source"}])
    copy("true", metadata=rule, copyMetadata=False)
    project.http.delete("/_dev/faults")
    check.same("a service whose copies are served as their source", seen(),
               ("application/json", "max-age=3600", "text/plain", "max-age=60", None))
    check.same("a body without a key", (answer := project.http.post("/storage/v1/object/copy", json={
        "bucketId": "model-artifacts", "sourceKey": source})).json()["message"],
        "body must have required property 'destinationKey'")


def check_resumable(check, project):
    address = f"{project.url}/storage/v1/upload/resumable"
    data = os.urandom(2 * CHUNK + 12345)

    def metadata(name):
        return {"bucketName": "model-artifacts", "objectName": name, "contentType": "application/octet-stream",
                "cacheControl": "3600"}

    def uploader(name, upsert="false", **options):
        client = TusClient(address, headers={"Authorization": f"Bearer {project.key}", "x-upsert": upsert})
        return client.uploader(file_stream=io.BytesIO(data), chunk_size=CHUNK, metadata=metadata(name), **options)

    upload = uploader("large.bin")
    upload.upload_chunk()
    url = upload.url
    check.same("the first chunk arrived", upload.get_offset(), CHUNK)
    bucket = project.client.storage.from_("model-artifacts")
    check.same("no object before the end", bucket.exists("large.bin"), False)
    project.kill()
    restarted = Project(project.folder, "--pg-dsn", project.dsn)
    check.same("the server starts again at its address", restarted.url, project.url)
    upload = uploader("large.bin", url=url)
    check.same("the upload goes on where it was", upload.offset, CHUNK)
    upload.upload()
    info = bucket.info("large.bin")
    check.same("the object is there", (bucket.download("large.bin") == data, info["cache_control"], info["size"]),
               (True, "max-age=3600", len(data)))
    try:
        uploader("large.bin").upload()
        check("an object is not replaced", False, "no error")
    except TusCommunicationError as error:
        check.same("an object is not replaced", error.status_code, 409)
    uploader("large.bin", "true").upload()
    check("it is with x-upsert", bucket.download("large.bin") == data)

    encoded = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata("by hand").items())
    tus = {"Tus-Resumable": "1.0.0"}

    def create(length):
        return project.http.post(address, headers={**tus, "Upload-Length": str(length), "Upload-Metadata": encoded})

    def patch(url, offset, content):
        return project.http.patch(url, content=content, headers={
            **tus, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"})

    answer = create(len(data))
    url = answer.headers["location"]
    check.same("created", (answer.status_code, url.startswith(address)), (201, True))
    check.same("a wrong offset is 409", patch(url, 5, b"x").status_code, 409)
    check.same("a short chunk before the last is refused", patch(url, 0, data[:1000]).status_code, 400)
    check.same("a longer chunk is refused", patch(url, 0, data[:CHUNK + 1]).status_code, 413)
    project.faults({"match": {"method": "PATCH", "path": "/upload/resumable/", "times": 1}, "fault": "reset",
                    "args": {"after_bytes": 1_000_000}})
    try:
        patch(url, 0, data[:CHUNK])
        check("the connection broke in the chunk", False)
    except httpx.TransportError:
        check("the connection broke in the chunk", True)
    head = project.http.head(url, headers=tus)
    check.same("what arrived is kept", (head.headers["upload-offset"], head.headers["upload-length"],
                                        head.headers["upload-metadata"]), ("1000000", str(len(data)), encoded))
    offset = 1_000_000
    while offset < len(data):
        answer = patch(url, offset, data[offset:offset + CHUNK])
        offset += CHUNK
    check.same("and the upload goes on", (answer.status_code, answer.headers["upload-offset"],
                                          bucket.download("by hand") == data), (204, str(len(data)), True))
    check.same("a finished upload still tells its offset", project.http.head(url, headers=tus).headers["upload-offset"],
               str(len(data)))
    check.same("the version is asked for", project.http.head(url).status_code, 412)
    check.same("no such upload", project.http.head(f"{address}/bm9wZQ", headers=tus).status_code, 404)
    bucket.remove(["by hand"])
    url = create(10).headers["location"]
    check.same("an upload can be given up", (project.http.delete(url, headers=tus).status_code,
                                             project.http.head(url, headers=tus).status_code), (204, 404))
    project.client.storage.from_("model-artifacts").remove(["large.bin"])


def check_faults(check, project):
    def rule(fault, times=1, path="^/rest/v1/videos", **args):
        return {"match": {"path": path, "times": times}, "fault": fault, "args": args}

    def seen(*rules, path="/rest/v1/videos?select=id&order=id&limit=20", **headers):
        project.faults(*rules)
        try:
            answer = project.get(path, **headers)
            return answer.status_code, answer
        except httpx.TransportError as error:
            return type(error).__name__, error
        finally:
            project.faults()

    status, answer = seen(rule("429", retry_after=3))
    check.same("429", (status, answer.headers["retry-after"]), (429, "3"))
    status, answer = seen(rule("429", retry_after=3, date=True))
    check("429 with a date", answer.headers["retry-after"].endswith(" GMT"), answer.headers)
    check.same("500, 503, 413", [seen(rule(fault))[0] for fault in ("500", "503", "413")], [500, 503, 413])
    status, answer = seen(rule("57014", above_rows=10))
    check.same("57014", (status, answer.json()["code"], answer.json()["message"]),
               (500, "57014", "canceling statement due to statement timeout"))
    check.same("57014 spares small pages", seen(rule("57014", above_rows=20))[0], 200)
    check.same("reset in the answer", seen(rule("reset"))[0], "ReadError")
    check.same("a length that is not kept", seen(rule("short_length"))[0], "RemoteProtocolError")
    started = time.monotonic()
    check.same("slow bytes", (seen(rule("slow", bytes_per_s=2000))[0], time.monotonic() - started > 0.4), (200, True))
    status, answer = seen(rule("row_cap", rows=7), Prefer="count=exact")
    check.same("a cap on rows", (status, len(answer.json()), answer.headers["content-range"]), (206, 7, "0-6/25"))
    status, answer = seen(rule("expired_token"))
    check.same("expired token", (status, answer.json()["code"], answer.json()["message"]), (401, "PGRST301", "JWT expired"))
    status, answer = seen(rule("duplicate_key"))
    check.same("duplicate key", (status, answer.json()["code"]), (409, "23505"))
    path = "/storage/v1/object/model-artifacts/raw.json"
    status, answer = seen(rule("storage_wrapped", path="^/storage", status=503), path=path)
    check.same("wrapped 503", (status, answer.json()["statusCode"]), (400, "503"))
    status, answer = seen(rule("expired_token", path="^/storage"), path=path)
    check.same("wrapped expired token", (status, answer.json()["statusCode"]), (400, "403"))
    for table in ("videos", "profiles", "user_video_decisions"):
        before = project.client.table(table).select("*", count="exact", head=True).execute().count
        seen(rule("insert_while_paging", path=f"^/rest/v1/{table}"), path=f"/rest/v1/{table}")
        after = project.client.table(table).select("*", count="exact", head=True).execute().count
        check.same(f"a row appears in {table}", after - before, 1)
    row = {"video_id": VIDEOS[11], "embedding": [0.0625] * 256}
    table = project.client.table("video_embeddings").select("*", count="exact", head=True).eq("video_id", VIDEOS[11])
    for fault, rows in (("reset", 0), ("applied_then_reset", 1)):
        project.faults(rule(fault, path="video_embeddings"))
        try:
            project.http.post("/rest/v1/video_embeddings", json=[row])
            check(f"a write meets {fault}", False, "an answer came")
        except httpx.TransportError:
            check.same(f"a write meets {fault}: rows there", table.execute().count, rows)
    project.faults({"match": {"path": "^/rest/v1/videos", "nth": 2}, "fault": "500"},
                   {"match": {"path": "^/rest/v1/profiles", "every": 2}, "fault": "500"},
                   {"match": {"path": "^/rest/v1/tags", "probability": 0.5, "seed": 7}, "fault": "500"})
    statuses = {name: [project.get(f"/rest/v1/{name}?limit=1").status_code for _ in range(count)]
                for name, count in (("videos", 3), ("profiles", 4), ("tags", 20))}
    check.same("nth, every", (statuses["videos"], statuses["profiles"]), ([200, 500, 200], [200, 500, 200, 500]))
    check("probability", 3 < statuses["tags"].count(500) < 17, statuses["tags"])
    answer = project.http.post("/_dev/faults", json=[{"fault": "nope"}])
    check.same("an unknown fault is refused", (answer.status_code, answer.json()["message"]), (400, "there is no fault 'nope'"))
    project.http.delete("/_dev/faults")


def main():
    common.parser(__doc__).parse_args()  # tt itself is not used
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1"  # the official clients ask the environment
    check = Check()
    with tempfile.TemporaryDirectory() as temporary:
        project = Project(pathlib.Path(temporary) / "dev")
        try:
            fill(check, project.client)
            check_reads(check, project.client)
            check_writes(check, project)
            check_errors(check, project)
            check_functions(check, project)
            check_http(check, project)
            check_cap(check, project)
            check_storage(check, project)
            check_resumable(check, project)
            check_faults(check, project)
        finally:
            project.stop()
    return check.close("supabase_client_check")


if __name__ == "__main__":
    sys.exit(main())
