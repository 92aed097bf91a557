"""Misbehaviour on demand: rules say which requests are hit, and by what.

A rule: {"match": {...}, "fault": NAME, "args": {...}}. All conditions of `match` must hold:
  method, path, query   the method; regular expressions searched in the path and in the query string
  nth, every, times     only the n-th matching request; each n-th; at most so many of them
  after                 not the first n of them
  probability, seed     by chance, repeatably
and of `args`, above_rows (rows asked for, or sent in a JSON list) and above_bytes (of the body) narrow the match too.

Faults that answer instead of the service, and leave everything as it is:
  429                   args retry_after (seconds, 1), date (true: Retry-After as a date)
  500 502 503 504 520…  any status; args body, content_type, retry_after
  413                   as the gateway, or as Storage wraps it
  57014                 the statement is cancelled by PostgreSQL itself; on /storage/v1 a plain 500
  duplicate_key         23505, or Storage's Duplicate
  expired_token         PostgREST's "JWT expired", or Storage's way of saying it
  storage_wrapped       HTTP 400 around args status (503), error, message
Faults around the service's work:
  reset                 the connection is reset: half-way through the request's body when there is one, else half-way
                        through the answer (of its head when it has no body). args at ("request", "response",
                        "before": nothing is done), after_bytes
  applied_then_reset    the work is done and committed, then the connection is reset without a byte of answer
  short_length          the answer ends `missing` bytes (half of it) before its Content-Length, then the connection
                        closes; an answer without a body ends within its head
  slow                  args bytes_per_s (of the answer), delay_s (before it)
  row_cap               no answer has more than args rows rows, silently (what they embed is whole)
  insert_while_paging   before the request, another session inserts a row: args table (the path's), position ("random",
                        "before" or "after" by key), row (an object), or sql (a statement)
  copy_serves_source    Storage's copies are downloaded with the type and cache control of what they are copies of, while
                        its index has what was asked for (as before the service passed these on to where the bytes are)
"""

import datetime
import email.utils
import json
import random
import re
import threading
import uuid

from . import auth, storage
from .answers import error
from .web import Reset, Response

ANSWERS = {"429", "413", "duplicate_key", "expired_token", "storage_wrapped"}
AROUND = {"57014", "reset", "applied_then_reset", "short_length", "slow", "row_cap", "insert_while_paging",
          "copy_serves_source"}
MATCH = {"method", "path", "query", "nth", "every", "times", "after", "probability", "seed"}


class BadRule(Exception):
    pass


class Rule:
    def __init__(self, value):
        if not isinstance(value, dict) or not isinstance(value.get("fault"), (str, int)):
            raise BadRule(f"a rule is an object with 'match', 'fault' and 'args', not {json.dumps(value)}")
        self.value = value
        self.fault = str(value["fault"])
        self.match = value.get("match") or {}
        self.args = value.get("args") or {}
        if self.fault not in ANSWERS | AROUND and not re.fullmatch(r"[45]\d\d", self.fault):
            raise BadRule(f"there is no fault '{self.fault}'")
        if unknown := (set(self.match) - MATCH) | (set(value) - {"match", "fault", "args"}):
            raise BadRule(f"'{sorted(unknown)[0]}' is no part of a rule")
        if self.fault == "row_cap" and "rows" not in self.args:
            raise BadRule("'row_cap' needs args.rows")
        self.path = re.compile(self.match.get("path", ""))
        self.query = re.compile(self.match.get("query", ""))
        self.random = random.Random(self.match.get("seed", 0))
        self.seen = self.fired = 0

    def fits(self, request):
        return (self.match.get("method", request.method) == request.method and self.path.search(request.path)
                and self.query.search(request.query) and self.large(request))

    def large(self, request):
        if "above_bytes" in self.args and len(request.body()) <= self.args["above_bytes"]:
            return False
        if "above_rows" in self.args:
            rows = rows_of(request)
            return rows is None or rows > self.args["above_rows"]
        return True

    def strikes(self, request):
        if not self.fits(request):
            return False
        self.seen += 1
        rules = self.match
        hit = (self.seen == rules.get("nth", self.seen) and self.seen % rules.get("every", 1) == 0
               and self.seen > rules.get("after", 0) and self.fired < rules.get("times", self.fired + 1)
               and self.random.random() < rules.get("probability", 1))
        self.fired += hit
        return hit


def rows_of(request):
    """How many rows a request sends or asks for; None when it sets no bound."""
    if request.method in ("POST", "PATCH", "PUT"):
        try:
            value = json.loads(request.body())
        except ValueError:
            return 0
        if isinstance(value, list):
            return len(value)
        bounds = [number for key, number in value.items() if key in ("p_limit", "limit_count")]
        return bounds[0] if bounds else 1
    params = dict(request.params)
    for key in ("limit", "p_limit", "limit_count"):
        if params.get(key, "").isdigit():
            return int(params[key])
    found = re.fullmatch(r"(\d+)-(\d+)", request.header("Range", ""))
    return int(found.group(2)) - int(found.group(1)) + 1 if found else None


class Faults:
    def __init__(self, database):
        self.database = database
        self.lock = threading.Lock()
        self.rules = []

    def set(self, values):
        rules = [Rule(value) for value in (values if isinstance(values, list) else [values])]
        with self.lock:
            self.rules = rules

    def shown(self):
        with self.lock:
            return [{**rule.value, "seen": rule.seen, "fired": rule.fired} for rule in self.rules]

    def strike(self, request):
        with self.lock:
            narrow = any("above_rows" in rule.args or "above_bytes" in rule.args for rule in self.rules)
        if narrow:
            request.body()  # not under the lock: it may take its time
        with self.lock:
            request.faults = [rule for rule in self.rules if rule.strikes(request)]

    def before(self, request):
        """What happens before the service sees the request; returns an answer that replaces the service's."""
        if (args := request.fault("insert_while_paging")) is not None:
            self.insert(request, args)
        if (args := request.fault("reset")) is not None:
            stream = request.stream
            where = args.get("at") or ("request" if stream.length or stream.chunked else "response")
            if where == "before":
                raise Reset
            if where == "request":
                stream.reset_after = args.get("after_bytes", 1000 if stream.chunked else stream.length // 2)
        for rule in request.faults:
            if answer := answer_of(rule, request):
                return answer
        return None

    def insert(self, request, args):
        table = args.get("table") or request.path.removeprefix("/rest/v1/").strip("/")
        with self.database.connection() as connection:
            if "sql" in args:
                connection.execute(args["sql"])
                return
            if "row" in args:
                row = args["row"]
            else:
                row = new_row(connection, table, args.get("position", "random"))
            name = '"' + table.replace('"', '""') + '"'
            columns = ", ".join('"' + key.replace('"', '""') + '"' for key in row)
            connection.execute(f"INSERT INTO public.{name} ({columns}) SELECT {columns} "
                               f"FROM jsonb_populate_record(NULL::public.{name}, $1::jsonb)", [json.dumps(row)])


def new_row(connection, table, position):
    """A row like the others of the table, with a key that is not there yet."""
    if table == "user_video_decisions":
        order = {"before": "{}", "after": "{} DESC"}.get(position, "random()")
        by_user, by_video = order.format("user_id"), order.format("v.id")
        found = connection.execute(
            f"SELECT p.user_id::text, v.id::text FROM (SELECT user_id FROM public.profiles ORDER BY {by_user} LIMIT 5) AS p "
            "CROSS JOIN public.videos AS v WHERE NOT EXISTS (SELECT 1 FROM public.user_video_decisions AS d "
            f"WHERE d.user_id = p.user_id AND d.video_id = v.id) ORDER BY {order.format('p.user_id')}, {by_video} "
            "LIMIT 1").fetchone()
        if not found:
            raise RuntimeError("insert_while_paging: no user has a video left to decide on")
        return {"user_id": found[0], "video_id": found[1], "decision_type": "like"}
    key = {"profiles": "user_id", "video_embeddings": "video_id"}.get(table, "id")
    tail = "%012x" % random.getrandbits(48)
    value = {"before": f"00000000-0000-4000-8000-{tail}", "after": f"ffffffff-ffff-4fff-bfff-{tail}"}.get(position)
    name = '"' + table.replace('"', '""') + '"'
    found = connection.execute(
        f"SELECT to_jsonb(t) || jsonb_build_object('{key}', coalesce($1, gen_random_uuid()::text)) "
        f"FROM public.{name} AS t LIMIT 1", [value]).fetchone()
    return found[0] if found else {key: value or str(uuid.uuid4())}


def retry_after(args, default=None):
    seconds = args.get("retry_after", default)
    if seconds is None:
        return {}
    if args.get("date"):
        when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        return {"Retry-After": email.utils.format_datetime(when, usegmt=True)}
    return {"Retry-After": str(seconds)}


def answer_of(rule, request):
    """The response of a fault that answers by itself, else None."""
    name, args, at_storage = rule.fault, rule.args, request.path.startswith("/storage/")
    if name == "57014":
        return storage.error(500, "Internal", "Internal Server Error") if at_storage else None
    if name in AROUND:
        return None
    if name == "429":
        return Response.json(429, {"message": "API rate limit exceeded"}, retry_after(args, 1))
    if name == "413":
        if at_storage:
            return storage.error(413, "Payload too large", "The object exceeded the maximum allowed size")
        return Response(413, "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n</html>\r\n",
                        {"Content-Type": "text/html"})
    if name == "duplicate_key":
        if at_storage:
            return storage.error(409, "Duplicate", "The resource already exists")
        table = request.path.rpartition("/")[2]
        return error(409, "23505", f'duplicate key value violates unique constraint "{table}_pkey"',
                     args.get("details", "Key already exists."))
    if name == "expired_token":
        if at_storage:
            return storage.error(403, "Unauthorized", '"exp" claim timestamp check failed')
        return auth.rest_error("JWT expired")
    if name == "storage_wrapped":
        status = int(args.get("status", 503))
        response = Response.json(400, {"statusCode": str(status), "error": args.get("error", "SlowDown" if status == 429 else
                                       "InternalError"), "message": args.get("message", "Please try again later")})
        response.headers.update(retry_after(args))
        return response
    status = int(name)
    if "body" in args:
        return Response(status, args["body"], {"Content-Type": args.get("content_type", "text/plain"), **retry_after(args)})
    if at_storage and status == 500:
        return storage.error(500, "Internal", "Internal Server Error")
    if status == 500:
        return error(500, "XX000", "internal error")
    if status == 503 and not at_storage:
        return error(503, "PGRST002", "Could not query the database for the schema cache. Retrying.",
                     headers=retry_after(args))
    return Response(status, "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
                    {"Content-Type": "text/plain", **retry_after(args)})
