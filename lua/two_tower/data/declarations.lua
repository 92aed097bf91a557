--- The forms of declarations: what `two_tower.features` may hold, and what is wrong with it.

---@class two_tower.Column
---@field [1] string its name in the payload
---@field [2] "number"|"time"|"text"
---@field from? string its name in the table (default: the same)
---@field optional? boolean null where the table lacks it, instead of an error
---@field payload? string place in what the payload functions give

---@class two_tower.Tokens
---@field name string of the list in the payload
---@field of? "user"|"item" whose they are (default: "item")
---@field link? string table of links, with a column `video_id`
---@field token? string its column of names
---@field id? string its column of ids, where names are kept apart
---@field named? string the table of `id` and `name` that it points into
---@field column? string column of the entity's own table, instead of `link`
---@field type? "text"|"list" of that column (default: "text": one token, or none)
---@field payload? string place in what the payload functions give

---@class two_tower.Vocabulary
---@field name string
---@field tokens string name of a token list
---@field min_freq? integer|string how often a token must occur; a key of `artifacts` in the configuration (default: 1)
---@field max_size? integer|string how many tokens there may be; 0: any number (default: 0)

---@class two_tower.Feature
---@field entity "user"|"item"
---@field segment string name of one of the entity's segments
---@field name string
---@field expr? string expression over the payload columns, giving a number
---@field fn? fun(payload: tt.Frame): tt.Column a column of numbers, one per payload row
---@field default? number instead of null (default 0)
---@field vocabulary? string for a bag of tokens, instead of `expr`, `fn` and `default`
---@field listed? "numeric"|"bucketized"|"aggregations" where the configuration's `features` section names it

---@class two_tower.Declared
---@field columns { user: two_tower.Column[], item: two_tower.Column[] }
---@field tokens two_tower.Tokens[]
---@field segments { user: table[], item: table[] }
---@field vocabularies two_tower.Vocabulary[]
---@field features two_tower.Feature[]

local declarations = {}

--- Raises `features.declaration`.
---@param message string as `string.format` takes it
function declarations.fail(message, ...)
    tt.error("features.declaration", message:format(...))
end

local fail = declarations.fail

local ENTITIES = { user = true, item = true }
--- The sections of a declaration.
declarations.SECTIONS = { "columns", "tokens", "segments", "vocabularies", "features" }
-- What payloads of users are computed from, and the item's reference time.
local NEEDED = { user = { profile_created_at = "time" }, item = { price = "number", product_released_at = "time" } }

local function set_of(...)
    local set = {}
    for _, name in ipairs({ ... }) do set[name] = true end
    return set
end

local FIELDS = {
    column = set_of(1, 2, "from", "optional", "payload"),
    tokens = set_of("name", "of", "link", "token", "id", "named", "column", "type", "payload"),
    vocabulary = set_of("name", "tokens", "min_freq", "max_size"),
    feature = set_of("entity", "segment", "name", "expr", "fn", "default", "vocabulary", "listed"),
}

local function check_fields(kind, label, declared)
    if type(declared) ~= "table" then fail("%s must be a table", label) end
    for field in pairs(declared) do
        if not FIELDS[kind][field] then fail("%s has an unknown field '%s'", label, tostring(field)) end
    end
end

local function is_name(value) return type(value) == "string" and value:match("^[%a_][%w_]*$") ~= nil end

local function check_columns(entity, columns)
    local seen = {}
    for index, column in ipairs(columns) do
        local label = ("column %d of %s"):format(index, entity)
        check_fields("column", label, column)
        local name, kind = column[1], column[2]
        if not is_name(name) or not is_name(column.from or name) then fail("%s has no name of letters", label) end
        label = ("column '%s' of %s"):format(name, entity)
        if kind ~= "number" and kind ~= "time" and kind ~= "text" then
            fail("%s: its type must be 'number', 'time' or 'text'", label)
        end
        if seen[name] or name == "id" or name == "now" then fail("%s: the payload has another of that name", label) end
        seen[name] = kind
    end
    for name, kind in pairs(NEEDED[entity]) do
        if seen[name] ~= kind then
            fail("%s needs the column '%s' of type '%s': payloads are computed from it", entity, name, kind)
        end
    end
end

local function check_tokens(list)
    local seen = {}
    for index, tokens in ipairs(list) do
        check_fields("tokens", ("token list %d"):format(index), tokens)
        if not is_name(tokens.name) then fail("token list %d has no name of letters", index) end
        local label = ("token list '%s'"):format(tokens.name)
        if seen[tokens.name] then fail("%s is declared twice", label) end
        if tokens.of ~= nil and not ENTITIES[tokens.of] then fail("%s: 'of' must be 'user' or 'item'", label) end
        for _, field in ipairs({ "link", "token", "id", "named", "column" }) do
            if tokens[field] ~= nil and not is_name(tokens[field]) then
                fail("%s: '%s' must be a name of letters", label, field)
            end
        end
        if (tokens.link == nil) == (tokens.column == nil) then fail("%s needs either link or column", label) end
        if tokens.link then
            if tokens.of == "user" then fail("%s: a user's own tokens come from a column of 'profiles'", label) end
            if (tokens.id == nil) ~= (tokens.named == nil) then fail("%s: id and named go together", label) end
            if not tokens.token and not tokens.id then fail("%s: the link needs token, or id and named", label) end
            if tokens.type then fail("%s: 'type' is for a column", label) end
        elseif tokens.token or tokens.id or tokens.named then
            fail("%s: token, id and named are for a link", label)
        elseif tokens.type ~= nil and tokens.type ~= "text" and tokens.type ~= "list" then
            fail("%s: its type must be 'text' or 'list'", label)
        end
        seen[tokens.name] = true
    end
    return seen
end

local function check_vocabularies(list, lists)
    local seen = {}
    for index, vocabulary in ipairs(list) do
        check_fields("vocabulary", ("vocabulary %d"):format(index), vocabulary)
        if not is_name(vocabulary.name) then fail("vocabulary %d has no name of letters", index) end
        local label = ("vocabulary '%s'"):format(vocabulary.name)
        if seen[vocabulary.name] then fail("%s is declared twice", label) end
        if not lists[vocabulary.tokens] then
            fail("%s: no token list '%s' is declared", label, tostring(vocabulary.tokens))
        end
        for _, field in ipairs({ "min_freq", "max_size" }) do
            local limit = vocabulary[field]
            if limit ~= nil and type(limit) ~= "string" and not (math.type(limit) == "integer" and limit >= 0) then
                fail("%s: %s must be a number from 0 on, or a key of the configuration's artifacts section", label,
                    field)
            end
        end
        seen[vocabulary.name] = vocabulary
    end
    return seen
end

-- The segments by "entity/name".
local function check_segments(declared)
    local seen = {}
    for entity, segments in pairs(declared) do
        local bags = false
        for _, segment in ipairs(segments) do
            local is_bag = segment.type == "l2_normalized_bow"
            if bags and not is_bag then
                fail("segment '%s' of %s must stand before the token segments", segment.name, entity)
            end
            bags = bags or is_bag
            seen[entity .. "/" .. segment.name] = segment
        end
    end
    return seen
end

local function check_feature(feature, index, declared, segments, vocabularies)
    local label = ("feature %d (%s)"):format(index, tostring(type(feature) == "table" and feature.name))
    check_fields("feature", label, feature)
    if type(feature.name) ~= "string" or feature.name == "" then fail("feature %d has no name", index) end
    if not ENTITIES[feature.entity] then fail("%s: entity must be 'user' or 'item'", label) end
    local segment = segments[feature.entity .. "/" .. tostring(feature.segment)]
    if not segment then fail("%s: %s has no segment '%s'", label, feature.entity, tostring(feature.segment)) end
    local ways = (feature.expr and 1 or 0) + (feature.fn and 1 or 0) + (feature.vocabulary and 1 or 0)
    if ways ~= 1 then fail("%s needs exactly one of expr, fn and vocabulary", label) end
    if (segment.type == "l2_normalized_bow") ~= (feature.vocabulary ~= nil) then
        fail("%s: segment '%s' holds %s", label, segment.name, segment.type == "l2_normalized_bow"
            and "a bag of tokens" or "numbers")
    end
    if not feature.vocabulary then return end
    local vocabulary = vocabularies[feature.vocabulary]
    if not vocabulary then fail("%s: no vocabulary '%s' is declared", label, feature.vocabulary) end
    for _, tokens in ipairs(declared.tokens) do
        if tokens.name == vocabulary.tokens and tokens.of == "user" and feature.entity == "item" then
            fail("%s: '%s' are tokens of users", label, tokens.name)
        end
    end
end

local function check_features(declared, segments, vocabularies)
    local seen = {}
    for index, feature in ipairs(declared.features) do
        check_feature(feature, index, declared, segments, vocabularies)
        local key = feature.entity .. ":" .. feature.name
        if seen[key] then fail("%s is declared twice for %s", feature.name, feature.entity) end
        seen[key] = true
        if feature.vocabulary then
            local slot = "bag of " .. feature.entity .. "/" .. feature.segment
            if seen[slot] then
                fail("feature %d (%s): segment '%s' has a bag already; declare another one", index, feature.name,
                    feature.segment)
            end
            seen[slot] = true
        end
    end
end

--- Refuses sections that there are not.
---@param declared table
function declarations.check_sections(declared)
    local known = set_of(table.unpack(declarations.SECTIONS))
    for section in pairs(declared) do
        if not known[section] then fail("there is no section '%s'", tostring(section)) end
    end
end

--- Checks declarations as a whole.
---
--- Raises `features.declaration`, which names what is wrong.
---@param declared two_tower.Declared
function declarations.check(declared)
    declarations.check_sections(declared)
    for _, section in ipairs(declarations.SECTIONS) do
        if type(declared[section]) ~= "table" then fail("the section '%s' is missing", section) end
    end
    for entity in pairs(ENTITIES) do check_columns(entity, declared.columns[entity] or {}) end
    local vocabularies = check_vocabularies(declared.vocabularies, check_tokens(declared.tokens))
    check_features(declared, check_segments(declared.segments), vocabularies)
end

return declarations
