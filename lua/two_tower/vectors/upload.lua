--- The upload stage: an embeddings file into the table that serving reads, by REST or straight into PostgreSQL. The
--- whole file is checked before anything is sent, and what was stored is read back and compared.

local fs = require("tt.fs")
local hash = require("tt.hash")
local journals = require("tt.journal")
local json = require("tt.json")
local log = require("tt.log")
local progress = require("tt.progress")
local time = require("tt.time")
local vectors = require("two_tower.vectors.rules")
local vectors_file = require("two_tower.vectors.file")
local vectors_rest = require("two_tower.vectors.rest")
local vectors_sql = require("two_tower.vectors.sql")

local upload = {}

-- Rows that are read back and compared.
local SAMPLE = 200
-- Rows of one COPY.
local BLOCK = 16384

---@class two_tower.UploadOptions
---@field parquet string
---@field dsn? string PostgreSQL database to write to, instead of url and key
---@field dsn_flag? string the flag that gave it, for messages
---@field url? string the project's address (default: the environment)
---@field key? string its service role key (default: the environment)
---@field batch_size? integer rows of a request (default: 200)
---@field parallel? integer requests in flight (default: 4)
---@field dry_run? boolean check the file only
---@field rebuild_index? boolean with `dsn`: build the index anew afterwards
---@field restart? boolean forget what an earlier upload of this file did

---@class two_tower.Uploaded
---@field rows integer distinct rows of the file
---@field sent integer rows stored by this run
---@field resumed integer rows that an earlier run had stored

local function say(message, fields) log.info(message, json.object(fields)) end

local function open(path)
    local bar <close> = progress.bar({ total = vectors_file.height(path), label = "checking", unit = "rows" })
    local file = vectors_file.open(path, function(rows) bar:update(rows) end)
    bar:close()
    say("read", { { "file", path }, { "rows", file.rows }, { "dim", file.dim },
        { "repeats", file.repeats > 0 and file.repeats or nil } })
    return file
end

-- An error that leaves the block tells how far the upload came.
local function telling(counts)
    return setmetatable({}, { __close = function(_, problem)
        if type(problem) ~= "table" then return end
        local done = counts.resumed + counts.sent
        problem.details = type(problem.details) == "table" and problem.details or {}
        problem.details.rows_done, problem.details.rows_remaining = done, counts.rows - done
        local again = counts.again or ""
        if again ~= "" and problem.code == "vectors.mismatch" then again = "; --restart uploads all of them again" end
        problem.message = ("%s\n%d of %d rows are stored, %d remain%s"):format(problem.message, done, counts.rows,
            counts.rows - done, again)
    end })
end

local function sample(file, digest)
    return file:sample(SAMPLE, tonumber(digest:sub(1, 8), 16))
end

-- Straight into PostgreSQL: one transaction, compared before it is committed.
local function to_database(file, options)
    local target <close> = vectors_sql.open(options.dsn, options.dsn_flag or "the DSN")
    local counts = { rows = file.rows, sent = 0, resumed = 0 }
    do
        local _ <close> = telling(counts)
        if file.rows > 0 then target:check(file.dim) end
        local bar <close> = progress.bar({ total = file.rows, label = "upload", unit = "rows" })
        local batches, stamp = file:batches(BLOCK), time.now()
        target:transaction(function()
            target:send(function()
                local rows = batches()
                return rows and { rows = rows, stamp = stamp }
            end, { stored = function() end, progress = function(rows) bar:update(rows) end })
            local there = target:count(file.ids)
            if there ~= file.rows then
                tt.error("vectors.mismatch", ("the table '%s' has %d of the %d ids; nothing was changed")
                    :format(vectors.TABLE, there, file.rows))
            end
            local sent = sample(file, hash.sha256_file(file.path))
            vectors.compare(sent, target:read(sent.video_id))
            say("compared", { { "table", vectors.TABLE }, { "rows", there }, { "sample", #sent } })
        end)
        bar:close()
        counts.sent = file.rows
    end
    if options.rebuild_index then target:rebuild_index() end
    return counts
end

-- The journal of a file and a project, beside the file. It is about one content of the file: another one starts anew.
local function open_journal(file, target, digest, restart)
    local identity = { file = fs.basename(file.path), target = target:identity() }
    local name = (".upload-%s.journal"):format(hash.sha256(json.encode(identity)):sub(1, 16))
    local path = fs.join(fs.dirname(file.path), name)
    identity.sha256 = digest
    local ok, journal = pcall(journals.open, path, { identity = identity, restart = restart })
    if ok then return journal end
    if journal.code ~= "journal.other" then error(journal, 0) end
    log.info("the file is another than the one uploaded before; starting anew", { file = file.path })
    return journals.open(path, { identity = identity, restart = true })
end

-- The rows that are still to be sent, in units that the journal knows.
local function remaining(file, journal, started, counts)
    local batches, first = file:batches(started.unit), 1
    return function()
        for rows in batches do
            local key = ("rows %d-%d"):format(first, first + #rows - 1)
            first = first + #rows
            if not journal:is_done(key) then return { key = key, rows = rows, stamp = started.stamp } end
            counts.resumed = counts.resumed + #rows
            counts.bar:update(#rows)
        end
    end
end

-- Counts and compares what the table holds now. `stamp` is the `updated_at` of all rows just sent.
local function verify(file, target, digest, stamp)
    local sent = sample(file, digest)
    local stored = target:read(sent.video_id)
    vectors.compare(sent, stored)
    local function short(rows, what)
        tt.error("vectors.mismatch", ("the table '%s' has %d rows%s, the file %d"):format(vectors.TABLE, rows, what,
            file.rows))
    end
    local total = target:count()
    if total < file.rows then short(total, "") end
    -- Where the database does not set the time itself, it marks every row of this upload.
    local same = stamp and stored:filter(("updated_at == timestamp(%d)"):format(stamp))
    if same and #same > 0 and #same == #stored then
        local marked = target:count(stamp)
        if marked ~= file.rows then short(marked, " of this upload") end
    end
    say("compared", { { "table", vectors.TABLE }, { "rows", total }, { "sample", #sent } })
end

local function to_project(file, options, target)
    local digest = hash.sha256_file(file.path)
    local journal <close> = open_journal(file, target, digest, options.restart)
    local counts = { rows = file.rows, sent = 0, resumed = 0, again = "; the same command goes on from there" }
    if journal:finished() then
        say("already uploaded", { { "file", file.path }, { "rows", file.rows }, { "again", "--restart" } })
        counts.resumed = file.rows
        local _ <close> = telling(counts)
        verify(file, target, digest)
        return counts
    end
    local _ <close> = telling(counts)
    local bar <close> = progress.bar({ total = file.rows, label = "upload", unit = "rows" })
    counts.bar = bar
    if file.rows > 0 then target:check(file.dim) end
    if not journal:details("start") then
        journal:save("start", { stamp = time.now(), unit = options.batch_size or 200 })
    end
    local started = journal:details("start")
    target:send(remaining(file, journal, started, counts), {
        batch_size = options.batch_size or 200, parallel = options.parallel or 4,
        stored = function(unit) journal:mark(unit.key) end,
        progress = function(rows)
            counts.sent = counts.sent + rows
            bar:update(rows)
        end,
    })
    bar:close()
    verify(file, target, digest, started.stamp)
    journal:finish()
    return counts
end

--- Uploads an embeddings file.
---
--- Raises `vectors.invalid` for a file that is not fit, before anything is sent; `vectors.dimension`;
--- `vectors.mismatch` when the table does not hold what was sent; `usage.credentials`, and the codes of `tt.supabase`
--- and `tt.sql`. The `details` hold `rows_done` and `rows_remaining`.
---@param options two_tower.UploadOptions
---@return two_tower.Uploaded
function upload.run(options)
    local started = time.monotonic()
    local by_rest = not options.dsn and not options.dry_run
    local target <close> = by_rest and vectors_rest.open({ url = options.url, key = options.key }) or nil
    local file <close> = open(options.parquet)
    if options.dry_run then
        say("dry run: nothing was sent", { { "file", file.path }, { "rows", file.rows }, { "dim", file.dim } })
        return { rows = file.rows, sent = 0, resumed = 0 }
    end
    local counts = target and to_project(file, options, target) or to_database(file, options)
    say("wrote", { { "table", vectors.TABLE }, { "rows", file.rows }, { "sent", counts.sent },
        { "dim", file.dim }, { "seconds", time.monotonic() - started } })
    return { rows = file.rows, sent = counts.sent, resumed = counts.resumed }
end

return upload
