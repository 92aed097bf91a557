"""Copies tt's local tables (names beside their videos) into the deployed ones (names apart)."""

import json
import sqlite3

import psycopg

PROFILE = ("user_id", "display_name", "created_at")
DECISION = ("user_id", "video_id", "decision_type", "created_at")
VIDEO = ("id", "external_id", "title", "description", "thumbnail_url", "preview_video_url", "distribution_code",
         "maker_code", "director", "series", "maker", "label", "sample_video_url", "source", "product_url", "price",
         "duration_seconds", "image_urls", "product_released_at", "distribution_started_at", "published_at", "created_at",
         "safety_level", "region_codes", "is_active")
NAMES = (("video_tags", "tag_name", "tags", "tag_id"), ("video_performers", "performer_name", "performers", "performer_id"))


class SQLiteSource:
    def __init__(self, path):
        self.connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    def columns(self, table):
        return {row[1] for row in self.connection.execute(f"PRAGMA table_info({table})")}

    def rows(self, table, columns):
        return self.connection.execute(f"SELECT {', '.join(columns)} FROM {table}")


class PostgresSource:
    def __init__(self, dsn):
        self.connection = psycopg.connect(dsn)
        self.connection.execute("SET TIME ZONE 'UTC'")

    def columns(self, table):
        return {row[0] for row in self.connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            [f"public.{table}"])}

    def rows(self, table, columns):
        shown = ", ".join(f"to_jsonb({column})::text" if column in ("image_urls", "region_codes") else f"{column}::text"
                          for column in columns)
        return self.connection.execute(f"SELECT {shown} FROM public.{table}")


def listed(value):
    """JSON text of a list as a PostgreSQL array; anything that is no list is none."""
    try:
        found = json.loads(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    return [str(part) for part in found] if isinstance(found, list) else None


def cleaned(table, column, value):
    if column in ("image_urls", "region_codes"):
        return listed(value)
    if column == "is_active" and isinstance(value, int):
        return bool(value)
    return value


def load(target, source, table, columns, into=None):
    have = source.columns(table)
    columns = [column for column in columns if column in have]
    count = 0
    into = into or f"public.{table}"
    with target.cursor().copy(f"COPY {into} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in source.rows(table, columns):
            copy.write_row([cleaned(table, column, value) for column, value in zip(columns, row)])
            count += 1
    return count


def load_decisions(target, source):
    """The local copy may hold several per user and video: of these the effective one."""
    target.execute("CREATE TEMPORARY TABLE seed_decisions (LIKE public.user_video_decisions) ON COMMIT DROP")
    load(target, source, "user_video_decisions", DECISION, "seed_decisions")
    return target.execute(
        "INSERT INTO public.user_video_decisions (user_id, video_id, decision_type, created_at) "
        "SELECT DISTINCT ON (user_id, video_id) user_id, video_id, decision_type, created_at FROM seed_decisions "
        "ORDER BY user_id, video_id, CASE WHEN isfinite(created_at) THEN created_at END DESC NULLS LAST, "
        'decision_type COLLATE "C"').rowcount


def load_names(target, source, link, name_column, names, key):
    """Names get rows of their own, links point at them."""
    have = source.columns(link)
    if name_column not in have:
        for table, columns in ((names, ("id", "name")), (link, ("video_id", key))):
            load(target, source, table, columns)
        return
    target.execute("CREATE TEMPORARY TABLE seed_names (video_id uuid, name text) ON COMMIT DROP")
    with target.cursor().copy("COPY seed_names FROM STDIN") as copy:
        for row in source.rows(link, ("video_id", name_column)):
            copy.write_row(row)
    target.execute(f"INSERT INTO public.{names} (name) SELECT DISTINCT name FROM seed_names")
    target.execute(f"INSERT INTO public.{link} (video_id, {key}) SELECT DISTINCT s.video_id, n.id FROM seed_names AS s "
                   f"JOIN public.{names} AS n ON n.name = s.name JOIN public.videos AS v ON v.id = s.video_id")
    target.execute("DROP TABLE seed_names")


def copy(source, dsn):
    """Replaces the deployed tables' rows by the source's. Returns a sentence about it."""
    origin = SQLiteSource(source.removeprefix("sqlite:")) if source.startswith("sqlite:") else PostgresSource(source)
    counts = {}
    with psycopg.connect(dsn) as target:
        target.execute("SET TIME ZONE 'UTC'")
        target.execute("TRUNCATE public.profiles, public.videos, public.tags, public.performers, public.video_tags, "
                       "public.video_performers, public.user_video_decisions")
        counts["profiles"] = load(target, origin, "profiles", PROFILE)
        counts["user_video_decisions"] = load_decisions(target, origin)
        counts["videos"] = load(target, origin, "videos", VIDEO)
        for names in NAMES:
            load_names(target, origin, *names)
    # Statistics, as a database that has been there for a while has them.
    with psycopg.connect(dsn, autocommit=True) as target:
        target.execute("ANALYZE")
    return ", ".join(f"{count} {table}" for table, count in counts.items()) + " copied"
