-- The functions of config/schema.sql on PostgreSQL, and payloads read from them, beside the aggregation in Lua. In a
-- database of its own; without TT_TEST_PG_DSN it says so and skips.
local database = require("two_tower.data.database")
local databases = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/databases.lua")
local extract = require("two_tower.data.extract")
local frame = require("tt.frame")
local json = require("tt.json")
local log = require("tt.log")
local feature_parity = require("two_tower.check.feature_parity")
local payloads = require("two_tower.data.payloads")
local rpc = require("two_tower.data.rpc")
local payload_parity = require("two_tower.check.payload_parity")
local schema = require("two_tower.data.schema")
local sql = require("tt.sql")
local set = require("two_tower.features")
local t = require("tt.test")
local time = require("tt.time")

if not databases.server then
    t.test("payload functions", function() t.skip(databases.reason) end)
    return
end
local own_databases <close> = databases.open()

local function id(number) return ("00000000-0000-4000-8000-%012x"):format(number) end

-- Videos are 0x101 to 0x109, users 1 to 4; 0x199 is a video that is not there.
local NASTY = ([[
    INSERT INTO public.profiles (user_id, created_at) VALUES
        ('U1', '2024-12-31 15:00:00.000001+00'), ('U2', 'infinity'), ('U4', '2025-01-01 00:00+00');
    INSERT INTO public.videos (id, price, duration_seconds, product_released_at, is_active) VALUES
        ('V1', 500, 60, '2025-01-01 09:00+09', true), ('V2', 1980.50, NULL, '2025-01-02 00:00:00.5+00', true),
        ('V3', 'NaN', 0, 'infinity', true), ('V4', 0.25, 1, '-infinity', true), ('V5', 7, 1, NULL, true),
        ('V6', 100, 1, NULL, true), ('V7', 'Infinity', 1, NULL, true), ('V8', 3, 1, NULL, false),
        ('V9', NULL, 1, NULL, NULL);
    INSERT INTO public.user_video_decisions (user_id, video_id, decision_type, created_at) VALUES
        ('U1', 'V1', 'like', '2025-01-01 00:30+00'), ('U1', 'V1', 'nope', '2025-02-01 00:00+00'),
        ('U1', 'V2', 'nope', '2025-01-01 00:00+00'), ('U1', 'V2', 'like', '2025-01-02 23:10:00.123456+00'),
        ('U1', 'V2', 'like', '2025-01-02 23:10:00.123456+00'), ('U1', 'V3', 'like', NULL),
        ('U1', 'V3', 'nope', NULL), ('U1', 'V4', 'like', 'infinity'), ('U1', 'V4', 'nope', NULL),
        ('U1', 'V5', 'watched', '2025-01-01 00:00+00'), ('U1', 'V5', 'like', '-infinity'),
        ('U1', 'V6', 'nope', '2025-01-10 00:00+00'), ('U1', 'V6', 'like', '2025-01-10 00:00+00'),
        ('U1', 'V7', 'like', NULL), ('U1', 'MISSING', 'like', '2025-03-01 05:00+00'),
        ('U2', 'V1', 'nope', '2025-01-01 00:00+00'), ('U3', 'V1', 'like', '2025-01-01 00:15+00');
    INSERT INTO public.video_tags VALUES ('V2', 'b'), ('V2', 'b'), ('V2', ''), ('V2', 'a '), ('V6', 'b'),
        ('V6', '😀'), ('V6', '｡'), ('V1', 'B'), ('MISSING', 'ghost'), ('V8', 'q"\x'), ('V8', E'line\nbreak');
    INSERT INTO public.video_performers VALUES ('V2', 'P'), ('V2', 'P'), ('V6', ''), ('MISSING', 'ghost');
]]):gsub("'U(%d)'", function(n) return ("'%s'"):format(id(tonumber(n))) end)
    :gsub("'V(%d)'", function(n) return ("'%s'"):format(id(0x100 + tonumber(n))) end)
    :gsub("'MISSING'", ("'%s'"):format(id(0x199)))

local function init(db) database.apply(db, { dim = 8 }, function() end) end

-- A database of its own with the given rows, in a session far from UTC.
local function nasty(name, shape)
    local db = sql.open(own_databases:make(name))
    if shape then db:exec(shape) else schema.create(db, { keys = false }) end
    init(db)
    if not shape then db:exec(NASTY) end
    db:exec("SET TIME ZONE 'Asia/Tokyo'")
    return db
end

local db <close> = nasty("rpc")

local function user_payload(number)
    return json.decode(db:query("SELECT get_user_embedding_features($1::uuid)::text AS p", { id(number) }).p[1])
end
local function item_payload(number)
    return json.decode(db:query("SELECT get_item_embedding_features($1::uuid)::text AS p", { id(number) }).p[1])
end

t.test("a user's payload counts effective decisions, cleaned, in UTC", function()
    local one = user_payload(1)
    t.near(one.decision_stats.average_like_hour, (23 + 5 + 0) / 3, 1e-12)
    t.near(one.price_stats.mean, (1980.5 + 0.25 + 100) / 3, 1e-9)
    one.decision_stats.average_like_hour, one.price_stats.mean = nil, nil
    t.equal(one, {
        user_id = id(1), profile = { created_at = "2024-12-31T15:00:00.000001+00:00" },
        decision_stats = { like_count = 6, nope_count = 1, decision_count = 8,
            recent_like_at = "2025-03-01T05:00:00+00:00" },
        price_stats = { median = 100.0 }, tags = { "a ", "b", "b", "｡", "😀" }, performers = { "P" },
    })
    local two = user_payload(2)
    t.equal(two, { user_id = id(2), profile = { created_at = json.null },
        decision_stats = { like_count = 0, nope_count = 1, decision_count = 1, recent_like_at = json.null,
            average_like_hour = 12.0 }, price_stats = { mean = 0, median = 0 }, tags = {}, performers = {} })
    local three = user_payload(3)
    t.near(three.decision_stats.average_like_hour, 0, 0)
    t.equal(three.profile.created_at, json.null)
    t.equal(three.tags, { "B" })
    t.equal(user_payload(77).decision_stats, { like_count = 0, nope_count = 0, decision_count = 0,
        recent_like_at = json.null, average_like_hour = 12.0 })
end)

t.test("an item's payload is cleaned, its names ascend by code point", function()
    t.equal(item_payload(0x102), { video_id = id(0x102), price = 1980.5, duration_seconds = json.null,
        product_released_at = "2025-01-02T00:00:00.5+00:00", distribution_started_at = json.null, safety_level = 0,
        region_codes = {}, tags = { "a ", "b" }, performers = { "P" } })
    t.equal(item_payload(0x106).tags, { "b", "｡", "😀" })
    for _, number in ipairs({ 0x103, 0x104 }) do t.equal(item_payload(number).product_released_at, json.null) end
    t.equal({ item_payload(0x103).price, item_payload(0x107).price }, { json.null, json.null })
    t.equal(item_payload(0x108).tags, { "line\nbreak", 'q"\\x' })
    t.equal(item_payload(0x199), { video_id = id(0x199), price = json.null, duration_seconds = json.null,
        product_released_at = json.null, distribution_started_at = json.null, safety_level = json.null,
        region_codes = {}, tags = {}, performers = {} })
end)

t.test("pages ascend by id, hold what a single call gives, and are clamped", function()
    local function page(entity, arguments)
        local kind = entity == "user" and "user_id" or "video_id"
        return db:query(("SELECT %s AS id, payload::text AS payload FROM get_%s_embedding_feature_batch(%s)"):format(
            kind, entity, arguments))
    end
    t.equal(page("user", "").id:to_table(), { id(1), id(2), id(3) })
    t.equal(page("user", "1, 1").id:to_table(), { id(2) })
    t.equal(page("user", "0, -5").id:to_table(), { id(1) })
    t.equal(page("user", "NULL, NULL").id:to_table(), { id(1), id(2), id(3) })
    t.equal(#page("user", "5, 3"), 0)
    local items = page("item", "p_limit => 1000, p_offset => 1")
    t.equal(items.id[1], id(0x102))
    t.equal(#items, 6)
    for _, name in ipairs({ "user", "item" }) do
        for row in page(name, ""):rows() do
            t.equal(db:query(("SELECT get_%s_embedding_features($1::uuid)::text AS p"):format(name), { row.id }).p[1],
                row.payload)
        end
    end
    db:transaction(function()
        db:exec("INSERT INTO public.videos (id) SELECT gen_random_uuid() FROM generate_series(1, 1200)")
        t.equal(#page("item", "5000"), 1000)
        t.equal(#page("item", ""), 100)
        db:exec("DELETE FROM public.videos WHERE price IS NULL AND duration_seconds IS NULL")
    end)
end)

-- All users and videos, aggregated in Lua.
local function own_payloads(from)
    local data = extract.read(from, set)
    return { user = payloads.users(set, data, data.decisions, feature_parity.everyone(data), data.reference_time),
        item = payloads.items(set, data, data.item_reference_time) }
end

local function ids(numbers)
    local list = {}
    for index, number in ipairs(numbers) do list[index] = id(number) end
    return frame.from_table({ id = frame.column(list, "uuid") })
end

local ACTIVE = { 0x101, 0x102, 0x103, 0x104, 0x105, 0x106, 0x107 }

local function compare(from)
    local own, source = own_payloads(from), rpc.database(from)
    return payload_parity.require_equal(source, "user", own.user, ids({ 1, 2, 3 }))
        + payload_parity.require_equal(source, "item", own.item, ids(ACTIVE))
end

t.test("payloads equal the aggregation in Lua", function() t.equal(compare(db), 10) end)

t.test("names kept apart give the same payloads, before and after", function()
    local apart <close> = nasty("rpc_apart", [[
        CREATE TABLE public.tags (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
        CREATE TABLE public.performers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
        CREATE TABLE public.video_tags (video_id uuid, tag_id uuid);
        CREATE TABLE public.video_performers (video_id uuid, performer_id bigint);
        CREATE TYPE decision AS ENUM ('nope', 'like', 'watched');
        CREATE TABLE public.user_video_decisions (user_id uuid, video_id uuid, decision_type decision,
            created_at timestamptz);
        CREATE TABLE public.videos (id uuid PRIMARY KEY, price double precision, duration_seconds integer,
            product_released_at timestamptz, distribution_started_at timestamptz, safety_level smallint DEFAULT 0,
            region_codes jsonb DEFAULT '[]', is_active boolean DEFAULT true)]])
    local here, places = NASTY, {}
    for _, kind in ipairs({ "tag", "performer" }) do
        here = here:gsub(("INSERT INTO public.video_%ss VALUES ([^;]*);"):format(kind), function(rows)
            -- Two of the same name under different keys, as nothing forbids.
            places[#places + 1] = ([[
                INSERT INTO public.%ss (name) SELECT n FROM (VALUES %s) AS x (v, n);
                INSERT INTO public.video_%ss SELECT DISTINCT v::uuid, y.id FROM (VALUES %s) AS x (v, n)
                    JOIN public.%ss AS y ON y.name = n;
            ]]):format(kind, rows, kind, rows, kind)
            return ""
        end)
    end
    apart:exec(here .. table.concat(places))
    t.equal(compare(apart), 10)
    for _, name in ipairs({ "user", "item" }) do
        local query = ("SELECT payload FROM get_%s_embedding_feature_batch(100, 0)"):format(name)
        local function plain(from) -- 1980.5 and 1980.50 are one number
            local list = from:query(query).payload:to_table()
            for index, text in ipairs(list) do list[index] = json.decode(text) end
            return list
        end
        local a, b = plain(db), plain(apart)
        t.equal(#a, #b)
        for index, payload in ipairs(a) do
            t.equal(payload.tags, b[index].tags)
            t.equal(payload.performers, b[index].performers)
            t.equal(payload.decision_stats, b[index].decision_stats)
        end
    end
    local lost = t.error("schema.columns", function()
        apart:exec("ALTER TABLE public.tags RENAME COLUMN name TO label")
        init(apart)
    end)
    t.ok(lost.message:find("video_tags", 1, true), lost.message)
end)

-- Replaces the page function of users (or items) by one whose payloads are changed.
local function changed(entity, expression)
    local kind = entity == "user" and "user_id" or "video_id"
    db:exec(([[CREATE OR REPLACE FUNCTION public.get_%s_embedding_feature_batch(p_limit integer DEFAULT 100,
        p_offset integer DEFAULT 0) RETURNS TABLE (%s uuid, payload jsonb) LANGUAGE sql STABLE AS $$
        SELECT f.%s, %s FROM public.tt_%s_payloads(ARRAY(SELECT DISTINCT x.%s FROM public.%s AS x
            ORDER BY 1 LIMIT p_limit OFFSET p_offset)) AS f $$]]):format(entity, kind, kind, expression, entity,
        entity == "user" and "user_id" or "id", entity == "user" and "user_video_decisions" or "videos"))
end

t.test("a payload that is wrong is refused, naming id and field", function()
    local function refused(entity, number, field, change)
        changed(entity, ("CASE WHEN f.%s = '%s' THEN %s ELSE f.payload END"):format(
            entity == "user" and "user_id" or "video_id", id(number), change))
        local raised = t.error("rpc.disagrees", compare, db)
        t.equal({ raised.details.id, raised.details.field, raised.details.entity }, { id(number), field, entity })
        t.ok(raised.message:find(id(number), 1, true) and raised.message:find(field, 1, true), raised.message)
        t.ok(raised.message:find("tt db_init.lua", 1, true), raised.message)
        init(db)
    end
    refused("user", 1, "decision_stats.like_count", "jsonb_set(f.payload, '{decision_stats,like_count}', '7')")
    refused("user", 3, "decision_stats.average_like_hour",
        "jsonb_set(f.payload, '{decision_stats,average_like_hour}', '12')")
    refused("user", 1, "price_stats.mean", "jsonb_set(f.payload, '{price_stats,mean}', '693.58334')")
    refused("user", 1, "decision_stats.recent_like_at",
        "jsonb_set(f.payload, '{decision_stats,recent_like_at}', '\"2025-03-01T05:00:00.000001+00:00\"')")
    refused("user", 1, "profile.created_at", "f.payload #- '{profile,created_at}'")
    refused("user", 2, "profile.created_at", "jsonb_set(f.payload, '{profile,created_at}', '\"2025-01-01T00:00Z\"')")
    refused("user", 1, "tags", "jsonb_set(f.payload, '{tags}', '[\"a \", \"b\", \"｡\", \"😀\"]')")
    refused("user", 2, "performers", "jsonb_set(f.payload, '{performers}', '[\"P\"]')")
    refused("item", 0x102, "price", "jsonb_set(f.payload, '{price}', '1980.5001')")
    refused("item", 0x106, "tags", "jsonb_set(f.payload, '{tags}', '[\"b\", \"B\", \"｡\", \"😀\"]')")
    t.equal(compare(db), 10)
end)

t.test("a payload that is not there is refused", function()
    changed("item", "f.payload")
    db:exec(("DELETE FROM public.videos WHERE id = '%s'"):format(id(0x107)))
    local own = own_payloads(db)
    own.item.frame = frame.concat({ own.item.frame, own.item.frame:head(1):with({
        { "id", frame.column({ id(0x107) }, "uuid") } }) })
    local raised = t.error("rpc.missing", payload_parity.require_equal, rpc.database(db), "item", own.item, ids(ACTIVE))
    t.equal(raised.details.id, id(0x107))
    db:exec(("INSERT INTO public.videos (id, price, duration_seconds) VALUES ('%s', 'Infinity', 1)"):format(id(0x107)))
    init(db)
    t.equal(compare(db), 10)
end)

t.test("a function that fails says which one and what to do", function()
    db:exec([[CREATE OR REPLACE FUNCTION public.get_user_embedding_feature_batch(p_limit integer DEFAULT 100,
        p_offset integer DEFAULT 0) RETURNS TABLE (user_id uuid, payload jsonb) LANGUAGE plpgsql AS $$
        BEGIN RETURN QUERY SELECT user_id, '{}'::jsonb FROM public.user_video_decisions; END $$]])
    local raised = t.error("sql.query", compare, db)
    t.ok(raised.message:find("get_user_embedding_feature_batch of the database: ", 1, true), raised.message)
    t.ok(raised.message:find("ambiguous", 1, true) and raised.message:find("db_init", 1, true), raised.message)
    init(db)
end)

t.test("a function that never comes to an end is left", function()
    db:exec([[CREATE OR REPLACE FUNCTION public.get_user_embedding_feature_batch(p_limit integer DEFAULT 100,
        p_offset integer DEFAULT 0) RETURNS TABLE (user_id uuid, payload jsonb) LANGUAGE sql AS $$
        SELECT f.user_id, f.payload FROM public.tt_user_payloads(ARRAY(SELECT d.user_id
            FROM public.user_video_decisions AS d ORDER BY 1 LIMIT p_limit)) AS f $$]])
    t.error("rpc.repeats", compare, db)
    init(db)
end)

t.test("payloads are read as tolerantly as the consumer reads them", function()
    changed("user", [[CASE f.user_id WHEN ']] .. id(1) .. [[' THEN '{"profile": {"created_at": "no date"},
            "decision_stats": {"like_count": "12abc", "nope_count": true, "average_like_hour": "7.5e0 o''clock",
                "recent_like_at": 5, "decision_count": null}, "price_stats": [1], "tags": ["a", null, 3, "", "a"],
            "performers": "P"}'
        WHEN ']] .. id(2) .. [[' THEN '[]' ELSE NULL END::jsonb]])
    local block = rpc.blocks(rpc.database(db), "user", { now = 0 })()
    local rows = block.frame:sort({ "id" })
    t.equal(#rows, 3)
    t.equal({ rows.like_count[1], rows.nope_count[1], rows.decision_count[1], rows.average_like_hour[1] },
        { 12.0, 0.0, 12.0, 7.5 })
    t.equal({ rows.profile_created_at[1], rows.recent_like_at[1], rows.mean_price[1] }, { [3] = 0.0 })
    for row = 2, 3 do
        t.equal({ rows.like_count[row], rows.average_like_hour[row], rows.median_price[row] }, { 0.0, 12.0, 0.0 })
    end
    t.equal(block.lists.tags.token:to_table(), { "a", "a" })
    t.equal(#block.lists.performers, 0)
    init(db)
end)

t.test("a page says what a payload holds", function()
    local found = table.concat(rpc.payload_fields(rpc.database(db), "user"), " ")
    for _, shape in ipairs({ payloads.shapes(set).user }) do
        for _, field in ipairs(shape.fields) do t.ok(found:find(field[3], 1, true), field[3]) end
        for _, list in ipairs(shape.lists) do t.ok(found:find(list.place, 1, true), list.place) end
    end
end)

t.test("parity covers every user and video, and finds what differs", function()
    local report = feature_parity.run(db, rpc.database(db), {})
    t.equal(report.compared, { user = 4, item = 9 })
    t.equal({ report.missing, report.unknown }, { { user = 0, item = 0 }, { user = 0, item = 0 } })
    t.equal(report.breaks, {})
    t.equal(time.format(report.now), "2025-03-01T05:00:00Z")
    t.equal(#report.rows, 16)
    for _, row in ipairs(report.rows) do t.ok(row.ok, row.feature) end
    changed("user", ("CASE WHEN f.user_id = '%s' THEN jsonb_set(f.payload, '{tags}', '[\"b\"]') ELSE f.payload "
        .. "#- '{price_stats,median}' END"):format(id(1)))
    local bad = {}
    report = feature_parity.run(db, rpc.database(db), {})
    for _, row in ipairs(report.rows) do
        if not row.ok then bad[row.feature] = row.id end
    end
    t.equal(bad, { tag_histogram = id(1), median_price = id(3) }) -- user 2 has no price, which is the default
    changed("user", "jsonb_set(f.payload, '{decision_stats,nope_count}', '2')")
    report = feature_parity.run(db, rpc.database(db), {})
    for _, row in ipairs(report.rows) do
        if row.feature == "nope_count" then
            t.equal({ row.ok, row.absolute, row.relative, row.id }, { false, 2.0, 1.0, id(3) })
        end
    end
    init(db)
end)

t.test("where there are no functions the tables are enough", function()
    local lines = {}
    log.configure({ output = function(line) lines[#lines + 1] = line end })
    local lite <close> = sql.open("sqlite::memory:")
    local none = rpc.source(lite, {})
    db:exec("DROP FUNCTION public.get_item_embedding_feature_batch")
    local missing = rpc.source(db, {})
    init(db)
    local there = rpc.source(db, {})
    log.configure({ output = false })
    t.equal({ none, missing }, {})
    t.ok(there)
    t.equal(#lines, 2)
    t.ok(lines[1]:find("SQLite has no functions; features are aggregated from the tables instead", 1, true), lines[1])
    t.ok(lines[2]:find("no function get_item_embedding_feature_batch", 1, true), lines[2])
    t.error("rpc.none", rpc.require_source, lite, {})
end)
