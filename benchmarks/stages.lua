-- Runs demo, training, export and embeddings as separate processes and prints what their logs say: seconds, rows per
-- second and peak memory of each stage. Ratios between stages and sizes are what to look at; machines differ.

local cli = require("tt.cli")
local frame = require("tt.frame")
local fs = require("tt.fs")
local json = require("tt.json")
local tensor = require("tt.tensor")
local time = require("tt.time")

local given = cli.parse({
    name = "stages.lua",
    summary = "Times the stages of the pipeline on demo databases.",
    options = { { flag = "--epochs", type = "int", default = 1, min = 1, help = "epochs to train" } },
    positional = { { name = "sizes", multiple = true, help = "S, M or L, as in demo.lua" } },
})

-- The interpreter that runs this script.
local program = fs.abspath(arg[-1] or "tt")
local home <close> = fs.tempdir()
local folder = home.path

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- Runs a script with --log-json and returns its log records in order; other lines are passed over.
local function run(script, ...)
    local words = { "cd", quote(folder), "&&", quote(program), script }
    for _, word in ipairs({ ... }) do words[#words + 1] = quote(word) end
    local pipe <close> = assert(io.popen(table.concat(words, " ") .. " --log-json 2>&1"))
    local records, other = {}, {}
    for line in pipe:lines() do
        if line:sub(1, 1) == "{" then records[#records + 1] = json.decode(line) else other[#other + 1] = line end
    end
    if not pipe:close() then tt.error("bench.failed", script .. " failed:\n" .. table.concat(other, "\n")) end
    for _, record in ipairs(records) do record.at = time.parse(record.ts) / 1e6 end
    return records
end

local function find(records, msg, key, value)
    for _, record in ipairs(records) do
        if record.msg == msg and (key == nil or record[key] == value) then return record end
    end
    tt.error("bench.no_record", ("the log has no '%s'"):format(msg))
end

local model = (fs.exists("/proc/cpuinfo") and fs.read("/proc/cpuinfo") or ""):match("model name%s*:%s*([^\n]*)")
print(("processor %s, kernels %s, %d threads"):format(model or "unknown", tensor.kernels(), tensor.threads()))

local rows = {}
local function add(size, stage, count, seconds, peak)
    rows[#rows + 1] = { size = size, stage = stage, rows = count, seconds = math.floor(seconds * 1000 + 0.5) / 1000,
        rows_per_s = math.floor(count / math.max(seconds, 1e-9)), peak_mb = peak }
end

for _, size in ipairs(given.sizes) do
    local db = "sqlite:" .. size .. ".sqlite"
    local demo = run("demo.lua", "--db", db, "--size", size)
    local written = 0
    for _, record in ipairs(demo) do
        if record.msg == "wrote" then written = written + record.rows end
    end
    add(size, "demo", written, find(demo, "done").seconds, nil)

    local log = run("train.lua", "--db", db, "--set", "training.epochs=" .. given.epochs)
    local started, sampled, done = find(log, "stage"), find(log, "samples"), find(log, "stage done")
    local last_read = started
    local read = 0
    for _, record in ipairs(log) do
        if record.msg == "read" then
            read, last_read = read + record.rows, record
        end
    end
    add(size, "extract", read, last_read.at - started.at, nil)
    add(size, "features", read, sampled.at - last_read.at, nil)
    for _, record in ipairs(log) do
        if record.msg == "epoch" then
            add(size, "epoch " .. record.epoch, sampled.train, record.seconds, nil)
        end
    end
    add(size, "train, whole stage", sampled.train, done.seconds, done.peak_mb)

    local export = find(run("export.lua", "--checkpoint", "checkpoints/latest.pt"), "stage done")
    add(size, "export", 1, export.seconds, export.peak_mb)

    local embeddings = run("generate_embeddings.lua", "--checkpoint", "checkpoints/latest.pt", "--db", db)
    local embedded = find(embeddings, "stage done")
    add(size, "embeddings", find(embeddings, "wrote").rows, embedded.seconds, embedded.peak_mb)
end

print(frame.from_table(rows, { order = { "size", "stage", "rows", "seconds", "rows_per_s", "peak_mb" } }))
