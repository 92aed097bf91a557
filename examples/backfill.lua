-- Embeds again the videos of a range of dates, with the item tower of a checkpoint, and stores their vectors: in the
-- table that serving reads of a Supabase project, or of a PostgreSQL database (--target-dsn).
--
--   tt examples/backfill.lua --db sqlite:shop.sqlite --since 2025-01-01 --until 2025-02-01 --dry-run
--   tt examples/backfill.lua --db sqlite:shop.sqlite --since 2025-01-01 --until 2025-02-01
--
-- The range is cut into windows, and a journal beside the checkpoint keeps which of them are stored: a run that was
-- killed goes on where it stopped, and one that is repeated does nothing. Windows, journal and upsert are all there is
-- to it; `help(tt.journal)` shows the same for any other backfill in ten lines.

local backfill = require("two_tower.backfill")
local checkpoint = require("two_tower.bundle.checkpoint")
local fs = require("tt.fs")
local hash = require("tt.hash")
local journals = require("tt.journal")
local json = require("tt.json")
local log = require("tt.log")
local options = require("two_tower.options")
local progress = require("tt.progress")
local set = require("two_tower.features")
local time = require("tt.time")
local vectors_rest = require("two_tower.vectors.rest")
local vectors_sql = require("two_tower.vectors.sql")

local given, origin = options.parse({
    name = "backfill.lua",
    summary = "Embeds again the videos of a range of dates and stores their vectors.",
    database = true,
    remote = true,
    options = {
        { flag = "--since", value = "TIME", required = true, help = "first day or moment, 2025-01-31" },
        { flag = "--until", value = "TIME", help = "end of the range (default: of the last whole chunk before now)" },
        { flag = "--by", default = "created_at", help = "the time that counts",
            choices = { "created_at", "published_at", "distribution_started_at", "product_released_at" } },
        { flag = "--undated", help = "the videos without a time too, as one more window" },
        { flag = "--chunk", value = "DURATION", default = "1d", help = "length of a window: 6h, 1d, 2w" },
        { flag = "--checkpoint", type = "path", default = "checkpoints/latest.pt", help = "the checkpoint" },
        { flag = "--target-dsn", value = "DSN", help = "PostgreSQL to write to, instead of the project" },
        { flag = "--batch-size", default = 200, min = 1, max = 10000, help = "rows of a request to the project" },
        { flag = "--parallel", default = 4, min = 1, max = 64, help = "requests in flight, of one window or several" },
        { flag = "--dry-run", help = "list the windows and their rows; embed and store nothing" },
        { flag = "--restart", help = "forget which windows are done" },
    },
    exclusive = { { "--supabase-url", "--target-dsn" }, { "--service-role-key", "--target-dsn" } },
})
if given.target_dsn then
    options.warn_unused(origin, { "--batch-size", "--parallel" }, "with --target-dsn: a window is stored at once")
end
local function say(message, fields) log.info(message, json.object(fields)) end

local function read(windows)
    local source = backfill.read(options.open(given, { read_only = true }), set, windows, given.by)
    if source.undated > 0 then
        log.warn("videos without a time are left out; --undated takes them", { rows = source.undated })
    end
    return source
end

-- The journal of one model, source and target; passwords do not get into it.
local function open_journal(loaded, target)
    local identity = { model = loaded.fingerprint, by = given.by, target = target:identity(),
        source = hash.sha256(log.masked(given.pg_dsn or given.db)) }
    local name = (".backfill-%s.journal"):format(hash.sha256(json.encode(identity)):sub(1, 16))
    return journals.open(fs.join(fs.dirname(given.checkpoint), name), { identity = identity, restart = given.restart })
end

local windows = backfill.windows(given.since, given["until"], given.chunk, given.undated)
if given.dry_run then
    local source <close> = read(windows)
    for _, window in ipairs(windows) do
        say("window", { { "window", window.label }, { "rows", #source:videos(window) } })
    end
    return say("dry run: nothing was stored", { { "windows", #windows }, { "rows", source.rows } })
end

local target <close> = given.target_dsn and vectors_sql.open(given.target_dsn, "--target-dsn")
    or vectors_rest.open({ url = given.supabase_url, key = given.service_role_key })
local loaded = checkpoint.load(given.checkpoint, set)
local journal <close> = open_journal(loaded, target)
local left = {}
for _, window in ipairs(windows) do
    if not journal:is_done(window.label) then left[#left + 1] = window end
end
say("windows", { { "windows", #windows }, { "done", #windows - #left } })
if #left == 0 then return say("nothing to do; --restart does it again", {}) end

local source <close> = read(left)
source:use(loaded)
target:check(loaded.embedding_dim)
local bar <close> = progress.bar({ total = source.rows, label = "backfill", unit = "rows" })
local at = 0
target:send(function()
    at = at + 1
    local window, started = left[at], time.monotonic()
    return window and { window = window, rows = source:vectors(window), stamp = time.now(), started = started }
end, {
    batch_size = given.batch_size, parallel = given.parallel,
    progress = function(rows) bar:update(rows) end,
    stored = function(unit)
        journal:mark(unit.window.label, { rows = #unit.rows })
        say("window", { { "window", unit.window.label }, { "rows", #unit.rows },
            { "seconds", time.monotonic() - unit.started } })
    end,
})
bar:close()
say("done", { { "windows", #left }, { "rows", bar.done } })
