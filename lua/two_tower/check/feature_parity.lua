--- Parity: every feature of every user and item, computed from the tables and from payloads of the functions, side by
--- side. The features are compared, not the payloads, so the result says what a model would notice.

local checkpoint = require("two_tower.bundle.checkpoint")
local consumer = require("two_tower.check.consumer")
local contract = require("two_tower.check.contract")
local declared = require("two_tower.features")
local extract = require("two_tower.data.extract")
local frame = require("tt.frame")
local payload_parity = require("two_tower.check.payload_parity")
local payloads = require("two_tower.data.payloads")
local progress = require("tt.progress")
local rpc = require("two_tower.data.rpc")
local time = require("tt.time")

local feature_parity = {}

-- Relative, and absolute below 1.
feature_parity.TOLERANCE = 1e-6
-- Payloads asked for by their ids at a time.
local SINGLES = 1000

---@class two_tower.ParityRow
---@field entity "user"|"item"
---@field feature string
---@field absolute number largest difference
---@field relative number the same over the larger of the two values
---@field id string|nil where it is
---@field ok boolean

---@class two_tower.Parity
---@field rows two_tower.ParityRow[]
---@field breaks { name: string, reason: string }[] see `contract.breaks`
---@field compared { user: integer, item: integer }
---@field missing { user: integer, item: integer } that a page of the source should hold, and none does
---@field unknown { user: integer, item: integer } that the source has and the tables have not
---@field now integer

-- Keeps the row with the largest difference of a feature; `pairs_` has id, a and b.
local function note(rows, entity, feature, pairs_)
    local worst = pairs_:with({
        { "absolute", "abs(a - b)" },
        { "larger", "greatest(abs(a), abs(b))" },
        -- What is not finite differs from everything.
        { "scaled", "if(absolute < 1e300, absolute / greatest(1, larger), 1e300)" },
    }):sort({ "-scaled", "-absolute", "id" }):head(1)
    local best
    for _, row in ipairs(rows) do
        if row.entity == entity and row.feature == feature then best = row end
    end
    if not best then
        best = { entity = entity, feature = feature, absolute = 0.0, relative = 0.0, ok = true, scaled = 0.0 }
        rows[#rows + 1] = best
    end
    if #worst > 0 and worst.scaled[1] > best.scaled then
        best.absolute, best.scaled, best.id = worst.absolute[1], worst.scaled[1], worst.id[1]
        best.relative = worst.absolute[1] / math.max(worst.larger[1], 5e-324)
        best.ok = best.scaled <= feature_parity.TOLERANCE
    end
end

-- A bag as the numbers it gives: one per owner and token, of length 1 per owner.
local function normalised(pairs_, tokens)
    if tokens then pairs_ = pairs_:filter(pairs_.token:is_in(tokens)) end
    local counts = pairs_:group_by({ "owner", "token" }):agg({ { "*", "count", as = "n" } })
        :with({ { "square", "float(n * n)" } })
    local norms = counts:group_by({ "owner" }):agg({ { "square", "sum", as = "total" } })
    return counts:join(norms, { on = "owner" }):with({ { "x", "n / sqrt(total)" } }):select({ "owner", "token", "x" })
end

local function note_bag(found, entity, feature, own, theirs, tokens)
    local key = { "owner", "token" }
    own, theirs = normalised(own, tokens):rename({ x = "a" }), normalised(theirs, tokens):rename({ x = "b" })
    local sides = frame.concat({
        own:join(theirs, { on = key, how = "left" }):fill_null({ b = 0.0 }),
        theirs:join(own, { on = key, how = "anti" }):with({ { "a", "0.0" } }):select({ "owner", "token", "a", "b" }),
    })
    note(found, entity, feature, sides:rename({ owner = "id" }))
end

-- Compares the payloads of the same ids.
local function compare(found, entity, set, vocabularies, own, theirs)
    local function sorted(payload)
        return { frame = payload.frame:sort({ "id" }), lists = payload.lists }
    end
    own, theirs = sorted(own), sorted(theirs)
    for _, feature in ipairs(set:features(entity)) do
        if feature.vocabulary then
            local list = set:vocabulary(feature.vocabulary).tokens
            if theirs.lists[list] then
                note_bag(found, entity, feature.name, own.lists[list], theirs.lists[list],
                    vocabularies[feature.vocabulary])
            end
        elseif contract.can_give(set, feature, theirs.frame) then
            note(found, entity, feature.name, frame.from_columns({ { "id", own.frame.id },
                { "a", set:value(feature, own.frame) }, { "b", set:value(feature, theirs.frame) } }))
        end
    end
end

-- Payloads of ids that no page holds: users without a decision, videos that are not active.
local function singles(source, entity, ids, now)
    local first = 1
    return function()
        if first > #ids then return nil end
        local part = ids:slice(first, SINGLES)
        first = first + SINGLES
        return rpc.read(source, entity, source:singles(entity, part.id), now)
    end
end

local function compare_entity(report, entity, source, own, now, context)
    local ids = own.frame:select({ "id" })
    local rest = ids
    local bar <close> = progress.bar({ label = entity .. "s", unit = "rows" })
    local function take(block)
        local known = rpc.only(block, ids)
        report.unknown[entity] = report.unknown[entity] + #block.frame - #known.frame
        compare(report.rows, entity, context.set, context.vocabularies, rpc.only(own, known.frame), known)
        report.compared[entity] = report.compared[entity] + #known.frame
        rest = rest:join(known.frame, { on = "id", how = "anti" })
    end
    local function each(rows) bar:update(rows) end
    for block in rpc.blocks(source, entity, { now = now, each = each }) do take(block) end
    report.missing[entity] = #rest:join(context.expected[entity], { on = "id", how = "semi" })
    for block in singles(source, entity, rest, now) do
        take(block)
        each(#block.frame)
    end
end

--- All users there are: those with a profile, and those with nothing but decisions.
---@param data two_tower.Data
---@return tt.Frame profiles user_id and the declared columns, null without a profile; ascending
function feature_parity.everyone(data)
    return frame.concat({ data.profiles:select({ "user_id" }), data.decisions:select({ "user_id" }) }):unique()
        :join(data.profiles, { on = "user_id", how = "left" }):sort({ "user_id" })
end

-- Names that bags are compared over: those of the published or the trained vocabularies, else all.
local function vocabularies_of(published, loaded)
    local found = {}
    for name, vocabulary in pairs(loaded and loaded.vocabularies or {}) do found[name] = vocabulary:tokens() end
    for name, tokens in pairs(published and published.vocabularies or {}) do found[name] = tokens end
    return found
end

--- Compares all features of all users and items.
---@param db tt.Database
---@param source two_tower.RpcSource
---@param options { artifacts?: string, checkpoint?: string, features?: two_tower.FeatureSet,
---  report?: fun(name: string, rows: integer) } the artifacts or the checkpoint give the reference time, vocabularies
---  and, the former, the schema that must be producible
---@return two_tower.Parity
function feature_parity.run(db, source, options)
    local set = options.features or declared
    local published = options.artifacts and consumer.read(options.artifacts)
    local loaded = options.checkpoint and checkpoint.load(options.checkpoint, set)
    local report = { rows = {}, compared = { user = 0, item = 0 }, missing = {},
        unknown = { user = 0, item = 0 } }
    local context = { set = set, vocabularies = vocabularies_of(published, loaded) }
    extract.read(db, set, options.report, function(data)
        report.now = published and published.now or loaded and loaded.reference_time or data.reference_time
            or time.now()
        local item_now = data.item_reference_time
        if loaded and loaded.has_item_reference then item_now = loaded.item_reference_time end
        context.expected = { item = payload_parity.active_items(db),
            user = data.decisions:select({ "user_id" }):unique():rename({ user_id = "id" }) }
        compare_entity(report, "user", source,
            payloads.users(set, data, data.decisions, feature_parity.everyone(data), report.now), report.now, context)
        compare_entity(report, "item", source, payloads.items(set, data, item_now), item_now, context)
        report.breaks = contract.breaks(published and published.schema, set, rpc.payload_fields(source, "user"))
        table.move(contract.not_given(set, "item"), 1, 1000, #report.breaks + 1, report.breaks)
    end)
    return report
end

return feature_parity
