"""Connections, and the shape of the database that tt's tables have at Supabase."""

import contextlib
import pathlib
import re
import threading

import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[3]
POOL = 20
SHIPPED = ROOT / "config" / "schema.sql"

# Supabase's roles, whose names are fixed. Cluster-wide: another database of the same server may have made them already, or
# be about to, so they are made complete at once and left alone when they are as they should be.
ROLES = """
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT %s', name, CASE name WHEN 'service_role' THEN 'BYPASSRLS' END);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
  IF NOT (SELECT rolbypassrls FROM pg_roles WHERE rolname = 'service_role') THEN
    ALTER ROLE service_role BYPASSRLS;
  END IF;
END $$;
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
GRANT ALL ON ALL TABLES IN SCHEMA public TO anon, authenticated, service_role;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO anon, authenticated, service_role;
GRANT ALL ON ALL ROUTINES IN SCHEMA public TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON ROUTINES TO anon, authenticated, service_role;
"""


def deployed_schema(dim):
    text = pathlib.Path(__file__).with_name("deployed.sql").read_text()
    return text.replace("vector(256)", f"vector({int(dim)})")


def shipped_schema(dim):
    """The schema tt ships, filled in for tables with names apart: it adds its indexes and functions."""
    text = SHIPPED.read_text().replace("{{embedding_dim}}", str(int(dim)))
    for mark, link, key, names in (("tag_names", "video_tags", "tag_id", "tags"),
                                   ("performer_names", "video_performers", "performer_id", "performers")):
        text = text.replace("{{" + mark + "}}", f"SELECT l.video_id, n.name FROM public.{link} AS l "
                            f"JOIN public.{names} AS n ON n.id = l.{key}")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    if left := re.search(r"\{\{\w+\}\}", body):
        raise SystemExit(f"supabase-dev: config/schema.sql has {left.group()}, which the development server cannot fill in")
    return text


class Database:
    """A pool of connections that grows with the number of requests under way, to POOL; more of them wait."""

    def __init__(self, dsn):
        self.dsn = dsn
        self.idle = []
        self.lock = threading.Lock()
        self.places = threading.BoundedSemaphore(POOL)
        self.has_roles = False

    def _open(self):
        connection = psycopg.connect(self.dsn, autocommit=True, cursor_factory=psycopg.RawCursor,
                                     prepare_threshold=None, application_name="supabase-dev")
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute("SET search_path = public, extensions")
        return connection

    @contextlib.contextmanager
    def connection(self):
        with self.places:
            with self._connection() as connection:
                yield connection

    @contextlib.contextmanager
    def _connection(self):
        with self.lock:
            connection = self.idle.pop() if self.idle else None
        if connection is not None:
            # A server that was restarted meanwhile has closed it.
            try:
                connection.execute("SELECT 1")
            except psycopg.Error:
                connection.close()
                connection = None
        connection = connection or self._open()
        try:
            yield connection
        finally:
            if connection.closed or connection.broken:
                connection.close()
            else:
                with self.lock:
                    self.idle.append(connection)

    def close(self):
        with self.lock:
            for connection in self.idle:
                connection.close()
            self.idle.clear()

    def prepare(self, dim, functions=True):
        """Creates the deployed tables in an empty database, and the roles where it may."""
        with self.connection() as connection:
            count = connection.execute("SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                                       "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v')").fetchone()[0]
            if count == 0:
                with connection.transaction(), psycopg.ClientCursor(connection) as cursor:
                    cursor.execute(deployed_schema(dim))
                    if functions and SHIPPED.exists():
                        cursor.execute(shipped_schema(dim))
            superuser = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[0]
            if superuser:
                connection.execute(ROLES)
            self.has_roles = connection.execute(
                "SELECT count(*) = 3 FROM pg_roles WHERE rolname = ANY ($1::text[]) "
                "AND pg_has_role(current_user, oid, 'MEMBER')",
                [["anon", "authenticated", "service_role"]]).fetchone()[0]
