-- Verification: that the functions of the database give the features the model was trained on (parity), and that the
-- published files and one payload give a user's input vector (serving).

local feature_parity = require("two_tower.check.feature_parity")
local fs = require("tt.fs")
local input_parity = require("two_tower.check.input_parity")
local json = require("tt.json")
local log = require("tt.log")
local options = require("two_tower.options")
local rpc = require("two_tower.data.rpc")
local time = require("tt.time")

local given = options.parse({
    name = "verify.lua",
    summary = "parity: computes every feature of every user and item from the tables and from the payload functions, "
        .. "and shows the largest differences; checks that payloads can produce the schema's features. serving: makes "
        .. "the input vectors of some users from the published JSON files and payloads alone, and compares them with "
        .. "the training side's. Exit status 1 when something differs by more than 1e-6 (relative; absolute below 1).",
    database = true,
    rpc = true,
    remote = true,
    positional = { { name = "WHAT", choices = { "parity", "serving" } } },
    options = {
        { flag = "--artifacts", type = "path", value = "DIR", help = "the bundle: reference time, schema, vocabularies "
            .. "(default: artifacts for serving, none for parity)" },
        { flag = "--checkpoint", type = "path", help = "the checkpoint (default: checkpoints/latest.pt for serving, "
            .. "none for parity)" },
        { flag = "--user", value = "UUID", multiple = true, help = "serving: whom to check; may be repeated (default: "
            .. "five users, from the one with the fewest likes to the one with the most)" },
        { flag = "--output", type = "path", help = "serving: write users, inputs and embeddings there as JSON" },
    },
    examples = {
        "tt verify.lua parity --pg-dsn postgresql:///shop --artifacts artifacts",
        "tt verify.lua serving --pg-dsn postgresql:///shop --user 00000000-0000-4000-8000-000000000001",
        "tt verify.lua parity --db sqlite:shop.sqlite --rpc rest --supabase-url https://PROJECT.supabase.co",
    },
})
if given.what == "parity" and (given.output or #given.user > 0) then
    tt.error("usage", "--user and --output go with serving")
end

local function report(name, rows) log.info("read", json.object({ { "table", name }, { "rows", rows } })) end

local function verify_parity(db, source)
    local result = feature_parity.run(db, source, { artifacts = given.artifacts, checkpoint = given.checkpoint,
        report = report })
    local failed = {}
    if log.is_json() then
        print(json.encode({ now = time.format(result.now), features = json.array(result.rows),
            breaks = json.array(result.breaks), compared = result.compared, missing = result.missing,
            unknown = result.unknown }))
    else
        print(("%d users and %d items at %s, tolerance %g"):format(result.compared.user, result.compared.item,
            time.format(result.now), feature_parity.TOLERANCE))
        print(("%-6s%-20s%-14s%-14s%-38s"):format("", "feature", "absolute", "relative", "where"))
        for _, row in ipairs(result.rows) do
            print((("%-6s%-20s%-14.6g%-14.6g%-38s%s"):format(row.entity, row.feature, row.absolute, row.relative,
                row.id or "", row.ok and "ok" or "DIFFERS"):gsub("%s+$", "")))
        end
        for _, broken in ipairs(result.breaks) do print(("contract: %s: %s"):format(broken.name, broken.reason)) end
    end
    for _, row in ipairs(result.rows) do
        if not row.ok then failed[#failed + 1] = ("%s '%s' of %s"):format(row.entity, row.feature, row.id) end
    end
    for _, broken in ipairs(result.breaks) do failed[#failed + 1] = ("contract: '%s'"):format(broken.name) end
    for _, entity in ipairs({ "user", "item" }) do
        local function note(kind, text)
            if result[kind][entity] > 0 then
                failed[#failed + 1] = text:format(result[kind][entity], entity)
            end
        end
        note("missing", "%d %ss without a payload")
        note("unknown", "%d payloads of %ss that the tables do not hold")
    end
    if result.compared.user + result.compared.item == 0 then
        tt.error("verify.parity", "nothing was compared: the database has neither users nor videos")
    end
    if #failed > 0 then
        tt.error("verify.parity", ("%s and the tables do not agree: %s"):format(source.name,
            table.concat(failed, "; ")))
    end
end

local function verify_serving(db, source)
    local results = input_parity.run(db, source, { artifacts = given.artifacts or "artifacts",
        checkpoint = given.checkpoint or fs.join("checkpoints", "latest.pt"), users = given.user, report = report })
    local failed = {}
    for _, result in ipairs(results) do
        if result.differs > 0 then failed[#failed + 1] = result.user_id end
        if log.is_json() then
            print(json.encode(json.object({ { "user_id", result.user_id }, { "slots", result.slots },
                { "differs", result.differs }, { "largest", result.largest },
                { "where", result.where or json.null } })))
        else
            print(("user %s  %d slots  largest difference %.3g%s  %s"):format(result.user_id, result.slots,
                result.largest, result.where and (" at %s"):format(result.where) or "",
                result.differs == 0 and "ok" or ("%d DIFFER"):format(result.differs)))
        end
    end
    if given.output then input_parity.write(given.output, results) end
    if #failed > 0 then
        tt.error("verify.serving", ("the consumer's input differs from the training side's for %s"):format(
            table.concat(failed, ", ")))
    end
end

local project <close> = options.open_rpc(given)
local db <close> = options.open(given, { read_only = true })
local source = rpc.require_source(db, { rpc = given.rpc, project = project })
if given.what == "parity" then verify_parity(db, source) else verify_serving(db, source) end
