-- The definition of the database, and db_init.lua on empty and filled databases.
local database = require("two_tower.data.database")
local databases = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/databases.lua")
local fs = require("tt.fs")
local schema = require("two_tower.data.schema")
local sql = require("tt.sql")
local t = require("tt.test")

local root = fs.abspath(arg[0]:match("^(.*)/Tests/lua/") or ".")

local shell = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/shell.lua")
local capture, program = shell.capture, shell.program

local function db_init(...)
    return capture(shell.words(program, root .. "/lua/db_init.lua", ...))
end

local TABLES = { "profiles", "user_video_decisions", "video_performers", "video_tags", "videos" }

t.test("the definitions are read from config/schema.sql", function()
    local kinds, by_name = {}, {}
    for _, statement in ipairs(schema.read()) do
        kinds[statement.kind] = (kinds[statement.kind] or 0) + 1
        by_name[statement.name] = statement
    end
    t.equal({ kinds.extension, kinds.table, kinds["function"], kinds.other }, { 1, 6, 6, 1 })
    t.equal(by_name.user_video_decisions.key, { "user_id", "video_id" })
    t.equal(by_name.videos.columns[23], { name = "safety_level", type = "smallint", extra = "DEFAULT 0" })
    t.equal(by_name.get_user_embedding_feature_batch.argument_types, "integer, integer")
    t.equal(by_name.get_user_embedding_feature_batch.result, "TABLE(user_id uuid, payload jsonb)")
    t.equal(by_name.video_embeddings_embedding_idx.method, "hnsw")
    local parsed = schema.parse("-- a comment; here\nSELECT 1;\n\nDO $x$\nBEGIN;\nEND $x$;\n")
    t.equal({ #parsed, parsed[1].sql, parsed[2].sql }, { 2, "SELECT 1", "DO $x$\nBEGIN;\nEND $x$" })
    t.error("schema.text", schema.parse, "SELECT $$;\n")
end)

t.test("SQLite gets the input tables, and keeps those it has", function()
    local folder = t.tmpdir()
    local db <close> = sql.open("sqlite:" .. folder .. "/a.sqlite")
    db:exec("CREATE TABLE videos (id TEXT)")
    local output, status = db_init("--db", "sqlite:" .. folder .. "/a.sqlite")
    t.equal(status, 0, output)
    t.ok(output:find("already there  table=videos", 1, true) and output:find("made=4", 1, true), output)
    t.equal(db:tables(), TABLES)
    t.equal(#db:columns("videos"), 1)
    t.equal(db:columns("user_video_decisions")[2].key, true)
    t.equal(schema.ensure(db), {})
    output, status = db_init("--db", "sqlite:" .. folder .. "/b.sqlite", "--dry-run")
    t.equal({ status, fs.exists(folder .. "/b.sqlite") }, { 1, false }, output) -- opened for reading, it is not there
end)

t.test("a script can be had without a database, wrong usage ends with 2", function()
    local output, status = db_init("--dry-run", "--dim", "12")
    t.equal(status, 0, output)
    t.ok(output:find("embedding vector(12) NOT NULL", 1, true) and output:find("COMMIT;", 1, true), output)
    t.equal(output:find("{{", 1, true), nil)
    output, status = db_init()
    t.equal(status, 2, output)
    t.ok(output:find("unless --dry-run", 1, true), output)
    output, status = db_init("--dry-run", "--dim", "0")
    t.equal(status, 2, output)
end)

if not databases.server then
    t.test("db_init on PostgreSQL", function() t.skip(databases.reason) end)
    return
end
local own <close> = databases.open()

local function fresh()
    local dsn = own:make("db_init")
    return sql.open(dsn), dsn
end

local function apply(db, dim)
    local did = {}
    database.apply(db, { dim = dim or 8 }, function(step) did[step.what .. " " .. step.name] = step.action end)
    return did
end

t.test("an empty database gets everything, a second run changes nothing", function()
    local db <close>, dsn = fresh()
    local output, status = db_init("--pg-dsn", dsn, "--set", "artifacts.embedding_dim=8", "--dry-run")
    t.equal(status, 0, output)
    t.ok(output:find("-- make table public.videos", 1, true), "it is to be made")
    t.ok(output:find("CREATE TABLE IF NOT EXISTS public.videos (", 1, true), "by this statement")
    t.equal(db:tables(), {})
    output, status = db_init("--pg-dsn", dsn, "--set", "artifacts.embedding_dim=8")
    t.equal(status, 0, output)
    t.ok(output:find("made  function=public.get_user_embedding_features(uuid)", 1, true), output)
    t.equal(#db:tables(), 6)
    t.equal(db:query("SELECT format_type(atttypid, atttypmod) AS x FROM pg_attribute WHERE attname = 'embedding' "
        .. "AND attrelid = 'video_embeddings'::regclass").x[1], "vector(8)")
    t.ok(db:query("SELECT indexdef FROM pg_indexes WHERE indexname = 'video_embeddings_embedding_idx'").indexdef[1]
        :find("USING hnsw (embedding vector_cosine_ops)", 1, true))
    output, status = db_init("--pg-dsn", dsn, "--set", "artifacts.embedding_dim=8")
    t.equal(status, 0, output)
    t.ok(output:find("made=0 replaced=0", 1, true), output)
    output = db_init("--pg-dsn", dsn, "--dim", "8", "--dry-run")
    t.ok(output:find("-- keep table public.videos\n\n", 1, true), output)
end)

t.test("an index that another one, or a primary key, makes needless is left out", function()
    local db <close> = fresh()
    local did = apply(db)
    t.equal(did["index videos_id_idx"], "skip")
    t.equal(did["index user_video_decisions_created_at_idx"], "make")
    db:exec("ALTER TABLE public.videos DROP CONSTRAINT videos_pkey; DROP INDEX user_video_decisions_created_at_idx; "
        .. "CREATE INDEX other ON public.user_video_decisions (created_at, user_id)")
    did = apply(db)
    t.equal(did["index videos_id_idx"], "make")
    t.equal(did["index user_video_decisions_created_at_idx"], "skip")
    db:exec("DROP INDEX videos_id_idx; CREATE INDEX videos_id_idx ON public.videos (title)")
    t.error("schema.index", apply, db)
    db:exec("DROP INDEX videos_id_idx; ALTER TABLE public.videos DROP COLUMN created_at")
    t.equal(apply(db)["index videos_created_at_idx"], "skip")
end)

t.test("functions of other parameter names are replaced, a second one of the same name is refused", function()
    local db <close> = fresh()
    apply(db)
    db:exec([[DROP FUNCTION public.get_item_embedding_feature_batch(integer, integer);
        CREATE FUNCTION public.get_item_embedding_feature_batch(limit_count integer DEFAULT 100,
            offset_count integer DEFAULT 0) RETURNS TABLE (video_id uuid, payload jsonb)
            LANGUAGE sql AS 'SELECT NULL::uuid, NULL::jsonb';
        CREATE OR REPLACE FUNCTION public.get_item_embedding_features(video_id uuid) RETURNS jsonb
            LANGUAGE sql AS 'SELECT NULL::jsonb']])
    local did = apply(db)
    t.equal(did["function public.get_item_embedding_feature_batch(integer, integer)"], "replace")
    t.equal(did["function public.get_item_embedding_features(uuid)"], "replace")
    t.equal(did["function public.get_user_embedding_features(uuid)"], "keep")
    t.equal(db:query("SELECT count(*) AS n FROM get_item_embedding_feature_batch(p_limit => 1)").n[1], 0)
    db:exec([[CREATE FUNCTION public.get_user_embedding_features(user_id text) RETURNS jsonb
        LANGUAGE sql AS 'SELECT NULL::jsonb']])
    local raised = t.error("schema.overloaded", apply, db)
    t.ok(raised.message:find("get_user_embedding_features(text)", 1, true), raised.message)
end)

t.test("embeddings of another dimension are refused, and the way out that is told works", function()
    local db <close>, dsn = fresh()
    apply(db, 8)
    db:exec("INSERT INTO public.video_embeddings (video_id, embedding) SELECT gen_random_uuid(), '[1,0,0,0,0,0,0,0]'")
    local output, status = db_init("--pg-dsn", dsn, "--dim", "4")
    t.equal(status, 1, output)
    t.ok(output:find("vector(8), the model's embeddings are vector(4)", 1, true), output)
    t.equal(db:query("SELECT count(*) AS n FROM video_embeddings").n[1], 1)
    for statement in output:gmatch("\n%s+(%u+ [^\n]*;)") do db:exec(statement) end
    t.equal(apply(db, 4)["table public.video_embeddings"], "keep")
    db:exec("DROP TABLE public.video_embeddings; "
        .. "CREATE TABLE public.video_embeddings (video_id uuid, embedding real[])")
    t.ok(t.error("schema.dimension", apply, db).message:find("real[]", 1, true))
    db:exec("DROP TABLE public.video_embeddings")
    t.equal(apply(db, 2001)["index video_embeddings_embedding_idx"], "skip")
end)

t.test("what fails leaves nothing behind and says what is missing", function()
    local db <close> = fresh()
    db:exec("CREATE TABLE public.videos (id uuid PRIMARY KEY)")
    local raised = t.error("sql.query", apply, db)
    t.ok(raised.message:find("function public.tt_user_payloads", 1, true), raised.message)
    t.ok(raised.message:find("ADD COLUMN", 1, true), raised.message)
    t.equal(db:tables(), { "videos" })
    t.equal(db:query("SELECT count(*) AS n FROM pg_extension WHERE extname = 'vector'").n[1], 0)

    -- The same database as seen on a server without pgvector, or with an old one.
    local function seen(version)
        return setmetatable({ query = function(_, text, values)
            if text:find("pg_available_extensions", 1, true) then
                text = version and ("SELECT '%s' AS version, NULL AS schema, NULL AS installed"):format(version)
                    or text .. " AND false"
            end
            return db:query(text, values)
        end }, { __index = function(_, name) return function(_, ...) return db[name](db, ...) end end })
    end
    t.ok(t.error("schema.no_vector", apply, seen(nil)).message:find("postgresql-NN-pgvector", 1, true))
    t.ok(t.error("schema.old_vector", apply, seen("0.4.4")).message:find("0.4.4", 1, true))
end)

t.test("on Supabase visitors call nothing, pages are for the service role, tables made are closed", function()
    local db <close> = fresh()
    -- Roles are the whole server's, and Supabase's have fixed names: another run may make them at this very moment.
    db:exec([[DO $$ DECLARE name text; BEGIN
        FOREACH name IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT %s', name, CASE name WHEN 'service_role'
                    THEN 'BYPASSRLS' END);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END LOOP;
        IF NOT (SELECT rolbypassrls FROM pg_roles WHERE rolname = 'service_role') THEN
            ALTER ROLE service_role BYPASSRLS;
        END IF; END $$;
        CREATE SCHEMA extensions; GRANT USAGE ON SCHEMA extensions TO PUBLIC;
        GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role]])
    t.equal(apply(db)["grants to Supabase's roles"], "run")
    t.equal(db:query("SELECT n.nspname AS x FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace "
        .. "WHERE e.extname = 'vector'").x[1], "extensions")
    db:exec([[INSERT INTO public.user_video_decisions VALUES ('00000000-0000-4000-8000-000000000001',
        '00000000-0000-4000-8000-000000000002', 'like')]])
    local single = "get_user_embedding_features('00000000-0000-4000-8000-000000000001')"
    local page = "(SELECT f.payload FROM get_user_embedding_feature_batch() AS f)"
    local function likes(role, call)
        return db:transaction(function()
            db:exec("SET LOCAL ROLE " .. role)
            return db:query(("SELECT (%s #>> '{decision_stats,like_count}')::int AS n"):format(call)).n[1]
        end)
    end
    t.equal(likes("service_role", single), 1)
    t.equal(likes("service_role", page), 1)
    t.equal(likes("authenticated", single), 0) -- row level security lets nobody see a row yet
    t.error("permission denied", likes, "authenticated", page)
    t.error("permission denied", likes, "anon", single)
    t.equal(apply(db)["function public.get_user_embedding_features(uuid)"], "keep")
end)
