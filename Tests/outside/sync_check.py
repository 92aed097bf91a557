"""Compares what tt's sync leaves in local databases with the project's tables, read by psycopg and sqlite3.

    python Tests/outside/sync_check.py --tt PATH_TO_TT [--kills N]

A development server (scripts/supabase-dev) serves a project of odd rows. After each sync (complete, incremental, after
edits and deletions, into tables of other shapes, killed half-way) the local tables must be equal to the project's, or
as they were before. Prints a line per check and a closing line; exit status 1 when one failed.
"""

import pathlib
import re
import sqlite3
import sys
import tempfile

import psycopg

import common
from dev_server import DevServer, Report, difference, fill, leftovers, local_rows, remote_rows, run
from sync_kills import kill_syncs

NEW_USER, NEW_VIDEO = "00000000-0000-4000-8000-000000000001", "ffffffff-ffff-4fff-bfff-fffffffffff1"
PAGES = ("--page-size", "97")


def execute(target, *statements):
    with (sqlite3.connect(target[7:]) if target.startswith("sqlite:") else psycopg.connect(target)) as db:
        for statement in statements:
            db.execute(statement)


class Check:
    def __init__(self, tt, server, report, folder):
        self.tt, self.server, self.report, self.folder = tt, server, report, folder
        self.targets = 0

    def target(self, kind):
        self.targets += 1
        if kind == "sqlite":
            return f"sqlite:{self.folder}/target{self.targets}.sqlite"
        return self.server.new_database(f"target{self.targets}")

    def pull(self, target, *arguments, **more):
        return run(self.tt, self.server, "pull_remote.lua", "--db", target, *arguments, **more)

    def equal(self, name, target, *arguments):
        """A sync that must end with local tables equal to the project's."""
        status, said = self.pull(target, *arguments)
        problem = f"exit status {status}: {said}" if status else None
        if not problem:
            found, doubles = local_rows(target)
            left = leftovers(target)
            problem = difference(remote_rows(self.server), found) or "; ".join(doubles) or \
                (f"left behind: {left}" if left else None)
        if not problem and self.server.key in said:
            problem = "the key was printed"
        self.report.check(name, problem)
        return said

    def refused(self, name, target, words, *arguments, status=1, **more):
        """A sync that must fail with these words and change nothing."""
        before = local_rows(target)
        code, said = self.pull(target, *arguments, **more)
        problem = None
        if code != status:
            problem = f"exit status {code}, expected {status}: {said}"
        elif words not in said:
            problem = f"said nothing of '{words}': {said}"
        elif self.server.key in said:
            problem = "the key was printed"
        else:
            problem = difference(before[0], local_rows(target)[0])
        self.report.check(name, problem)

    # ---- the courses

    def course(self, kind):
        """From nothing through insertions, edits and deletions."""
        server = self.server
        fill(server, seed=1)
        target = self.target(kind)
        self.equal(f"{kind}: everything into an empty database", target, *PAGES)
        self.equal(f"{kind}: the same again changes nothing", target, *PAGES)
        server.db.execute(f"INSERT INTO profiles VALUES ('{NEW_USER}', 'new', now())")
        server.db.execute(f"INSERT INTO videos (id, title) VALUES ('{NEW_VIDEO}', 'new')")
        server.db.execute(f"INSERT INTO video_tags SELECT '{NEW_VIDEO}', id FROM tags WHERE name <> '' LIMIT 3")
        server.db.execute(f"INSERT INTO user_video_decisions (user_id, video_id, decision_type) "
                          f"VALUES ('{NEW_USER}', '{NEW_VIDEO}', 'like')")
        said = self.equal(f"{kind}: only what is new, since the last sync", target, *PAGES, "--since", "last")
        # Infinitely late rows always count as new.
        rows = [int(rows) for rows in re.findall(r" read .* rows=(\d+)", said)]
        self.report.check(f"{kind}: few rows were fetched for it",
                          None if len(rows) == 3 and max(rows) < 100 else said)
        self.edits(kind, target)

    def edits(self, kind, target):
        server = self.server
        server.db.execute("UPDATE videos SET title = 'edited', price = 5.5, image_urls = '{a,b}', is_active = false "
                          "WHERE id IN (SELECT id FROM videos ORDER BY id LIMIT 20)")
        server.db.execute("DELETE FROM video_tags WHERE video_id IN (SELECT id FROM videos ORDER BY id LIMIT 30)")
        server.db.execute("UPDATE user_video_decisions SET decision_type = 'nope', created_at = now() "
                          "WHERE user_id IN (SELECT user_id FROM profiles ORDER BY user_id LIMIT 30)")
        self.equal(f"{kind}: edits and names taken away", target, *PAGES)
        whole = remote_rows(server)
        server.db.execute("DELETE FROM videos WHERE id IN (SELECT id FROM videos ORDER BY id DESC LIMIT 25)")
        server.db.execute("DELETE FROM profiles WHERE user_id IN (SELECT user_id FROM profiles ORDER BY user_id LIMIT 9)")
        server.db.execute("DELETE FROM user_video_decisions WHERE decision_type = 'watched'")
        status, said = self.pull(target, *PAGES)
        self.report.check(f"{kind}: without --full no row goes", said if status else
                          difference(whole, local_rows(target)[0]))
        self.equal(f"{kind}: with --full deleted rows go", target, *PAGES, "--full")

    def shapes(self, kind):
        """Local tables of other shapes than tt's own."""
        server = self.server
        fill(server, seed=2)
        schema = "" if kind == "sqlite" else "public."
        target = self.target(kind)
        run(self.tt, server, "demo.lua", "--db", target, "--users", "30", "--videos", "60", "--decisions", "600")
        self.equal(f"{kind}: over a demo's rows, without keys, with rows twice", target, *PAGES, "--full")
        target = self.target(kind)
        self.pull(target)
        execute(target, f"DROP TABLE {schema}user_video_decisions",
                f"CREATE TABLE {schema}user_video_decisions (user_id {'text' if schema == '' else 'uuid'} NOT NULL, "
                f"video_id {'text' if schema == '' else 'uuid'} NOT NULL, decision_type text NOT NULL, created_at "
                f"{'text' if schema == '' else 'timestamptz'} NOT NULL, "
                "PRIMARY KEY (user_id, video_id, decision_type, created_at))")
        self.refused(f"{kind}: a key of four columns cannot hold undated decisions", target, "have no 'created_at'")
        server.db.execute("UPDATE user_video_decisions SET created_at = now() WHERE created_at IS NULL "
                          "OR NOT isfinite(created_at)")
        self.equal(f"{kind}: dated ones it can", target, "--full")
        server.db.execute("UPDATE user_video_decisions SET decision_type = 'nope', created_at = now() "
                          "WHERE decision_type = 'like'")
        self.equal(f"{kind}: and flips of them replace what was there", target)
        target = self.target(kind)
        uuid = "text" if kind == "sqlite" else "uuid"
        execute(target, f"CREATE TABLE {schema}tags (id {uuid} PRIMARY KEY, name text)",
                f"CREATE TABLE {schema}video_tags (video_id {uuid}, tag_id {uuid})")
        status, said = self.pull(target)
        self.report.check(f"{kind}: names kept apart are refused before anything is fetched",
                          None if status == 1 and "tag_id" in said and "read " not in said else said)

    def odd_columns(self):
        """Ids in capitals, columns of other types, columns that one end lacks."""
        server = self.server
        fill(server, seed=3, decisions=500)
        target = self.target("sqlite")
        self.equal("sqlite: before its ids are changed", target)
        execute(target, "UPDATE profiles SET user_id = upper(user_id), display_name = 'old'",
                "UPDATE video_tags SET video_id = upper(video_id)", "UPDATE videos SET id = upper(id)",
                "UPDATE user_video_decisions SET user_id = upper(user_id), video_id = upper(video_id)")
        self.equal("sqlite: ids in capitals are the same ids", target, "--full")
        target = self.target("postgresql")
        self.pull(target)
        execute(target, "ALTER TABLE videos ALTER image_urls TYPE text[] USING NULL, ALTER region_codes DROP DEFAULT, "
                "ALTER region_codes TYPE jsonb USING NULL, ALTER price TYPE double precision, ALTER title TYPE varchar")
        self.equal("postgresql: lists as arrays or JSON, prices as doubles", target)
        execute(target, "ALTER TABLE videos DROP COLUMN director")
        status, said = self.pull(target)
        self.report.check("postgresql: a column that is not there is left out",
                          None if status == 0 and "director" in said else said)
        server.db.execute("ALTER TABLE videos DROP COLUMN series")
        target = self.target("postgresql")
        status, said = self.pull(target)
        self.report.check("postgresql: a column that the project lacks is left out",
                          None if status == 0 and "column=series" in said else f"{status}: {said}")
        server.db.execute("ALTER TABLE videos ADD COLUMN series text")

    def kills(self, kind, kills):
        server = self.server
        fill(server, seed=5, decisions=2500)
        target = self.target(kind)
        self.pull(target)
        server.db.execute("UPDATE videos SET title = 'edited' WHERE id IN (SELECT id FROM videos ORDER BY id LIMIT 200)")
        server.db.execute("DELETE FROM videos WHERE id IN (SELECT id FROM videos ORDER BY id DESC LIMIT 50)")
        server.db.execute("UPDATE profiles SET display_name = 'edited'")
        server.db.execute("DELETE FROM user_video_decisions WHERE decision_type = 'watched'")
        kill_syncs(self.report, server, self.tt, kind, target, self.folder, ("--full", "--page-size", "40"), kills)

    def refusals(self):
        server = self.server
        fill(server, seed=4, decisions=500)
        target = self.target("sqlite")
        self.equal("a target to lose nothing from", target)
        server.db.execute("CREATE TABLE kept AS TABLE user_video_decisions; TRUNCATE user_video_decisions")
        self.refused("an empty remote table empties nothing", target, "user_video_decisions' is empty")
        self.refused("nor with --full", target, "user_video_decisions' is empty", "--full", "--restart")
        server.db.execute("INSERT INTO user_video_decisions TABLE kept; DROP TABLE kept")
        server.db.execute("CREATE TABLE kept AS TABLE video_tags; TRUNCATE video_tags")
        self.refused("nor do videos that have all lost their names", target, "video_tags", "--restart")
        server.db.execute("INSERT INTO video_tags TABLE kept; DROP TABLE kept")
        self.refused("the public key", target, "public one", SUPABASE_SERVICE_ROLE_KEY=server.env["SUPABASE_ANON_KEY"],
                     status=2)
        self.refused("a wrong key", target, "check the key", "--service-role-key", "wrong-key")
        for name, words, arguments in (
                ("a page of nothing", "must be in 1..10000", ("--page-size", "0")),
                ("a time that is none", "--since", ("--since", "yesterday")),
                ("--full with --since", "exclude each other", ("--since", "last", "--full")),
                ("--overlap alone", "--overlap", ("--overlap", "1h")),
                ("an overlap that is none", "--overlap", ("--since", "last", "--overlap", "soon"))):
            self.refused(name, target, words, *arguments, status=2)
        self.refused("no address", target, "SUPABASE_URL", SUPABASE_URL="", status=2)
        self.refused("no key", target, "SUPABASE_SERVICE_ROLE_KEY", SUPABASE_SERVICE_ROLE_KEY="", status=2)
        self.equal("and after all that it is complete again", target, "--full")


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--kills", type=int, default=26, help="syncs to kill, for each kind of database (26)")
    options = parser.parse_args()
    tt = options.tt
    report = Report()
    with tempfile.TemporaryDirectory() as folder, DevServer(folder) as server:
        check = Check(tt, server, report, pathlib.Path(folder))
        for kind in ("postgresql", "sqlite"):
            check.course(kind)
            check.shapes(kind)
            check.kills(kind, options.kills)
        check.odd_columns()
        check.refusals()
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
