-- Uploading embeddings: what is refused before anything is sent, straight into PostgreSQL, and by REST to a
-- development server that misbehaves.
local databases = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/databases.lua")
local dev_server = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/dev_server.lua")
local features = require("tt.features")
local frame = require("tt.frame")
local fs = require("tt.fs")
local log = require("tt.log")
local parquet = require("tt.parquet")
local random = require("tt.random")
local sql = require("tt.sql")
local t = require("tt.test")
local tensor = require("tt.tensor")
local upload = require("two_tower.vectors.upload")
local vectors_file = require("two_tower.vectors.file")

local root = arg[0]:match("^(.*)/Tests/lua/") or "."

local function id(number) return ("00000000-0000-4000-8000-%012x"):format(number) end

local shell = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/shell.lua")
local quote, capture, program = shell.quote, shell.capture, shell.program

-- Runs the script; `environment` goes before the command.
local function script(environment, ...)
    local words = shell.words(program, root .. "/lua/upload_embeddings.lua", ...)
    return capture(("env -u SUPABASE_URL -u SUPABASE_SERVICE_ROLE_KEY %s %s"):format(environment, words))
end

-- `count` unit vectors of 8 numbers.
local function unit_rows(count, seed)
    return frame.from_columns({ { "video_id", random.new(seed):uuids(count) },
        { "embedding", features.to_column(tensor.randn({ count, 8 }, { seed = seed }):normalize()) } }):sort("video_id")
end

local function write(folder, rows, options)
    local path = fs.join(folder, "video_embeddings.parquet")
    parquet.write(path, rows, options)
    return path
end

local function written(count, seed)
    local rows, folder = unit_rows(count, seed), t.tmpdir()
    return write(folder, rows), rows, folder
end

-- Calls a function and gives what it raised, and the log's lines.
local function logged(body)
    local lines = {}
    log.configure({ json = true, output = function(line) lines[#lines + 1] = line end })
    local ok, raised = pcall(body)
    log.configure({ json = false, output = false })
    return not ok and raised or nil, table.concat(lines, "\n")
end

-- ---- the file

local function file_of(rows, options, types)
    local schema = types or { video_id = "string", embedding = "list<float32>" }
    return write(t.tmpdir(), frame.from_table(rows, { schema = schema }), options)
end

local function refused(expected, rows, options, types)
    local path = file_of(rows, options, types)
    local raised = t.error("vectors.invalid", vectors_file.open, path)
    t.equal(raised.message, ("'%s'%s"):format(path, expected))
end

t.test("a file that is not fit is refused, naming row and id", function()
    local good = { video_id = id(1), embedding = { 0.6, 0.8 } }
    local function second(embedding) return { good, { video_id = id(2), embedding = embedding } } end
    refused(": there is no column 'embedding'", { { video_id = id(1) } }, nil, { video_id = "string" })
    refused(": column 'embedding' is stored as List of DOUBLE; it must be a list of 32-bit floats", { good }, nil,
        { video_id = "string", embedding = "list<float64>" })
    refused(": column 'video_id' is stored as INT64; it must be text or a UUID", { { video_id = 7,
        embedding = { 1, 0 } } }, nil, { video_id = "int64", embedding = "list<float32>" })
    refused(", row 2: video_id is null", { good, { embedding = { 0, 1 } } })
    refused(", row 2: 'seven' is no UUID", { good, { video_id = "seven", embedding = { 0, 1 } } })
    refused((", row 2 (id %s): embedding is null"):format(id(2)), second(nil))
    for _, size in ipairs({ 1, 2 }) do
        refused((", row 2 (id %s): embedding holds 3 numbers, the rows before it hold 2"):format(id(2)),
            second({ 1, 0, 0 }), { row_group_rows = size })
    end
    refused((", row 1 (id %s): embedding is empty"):format(id(1)), { { video_id = id(1), embedding = {} } })
    for _, number in ipairs({ 0 / 0, 1 / 0, tt.json.null }) do
        refused((", row 2 (id %s): embedding holds a null, NaN or an infinity"):format(id(2)), second({ 1, number }))
    end
    refused((", row 2 (id %s): embedding is no unit vector, its length is 1.0002"):format(id(2)), second({ 0, 1.0002 }))
    refused((", row 2 (id %s): embedding is no unit vector, its length is 0"):format(id(2)), second({ 0, 0 }))
    refused((", row 3 (id %s): stands in rows 1, 3 with different embeddings"):format(id(1)),
        { good, { video_id = id(2), embedding = { 0, 1 } }, { video_id = id(1):upper(), embedding = { 0.8, 0.6 } } },
        { row_group_rows = 2 })
end)

t.test("the row is named in a large file too", function()
    local rows = unit_rows(40000, 1)
    local long = frame.column({ { 0, 0, 0, 0, 0, 0, 0, 2 } }, "list<float32>")
    local bad = rows:slice(30001, 1):with({ { "embedding", long } })
    local path = write(t.tmpdir(), frame.concat({ rows:slice(1, 30000), bad, rows:slice(30002) }))
    local raised = t.error("vectors.invalid", vectors_file.open, path)
    t.equal({ raised.details.row, raised.details.id }, { 30001, bad.video_id[1] })
end)

t.test("what is no Parquet file is an error that names it", function()
    local path = t.tmpdir() .. "/a.parquet"
    t.error("fs.not_found", vectors_file.open, path)
    fs.write(path, "no Parquet file, only text")
    t.error("a.parquet: not a Parquet file", vectors_file.open, path)
end)

t.test("equal repeats are dropped, wherever they stand", function()
    local rows = {}
    for _, number in ipairs({ 1, 2, 1, 3, 3, 2, 4, 1 }) do
        rows[#rows + 1] = { video_id = number % 2 == 0 and id(number) or id(number):upper(),
            embedding = { number == 1 and 1 or 0, number == 1 and 0 or -1 } }
    end
    local file <close> = vectors_file.open(file_of(rows, { row_group_rows = 3 }))
    t.equal({ file.rows, file.repeats, file.dim }, { 4, 4, 2 })
    local sizes, ids = {}, {}
    for batch in file:batches(3) do
        sizes[#sizes + 1] = #batch
        for _, one in ipairs(batch.video_id:to_table()) do ids[#ids + 1] = one end
    end
    t.equal(sizes, { 3, 1 })
    t.equal(ids, { id(1), id(2), id(3), id(4) })
end)

t.test("batches and samples go over row groups", function()
    local rows = unit_rows(1000, 2)
    local file <close> = vectors_file.open(write(t.tmpdir(), rows, { row_group_rows = 130, uuid = "fixed" }))
    local parts = {}
    for batch in file:batches(77) do parts[#parts + 1] = batch end
    t.equal(#parts, 13)
    t.ok(frame.concat(parts):equals(rows))
    local sample = file:sample(50, 7)
    t.equal(#sample, 50)
    t.ok(sample:equals(file:sample(50, 7)) and not sample:equals(file:sample(50, 8)))
    t.equal(#sample:join(rows, { on = "video_id", how = "semi" }), 50)
    t.equal(#file:sample(2000, 1), 1000)
end)

t.test("no rows are fine", function()
    local file <close> = vectors_file.open(file_of({}))
    t.equal({ file.rows, file.dim, file:batches(5)(), #file:sample(5, 1) }, { 0, nil, nil, 0 })
end)

-- ---- the command line

t.test("--dry-run checks the file and prints its rows, without credentials", function()
    local path = written(300, 3)
    local output, status = script("", "--dry-run", "--parquet", path)
    t.equal(status, 0, output)
    t.ok(output:find("\n300 rows\n") or output:find("^300 rows\n"), output)
    output, status = script("", "--dry-run", "--parquet", file_of({ { video_id = id(1), embedding = { 2 } } }))
    t.equal(status, 1, output)
    t.ok(output:find("row 1 (id " .. id(1) .. "): embedding is no unit vector", 1, true), output)
end)

t.test("wrong usage exits with 2, and shows no key", function()
    local path = written(3, 3)
    local function wrong(expected, environment, ...)
        local output, status = script(environment, "--parquet", path, ...)
        t.equal(status, 2, output)
        t.ok(output:find(expected, 1, true), output)
        t.equal(output:find("hidden", 1, true), nil, output)
    end
    wrong("exclude each other", "", "--supabase-url", "http://127.0.0.1:9", "--pg-dsn", "host=x")
    wrong("exclude each other", "", "--db", "host=x", "--pg-dsn", "host=x")
    wrong("exclude each other", "", "--service-role-key", "hidden", "--db", "host=x")
    wrong("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY=hidden")
    wrong("SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_URL=http://127.0.0.1:9")
    wrong("--batch-size", "", "--batch-size", "0")
    wrong("--batch-size", "", "--batch-size", "10001")
    wrong("--rebuild-index needs the database itself", "SUPABASE_URL=http://127.0.0.1:9", "--rebuild-index")
    wrong("SQLite has no vectors", "", "--db", "sqlite:" .. t.tmpdir() .. "/a.sqlite")
    -- A variable is no flag: the DSN counts, and cannot be read.
    wrong("--db: cannot open a database", "SUPABASE_URL=http://127.0.0.1:9", "--db", "=x")
end)

t.test("flags of the project's uploads are told to be of no use with a database", function()
    local output, status = script("", "--parquet", written(3, 3), "--pg-dsn", "host=127.0.0.1 port=1",
        "--parallel", "4", "--restart", "--batch-size=9")
    t.equal(status, 1, output)
    for _, flag in ipairs { "--parallel", "--restart", "--batch-size" } do
        t.ok(output:find(flag .. " is of no use with a database", 1, true), output)
    end
    output = script("", "--parquet", written(3, 3), "--pg-dsn", "host=127.0.0.1 port=1")
    t.equal(output:find("of no use", 1, true), nil, output)
end)

t.test("a password in a DSN leaves the list of processes, the rest stays", function()
    local code = [[
        require("two_tower.options").parse { name = "it", summary = "Is.", database = true }
        print((io.open("/proc/self/cmdline"):read("a"):gsub("%z", " "):match("%-%-.*")))
    ]]
    for words, shown in pairs { ["--pg-dsn=host=h password=hidden"] = "--pg-dsn=" .. ("*"):rep(22) .. " ",
        ["--db=sqlite:a.sqlite"] = "--db=sqlite:a.sqlite " } do
        local output, status = capture(("cd %s && %s"):format(quote(root),
            shell.words(program, "-e", code, words)))
        t.equal(status, 0, output)
        t.equal(output, shown .. "\n")
    end
end)

-- ---- straight into PostgreSQL

local function table_of(db, dim)
    db:exec("DROP TABLE IF EXISTS public.video_embeddings")
    db:exec(("CREATE TABLE public.video_embeddings (video_id uuid PRIMARY KEY, embedding vector(%d) NOT NULL, "
        .. "updated_at timestamptz NOT NULL DEFAULT now())"):format(dim))
end

local function stored(db)
    return db:read("SELECT video_id, embedding FROM public.video_embeddings"):sort("video_id")
end

-- A row of a video that no upload is about.
local function add_other(db, number)
    db:exec("INSERT INTO public.video_embeddings VALUES ($1, '[1,0,0,0,0,0,0,0]', '2020-01-01')", { id(number) })
end

local function others_are_there(db, number)
    local row = db:query("SELECT embedding, updated_at FROM public.video_embeddings WHERE video_id = $1",
        { id(number) }):row(1)
    t.equal(row, { embedding = { 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0 }, updated_at = 1577836800000000 })
end

local own <close> = databases.open()
local direct
if databases.server then
    direct = { dsn = own:make("upload") }
    direct.db = sql.open(direct.dsn)
    direct.db:exec("CREATE EXTENSION IF NOT EXISTS vector")
end
local function on_postgresql(name, body)
    t.test(name, function()
        if not direct then t.skip(databases.reason) end
        body(direct.db, function(path, more)
            local opts = { parquet = path, dsn = direct.dsn }
            for key, value in pairs(more or {}) do opts[key] = value end
            return upload.run(opts)
        end)
    end)
end

on_postgresql("vectors go straight into the table, and others stay", function(db, run)
    table_of(db, 8)
    add_other(db, 1)
    local path, rows = written(500, 4)
    db:exec("INSERT INTO public.video_embeddings VALUES ($1, '[0,1,0,0,0,0,0,0]', '2020-01-01')", { rows.video_id[9] })
    t.equal(run(path), { rows = 500, sent = 500, resumed = 0 })
    others_are_there(db, 1)
    db:exec("DELETE FROM public.video_embeddings WHERE video_id = $1", { id(1) })
    t.ok(stored(db):equals(rows))
    local times = db:query("SELECT count(DISTINCT updated_at) AS n, min(updated_at) > now() - interval '1 hour' "
        .. "AS fresh FROM public.video_embeddings"):row(1)
    t.equal(times, { n = 1, fresh = true })
    t.equal(run(path).sent, 500)
    t.ok(stored(db):equals(rows))
end)

on_postgresql("a file without rows changes nothing", function(db, run)
    table_of(db, 8)
    add_other(db, 1)
    t.equal(run(file_of({}), { rebuild_index = true }), { rows = 0, sent = 0, resumed = 0 })
    others_are_there(db, 1)
end)

on_postgresql("a table of another dimension is told with the migration, and nothing is written", function(db, run)
    local path = written(20, 4)
    table_of(db, 6)
    local raised = t.error("vectors.dimension", run, path)
    t.ok(raised.message:find("holds vectors of 6 numbers, the model gives 8", 1, true), raised.message)
    t.ok(raised.message:find("ALTER COLUMN embedding TYPE vector(8)", 1, true), raised.message)
    t.ok(raised.message:find("0 of 20 rows are stored, 20 remain", 1, true), raised.message)
    t.equal({ raised.details.rows_done, raised.details.rows_remaining }, { 0, 20 })
    -- A column without a dimension has that of its rows.
    db:exec("ALTER TABLE public.video_embeddings ALTER COLUMN embedding TYPE vector")
    t.equal(run(path).sent, 20)
    db:exec("TRUNCATE public.video_embeddings; INSERT INTO public.video_embeddings VALUES "
        .. "('00000000-0000-4000-8000-000000000001', '[1,0,0]')")
    t.error("holds vectors of 3 numbers", run, path)
    t.equal(#stored(db), 1)
end)

on_postgresql("a table that is not fit is an error that says what is missing", function(db, run)
    local path = written(3, 4)
    db:exec("DROP TABLE IF EXISTS public.video_embeddings")
    t.error("has no table 'public.video_embeddings'", run, path)
    db:exec("CREATE TABLE public.video_embeddings (video_id uuid PRIMARY KEY, embedding vector(8))")
    t.error("has no column 'updated_at'", run, path)
    db:exec("ALTER TABLE public.video_embeddings ADD updated_at timestamptz, ALTER embedding TYPE real[]")
    t.error("'public.video_embeddings.embedding' is real[]; it must be vector(8)", run, path)
end)

on_postgresql("an upload that fails half-way changes nothing", function(db, run)
    table_of(db, 8)
    add_other(db, 1)
    local path, rows = written(40000, 5)
    db:exec(("ALTER TABLE public.video_embeddings ADD CHECK (video_id <> '%s')"):format(rows.video_id[39999]))
    local raised = t.error("sql.constraint", run, path)
    t.equal({ raised.details.rows_done, raised.details.rows_remaining }, { 0, 40000 })
    t.equal(#stored(db), 1)
    others_are_there(db, 1)
end)

on_postgresql("what the table holds is compared before it counts", function(db, run)
    local path = written(50, 5)
    table_of(db, 8)
    db:exec("CREATE OR REPLACE FUNCTION public.spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        .. "NEW.embedding := '[1,0,0,0,0,0,0,0]'; RETURN NEW; END $$; CREATE TRIGGER spoil BEFORE INSERT ON "
        .. "public.video_embeddings FOR EACH ROW EXECUTE FUNCTION public.spoil()")
    t.error("vectors.mismatch", run, path)
    t.equal(#stored(db), 0)
    db:exec("CREATE OR REPLACE FUNCTION public.spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        .. "RETURN CASE WHEN random() < 0.5 THEN NEW END; END $$")
    local raised = t.error("vectors.mismatch", run, path)
    t.ok(raised.message:find("of the 50 ids; nothing was changed", 1, true), raised.message)
    t.equal(#stored(db), 0)
end)

on_postgresql("--rebuild-index makes the index, builds it anew, and clears what was broken off", function(db, run)
    table_of(db, 8)
    local path, rows = written(300, 6)
    local function indexes()
        return db:query("SELECT indexrelid::regclass::text AS name, indexrelid::bigint AS oid, indisvalid AS fine "
            .. "FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam "
            .. "WHERE indrelid = 'public.video_embeddings'::regclass AND amname = 'hnsw' ORDER BY 1"):to_table()
    end
    run(path)
    t.equal(indexes(), {})
    run(path, { rebuild_index = true })
    local first = indexes()
    t.equal({ #first, first[1].name, first[1].fine }, { 1, "video_embeddings_embedding_idx", true })
    db:exec("CREATE INDEX broken_ccnew ON public.video_embeddings USING hnsw (embedding vector_cosine_ops); "
        .. "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken_ccnew'::regclass")
    run(path, { rebuild_index = true })
    local second = indexes()
    t.equal({ #second, second[1].name, second[1].fine }, { 1, "video_embeddings_embedding_idx", true })
    t.ok(second[1].oid ~= first[1].oid, "the index is a new one")
    db:exec("SET enable_seqscan = off")
    local nearest = db:query("SELECT video_id FROM public.video_embeddings ORDER BY embedding <=> $1::vector LIMIT 1",
        { rows:slice(7, 1).embedding:cast("string")[1] })
    db:exec("RESET enable_seqscan")
    t.equal(nearest.video_id[1], rows.video_id[7])
end)

-- ---- by REST

do
    local folder <close> = fs.tempdir()
    local server <close>, reason = dev_server.start("upload_rest", folder.path, "--dim 8")
    local function on_server(name, body)
        t.test(name, function()
            if not server then t.skip(reason) end
            server:faults()
            server.db:exec("TRUNCATE public.video_embeddings")
            server:forget_requests()
            local function run(path, more)
                local opts = { parquet = path, url = server.url, key = server.key, batch_size = 50 }
                for key, value in pairs(more or {}) do opts[key] = value end
                return upload.run(opts)
            end
            body(server.db, run)
            server:faults()
        end)
    end

    local function posts()
        local count = 0
        for _, request in ipairs(server:requests()) do
            if request.method == "POST" then count = count + 1 end
        end
        return count
    end

    on_server("vectors go to a project in batches, and others stay", function(db, run)
        add_other(db, 1)
        local path, rows, folder_ = written(430, 7)
        local raised, lines = logged(function() t.equal(run(path), { rows = 430, sent = 430, resumed = 0 }) end)
        t.equal(raised, nil)
        t.equal(posts(), 9)
        others_are_there(db, 1)
        db:exec("DELETE FROM public.video_embeddings WHERE video_id = $1", { id(1) })
        t.ok(stored(db):equals(rows))
        t.equal(lines:find(server.key, 1, true), nil)
        -- The journal is a dot-file, which no manifest lists, and holds no key.
        local names = fs.list(folder_)
        t.equal({ #names, names[1]:match("^%.upload%-%x+%.journal$") ~= nil }, { 2, true })
        t.equal(fs.read(fs.join(folder_, names[1])):find(server.key, 1, true), nil)
    end)

    on_server("a file without rows sends nothing", function(_, run)
        local path = file_of({})
        for _ = 1, 2 do t.equal(run(path), { rows = 0, sent = 0, resumed = 0 }) end
        t.equal(posts(), 0)
    end)

    on_server("a finished upload is only read back, until --restart or another file", function(db, run)
        local path, rows, folder_ = written(120, 8)
        run(path)
        server:forget_requests()
        t.equal(run(path), { rows = 120, sent = 0, resumed = 120 })
        t.equal(posts(), 0)
        db:exec("UPDATE public.video_embeddings SET embedding = '[1,0,0,0,0,0,0,0]'")
        local problem = t.error("vectors.mismatch", run, path)
        t.ok(problem.message:find("--restart uploads all of them again", 1, true), problem.message)
        t.equal(run(path, { restart = true }).sent, 120)
        t.ok(stored(db):equals(rows))
        local other = unit_rows(90, 9)
        write(folder_, other)
        t.equal(run(path).sent, 90)
        write(folder_, rows)
        t.equal(run(path).sent, 120, "the file of before is uploaded again")
        t.equal(#stored(db), 210)
    end)

    on_server("the dimension is told before the first row is written", function(db, run)
        db:exec("DROP TABLE public.video_embeddings")
        db:exec("CREATE TABLE public.video_embeddings (video_id uuid PRIMARY KEY, embedding vector(6) NOT NULL, "
            .. "updated_at timestamptz NOT NULL DEFAULT now())")
        local _ <close> = setmetatable({}, { __close = function()
            table_of(db, 8)
            db:exec("GRANT ALL ON public.video_embeddings TO service_role")
            tt.time.sleep(1.1) -- until the server looks at the tables again
        end })
        db:exec("GRANT ALL ON public.video_embeddings TO service_role")
        local path = written(200, 7)
        for _ = 1, 2 do
            local problem = t.error("vectors.dimension", run, path)
            t.ok(problem.message:find("holds vectors of 6 numbers, the model gives 8", 1, true), problem.message)
            t.ok(problem.message:find("ALTER COLUMN embedding TYPE vector(8)", 1, true), problem.message)
            t.ok(problem.message:find("0 of 200 rows are stored, 200 remain", 1, true), problem.message)
            -- Second time a stored row tells, and no batch is sent.
            db:exec("INSERT INTO public.video_embeddings VALUES ($1, '[1,0,0,0,0,0]') ON CONFLICT DO NOTHING",
                { id(1) })
        end
        t.equal(posts(), 1)
    end)

    on_server("batches that are too large or too slow are halved", function(db, run)
        local path, rows = written(400, 10)
        for _, fault in ipairs({ "413", "57014" }) do
            db:exec("TRUNCATE public.video_embeddings")
            server:faults({ { match = { method = "POST" }, fault = fault, args = { above_rows = 20 } } })
            local raised, lines = logged(function() run(path, { batch_size = 100, restart = true }) end)
            t.equal(raised, nil)
            t.ok(lines:find('"msg":"smaller batches","rows":50', 1, true), lines)
            t.ok(stored(db):equals(rows), fault)
        end
        server:faults({ { match = { method = "POST" }, fault = "57014" } })
        t.error("supabase.timeout_57014", run, path, { restart = true })
    end)

    -- Each misbehaviour ends in a complete table, or in an error after which the same command completes them.
    local function survives(name, rules, expected)
        on_server("an upload through " .. name, function(db, run)
            local path, rows = written(400, 11)
            for index, rule in ipairs(rules) do rules[index] = rule end
            server:faults(rules)
            local raised, lines = logged(function() run(path) end)
            t.equal(raised and raised.code, expected, raised and raised.message)
            local fired = 0
            for _, count in ipairs(server:fired()) do fired = fired + count end
            t.ok(fired > 0, "the server misbehaved")
            if raised then
                t.equal(raised.details.rows_done + raised.details.rows_remaining, 400)
                local _, last = raised.message:match("\n(%d+) of 400 rows are stored, (%d+) remain; the same command")
                t.equal(tonumber(last), raised.details.rows_remaining, raised.message)
                t.equal((raised.message .. lines):find(server.key, 1, true), nil)
                server:faults()
                local again = run(path)
                t.equal(again.resumed + again.sent, 400)
                t.equal(again.resumed, raised.details.rows_done // 50 * 50)
            end
            t.ok(stored(db):join(rows, { on = "video_id", how = "semi" }):equals(rows))
        end)
    end
    local post = { method = "POST", every = 3 }
    survives("429 with Retry-After", { { match = post, fault = "429", args = { retry_after = 0.05 } } })
    survives("429 with a date", { { match = { method = "POST", nth = 4 }, fault = "429",
        args = { retry_after = 1, date = true } } })
    survives("500", { { match = post, fault = "500" } })
    survives("503", { { match = post, fault = "503" }, { match = { method = "GET", nth = 2 }, fault = "503" } })
    survives("57014 now and then", { { match = post, fault = "57014" } })
    survives("connections that are reset", { { match = post, fault = "reset" } })
    survives("answers that are lost", { { match = post, fault = "applied_then_reset" } })
    survives("answers cut short", { { match = { every = 3 }, fault = "short_length" } })
    survives("slow bytes", { { match = { method = "POST", every = 4 }, fault = "slow", args = { delay_s = 0.2 } },
        { match = { method = "GET" }, fault = "slow", args = { bytes_per_s = 200000 } } })
    survives("rows inserted meanwhile", { { match = post, fault = "insert_while_paging", args = {
        sql = "INSERT INTO public.video_embeddings SELECT gen_random_uuid(), '[1,0,0,0,0,0,0,0]', now()" } } })
    survives("a capped answer", { { match = { method = "GET", path = "video_embeddings" }, fault = "row_cap",
        args = { rows = 30 } } })
    survives("a duplicate key", { { match = { method = "POST", nth = 6 }, fault = "duplicate_key" } },
        "supabase.conflict")
    survives("413 without end", { { match = { method = "POST", after = 3 }, fault = "413" } }, "supabase.too_large")
    survives("a token that expires", { { match = { method = "POST", after = 5 }, fault = "expired_token" } },
        "supabase.auth")

    on_server("rows that get lost on the way are found", function(db, run)
        local path, rows = written(400, 12)
        db:exec("CREATE FUNCTION public.lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN "
            .. "NEW.video_id > '80000000-0000-0000-0000-000000000000' THEN NULL ELSE NEW END; END $$; "
            .. "CREATE TRIGGER lose BEFORE INSERT ON public.video_embeddings FOR EACH ROW "
            .. "EXECUTE FUNCTION public.lose()")
        t.error("vectors.mismatch", run, path)
        db:exec("DROP TRIGGER lose ON public.video_embeddings; DROP FUNCTION public.lose()")
        t.error("vectors.mismatch", run, path)
        t.equal(run(path, { restart = true }).sent, 400)
        t.ok(stored(db):equals(rows))
    end)

    on_server("a database that sets the time itself is fine", function(db, run)
        local path, rows = written(100, 12)
        db:exec("CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := now(); "
            .. "RETURN NEW; END $$; CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON public.video_embeddings "
            .. "FOR EACH ROW EXECUTE FUNCTION public.touch()")
        run(path)
        db:exec("DROP TRIGGER touch ON public.video_embeddings; DROP FUNCTION public.touch()")
        t.ok(stored(db):equals(rows))
    end)

    on_server("another size of batches goes on where the first stopped", function(db, run)
        local path, rows = written(400, 13)
        server:faults({ { match = { method = "POST", after = 4 }, fault = "expired_token" } })
        local raised = t.error("supabase.auth", run, path, { parallel = 1 })
        t.equal(raised.details.rows_done, 200)
        server:faults()
        t.equal(run(path, { batch_size = 30 }), { rows = 400, sent = 200, resumed = 200 })
        t.ok(stored(db):equals(rows))
    end)

    on_server("two uploads of one file at once are refused", function(_, run)
        local path, _, folder_ = written(100, 14)
        run(path)
        local held = fs.lock(fs.join(folder_, fs.list(folder_)[1])) -- the journal
        local output, status = script(server:environment(), "--parquet", path)
        t.equal(status, 1, output)
        t.ok(output:find("in use by another process", 1, true), output)
        t.error("fs.locked", run, path, { restart = true })
        held:close()
        t.equal(run(path).resumed, 100)
    end)

    on_server("the script uploads by the environment and says what it wrote", function(db)
        local path, rows = written(120, 15)
        local output, status = script(server:environment(), "--parquet", path, "--log-json")
        t.equal(status, 0, output)
        t.ok(output:find('"msg":"wrote","table":"video_embeddings","rows":120,"sent":120', 1, true), output)
        t.equal(output:find(server.key, 1, true), nil)
        t.ok(stored(db):equals(rows))
    end)
end
if direct then direct.db:close() end
